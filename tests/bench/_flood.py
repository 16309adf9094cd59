"""What a member's flood costs the others: sessions, its bundle, disk, memory.

One member wrote far more changes than are kept of it, with a program that has no limits. `FIELDLINE_BENCH_FLOOD` says
how many.
"""

from __future__ import annotations

import asyncio
import os
import resource
import secrets
import socket
import time
from collections.abc import Callable
from pathlib import Path

from core.body import Fact
from core.chain import Tip
from core.changes import decode_block
from core.mountain_range import Range
from core.store.connection import transaction
from core.store.ingest import Receipt, add_blocks
from core.store.quotas import DEFAULT_LIMIT, read_over_limit
from core.store.store import Store
from core.sync import bundle
from core.sync.bundle_file import BundleWriter
from core.sync.pump import StoreReplica, pump_session
from core.sync.sealed_file import SealKeys
from core.sync.session import Session
from core.value_codec import HASH_BYTES
from tests.support.store_fleet import AUTHORS, ENTITY, FLEET, FOUNDING, OTHER, Pen

FLOOD = int(os.environ.get("FIELDLINE_BENCH_FLOOD", "20000"))
HONEST = 200
BATCH = 1000
FLOODING, HONEST_WRITER = 1, 2


def _flood(count: int) -> list[bytes]:
    """Changes of one device behind those that are kept of it."""
    pen = Pen(FLOODING)
    peaks = tuple(secrets.token_bytes(HASH_BYTES) for _ in range(DEFAULT_LIMIT.bit_count()))
    before = Range(DEFAULT_LIMIT, peaks)
    pen.tip = Tip(pen.author.device, DEFAULT_LIMIT - 1, secrets.token_bytes(HASH_BYTES), before)
    return [pen.write(Fact(ENTITY, f"p{number % 50}", number), at=5 + number) for number in range(count)]


async def _make(path: Path, blocks: list[bytes]) -> Store:
    store = await Store.create(path, fleet=FLEET, clock=lambda: time.time_ns() // 1000)
    await store.save_blocks([*FOUNDING, *blocks])
    return store


async def _keep_all(store: Store, blocks: list[bytes]) -> None:
    """Keep blocks as a program does that has no limits."""
    membership = await store.membership()
    receipt = Receipt(1, AUTHORS[FLOODING].device, "tcp")
    for start in range(0, len(blocks), BATCH):
        some = [decode_block(data) for data in blocks[start : start + BATCH]]
        await store.run(
            lambda connection, some=some: transaction(connection, add_blocks, some, receipt, membership, FLEET)
        )


async def _meet(mine: Store, theirs: Store, peers: tuple[int, int] = (FLOODING, 3)) -> tuple[float, int]:
    """Run a session; gives its CPU seconds, of both ends, and the bytes that came."""
    ends = [await asyncio.open_connection(sock=end) for end in socket.socketpair()]
    begun = time.process_time()
    replicas = [
        StoreReplica(mine, AUTHORS[peers[0]].device, "tcp"),
        StoreReplica(theirs, AUTHORS[peers[1]].device, "tcp"),
    ]
    done = await asyncio.gather(
        *(
            pump_session(Session(FLEET, replica.peer, initiator=not number), *ends[number], replica)
            for number, replica in enumerate(replicas)
        )
    )
    spent = time.process_time() - begun
    for _, writer in ends:
        writer.close()
    return spent, done[0].stats.bytes_in


async def _refused(store: Store) -> int:
    return sum(each.count for each in await store.run(lambda connection: read_over_limit(connection, FLEET)))


def _memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def _import(store: Store, path: Path) -> float:
    async def no_keys() -> SealKeys | None:
        return None

    begun = time.process_time()
    await bundle.import_bundle(path, store, no_keys)
    return time.process_time() - begun


async def report(folder: Path, say: Callable[[str], None]) -> None:
    """Measure, and say what it comes to."""
    flood, honest_pen = _flood(FLOOD), Pen(HONEST_WRITER)
    honest = [honest_pen.write(Fact(OTHER, f"p{number}", number), at=5 + number) for number in range(HONEST)]
    victim = await _make(folder / "victim.db", [])
    other = await _make(folder / "other.db", honest)
    flooding = await _make(folder / "flooding.db", [])
    await _keep_all(flooding, flood)
    before, memory = (folder / "victim.db").stat().st_size, _memory_mb()
    say(f"a flood of {FLOOD} changes of one member, behind the {DEFAULT_LIMIT} that are kept of it")
    refused = 0
    for name in ("a session with it", "the next one"):
        seconds, size = await _meet(victim, flooding)
        more, refused = await _refused(victim) - refused, await _refused(victim)
        say(f"{name:<31} {seconds:8.2f} s of CPU at both ends, {more} refused, {size / 1e6:.2f} MB came")
    seconds, _ = await _meet(victim, other, (HONEST_WRITER, 3))
    came = (await victim.counts()).changes - len(FOUNDING)
    say(f"one with another device          {seconds:7.2f} s, {came} of its {HONEST} changes came")
    writer = BundleWriter(folder / "flood.fieldline", FLEET, len(flood))
    writer.write_blocks(flood)
    writer.finish()
    seconds = await _import(victim, folder / "flood.fieldline")
    say(f"its bundle                      {seconds:8.2f} s, {1e6 * seconds / FLOOD:.0f} us a change that is refused")
    grown = (folder / "victim.db").stat().st_size - before
    more = _memory_mb() - memory
    say(f"disk and memory                 {grown / 1e6:8.2f} MB more in the store, {more:.0f} MB of memory")
    for store in (victim, other, flooding):
        await store.close()

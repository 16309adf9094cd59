"""A first sync of 100k changes.

Its rate over loopback TCP, the sender in a process of its own, beside the rate at which a store saves the same blocks
from memory; what takes the CPU's time, and how soon a device on a slow line has what it needs first.

The fleet: 250 localities, 2,000 places, and years of edits of what stands at them. Bytes are those of the session,
inside TLS; link time is bytes over 11,520 bytes a second. What is said to be complete is read on both sides and
compared.
"""

from __future__ import annotations

import asyncio
import cProfile
import pstats
import random
import sqlite3
import tempfile
import time
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from pathlib import Path

from core.body import Fact
from core.changes import SCHEMA_ENTITY
from core.device.context import SCHEMA_PROPERTY_PREFIX
from core.device.home import Home
from core.identity import Identity
from core.schema_toml import load_builtin_schema
from core.service.location import find_nearby_entities
from core.store.store import Store
from core.sync import location_hint
from core.sync.events import Done, Event, Progress
from core.sync.links import tcp
from core.sync.links.tls import TlsLink
from core.sync.pump import StoreReplica
from core.sync.pump import pump_session as run_session
from core.sync.session import Session
from core.value_codec import Ref, Value
from core.workspace import Workspace
from tests.support.store_fleet import AUTHORS, FLEET, FOUNDING, Pen, fact_of

CHANGES = 100_000
LOCALITIES, PLACES = 250, 2_000
PROFILED = 10_000
LINE = 11_520
"""Bytes a second: 115,200 baud."""
MINE = 17
"""The locality of the device that joins."""
PRINTERS = [f"Acme LookNice {number}" for number in range(5000, 5100)]
SCHEMA = load_builtin_schema("service-centre")
SENDER, JOINER = (Identity(AUTHORS[number].private_key) for number in (0, 3))


def fleet(changes: int = CHANGES) -> tuple[list[bytes], list[bytes]]:
    """The blocks, oldest first, and the entities of the joining device's locality."""
    chance = random.Random(1)
    admin, pens = Pen(0, FOUNDING), [Pen(1), Pen(2)]
    blocks = list(FOUNDING)
    texts = [Fact(SCHEMA_ENTITY, SCHEMA_PROPERTY_PREFIX + kind, text) for kind, text in SCHEMA.texts().items()]
    blocks.append(admin.write(*texts, at=10))
    localities = [chance.randbytes(16) for _ in range(LOCALITIES)]
    for number, entity in enumerate(localities):
        values: dict[str, Value] = {"kind": "locality", "code": f"{number:03}", "name": f"TSC {number}",
                                  "subnet": f"10.{number}.0.0/16"}  # fmt: skip
        blocks.append(admin.write(*(Fact(entity, name, value) for name, value in values.items()), at=100 + number))
    places = [chance.randbytes(16) for _ in range(PLACES)]
    printers: list[bytes] = []
    for number, entity in enumerate(places):
        values = {"kind": "place", "name": f"Lane {number}", "locality": Ref(localities[number % LOCALITIES]),
                "printer": chance.choice(PRINTERS)}  # fmt: skip
        blocks.append(admin.write(*(Fact(entity, name, value) for name, value in values.items()), at=1000 + number))
        printers.append(fact_of(blocks[-1], 3))
    while len(blocks) < changes:
        at = chance.randrange(PLACES)
        edit = Fact(places[at], "printer", chance.choice(PRINTERS), (printers[at],))
        blocks.append(chance.choice(pens).write(edit, at=10_000 + len(blocks), note="replaced"))
        printers[at] = fact_of(blocks[-1])
    mine = [localities[MINE], *(place for number, place in enumerate(places) if number % LOCALITIES == MINE)]
    return blocks, mine


class Bench:
    """A device that has the fleet, and what is measured with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.blocks, self.mine = fleet()
        self.save_rate = 0.0

    async def prepare(self) -> None:
        """Save the blocks from memory."""
        self.sender = await self.store("sender")
        begun = time.perf_counter()
        for start in range(0, len(self.blocks), 1000):
            await self.sender.save_blocks(self.blocks[start : start + 1000])
        self.save_rate = len(self.blocks) / (time.perf_counter() - begun)

    async def store(self, name: str) -> Store:
        return await Store.create(self.folder / f"{name}.db", fleet=FLEET, clock=lambda: time.time_ns() // 1000)

    async def first_sync(self, name: str, batch: int, until: str = "") -> tuple[Store, Progress, float]:
        """Sync an empty store to the end, or until its `nearby` or `current` part.

        Gives what was told last.
        """
        joiner = await self.store(name)
        last = Progress("hello")
        ours, theirs = Pipe()
        sender = get_context("spawn").Process(target=_run_sender, args=(self.folder, batch, theirs))
        sender.start()
        link = await tcp.dial_tcp("127.0.0.1", await asyncio.to_thread(ours.recv), JOINER, _allow)
        where = location_hint.encode_location_hint([], [ip_address(f"10.{MINE}.3.7")])
        session = Session(FLEET, link.peer, initiator=True, batch_bytes=batch, location_hint=where)

        def reported(event: Event) -> None:
            nonlocal last
            if isinstance(event, Progress):
                last = event
                if until and getattr(event, until) and event.received >= getattr(event, until):
                    running.cancel()

        begun = time.perf_counter()
        running = asyncio.create_task(
            run_session(session, link.reader, link.writer, StoreReplica(joiner, link.peer, "tcp"), on_event=reported)
        )
        with suppress(asyncio.CancelledError):
            outcome = await running
            assert isinstance(outcome, Done) and outcome.equal
        seconds = time.perf_counter() - begun
        await link.close()
        ours.send(None)
        await asyncio.to_thread(sender.join)
        return joiner, last, seconds

    async def rate(self) -> None:
        profile = cProfile.Profile()
        joiner, last, seconds = await self.first_sync("whole", 1 << 18)
        assert await joiner.summary() == await self.sender.summary()
        rate = last.received / seconds
        print(f"  save from memory {self.save_rate:10,.0f} changes/s")
        print(f"  first sync       {rate:10,.0f} changes/s   x{rate / self.save_rate:.2f} (budget x0.7), "
              f"{last.bytes_in:,} bytes")  # fmt: skip
        await joiner.close()
        other = await self.store("profiled")
        for start in range(0, PROFILED, 1000):
            some = self.blocks[start : start + 1000]
            await other._database.run(partial(_profiled, profile, other, some))
        await other.close()
        stats = pstats.Stats(profile)
        top = sorted(stats.stats.items(), key=lambda item: -item[1][2])[:6]  # type: ignore[attr-defined]
        print(f"  where the time of saving {PROFILED:,} of them goes, under the profiler:")
        for (path, line, function), (_, calls, own, _, _) in top:
            print(f"    {own:7.2f} s {calls:8,} calls  {Path(path).name}:{line} {function}")

    async def state_first(self) -> None:
        joiner, last, _ = await self.first_sync("near", LINE, until="nearby_count")
        schema, here, there = SCHEMA, self.sender.now(), joiner.now()
        for entity in self.mine:
            assert await here.record(entity, schema) == await there.record(entity, schema)
        print(f"  own locality ({len(self.mine)} entities) complete after {last.bytes_in:10,} bytes, "
              f"{last.bytes_in / LINE:6.1f} s of line (budget 10 s)")  # fmt: skip
        await joiner.close()
        joiner, last, _ = await self.first_sync("current", LINE, until="current_count")
        there = joiner.now()
        for kind in ("locality", "place"):
            assert await here.records(kind, schema) == await there.records(kind, schema)
        print(f"  every current value                   after {last.bytes_in:10,} bytes, "
              f"{last.bytes_in / LINE:6.1f} s of line; "
              f"then {last.to_receive - last.received:,} changes of history")  # type: ignore[operator] # fmt: skip
        await joiner.close()


async def _allow(_device: bytes) -> bool:
    return True


def _run_sender(folder: Path, batch: int, pipe: Connection) -> None:
    """Answer with what the sender has until something comes through the pipe."""

    async def run() -> None:
        store = await Store.open(folder / "sender.db", clock=lambda: time.time_ns() // 1000)
        workspace = Workspace(Home(folder), store, user="bench", clock=lambda: 0, entropy=bytes)

        async def answer(link: TlsLink) -> None:
            session = Session(FLEET, link.peer, initiator=False, batch_bytes=batch)
            replica = StoreReplica(store, link.peer, "tcp", partial(find_nearby_entities, workspace))
            await run_session(session, link.reader, link.writer, replica)

        server = tcp.TcpListener(SENDER, _allow, answer, lambda stranger: None)
        await server.start("127.0.0.1", 0)
        pipe.send(server.port)
        await asyncio.to_thread(pipe.recv)
        await server.close()
        await store.close()

    asyncio.run(run())


def _profiled(profile: cProfile.Profile, store: Store, blocks: list[bytes], connection: sqlite3.Connection) -> None:
    """Save blocks on the store's own thread.

    The profiler sees only the thread it runs on.
    """
    profile.runcall(store._save, connection, blocks, SENDER.device, "tcp", {})


async def _all(folder: Path) -> None:
    bench = Bench(folder)
    await bench.prepare()
    print(f"first sync: {len(bench.blocks):,} changes, {LOCALITIES} localities, {PLACES:,} places")
    await bench.rate()
    await bench.state_first()
    await bench.sender.close()


def run() -> None:
    """Print rates, their ratio, and the state-first figures."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_all(Path(folder)))

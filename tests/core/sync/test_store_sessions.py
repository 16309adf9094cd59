"""Sessions with the real store and real blocks."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from core.body import Fact
from core.changes import Change, change_id, decode_block, sign_block
from core.header import sign
from core.schema import Schema
from core.store.store import Store
from core.sync.events import Done, Failed, Reason
from core.sync.pump import StoreReplica, pump_session
from core.sync.replica import HeldAt
from core.sync.session import Session
from tests.core.conftest import MakeStore
from tests.support.store_fleet import ENTITY, FLEET, FOUNDING, Pen
from tests.support.strategies import DEVICES, KEYS, SEED

Outcomes = list[Done | Failed]


def history(device: int, number: int) -> list[bytes]:
    """Changes by one device, each obsoleting the one before it."""
    pen, blocks, seen = Pen(device), list[bytes](), tuple[bytes, ...]()
    for index in range(number):
        blocks.append(pen.write(Fact(ENTITY, f"p{device}", index, seen), at=100 + index))
        seen = (change_id(blocks[-1]) + b"\0\0",)
    return blocks


@asynccontextmanager
async def link() -> AsyncIterator[list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]:
    streams = [await asyncio.open_connection(sock=end) for end in socket.socketpair()]
    try:
        yield streams
    finally:
        for _, writer in streams:
            writer.close()


async def meet(a: StoreReplica, b: StoreReplica) -> Outcomes:
    """`a` calls `b`."""
    async with link() as (here, there):
        return await asyncio.gather(
            pump_session(Session(FLEET, a.peer, initiator=True), *here, a),
            pump_session(Session(FLEET, b.peer, initiator=False), *there, b),
        )


def devices(a: Store, b: Store) -> tuple[StoreReplica, StoreReplica]:
    """Device 0 with store `a` and device 1 with store `b`."""
    return StoreReplica(a, DEVICES[1], "tcp"), StoreReplica(b, DEVICES[0], "tcp")


async def test_two_stores_end_with_equal_roots_and_know_from_whom(make_store: MakeStore) -> None:
    a = await make_store([*FOUNDING, *history(1, 60)])
    b = await make_store([*FOUNDING, *history(2, 40), *history(3, 30)])
    one, other = await meet(*devices(a, b))
    assert isinstance(one, Done)
    assert isinstance(other, Done)
    assert await a.summary() == await b.summary()
    assert (one.stats.sent, one.stats.received) == (60, 70)
    assert one.root == other.root == (await a.summary()).root
    assert (DEVICES[1], "tcp", 70) in {(met.device, met.link, met.change_count) for met in await a.source_stats()}
    again, _ = await meet(*devices(a, b))
    assert isinstance(again, Done)
    assert again.stats.bytes_out + again.stats.bytes_in <= 60
    assert (await a.verify()).problems == []
    assert (await b.verify()).problems == []


async def test_a_joining_device_takes_the_fleet_from_a_member(make_store: MakeStore) -> None:
    a, joining = await make_store([*history(1, 30), *FOUNDING]), await make_store()
    one, other = await meet(*devices(a, joining))
    assert isinstance(one, Done)
    assert isinstance(other, Done)
    assert await a.summary() == await joining.summary()
    assert (await joining.membership()).may_write(DEVICES[1])


async def test_a_joining_device_keeps_nothing_from_a_stranger(make_store: MakeStore) -> None:
    a, joining = await make_store([*FOUNDING, *history(1, 30)]), await make_store()
    one, other = await meet(StoreReplica(a, DEVICES[1], "tcp"), StoreReplica(joining, DEVICES[6], "tcp"))
    assert isinstance(one, Failed)
    assert isinstance(other, Failed)
    assert (one.reason, other.reason) == (Reason.PEER_ABORTED, Reason.NOT_A_MEMBER)
    assert (await joining.summary()).count == 0


async def test_blocks_of_another_fleet_are_refused_and_the_peer_is_named(make_store: MakeStore) -> None:
    a, b = await make_store([*FOUNDING, *history(1, 5)]), await make_store(FOUNDING)
    foreign = [
        sign_block(Change(b"A" * 16, at, None, (Fact(ENTITY, "p", 1),)), KEYS[1], b"another fleet's.", SEED).data
        for at in range(5)
    ]

    class Lying(StoreReplica):
        async def blocks(self, hashes: Sequence[bytes]) -> Sequence[bytes]:
            return foreign[: len(hashes)]

    one, other = await meet(Lying(a, DEVICES[1], "tcp"), devices(a, b)[1])
    assert isinstance(one, Failed)
    assert isinstance(other, Failed)
    assert (one.reason, other.reason) == (Reason.PEER_ABORTED, Reason.REFUSED)
    assert "another fleet" in str(other.error)
    assert DEVICES[0].hex()[:8] in str(other.error)
    assert (await b.summary()).count == 2


async def test_what_a_liar_called_overtaken_counts_again_after_the_next_meeting(make_store: MakeStore) -> None:
    """The liar sent all that it had and went before the session's end.

    Both sides of the next one hold the same.
    """
    lines = [*FOUNDING, *history(1, 3)]
    a, b = await make_store(lines), await make_store(FOUNDING)
    await b.save_blocks(lines, source_device=DEVICES[2], link="tcp", obsolete_hints={change_id(lines[-1]): [0]})
    assert (await b.now().record(ENTITY, Schema())).slots != (await a.now().record(ENTITY, Schema())).slots
    one, other = await meet(*devices(a, b))
    assert isinstance(one, Done)
    assert isinstance(other, Done)
    assert (one.stats.sent, other.stats.sent) == (0, 0)
    assert (await b.now().record(ENTITY, Schema())).slots == (await a.now().record(ENTITY, Schema())).slots


# --- what is left out on the way -------------------------------------------------------------------------------------


def forked(device: int) -> list[bytes]:
    """A chain that another holder of the key forks, and both do it again."""
    pen = Pen(device)
    trunk = [pen.write(Fact(ENTITY, f"t{n}", n), at=n) for n in range(6)]
    thief = pen.branch()
    ours = [pen.write(Fact(ENTITY, f"o{n}", n), at=10 + n) for n in range(6)]
    theirs = [thief.write(Fact(ENTITY, f"h{n}", n), at=10 + n) for n in range(6)]
    late = thief.branch()
    return [*trunk, *ours, *theirs, *(late.write(Fact(ENTITY, f"l{n}", n), at=30 + n) for n in range(3))]


def faulty(device: int) -> list[bytes]:
    """A chain with a change whose `past` is wrong, and what was written on top of it."""
    blocks = history(device, 8)
    second = decode_block(blocks[3])
    lie = sign(replace(second.header.fields, past=b"x" * 32), KEYS[device], FLEET)
    return [*blocks, lie.data + second.body.data]


CHAINS = [*history(1, 30), *forked(2), *faulty(3)]


@pytest.mark.parametrize("chance", range(12))
async def test_whatever_part_of_forked_and_broken_chains_each_side_has_both_end_with_all(
    make_store: MakeStore, chance: int
) -> None:
    """What arrives is what was signed; what was left out never fails a session."""
    source = random.Random(chance)
    share = source.choice([0.1, 0.5, 0.9])
    mine, theirs = ([data for data in CHAINS if source.random() < part] for part in (share, 1 - share))
    rest = [data for data in CHAINS if data not in mine and data not in theirs]
    a, b = await make_store([*FOUNDING, *mine, *rest]), await make_store([*FOUNDING, *theirs] if chance else [])
    one, other = await meet(*devices(a, b))
    assert isinstance(one, Done) and one.equal
    assert isinstance(other, Done) and other.equal
    held = {change_id(data): data for data in [*FOUNDING, *CHAINS]}
    assert len(held) == len(await a.hashes()) or chance == 0
    for store in (a, b):
        hashes = await store.hashes()
        assert await store.blocks(hashes) == [held[change] for change in hashes]
        assert (await store.verify()).problems == []
    again, _ = await meet(*devices(a, b))
    assert isinstance(again, Done)
    assert again.stats.sent == again.stats.received == 0


async def test_a_peer_that_knows_less_than_it_said_gets_the_rest_in_whole(make_store: MakeStore) -> None:
    """As if short ids had collided.

    It is thought to hold the change before, and does not.
    """
    chain = history(1, 12)
    a, b = await make_store([*FOUNDING, *chain]), await make_store([*FOUNDING, *chain[:6]])

    class Forgetful(StoreReplica):
        async def tips(self, places: Sequence[tuple[bytes, int]]) -> list[HeldAt]:
            return []

    one, other = await meet(devices(a, b)[0], Forgetful(b, DEVICES[0], "tcp"))
    assert isinstance(one, Done) and one.equal
    assert isinstance(other, Done) and other.equal
    assert other.stats.received == 6


async def test_one_more_change_costs_neither_previous_nor_past(make_store: MakeStore) -> None:
    chain = history(1, 40)
    sizes = []
    for count in (39, 0):
        a, b = await make_store([*FOUNDING, *chain]), await make_store([*FOUNDING, *chain[:count]])
        _, other = await meet(*devices(a, b))
        assert isinstance(other, Done)
        sizes.append((other.stats.bytes_in - other.stats.reconcile_bytes) / (40 - count))
    block = decode_block(chain[-1])
    assert sizes[0] < len(block.data) - 64 - 34, "the change alone, with signature and key"
    assert sizes[1] < sizes[0] - 32, "in a row the key costs nothing, either"

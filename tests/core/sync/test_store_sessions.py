"""Sessions with the real store and real blocks."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from core.body import Fact
from core.changes import Change, change_id, sign_change
from core.schema import Schema
from core.store.store import Store
from core.sync.events import Done, Failed, Reason
from core.sync.pump import StoreReplica, pump_session
from core.sync.session import Session
from tests.core.sync.conftest import MakeStore
from tests.support.store_fleet import ENTITY, FLEET, FOUNDING, Pen
from tests.support.strategies import DEVICES, KEYS

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
        sign_change(Change(DEVICES[1], None, "u", at, None, (Fact(ENTITY, "p", 1),)), KEYS[1], b"another fleet's.")
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
    """The liar sent all that it had and went before the session's end: both sides of the next one hold the same."""
    lines = [*FOUNDING, *history(1, 3)]
    a, b = await make_store(lines), await make_store(FOUNDING)
    await b.save_blocks(lines, source_device=DEVICES[2], link="tcp", obsolete_hints={change_id(lines[-1]): [0]})
    assert (await b.now().record(ENTITY, Schema())).slots != (await a.now().record(ENTITY, Schema())).slots
    one, other = await meet(*devices(a, b))
    assert isinstance(one, Done)
    assert isinstance(other, Done)
    assert (one.stats.sent, other.stats.sent) == (0, 0)
    assert (await b.now().record(ENTITY, Schema())).slots == (await a.now().record(ENTITY, Schema())).slots

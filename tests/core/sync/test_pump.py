"""Sessions over real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from core.changes import Block
from core.sync.codec import encode_message
from core.sync.events import Done, Event, Failed, Reason
from core.sync.messages import Abort, Blocks, Hello
from core.sync.position_proofs import ProvenPast
from core.sync.pump import pump_session
from core.sync.replica import ObsoleteHints
from tests.support.deadlines import DEADLINE_S
from tests.support.memory_replica import FLEET, GENESIS, PEER, MemoryReplica, Saved, block, session, some

MEMBERS = [GENESIS, block("member " + PEER.hex())]
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def link() -> AsyncIterator[tuple[Stream, Stream]]:
    ends = socket.socketpair()
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    streams = [await asyncio.open_connection(sock=end) for end in ends]
    try:
        yield streams[0], streams[1]
    finally:
        for _, writer in streams:
            writer.close()


async def meet(
    a: MemoryReplica, b: MemoryReplica, batch_bytes: int = 1 << 16, timeout: float = 20
) -> list[Done | Failed]:
    async with link() as (here, there):
        return await asyncio.gather(
            pump_session(session(initiator=True, batch_bytes=batch_bytes), *here, a, timeout_s=timeout),
            pump_session(session(batch_bytes=batch_bytes), *there, b, timeout_s=timeout),
        )


async def test_both_sides_send_more_than_any_buffer_holds_and_do_not_wait_for_each_other() -> None:
    a = MemoryReplica.of([*MEMBERS, *some(0, 800, 1000)])
    b = MemoryReplica.of([*MEMBERS, *some(10_000, 800, 1000)])
    one, other = await meet(a, b)
    assert isinstance(one, Done)
    assert isinstance(other, Done)
    assert a.held == b.held
    assert len(a.held) == 1602


async def test_a_connection_that_ends_is_a_cut_and_what_was_saved_stays() -> None:
    a, b = MemoryReplica.of([*MEMBERS, *some(0, 400)]), MemoryReplica.of(MEMBERS)

    class Leaving(MemoryReplica):
        async def save_blocks(
            self, blocks: Sequence[Block], overtaken: ObsoleteHints, proven: Sequence[ProvenPast] = ()
        ) -> Saved:
            if len(self.held) > 200:
                streams[1][1].transport.abort()
            return await super().save_blocks(blocks, overtaken)

    leaving = Leaving(dict(b.held), b.table, b.root)
    async with link() as streams:
        one, other = await asyncio.gather(
            pump_session(session(initiator=True), *streams[0], a, timeout_s=DEADLINE_S),
            pump_session(session(), *streams[1], leaving, timeout_s=DEADLINE_S),
        )
    assert isinstance(one, Failed)
    assert isinstance(other, Failed)
    assert (one.reason, other.reason) == (Reason.CONNECTION_LOST, Reason.CONNECTION_LOST)
    assert 200 < len(leaving.held) < 300
    await meet(a, leaving)
    assert leaving.held == a.held


async def test_a_silent_peer_is_left_and_reported() -> None:
    async with link() as (here, (reader, _)):
        outcome = await pump_session(session(), *here, MemoryReplica.of(MEMBERS), timeout_s=0.05)
        here[1].close()
        message = await reader.read()
    assert isinstance(outcome, Failed)
    assert outcome.reason == Reason.TIMED_OUT
    assert message.endswith(encode_message(Abort(Reason.TIMED_OUT)))


async def test_a_peer_that_says_next_to_nothing_is_as_good_as_silent() -> None:
    async def trickle(writer: asyncio.StreamWriter) -> None:
        for byte in encode_message(Hello(1, FLEET[:4], 5, bytes(16))) + bytes([127, Blocks.TYPE]) + bytes(100):
            writer.write(bytes([byte]))
            await asyncio.sleep(0.01)

    async with link() as (here, (_, writer)):
        trickling = asyncio.create_task(trickle(writer))
        outcome = await pump_session(session(), *here, MemoryReplica.of(MEMBERS), timeout_s=0.05)
        assert not trickling.done()
        trickling.cancel()
    assert isinstance(outcome, Failed)
    assert outcome.reason == Reason.TIMED_OUT


async def test_a_peer_that_reads_nothing_is_left() -> None:
    a = MemoryReplica.of([*MEMBERS, *some(0, 800, 1000)])
    b = session(batch_bytes=1 << 18)
    async with link() as (here, (_, writer)):
        while b.request is not None:
            b.resolve(await b.request.perform(MemoryReplica()))
        writer.write(b.data_to_send())
        outcome = await pump_session(session(initiator=True, batch_bytes=1 << 18), *here, a, timeout_s=0.1)
    assert isinstance(outcome, Failed)
    assert outcome.reason == Reason.TIMED_OUT


async def test_stopping_tells_the_peer_and_ends_with_an_event() -> None:
    a, b = MemoryReplica.of([*MEMBERS, *some(0, 400)]), MemoryReplica.of(MEMBERS)
    events: list[Event] = []

    class Stuck(MemoryReplica):
        async def save_blocks(
            self, blocks: Sequence[Block], overtaken: ObsoleteHints, proven: Sequence[ProvenPast] = ()
        ) -> Saved:
            saving.set()
            await asyncio.sleep(3600)
            raise AssertionError

    saving = asyncio.Event()
    async with link() as (here, there):
        stuck = Stuck(b.held, b.table, b.root)
        stopped = asyncio.create_task(
            pump_session(session(), *there, stuck, on_event=events.append, timeout_s=DEADLINE_S)
        )
        other = asyncio.create_task(pump_session(session(initiator=True), *here, a, timeout_s=DEADLINE_S))
        await saving.wait()
        stopped.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopped
        outcome = await other
    assert isinstance(outcome, Failed)
    assert outcome.reason == Reason.PEER_ABORTED
    assert "somebody stopped it there" in str(outcome.error)
    last = events[-1]
    assert isinstance(last, Failed)
    assert last.reason == Reason.STOPPED


async def test_a_store_that_fails_ends_both_sides() -> None:
    a, b = MemoryReplica.of([*MEMBERS, *some(0, 20)]), MemoryReplica.of(MEMBERS)
    b.full = True
    one, other = await meet(a, b)
    assert isinstance(one, Failed)
    assert isinstance(other, Failed)
    assert (one.reason, other.reason) == (Reason.PEER_ABORTED, Reason.STORE_FAILED)

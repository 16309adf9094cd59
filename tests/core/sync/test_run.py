"""Sessions over real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from core.sync.codec import encode
from core.sync.events import Done, Event, Failed, Reason
from core.sync.messages import Blocks, GivingUp, Hello
from core.sync.replica import Overtaken
from core.sync.run import run
from tests.core.sync.replicas import FLEET, GENESIS, PEER, MemoryReplica, Saved, block, session, some

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
            run(session(initiator=True, batch_bytes=batch_bytes), *here, a, timeout=timeout),
            run(session(batch_bytes=batch_bytes), *there, b, timeout=timeout),
        )


async def test_both_sides_send_more_than_any_buffer_holds_and_do_not_wait_for_each_other() -> None:
    a = MemoryReplica.of([*MEMBERS, *some(0, 3000, 1000)])
    b = MemoryReplica.of([*MEMBERS, *some(10_000, 3000, 1000)])
    one, other = await meet(a, b)
    assert isinstance(one, Done)
    assert isinstance(other, Done)
    assert a.held == b.held
    assert len(a.held) == 6002


async def test_a_connection_that_ends_is_a_cut_and_what_was_saved_stays() -> None:
    a, b = MemoryReplica.of([*MEMBERS, *some(0, 2000)]), MemoryReplica.of(MEMBERS)

    class Leaving(MemoryReplica):
        async def save(self, blocks: Sequence[bytes], overtaken: Overtaken) -> Saved:
            if len(self.held) > 500:
                streams[1][1].transport.abort()
            return await super().save(blocks, overtaken)

    leaving = Leaving(dict(b.held), b.table, b.root)
    async with link() as streams:
        one, other = await asyncio.gather(
            run(session(initiator=True), *streams[0], a, timeout=20), run(session(), *streams[1], leaving, timeout=20)
        )
    assert isinstance(one, Failed)
    assert isinstance(other, Failed)
    assert (one.reason, other.reason) == (Reason.CUT, Reason.CUT)
    assert 500 < len(leaving.held) < 600
    await meet(a, leaving)
    assert leaving.held == a.held


async def test_a_silent_peer_is_left_and_told() -> None:
    async with link() as (here, (reader, _)):
        outcome = await run(session(), *here, MemoryReplica.of(MEMBERS), timeout=0.05)
        here[1].close()
        said = await reader.read()
    assert isinstance(outcome, Failed)
    assert outcome.reason == Reason.SILENT
    assert said.endswith(encode(GivingUp(Reason.SILENT)))


async def test_a_peer_that_says_next_to_nothing_is_as_good_as_silent() -> None:
    async def trickle(writer: asyncio.StreamWriter) -> None:
        for byte in encode(Hello(1, FLEET[:4], 5, bytes(16))) + bytes([127, Blocks.TYPE]) + bytes(100):
            writer.write(bytes([byte]))
            await asyncio.sleep(0.01)

    async with link() as (here, (_, writer)):
        trickling = asyncio.create_task(trickle(writer))
        outcome = await run(session(), *here, MemoryReplica.of(MEMBERS), timeout=0.05)
        assert not trickling.done()
        trickling.cancel()
    assert isinstance(outcome, Failed)
    assert outcome.reason == Reason.SILENT


async def test_a_peer_that_reads_nothing_is_left() -> None:
    a = MemoryReplica.of([*MEMBERS, *some(0, 3000, 1000)])
    b = session(batch_bytes=1 << 18)
    async with link() as (here, (_, writer)):
        while b.request is not None:
            b.answer(await b.request.of(MemoryReplica()))
        writer.write(b.take())
        outcome = await run(session(initiator=True, batch_bytes=1 << 18), *here, a, timeout=0.1)
    assert isinstance(outcome, Failed)
    assert outcome.reason == Reason.SILENT


async def test_stopping_tells_the_peer_and_ends_with_an_event() -> None:
    a, b = MemoryReplica.of([*MEMBERS, *some(0, 2000)]), MemoryReplica.of(MEMBERS)
    events: list[Event] = []

    class Stuck(MemoryReplica):
        async def save(self, blocks: Sequence[bytes], overtaken: Overtaken) -> Saved:
            saving.set()
            await asyncio.sleep(3600)
            raise AssertionError

    saving = asyncio.Event()
    async with link() as (here, there):
        stuck = Stuck(b.held, b.table, b.root)
        stopped = asyncio.create_task(run(session(), *there, stuck, on_event=events.append, timeout=20))
        other = asyncio.create_task(run(session(initiator=True), *here, a, timeout=20))
        await saving.wait()
        stopped.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stopped
        outcome = await other
    assert isinstance(outcome, Failed)
    assert outcome.reason == Reason.PEER
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
    assert (one.reason, other.reason) == (Reason.PEER, Reason.STORE)

"""Run a sync session over asyncio streams, whatever is below them, and on this device's store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, TypeVar

from core.errors import FieldlineError
from core.sync.cells import Cells, short_id, short_key
from core.sync.difference import pick
from core.sync.events import Done, Event, Failed, Reason
from core.sync.joining import vouch
from core.sync.merkle import Node
from core.sync.prefixes import Prefix
from core.sync.replica import Kept, Order, Overtaken, Replica, Request, Saved, Shorts, Summary
from core.sync.session import Session

TIMEOUT = 60.0
PIECE = 1 << 14
READ = 1 << 16
LEAST = 256
FEW = 100

R = TypeVar("R")


async def run(
    session: Session,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    replica: Replica,
    *,
    on_event: Callable[[Event], None] = lambda event: None,
    timeout: float = TIMEOUT,
    piece: int = PIECE,
) -> Done | Failed:
    """Run a session to its end and say how it ended; closing the stream is left to the caller.

    Reads and writes at the same time, so that two sides that send at once do not wait for each other. `timeout` is how
    many seconds the peer may say next to nothing, or leave what was sent to it unread. `piece` is how many bytes are
    written at once: a fraction of a second of the line. When the task is cancelled, the peer is told.
    """
    runner = _Runner(session, reader, writer, on_event, timeout, piece)
    listening = asyncio.create_task(runner.listen())
    try:
        return await runner.work(replica)
    except asyncio.CancelledError:
        runner.leave()
        raise
    finally:
        listening.cancel()
        with suppress(asyncio.CancelledError):
            await listening


class _Runner:
    def __init__(
        self,
        session: Session,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        on_event: Callable[[Event], None],
        timeout: float,
        piece: int,
    ) -> None:
        self._session = session
        self._reader = reader
        self._writer = writer
        self._on_event = on_event
        self._timeout = timeout
        self._piece = piece
        self._broken = False
        self._moved = asyncio.Event()
        self._room = asyncio.Event()

    async def listen(self) -> None:
        """Pass on what the peer sends until its stream ends; not faster than the session reads it."""
        with suppress(OSError):
            while data := await self._reader.read(READ):
                self._session.receive(data)
                self._moved.set()
                while self._session.full:
                    self._room.clear()
                    await self._room.wait()
        self._session.ended()
        self._moved.set()

    async def work(self, replica: Replica) -> Done | Failed:
        """Do all the rest."""
        session = self._session
        heard, deadline = session.heard, self._later()
        while True:
            await self._send()
            self._tell()
            if session.outcome is not None:
                return session.outcome
            if session.request is not None:
                await self._ask(replica, session.request)
                heard, deadline = session.heard, self._later()
            elif not await self._wait(deadline):
                session.stop(Reason.SILENT)
            elif session.heard - heard >= LEAST:
                heard, deadline = session.heard, self._later()

    def leave(self) -> None:
        """End the session from this side without waiting for anything."""
        self._session.stop()
        with suppress(OSError):
            self._writer.write(self._session.take())
        self._tell()

    async def _ask(self, replica: Replica, request: Request) -> None:
        try:
            answer = await request.of(replica)
        except FieldlineError as error:
            self._session.refuse(error)
        else:
            self._session.answer(answer)
        self._room.set()

    async def _send(self) -> None:
        data = self._session.take()
        try:
            for start in range(0, 0 if self._broken else len(data), self._piece):
                self._writer.write(data[start : start + self._piece])
                async with asyncio.timeout(self._timeout):
                    await self._writer.drain()
        except TimeoutError:
            self._broken = True
            self._session.stop(Reason.SILENT)
        except OSError:
            # Nothing can be sent any more. What the peer said last is still to be read, up to the end of its stream.
            self._broken = True

    async def _wait(self, deadline: float) -> bool:
        """Wait for bytes or the end of the stream; False if neither came in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                await self._moved.wait()
        moved = self._moved.is_set()
        self._moved.clear()
        return moved

    def _tell(self) -> None:
        for event in self._session.events():
            self._on_event(event)

    def _later(self) -> float:
        return asyncio.get_running_loop().time() + self._timeout


class Store(Protocol):
    """What sync needs of the store; `core.store.store.Store` has it."""

    @property
    def fleet(self) -> bytes: ...
    async def summary(self) -> Summary: ...
    async def hashes(self) -> Sequence[bytes]: ...
    async def tree(self, prefixes: Sequence[str]) -> Sequence[Node]: ...
    async def under(self, prefixes: Sequence[str]) -> Sequence[Sequence[bytes]]: ...
    async def order(self, hashes: Sequence[bytes], near: Sequence[bytes] = ()) -> Order: ...
    async def blocks(self, hashes: Sequence[bytes]) -> Sequence[bytes]: ...
    async def overtaken(self, hashes: Sequence[bytes]) -> Overtaken: ...
    async def complete(self) -> None: ...
    async def save(
        self,
        blocks: Iterable[bytes],
        *,
        source: bytes | None = None,
        link: str = "own",
        overtaken: Overtaken | None = None,
    ) -> Saved: ...
    async def cells(self) -> tuple[Summary, Cells | None]: ...
    async def shorts(self, prefixes: Sequence[Prefix]) -> Shorts: ...
    async def all_shorts(self) -> Sequence[int]: ...
    async def secret(self) -> bytes | None: ...


async def nowhere(near: bytes) -> Sequence[bytes]:
    """For stores without any place."""
    return ()


@dataclass(slots=True)
class StoreReplica:
    """The store as the session with one peer sees it; what comes is noted as come from that peer over that link.

    `around` gives the entities that matter where the peer says it is.
    """

    store: Store
    peer: bytes
    link: str
    around: Callable[[bytes], Awaitable[Sequence[bytes]]] = nowhere
    _key: bytes = b""
    _salted: Sequence[bytes] = ()
    """The changes that the cells with the last salt are of."""

    async def summary(self) -> Summary:
        return await self.store.summary()

    async def hashes(self) -> Sequence[bytes]:
        return await self.store.hashes()

    async def tree(self, prefixes: Sequence[str]) -> Sequence[Node]:
        return await self.store.tree(prefixes)

    async def under(self, prefixes: Sequence[str]) -> Sequence[Sequence[bytes]]:
        return await self.store.under(prefixes)

    async def order(self, hashes: Sequence[bytes], near: bytes) -> Order:
        # A few changes are there in a moment, in any order.
        return await self.store.order(hashes, await self.around(near) if len(hashes) > FEW else ())

    async def blocks(self, hashes: Sequence[bytes]) -> Sequence[bytes]:
        return await self.store.blocks(hashes)

    async def overtaken(self, hashes: Sequence[bytes]) -> Overtaken:
        return await self.store.overtaken(hashes)

    async def complete(self) -> None:
        await self.store.complete()

    async def save(self, blocks: Sequence[bytes], overtaken: Overtaken) -> Saved:
        return await self.store.save(blocks, source=self.peer, link=self.link, overtaken=overtaken)

    async def cells(self, salt: bytes) -> Kept:
        secret = await self.store.secret()
        if secret is None:
            return Kept(await self.store.summary())
        key = short_key(secret, salt)
        if not salt:
            return Kept(*await self.store.cells(), key)
        self._key, self._salted = key, await self.store.hashes()
        summary = await self.store.summary()
        return Kept(summary, await asyncio.to_thread(Cells.of, self._salted_shorts()), key)

    async def shorts(self, prefixes: Sequence[Prefix], salt: bytes) -> Shorts:
        if not salt:
            return await self.store.shorts(prefixes)
        return await asyncio.to_thread(pick, self._key, self._salted, prefixes)

    async def all_shorts(self, salt: bytes) -> Sequence[int]:
        if not salt:
            return await self.store.all_shorts()
        return await asyncio.to_thread(list, self._salted_shorts())

    def _salted_shorts(self) -> Iterator[int]:
        return (short_id(self._key, change) for change in self._salted)

    async def work(self, function: Callable[[], R]) -> R:
        return await asyncio.to_thread(function)

    async def vouch(self, blocks: Sequence[bytes]) -> None:
        await asyncio.to_thread(vouch, self.store.fleet, self.peer, blocks)

"""Run a session over asyncio streams and on this device's store."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, TypeVar

from core.changes import Block
from core.errors import FieldlineError
from core.sync.events import Done, Event, Failed, Reason
from core.sync.holdings import Holding
from core.sync.membership_proof import check_membership_proof
from core.sync.packed_header import Place
from core.sync.position_proofs import CutChain, ProvenPast
from core.sync.reconcile.merkle import MerkleNode
from core.sync.reconcile.prefix_coding import ShortIdPrefix
from core.sync.reconcile.set_difference import find_by_prefix
from core.sync.reconcile.set_sketch import SetSketch, short_id, short_key
from core.sync.replica import (
    ChainStarts,
    HeldAt,
    ObsoleteHints,
    Replica,
    Request,
    SaveResult,
    SendOrder,
    SetSummary,
    ShortIdMatches,
    SketchedSet,
)
from core.sync.session import Session

DEFAULT_TIMEOUT_S = 60.0
"""A slow device may take this long to commit a batch."""
DEFAULT_WRITE_BYTES = 1 << 14
"""Small enough that a full network buffer shows soon, large enough that a write costs little."""
MAX_READ_BYTES = 1 << 16
"""What asyncio buffers for a stream."""
MIN_ACTIVITY_BYTES = 256
"""Less than this within the timeout counts as silence: no byte at a time keeps a session open."""
MAX_UNORDERED_CHANGES = 100
"""So few changes are sent at once, in any order, without a look at where the peer is."""

R = TypeVar("R")


async def pump_session(
    session: Session,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    replica: Replica,
    *,
    on_event: Callable[[Event], None] = lambda event: None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    write_bytes: int = DEFAULT_WRITE_BYTES,
) -> Done | Failed:
    """Run a session to its end; closing the stream is left to the caller.

    Reads and writes at the same time, so that two sides that send at once do not wait for each other. When the task is
    cancelled, the peer is told.

    Args:
        session, reader, writer, replica: What is run, over which stream, on which store.
        on_event: Called with each event of the session, in the task of the caller.
        timeout_s: How long the peer may send next to nothing, or leave what was sent to it unread.
        write_bytes: How much is written at once: a fraction of a second of the line.
    """
    runner = _Pump(session, reader, writer, on_event, timeout_s, write_bytes)
    reading = asyncio.create_task(runner.read_input())
    try:
        return await runner.drive(replica)
    except asyncio.CancelledError:
        runner.abort_now()
        raise
    finally:
        reading.cancel()
        # Not `await reading`: whether that or this was cancelled could not be told apart, and one would go on.
        await asyncio.wait({reading})
        if not reading.cancelled():
            reading.result()


class _Pump:
    def __init__(
        self,
        session: Session,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        on_event: Callable[[Event], None],
        timeout_s: float,
        write_bytes: int,
    ) -> None:
        self._session = session
        self._reader = reader
        self._writer = writer
        self._on_event = on_event
        self._timeout_s = timeout_s
        self._write_bytes = write_bytes
        self._write_failed = False
        self._input_arrived = asyncio.Event()
        self._room_freed = asyncio.Event()

    async def read_input(self) -> None:
        """Pass on what the peer sends until its stream ends.

        Not faster than the session reads it.
        """
        with suppress(OSError):
            while data := await self._reader.read(MAX_READ_BYTES):
                self._session.receive_data(data)
                self._input_arrived.set()
                while self._session.is_buffer_full:
                    self._room_freed.clear()
                    await self._room_freed.wait()
        self._session.receive_eof()
        self._input_arrived.set()

    async def drive(self, replica: Replica) -> Done | Failed:
        """Write output, emit events and perform requests until the session is over."""
        session = self._session
        activity, deadline = session.activity_bytes, self._new_deadline()
        while True:
            await self._flush_output()
            self._emit_events()
            if session.outcome is not None:
                return session.outcome
            if session.request is not None:
                await self._perform(replica, session.request)
                activity, deadline = session.activity_bytes, self._new_deadline()
            elif not await self._wait_for_input(deadline):
                session.abort(Reason.TIMED_OUT)
            elif session.activity_bytes - activity >= MIN_ACTIVITY_BYTES:
                activity, deadline = session.activity_bytes, self._new_deadline()

    def abort_now(self) -> None:
        """End the session from this side without waiting for anything."""
        self._session.abort()
        with suppress(OSError):
            self._writer.write(self._session.data_to_send())
        self._emit_events()

    async def _perform(self, replica: Replica, request: Request) -> None:
        try:
            result = await request.perform(replica)
        except FieldlineError as error:
            self._session.reject(error)
        else:
            self._session.resolve(result)
        self._room_freed.set()

    async def _flush_output(self) -> None:
        data = self._session.data_to_send()
        try:
            for start in range(0, 0 if self._write_failed else len(data), self._write_bytes):
                self._writer.write(data[start : start + self._write_bytes])
                async with asyncio.timeout(self._timeout_s):
                    await self._writer.drain()
        except TimeoutError:
            self._write_failed = True
            self._session.abort(Reason.TIMED_OUT)
        except OSError:
            # Nothing can be sent any more. What the peer sent last is still to be read, up to the end of its stream.
            self._write_failed = True

    async def _wait_for_input(self, deadline: float) -> bool:
        """Wait for bytes or the end of the stream; False if neither came in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                await self._input_arrived.wait()
        moved = self._input_arrived.is_set()
        self._input_arrived.clear()
        return moved

    def _emit_events(self) -> None:
        for event in self._session.take_events():
            self._on_event(event)

    def _new_deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._timeout_s


class SyncStore(Protocol):
    """What sync needs of the store; `core.store.store.Store` has it."""

    @property
    def fleet(self) -> bytes: ...
    async def summary(self) -> SetSummary: ...
    async def hashes(self) -> Sequence[bytes]: ...
    async def merkle_nodes(self, prefixes: Sequence[str]) -> Sequence[MerkleNode]: ...
    async def hashes_under(self, prefixes: Sequence[str]) -> Sequence[Sequence[bytes]]: ...
    async def order(self, hashes: Sequence[bytes], nearby: Sequence[bytes] = ()) -> SendOrder: ...
    async def blocks(self, hashes: Sequence[bytes]) -> Sequence[bytes]: ...
    async def obsolete_hints(self, hashes: Sequence[bytes]) -> ObsoleteHints: ...
    async def clear_obsolete_hints(self) -> None: ...
    async def note_equal_sets(self, peer: bytes, link: str, root: bytes) -> Sequence[Holding]: ...
    async def note_reported_holdings(self, reporter: bytes, reported: Sequence[Holding]) -> None: ...
    async def chain_starts(self, hashes: Sequence[bytes]) -> ChainStarts: ...
    async def cut_chains(self, hashes: Sequence[bytes]) -> Sequence[CutChain]: ...
    async def chain_ids(self, change: bytes) -> Sequence[bytes]: ...
    async def tips(self, places: Sequence[Place]) -> Sequence[HeldAt]: ...
    async def keep_blocks(
        self,
        blocks: Sequence[Block],
        *,
        source_device: bytes | None = None,
        link: str = "own",
        obsolete_hints: ObsoleteHints | None = None,
        proven: Sequence[ProvenPast] = (),
    ) -> SaveResult: ...
    async def sketch(self) -> tuple[SetSummary, SetSketch | None]: ...
    async def short_ids(self, prefixes: Sequence[ShortIdPrefix]) -> ShortIdMatches: ...
    async def all_short_ids(self) -> Sequence[int]: ...
    async def fleet_secret(self) -> bytes | None: ...


async def no_entities(location_hint: bytes) -> Sequence[bytes]:
    """Give no entities: for stores without any location."""
    return ()


@dataclass(slots=True)
class StoreReplica:
    """The store as the session with one peer sees it.

    What comes is saved as received from `peer` over `link`. `nearby_entities` gives the entities that matter at the
    location that a peer's hint names.
    """

    store: SyncStore
    peer: bytes
    link: str
    nearby_entities: Callable[[bytes], Awaitable[Sequence[bytes]]] = no_entities
    _salted_key: bytes = b""
    _salted_changes: Sequence[bytes] = ()
    """The changes that the cells with the last salt are of."""

    async def summary(self) -> SetSummary:
        return await self.store.summary()

    async def hashes(self) -> Sequence[bytes]:
        return await self.store.hashes()

    async def merkle_nodes(self, prefixes: Sequence[str]) -> Sequence[MerkleNode]:
        return await self.store.merkle_nodes(prefixes)

    async def hashes_under(self, prefixes: Sequence[str]) -> Sequence[Sequence[bytes]]:
        return await self.store.hashes_under(prefixes)

    async def order(self, hashes: Sequence[bytes], location_hint: bytes) -> SendOrder:
        # See MAX_UNORDERED_CHANGES.
        return await self.store.order(
            hashes, await self.nearby_entities(location_hint) if len(hashes) > MAX_UNORDERED_CHANGES else ()
        )

    async def blocks(self, hashes: Sequence[bytes]) -> Sequence[bytes]:
        return await self.store.blocks(hashes)

    async def obsolete_hints(self, hashes: Sequence[bytes]) -> ObsoleteHints:
        return await self.store.obsolete_hints(hashes)

    async def clear_obsolete_hints(self) -> None:
        await self.store.clear_obsolete_hints()

    async def note_equal_sets(self, root: bytes) -> Sequence[Holding]:
        return await self.store.note_equal_sets(self.peer, self.link, root)

    async def note_reported_holdings(self, reported: Sequence[Holding]) -> None:
        await self.store.note_reported_holdings(self.peer, reported)

    async def chain_starts(self, hashes: Sequence[bytes]) -> ChainStarts:
        return await self.store.chain_starts(hashes)

    async def cut_chains(self, hashes: Sequence[bytes]) -> Sequence[CutChain]:
        return await self.store.cut_chains(hashes)

    async def chain_ids(self, change: bytes) -> Sequence[bytes]:
        return await self.store.chain_ids(change)

    async def tips(self, places: Sequence[Place]) -> Sequence[HeldAt]:
        return await self.store.tips(places)

    async def save_blocks(
        self, blocks: Sequence[Block], obsolete_hints: ObsoleteHints, proven: Sequence[ProvenPast]
    ) -> SaveResult:
        return await self.store.keep_blocks(
            blocks, source_device=self.peer, link=self.link, obsolete_hints=obsolete_hints, proven=proven
        )

    async def sketch(self, salt: bytes) -> SketchedSet:
        secret = await self.store.fleet_secret()
        if secret is None:
            return SketchedSet(await self.store.summary())
        key = short_key(secret, salt)
        if not salt:
            return SketchedSet(*await self.store.sketch(), key)
        self._salted_key, self._salted_changes = key, await self.store.hashes()
        summary = await self.store.summary()
        return SketchedSet(summary, await asyncio.to_thread(SetSketch.from_short_ids, self._salted_short_ids()), key)

    async def short_ids(self, prefixes: Sequence[ShortIdPrefix], salt: bytes) -> ShortIdMatches:
        if not salt:
            return await self.store.short_ids(prefixes)
        return await asyncio.to_thread(find_by_prefix, self._salted_key, self._salted_changes, prefixes)

    async def all_short_ids(self, salt: bytes) -> Sequence[int]:
        if not salt:
            return await self.store.all_short_ids()
        return await asyncio.to_thread(array, "Q", self._salted_short_ids())

    def _salted_short_ids(self) -> Iterator[int]:
        return (short_id(self._salted_key, change) for change in self._salted_changes)

    async def run_in_thread(self, function: Callable[[], R]) -> R:
        return await asyncio.to_thread(function)

    async def check_membership(self, blocks: Sequence[Block]) -> None:
        await asyncio.to_thread(check_membership_proof, self.store.fleet, self.peer, blocks)

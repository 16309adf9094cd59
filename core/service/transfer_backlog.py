"""What is still to come: a meeting that is under way, or that was cut, leaves a note of it on this device."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import FieldlineError
from core.sync.events import Done, Event, Progress

if TYPE_CHECKING:
    from core.store.store import Store

BACKLOG_META_KEY = "arriving"
SAVE_INTERVAL_S = 1.0
"""Between two notes: a meeting that is over sooner leaves none."""


@dataclass(frozen=True, slots=True)
class TransferBacklog:
    """Of `total` changes that a device had for this one, `missing` had not come yet at a moment (microseconds since
    1970 UTC). Of these `current` have to do with what is configured now, and `near` with that where this device is;
    the others are history.
    """

    peer: bytes
    missing_count: int
    total_count: int
    current_count: int
    nearby_count: int
    at_us: int


async def read_backlog(store: Store) -> TransferBacklog | None:
    """What the last meeting has still to bring; None if it came to its end."""
    data = await store.read_meta(BACKLOG_META_KEY)
    if not data:
        return None
    peer, *counts, at = json.loads(data)
    missing, total, current, near = counts
    return TransferBacklog(bytes.fromhex(peer), missing, total, current, near, at)


@asynccontextmanager
async def track_backlog(
    store: Store, peer: bytes, clock: Callable[[], int], on_event: Callable[[Event], None]
) -> AsyncIterator[Callable[[Event], None]]:
    """Gives what is to hear the events of a meeting with a peer; they are passed on to `told`.

    What is still to come is noted every second, and when the meeting is cut; the note goes when one comes to its end.
    """
    note = _BacklogTracker(store, peer, clock, on_event)
    keeping = asyncio.create_task(note.save_periodically())
    try:
        yield note.on_event
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping
        # What could not be noted is no reason for a meeting to fail.
        with suppress(FieldlineError):
            await note.finish()


class _BacklogTracker:
    def __init__(self, store: Store, peer: bytes, clock: Callable[[], int], told: Callable[[Event], None]) -> None:
        self._store = store
        self._peer = peer
        self._clock = clock
        self._on_event = told
        self._latest: tuple[int, ...] | None = None
        self._saved: tuple[int, ...] | None = None
        self._is_complete = False

    def on_event(self, event: Event) -> None:
        if isinstance(event, Progress) and event.to_receive is not None:
            came = event.received
            # Whoever does not know where this device is says that nothing is near: then all that is current may be.
            left = (
                max(0, wanted - came) for wanted in (event.current_count, event.nearby_count or event.current_count)
            )
            self._latest = (event.to_receive - came, event.to_receive, *left)
        self._is_complete = self._is_complete or isinstance(event, Done)
        self._on_event(event)

    async def save_periodically(self) -> None:
        while True:
            await asyncio.sleep(SAVE_INTERVAL_S)
            with suppress(FieldlineError):
                await self._write()

    async def finish(self) -> None:
        if not self._is_complete:
            await self._write()
        elif await self._store.read_meta(BACKLOG_META_KEY):
            await self._store.write_meta(BACKLOG_META_KEY, b"")

    async def _write(self) -> None:
        if self._latest is None or self._latest == self._saved or self._latest[0] <= 0:
            return
        self._saved = self._latest
        said = [self._peer.hex(), *self._latest, self._clock()]
        await self._store.write_meta(BACKLOG_META_KEY, json.dumps(said).encode())

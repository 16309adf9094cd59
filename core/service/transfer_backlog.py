"""Keep how much a session that is under way, or was cut, has still to transfer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import FieldlineError
from core.parsers import parse_json
from core.sync.events import Done, Event, Progress

if TYPE_CHECKING:
    from core.store.store import Store

BACKLOG_META_KEY = "arriving"
"""Key of this device's own note: JSON of the fields of `TransferBacklog`; empty when nothing is missing."""
SAVE_INTERVAL_S = 1.0
"""Between two notes: a session that is over sooner leaves none."""


@dataclass(frozen=True, slots=True)
class TransferBacklog:
    """How many changes of a peer were missing here at a time.

    Of the `total_count` that it had for this device.

    Of these `current_count` hold values in use now, among them `nearby_count` of where this device is; the others are
    history. `at_us` is in microseconds since 1970 UTC.
    """

    peer: bytes
    missing_count: int
    total_count: int
    current_count: int
    nearby_count: int
    at_us: int


async def read_backlog(store: Store) -> TransferBacklog | None:
    """Read the backlog of the last session; None if it ended, or is unreadable."""
    data = await store.read_meta(BACKLOG_META_KEY)
    if not data:
        return None
    try:
        peer, missing, total, current, nearby, at_us = parse_json(data)
        return TransferBacklog(bytes.fromhex(peer), missing, total, current, nearby, at_us)
    except (ValueError, TypeError):
        return None


@asynccontextmanager
async def track_backlog(
    store: Store, peer: bytes, clock: Callable[[], int], on_event: Callable[[Event], None]
) -> AsyncIterator[Callable[[Event], None]]:
    """Give the handler for the events of a session with a peer.

    It passes them on to `on_event`.

    The backlog is saved every second and when the session is cut, and removed when one comes to its end.
    """
    tracker = _BacklogTracker(store, peer, clock, on_event)
    saving = asyncio.create_task(tracker.save_periodically())
    try:
        yield tracker.on_event
    finally:
        saving.cancel()
        await asyncio.gather(saving, return_exceptions=True)
        # What could not be saved is no reason for a session to fail.
        with suppress(FieldlineError):
            await tracker.finish()


class _BacklogTracker:
    def __init__(self, store: Store, peer: bytes, clock: Callable[[], int], on_event: Callable[[Event], None]) -> None:
        self._store = store
        self._peer = peer
        self._clock = clock
        self._on_event = on_event
        self._latest: tuple[int, ...] | None = None
        self._saved: tuple[int, ...] | None = None
        self._is_complete = False

    def on_event(self, event: Event) -> None:
        if isinstance(event, Progress) and event.to_receive is not None:
            received = event.received
            # A peer that does not know where this device is sends 0: then all that is current may be nearby.
            remaining = (
                max(0, count - received) for count in (event.current_count, event.nearby_count or event.current_count)
            )
            self._latest = (event.to_receive - received, event.to_receive, *remaining)
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
        fields = [self._peer.hex(), *self._latest, self._clock()]
        await self._store.write_meta(BACKLOG_META_KEY, json.dumps(fields).encode())

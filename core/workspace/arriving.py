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

KEY = "arriving"
SECONDS = 1.0
"""Between two notes: a meeting that is over sooner leaves none."""


@dataclass(frozen=True, slots=True)
class Arriving:
    """Of `total` changes that a device had for this one, `missing` had not come yet at a moment (microseconds since
    1970 UTC). Of these `current` have to do with what is configured now, and `near` with that where this device is;
    the others are history.
    """

    peer: bytes
    missing: int
    total: int
    current: int
    near: int
    at: int


async def arriving(store: Store) -> Arriving | None:
    """What the last meeting has still to bring; None if it came to its end."""
    data = await store.get_meta(KEY)
    if not data:
        return None
    peer, *counts, at = json.loads(data)
    missing, total, current, near = counts
    return Arriving(bytes.fromhex(peer), missing, total, current, near, at)


@asynccontextmanager
async def noted(
    store: Store, peer: bytes, clock: Callable[[], int], told: Callable[[Event], None]
) -> AsyncIterator[Callable[[Event], None]]:
    """Gives what is to hear the events of a meeting with a peer; they are passed on to `told`.

    What is still to come is noted every second, and when the meeting is cut; the note goes when one comes to its end.
    """
    note = _Note(store, peer, clock, told)
    keeping = asyncio.create_task(note.keep())
    try:
        yield note.hear
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping
        # What could not be noted is no reason for a meeting to fail.
        with suppress(FieldlineError):
            await note.finish()


class _Note:
    def __init__(self, store: Store, peer: bytes, clock: Callable[[], int], told: Callable[[Event], None]) -> None:
        self._store = store
        self._peer = peer
        self._clock = clock
        self._told = told
        self._last: tuple[int, ...] | None = None
        self._kept: tuple[int, ...] | None = None
        self._done = False

    def hear(self, event: Event) -> None:
        if isinstance(event, Progress) and event.to_receive is not None:
            came = event.received
            # Whoever does not know where this device is says that nothing is near: then all that is current may be.
            left = (max(0, wanted - came) for wanted in (event.current, event.near or event.current))
            self._last = (event.to_receive - came, event.to_receive, *left)
        self._done = self._done or isinstance(event, Done)
        self._told(event)

    async def keep(self) -> None:
        while True:
            await asyncio.sleep(SECONDS)
            with suppress(FieldlineError):
                await self._write()

    async def finish(self) -> None:
        if not self._done:
            await self._write()
        elif await self._store.get_meta(KEY):
            await self._store.put_meta(KEY, b"")

    async def _write(self) -> None:
        if self._last is None or self._last == self._kept or self._last[0] <= 0:
            return
        self._kept = self._last
        said = [self._peer.hex(), *self._last, self._clock()]
        await self._store.put_meta(KEY, json.dumps(said).encode())

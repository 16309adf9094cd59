"""Load the inbox beside the screens.

After a large import or another schema that takes a while.

It is read over a connection of its own, so that no key waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from core.errors import FieldlineError
from core.workspace import Workspace
from core.workspace.lazy_inbox import LazyInbox

_PROGRESS_STEPS = 50
"""How often progress is shown while much is read: each time costs a slow line some bytes."""


class InboxLoader:
    """Load the inbox of the viewed time, again if something was written.

    `items` are those that were loaded last; `is_known` once there were any. `progress` is (entities read, entities in
    all), None while nothing is read. `on_change` is called with True when `items` are others, and with False when only
    `progress` is.
    """

    def __init__(self, workspace: Workspace, on_change: Callable[[bool], None]) -> None:
        self.items = LazyInbox()
        self.progress: tuple[int, int] | None = None
        self.is_known = False
        self._workspace = workspace
        self._opening: asyncio.Task[Workspace] | None = None
        self._on_change = on_change
        self._requested: tuple[int | None, bool] | None = None
        self._is_reading = False
        self._task: asyncio.Task[None] | None = None
        self._loaded = asyncio.Event()
        self._loaded.set()

    @property
    def is_loading(self) -> bool:
        """Whether what there is to show is still being read."""
        return self._requested is not None

    def clear(self) -> None:
        """Show nothing: nobody looks at the inbox of this time."""
        self._requested, self.items, self.is_known = None, LazyInbox(), False
        self._loaded.set()

    async def wait_loaded(self, timeout_s: float) -> None:
        """Wait until all that was asked for is loaded, or loading it failed.

        At most `timeout_s` seconds.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._loaded.wait()

    def request(self, timestamp_us: int | None, as_known: bool) -> bool:
        """Ask for the inbox of a time (microseconds since 1970 UTC), None for now.

        Return whether to start `load`.
        """
        self._requested = timestamp_us, as_known
        self._loaded.clear()
        start, self._is_reading = not self._is_reading, True
        return start

    async def load(self) -> None:
        """Load until all that was asked for is loaded."""
        self._task = asyncio.current_task()
        try:
            own = await self._open_workspace()
            while wanted := self._requested:
                moment, known = wanted
                found = await own.lazy_inbox(own.view(moment, as_received=known), self._on_progress)
                if self._requested is wanted:
                    self._requested = None
                    changed, self.items, self.progress = found is not self.items or not self.is_known, found, None
                    self.is_known = True
                    self._loaded.set()
                    self._on_change(changed)
        finally:
            self._is_reading, self.progress = False, None
            self._loaded.set()

    async def close(self) -> None:
        """Stop reading, and let go of the store."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        opening, self._opening, self._requested = self._opening, None, None
        if opening is not None:
            with suppress(FieldlineError):
                await (await opening).close()

    async def _open_workspace(self) -> Workspace:
        if self._opening is None:
            workspace = self._workspace
            opening = Workspace.open(workspace.home.folder, user=workspace.user, clock=workspace.clock)
            self._opening = asyncio.create_task(opening)
        try:
            # Shielded: a store that was being opened when the reading was stopped would never be closed.
            return await asyncio.shield(self._opening)
        except FieldlineError:
            self._opening = None
            raise

    def _on_progress(self, done: int, total: int) -> None:
        before = self.progress
        self.progress = (done, total)
        if before is None or done * _PROGRESS_STEPS // max(1, total) != before[0] * _PROGRESS_STEPS // max(1, total):
            self._on_change(False)

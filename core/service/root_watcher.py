"""Watch the store for what this and other processes save, and publish its root."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from core.errors import FieldlineError
from core.membership import Membership
from core.service.active_sessions import ActiveSessions
from core.service.error_reporter import ErrorReporter
from core.service.serve_config import RETRY_AFTER_ERROR_S, ServiceIntervals
from core.service.session_runner import loop_time
from core.store.connection import StoreGone

if TYPE_CHECKING:
    from core.device.context import DeviceContext

WATCH_INTERVAL_DURING_SYNC_S = 15.0
"""Between two refreshes during a session, which saves all the time: each costs the peers an announcement."""

OnRoot = Callable[[bytes, Membership], None]
"""Called with the root of the store and the members, which are read at the same time."""


class RootWatcher:
    """Call `subscribers` with the store's root at the start and after every change."""

    def __init__(
        self, workspace: DeviceContext, sessions: ActiveSessions, errors: ErrorReporter, intervals: ServiceIntervals
    ) -> None:
        self._workspace = workspace
        self._sessions = sessions
        self._errors = errors
        self._intervals = intervals
        self._refreshed_at_s = 0.0
        self.subscribers: list[OnRoot] = []

    async def run(self) -> None:
        """Refresh after each change of the store, until cancelled.

        Raises StoreGone if the file is another one.
        """
        is_changed = False
        while True:
            try:
                timeout_s = WATCH_INTERVAL_DURING_SYNC_S if is_changed else None
                is_changed |= await self._workspace.store.wait_for_change(timeout_s)
                if is_changed and self._is_due():
                    await self.refresh()
                    is_changed = False
                await asyncio.sleep(self._intervals.watch_debounce_s)
            except StoreGone:
                raise
            except FieldlineError as error:
                self._errors.report(error)
                await asyncio.sleep(RETRY_AFTER_ERROR_S)

    async def refresh(self) -> None:
        """Read the root and the members now, and call the subscribers.

        Raises FieldlineError.
        """
        self._refreshed_at_s = loop_time()
        root = (await self._workspace.store.summary()).root
        membership = await self._workspace.membership()
        for on_root in self.subscribers:
            on_root(root, membership)

    async def try_refresh(self) -> None:
        """Refresh, and report it if that fails."""
        try:
            await self.refresh()
        except FieldlineError as error:
            self._errors.report(error)

    def _is_due(self) -> bool:
        return not self._sessions or loop_time() - self._refreshed_at_s >= WATCH_INTERVAL_DURING_SYNC_S

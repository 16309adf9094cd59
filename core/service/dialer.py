"""Dial the peers that hold something else, and settle ties of two dials."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from core.errors import FieldlineError
from core.membership import Membership
from core.service.active_sessions import ActiveSessions
from core.service.endpoint import parse_endpoint
from core.service.error_reporter import ErrorReporter
from core.service.root_watcher import RootWatcher
from core.service.serve_config import ServeEvent
from core.service.service_status import PeerStatus
from core.service.session_runner import TCP_PROFILE, SyncResult, loop_time, make_peer_filter, run_session
from core.sync.discovery.announcement import Announcement
from core.sync.discovery.dial_scheduler import MAX_PEER_NAMES, DialScheduler, DialStatus, loses_tie_break
from core.sync.events import Event, Progress
from core.sync.links import tcp

if TYPE_CHECKING:
    from core.device.context import DeviceContext


class Dialer:
    """The outgoing half of a serving device.

    One task for each dial that the scheduler says is due.

    `on_event` is called with the result of each session that was dialed, `on_change` whenever the status is another.
    """

    def __init__(
        self,
        workspace: DeviceContext,
        sessions: ActiveSessions,
        watcher: RootWatcher,
        errors: ErrorReporter,
        *,
        on_event: Callable[[ServeEvent], None],
        on_change: Callable[[], None],
    ) -> None:
        self._workspace = workspace
        self._sessions = sessions
        self._watcher = watcher
        self._errors = errors
        self._on_event = on_event
        self._on_change = on_change
        self._own_device = workspace.identity.device
        self.scheduler = DialScheduler(workspace.store.fleet, self._own_device, random.SystemRandom().uniform)
        self._announcements: dict[str, Announcement] = {}
        self._dials: dict[str, asyncio.Task[None]] = {}
        self._answered: set[str] = set()
        """The names of those dials that the peer has answered in the session."""
        self._last_errors: dict[str, FieldlineError] = {}
        self._dial_needed = asyncio.Event()
        watcher.subscribers.append(self._on_root)

    async def run(self) -> None:
        """Dial whoever is due, until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._dial_needed.clear()
                for name in self.scheduler.due_peers(loop_time()):
                    self.scheduler.on_dial_started(name)
                    dial = self._dials[name] = group.create_task(self._dial(name))
                    dial.add_done_callback(partial(self._on_dial_done, name))
                    self._on_change()
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(self.scheduler.next_wake_at()):
                        await self._dial_needed.wait()

    def wake(self) -> None:
        """Ask the scheduler again who is due, and publish the status."""
        self._dial_needed.set()
        self._on_change()

    def statuses(self) -> list[PeerStatus]:
        """The status of each peer."""
        return [self._peer_status(each) for each in self.scheduler.statuses()]

    async def record_result(self, result: SyncResult) -> None:
        """Remember what a peer holds after a session, whoever dialed."""
        await self._watcher.try_refresh()
        if result.peer is not None:
            self._sessions.record_sync(result.peer)
            self.scheduler.on_synced(result.peer, result.root, loop_time())

    # --- tie-break ---------------------------------------------------------------------------------------------------

    def is_dialing(self, device: bytes) -> bool:
        """Whether a dial to this device is under way."""
        return bool(self._dials_to(device))

    async def wait_for_dials(self, device: bytes, timeout_s: float) -> None:
        """Wait until no dial to a device that has dialed this one is under way.

        But not longer than the timeout.

        If this device loses the tie-break, its dials are cancelled, but for those that the peer has answered: of these
        the peer waits for the end, too.
        """
        names = self._dials_to(device)
        dials = [self._dials[name] for name in names]
        if not dials:
            return
        if loses_tie_break(self._own_device, device):
            for name in names - self._answered:
                self._dials[name].cancel()
        await asyncio.wait(dials, timeout=timeout_s)

    def _dials_to(self, device: bytes) -> set[str]:
        return {each.name for each in self.scheduler.statuses() if each.device == device and each.name in self._dials}

    # --- discovery ---------------------------------------------------------------------------------------------------

    def on_announcement(self, announcement: Announcement) -> None:
        """Take note of where a device is and what it holds, as it announces."""
        if self.scheduler.on_announcement(announcement, loop_time()):
            self._announcements[announcement.name] = announcement
            if len(self._announcements) > 2 * MAX_PEER_NAMES:
                known = {each.name for each in self.scheduler.statuses()}
                self._announcements = {name: each for name, each in self._announcements.items() if name in known}
            self.wake()

    def on_withdrawal(self, name: str) -> None:
        """Forget a device that is announced no more.

        After the dial under way if there is one.
        """
        self.scheduler.on_withdrawal(name)
        if name not in self._dials:
            self._forget_peer(name)
            self._on_change()

    def on_network_change(self) -> None:
        """Dial at once again what failed in the networks that there were."""
        self.scheduler.on_network_change(loop_time())

    def _on_root(self, root: bytes, membership: Membership) -> None:
        self.scheduler.on_local_root(
            root, lambda device: not membership.members or membership.may_connect(device), loop_time()
        )
        self.wake()

    def _forget_peer(self, name: str) -> None:
        self._announcements.pop(name, None)
        self._last_errors.pop(name, None)

    # --- one dial ----------------------------------------------------------------------------------------------------

    async def _dial(self, name: str) -> None:
        """Dial a peer and run a session.

        Cancelled where the peer dials at the same time and wins the tie-break.
        """
        endpoint = self._endpoint_of(name)
        try:
            result = await self._dial_and_sync(name, endpoint)
        except FieldlineError as error:
            self.scheduler.on_dial_failed(name, loop_time())
            self._last_errors[name] = error
            self._errors.report(error, endpoint)
            return
        self._errors.clear(endpoint)
        if result is None:
            self.scheduler.on_tie_break_lost(name, loop_time())
            return
        await self.record_result(result)
        has_moved = bool(result.stats.sent or result.stats.received)
        self.scheduler.on_dial_succeeded(name, loop_time(), has_moved=has_moved)

    async def _dial_and_sync(self, name: str, endpoint: str) -> SyncResult | None:
        """Run a session with a peer.

        None if it turns out to have dialed meanwhile and wins the tie-break.
        """
        address, announcement = parse_endpoint(endpoint), self._announcements.get(name)
        is_allowed = make_peer_filter(self._workspace)

        async def is_expected(device: bytes) -> bool:
            return (announcement is None or device == announcement.device) and await is_allowed(device)

        started_at_s = loop_time()
        link = await tcp.dial_tcp(address.host, address.port, self._workspace.identity, is_expected)
        try:
            if announcement is None:
                self.scheduler.on_peer_identified(name, link.peer)
                if self.scheduler.is_accepting(link.peer) and loses_tie_break(self._own_device, link.peer):
                    return None
            with self._sessions.track(link.peer):
                result = await run_session(
                    self._workspace,
                    link,
                    TCP_PROFILE,
                    initiator=True,
                    started_at_s=started_at_s,
                    on_event=partial(self._on_session_event, name),
                )
            self._on_event(ServeEvent(result.peer, result=result, endpoint=endpoint))
            return result
        finally:
            await link.close()

    def _on_session_event(self, name: str, event: Event) -> None:
        if not (isinstance(event, Progress) and event.phase == "hello"):
            self._answered.add(name)

    def _on_dial_done(self, name: str, dial: asyncio.Task[None]) -> None:
        """Clean up after a dial, perhaps one that was cancelled before it began."""
        if dial.cancelled():
            self.scheduler.on_tie_break_lost(name, loop_time())
        del self._dials[name]
        self._answered.discard(name)
        if name not in {each.name for each in self.scheduler.statuses()}:
            self._forget_peer(name)
        self.wake()

    def _endpoint_of(self, name: str) -> str:
        """The endpoint to dial.

        Of a peer with several addresses another one after each failure.
        """
        announcement = self._announcements.get(name)
        return name if announcement is None else announcement.endpoint(self.scheduler.failure_count(name))

    def _peer_status(self, dial_status: DialStatus) -> PeerStatus:
        announcement, device = self._announcements.get(dial_status.name), dial_status.device
        return PeerStatus.from_dial_status(
            dial_status,
            dial_status.name if announcement is None else announcement.endpoint(dial_status.failures),
            is_in_session=device in self._sessions,
            last_sync_us=self._sessions.last_sync_us(device),
            last_error=self._last_errors.get(dial_status.name),
            epoch_s=self._workspace.clock() / 1_000_000 - loop_time(),
        )

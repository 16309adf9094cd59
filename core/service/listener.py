"""Accept the sessions that others begin.

Over tcp, and at the ports that are served.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from core.errors import FieldlineError
from core.service.active_sessions import ActiveSessions
from core.service.dialer import Dialer
from core.service.error_reporter import ErrorReporter
from core.service.serve_config import RETRY_AFTER_ERROR_S, ServedEndpoint, ServeEvent, ServiceIntervals
from core.service.service_status import PeerStatus
from core.service.session_runner import TCP_PROFILE, Link, LinkProfile, SyncResult, make_peer_filter, run_session
from core.service.unknown_callers import CallerLog
from core.sync.links import tcp
from core.sync.links.tls import UnknownPeer

if TYPE_CHECKING:
    from core.device.context import DeviceContext


class Listener:
    """The incoming half of a serving device.

    It waits for its own dials to a device that has dialed it.

    `on_event` is called with the result of each session that was accepted, `on_change` whenever the status is another.
    """

    def __init__(
        self,
        workspace: DeviceContext,
        sessions: ActiveSessions,
        dialer: Dialer,
        errors: ErrorReporter,
        intervals: ServiceIntervals,
        *,
        on_event: Callable[[ServeEvent], None],
        on_change: Callable[[], None],
    ) -> None:
        self._workspace = workspace
        self._sessions = sessions
        self._dialer = dialer
        self._errors = errors
        self._intervals = intervals
        self._on_event = on_event
        self._on_change = on_change
        self.callers = CallerLog(workspace)
        self._endpoint_statuses: dict[str, PeerStatus] = {}
        self._server = tcp.TcpListener(
            workspace.identity, make_peer_filter(workspace), self._accept, self._on_unknown_peer, errors.report
        )

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen at a host and port (0: a free one), and give those.

        Raises FieldlineError if that is not possible.
        """
        await self._server.start(host, port)
        return self._server.host, self._server.port

    async def close(self) -> None:
        """Listen no more, and end the sessions that were accepted."""
        await self._server.close()

    def statuses(self) -> list[PeerStatus]:
        """The status of each port that is served."""
        return list(self._endpoint_statuses.values())

    async def serve_endpoint(self, served: ServedEndpoint) -> None:
        """Run a session over each link that comes about at a port, until cancelled."""
        while True:
            self._set_status(served, "serving")
            try:
                await served.run(lambda link, initiator: self._run_endpoint_session(served, link, initiator))
            except FieldlineError as error:
                self._set_status(served, "failing", error)
                self._errors.report(error, served.endpoint, served.link_profile.name)
            await asyncio.sleep(RETRY_AFTER_ERROR_S)

    async def _run_endpoint_session(self, served: ServedEndpoint, link: Link, initiator: bool) -> SyncResult | None:
        self._set_status(served, "meeting")
        try:
            return await self._run_session(link, served.link_profile, initiator=initiator)
        finally:
            self._set_status(served, "serving")

    def _set_status(self, served: ServedEndpoint, state: str, error: FieldlineError | None = None) -> None:
        self._endpoint_statuses[served.endpoint] = PeerStatus(served.endpoint, state=state, last_error=error)
        self._on_change()

    async def _accept(self, link: Link) -> None:
        """Run a session with a device that dialed.

        Once no dial of this device to it is under way.
        """
        scheduler = self._dialer.scheduler
        scheduler.count_accepted(link.peer, 1)
        try:
            await self._dialer.wait_for_dials(link.peer, self._intervals.tie_break_timeout_s)
            if link.is_open:
                await self._run_session(link, TCP_PROFILE, initiator=False)
        finally:
            scheduler.count_accepted(link.peer, -1)
            self._dialer.wake()

    async def _run_session(self, link: Link, link_profile: LinkProfile, *, initiator: bool) -> SyncResult | None:
        """Run a session, record and report its result.

        None if it failed, which is reported, too.
        """
        started_at_us = self._workspace.clock()
        try:
            with self._sessions.track(link.peer):
                result = await run_session(self._workspace, link, link_profile, initiator=initiator)
            await self._dialer.record_result(result)
        except FieldlineError as error:
            # If a dial of this device to the peer is under way or was complete meanwhile, the peer lost the tie-break.
            last_sync_us = self._sessions.last_sync_us(link.peer) or 0
            if not self._dialer.is_dialing(link.peer) and last_sync_us < started_at_us:
                self._on_event(ServeEvent(link.peer, error=error, link_name=link_profile.name))
            return None
        self._on_event(ServeEvent(link.peer, result=result, link_name=link_profile.name))
        return result

    def _on_unknown_peer(self, unknown: UnknownPeer) -> None:
        self.callers.record(unknown.device)
        self._errors.report_peer(unknown.device, unknown)

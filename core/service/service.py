"""Serve: accept the sessions of peers, and dial those that differ.

Until cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from core.errors import Refused
from core.membership import Membership
from core.service.active_sessions import ActiveSessions
from core.service.announcer import Announcer
from core.service.dialer import Dialer
from core.service.endpoint import parse_endpoint
from core.service.error_reporter import ErrorReporter
from core.service.listener import Listener
from core.service.root_watcher import RootWatcher
from core.service.serve_config import DEFAULT_INTERVALS, ServeConfig, ServedEndpoint, ServeEvent, ServiceIntervals
from core.service.service_status import PeerStatus, StatusPublisher
from core.service.session_runner import loop_time
from core.service.store_checker import StoreChecker
from core.store.connection import StoreGone
from core.sync.links.causes import lacking, used_up

if TYPE_CHECKING:
    from core.device.context import DeviceContext


class Service:
    """A device that serves: a listener, a dialer, an announcer and the status.

    They share who is in a session.

    `on_event` is called with the result of every session and with every new failure.
    """

    def __init__(
        self,
        workspace: DeviceContext,
        on_event: Callable[[ServeEvent], None],
        intervals: ServiceIntervals = DEFAULT_INTERVALS,
    ) -> None:
        self._workspace = workspace
        self._intervals = intervals
        self._status_changed = asyncio.Event()
        on_change = self._status_changed.set
        self._errors = ErrorReporter(on_event)
        sessions = ActiveSessions(workspace.clock, on_change)
        self._watcher = RootWatcher(workspace, sessions, self._errors, intervals)
        self.dialer = Dialer(workspace, sessions, self._watcher, self._errors, on_event=on_event, on_change=on_change)
        self._listener = Listener(
            workspace, sessions, self.dialer, self._errors, intervals, on_event=on_event, on_change=on_change
        )
        self._checker = StoreChecker(workspace, self._errors, intervals, on_event)
        self._announcer = Announcer(
            workspace.store.fleet, workspace.identity.device, self.dialer, self._watcher, self._errors
        )

    async def run(self, config: ServeConfig, on_listening: Callable[[str, int], None]) -> None:
        """Serve until cancelled; `on_listening(host, port)` is called once.

        Raises Refused for a peer endpoint that is no address, FieldlineError if it cannot listen.
        """
        for endpoint in config.peer_endpoints:
            if not parse_endpoint(endpoint).host:
                raise Refused("{target} is not the address of a device: write tcp://HOST:PORT.", target=endpoint)
        self._workspace.identity.unlock()
        self._watcher.subscribers += [partial(_set_root, served) for served in config.served_endpoints]
        await self._watcher.refresh()
        host, port = await self._listener.start(config.host, config.port)
        for endpoint in config.peer_endpoints:
            self.dialer.scheduler.add_static_peer(endpoint, loop_time())
        publisher = StatusPublisher(self._workspace.home.folder)
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._on_loop_error)
        gone: Exception | None = None
        try:
            on_listening(host, port)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watcher.run())
                group.create_task(self.dialer.run())
                group.create_task(self._publish_status(publisher))
                group.create_task(self._listener.callers.run())
                group.create_task(self._checker.run())
                if config.is_discovery_on:
                    group.create_task(self._announcer.run(host, port))
                for served in config.served_endpoints:
                    group.create_task(self._listener.serve_endpoint(served))
        except* StoreGone as group:
            gone = group.exceptions[0]
        finally:
            loop.set_exception_handler(None)
            publisher.close()
            await self._listener.close()
        if gone is not None:
            # What comes in now would be called saved, and nobody would find it.
            raise gone

    def status(self) -> list[PeerStatus]:
        """The status of each peer and each port that is served."""
        return [*self.dialer.statuses(), *self._listener.statuses()]

    async def _publish_status(self, publisher: StatusPublisher) -> None:
        while True:
            is_publisher = publisher.publish(self.status())
            await asyncio.sleep(self._intervals.status_s)
            # Another process may serve, too, and end: then this one publishes instead.
            if is_publisher:
                await self._status_changed.wait()
            self._status_changed.clear()

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Report what keeps this device from accepting links.

        asyncio tries again a second later.
        """
        error = context.get("exception")
        if error is not None and used_up(error):
            self._errors.report(lacking(error))
        else:
            loop.default_exception_handler(context)


def _set_root(served: ServedEndpoint, root: bytes, membership: Membership) -> None:
    served.set_root(root)


async def run_service(
    workspace: DeviceContext,
    config: ServeConfig,
    *,
    on_listening: Callable[[str, int], None],
    on_event: Callable[[ServeEvent], None],
) -> None:
    """See `Workspace.serve`."""
    await Service(workspace, on_event).run(config, on_listening)

"""Serving: answering devices that call, and calling those that hold something else, until cancelled."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from core.errors import FieldlineError, Refused
from core.service.endpoint import parse_endpoint
from core.service.serve_config import ServeConfig, ServedEndpoint, ServeEvent
from core.service.service_status import PeerStatus, StatusPublisher
from core.service.session_runner import (
    TCP_PROFILE,
    Link,
    LinkProfile,
    SyncResult,
    loop_time,
    make_peer_filter,
    run_session,
)
from core.sync.discovery.announcement import Announcement
from core.sync.discovery.dial_scheduler import MAX_PEER_NAMES, DialScheduler, DialStatus, loses_tie_break
from core.sync.events import Event, Progress
from core.sync.links import tcp
from core.sync.links.causes import lacking, used_up
from core.sync.links.tls import UnknownPeer

if TYPE_CHECKING:
    from core.device.context import DeviceContext
    from core.sync.discovery.browser import PeerBrowser

TIE_BREAK_TIMEOUT_S = 5.0
"""Seconds that a device that calls waits for the end of the call that is under way the other way round."""

WATCH_DEBOUNCE_S, WATCH_INTERVAL_DURING_SYNC_S = 0.5, 15.0
"""Seconds at least between two looks at what was saved; in a meeting something is saved all the time."""

NETWORK_REFRESH_INTERVAL_S = 5.0
STATUS_INTERVAL_S = 1.0
RETRY_AFTER_ERROR_S = 10.0


class Service:
    """A device at work; `happened` is told of every meeting and every new trouble."""

    def __init__(self, workspace: DeviceContext, on_event: Callable[[ServeEvent], None]) -> None:
        self._workspace = workspace
        self._on_event = on_event
        self._own_device = workspace.identity.device
        chance = random.SystemRandom().uniform
        self.dial_scheduler = DialScheduler(workspace.store.fleet, self._own_device, chance)
        self._announcements: dict[str, Announcement] = {}
        self._dials: dict[str, asyncio.Task[None]] = {}
        self._answered_dials: set[str] = set()
        self._in_session: Counter[bytes] = Counter()
        self._last_sync_us: dict[bytes, int] = {}
        self._last_errors: dict[str, FieldlineError] = {}
        self._dial_needed = asyncio.Event()
        self._status_changed = asyncio.Event()
        self._browser: PeerBrowser | None = None
        self._listening_port = 0
        self._served_endpoints: Sequence[ServedEndpoint] = ()
        self._endpoint_status: dict[str, PeerStatus] = {}
        self._refreshed_at_s = 0.0
        self._reported_errors: dict[str, str] = {}

    async def run(self, config: ServeConfig, on_listening: Callable[[str, int], None]) -> None:
        """Serve until cancelled; `listening` is told where, once. Raises FieldlineError if it cannot listen."""
        for target in config.peer_endpoints:
            if not parse_endpoint(target).host:
                raise Refused("{target} is not the address of a device: write tcp://HOST:PORT.", target=target)
        server = tcp.TcpListener(
            self._workspace.identity,
            make_peer_filter(self._workspace),
            self._accept,
            self._on_unknown_peer,
            self._report_error,
        )
        self._served_endpoints = config.served_endpoints
        await self._refresh_root()
        await server.start(config.host, config.port)
        self._listening_port = server.port
        for target in config.peer_endpoints:
            self.dial_scheduler.add_static_peer(target, loop_time())
        report = StatusPublisher(self._workspace.home.folder)
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._mishap)
        try:
            on_listening(server.host, server.port)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._watch_store())
                group.create_task(self._dial_due_peers(group))
                group.create_task(self._publish_status(report))
                if config.is_discovery_on:
                    group.create_task(self._run_discovery(server.host))
                for port in config.served_endpoints:
                    group.create_task(self._serve_endpoint(port))
        finally:
            loop.set_exception_handler(None)
            report.close()
            if self._browser is not None:
                await self._browser.close()
            await server.close()

    # --- what it is doing --------------------------------------------------------------------------------------------

    def _notify(self) -> None:
        """Something is different: look whom to call, and tell who wants to know."""
        self._dial_needed.set()
        self._status_changed.set()

    async def _publish_status(self, report: StatusPublisher) -> None:
        while True:
            told = report.publish(self.status())
            await asyncio.sleep(STATUS_INTERVAL_S)
            if told:
                await self._status_changed.wait()
            self._status_changed.clear()

    def status(self) -> list[PeerStatus]:
        """How it stands with each peer and each port."""
        return [*(self._peer_status(each) for each in self.dial_scheduler.statuses()), *self._endpoint_status.values()]

    def _peer_status(self, standing: DialStatus) -> PeerStatus:
        said, device = self._announcements.get(standing.name), standing.device
        return PeerStatus.from_dial_status(
            standing,
            standing.name if said is None else said.endpoint(standing.failures),
            is_in_session=device in self._in_session,
            last_sync_us=self._last_sync_us.get(device) if device else None,
            last_error=self._last_errors.get(standing.name),
            epoch_s=self._workspace.clock() / 1_000_000 - loop_time(),
        )

    # --- what this device holds --------------------------------------------------------------------------------------

    async def _watch_store(self) -> None:
        """Notice what this and other processes save."""
        unseen = False
        while True:
            try:
                unseen |= await self._workspace.store.wait_for_change(WATCH_INTERVAL_DURING_SYNC_S if unseen else None)
                if unseen and (
                    not self._in_session or loop_time() - self._refreshed_at_s >= WATCH_INTERVAL_DURING_SYNC_S
                ):
                    await self._refresh_root()
                    unseen = False
                await asyncio.sleep(WATCH_DEBOUNCE_S)
            except FieldlineError as error:
                self._report_error(error)
                await asyncio.sleep(RETRY_AFTER_ERROR_S)

    async def _try_refresh_root(self) -> None:
        try:
            await self._refresh_root()
        except FieldlineError as error:
            self._report_error(error)

    async def _refresh_root(self) -> None:
        """Take note of what this device holds, and announce it."""
        self._refreshed_at_s = loop_time()
        root = (await self._workspace.store.summary()).root
        membership = await self._workspace.membership()
        self.dial_scheduler.on_local_root(
            root, lambda device: not membership.members or membership.may_connect(device), loop_time()
        )
        for port in self._served_endpoints:
            port.set_root(root)
        if self._browser is not None:
            self._browser.announce(self._listening_port, self._workspace.store.fleet, root, self._own_device)
        self._notify()

    # --- calling -----------------------------------------------------------------------------------------------------

    async def _dial_due_peers(self, group: asyncio.TaskGroup) -> None:
        while True:
            self._dial_needed.clear()
            for name in self.dial_scheduler.due_peers(loop_time()):
                self.dial_scheduler.on_dial_started(name)
                call = self._dials[name] = group.create_task(self._dial(name))
                call.add_done_callback(partial(self._on_dial_done, name))
                self._status_changed.set()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self.dial_scheduler.next_wake_at()):
                    await self._dial_needed.wait()

    async def _dial(self, name: str) -> None:
        """Call a peer and hold a meeting; cancelled if the peer calls at the same time and has the right of way."""
        target = self._dial_endpoint(name)
        try:
            met = await self._dial_and_sync(name, target)
        except FieldlineError as error:
            self.dial_scheduler.on_dial_failed(name, loop_time())
            self._last_errors[name] = error
            self._report_error(error, target)
            return
        self._reported_errors.pop(target, None)
        if met is None:
            self.dial_scheduler.on_tie_break_lost(name, loop_time())
            return
        await self._record_result(met)
        self.dial_scheduler.on_dial_succeeded(name, loop_time(), has_moved=bool(met.stats.sent or met.stats.received))

    def _on_dial_event(self, name: str, event: Event) -> None:
        if not (isinstance(event, Progress) and event.phase == "hello"):
            self._answered_dials.add(name)

    def _on_dial_done(self, name: str, call: asyncio.Task[None]) -> None:
        """A call is over, perhaps before it began."""
        if call.cancelled():
            self.dial_scheduler.on_tie_break_lost(name, loop_time())
        del self._dials[name]
        self._answered_dials.discard(name)
        if name not in {each.name for each in self.dial_scheduler.statuses()}:
            self._forget_peer(name)
        self._notify()

    async def _dial_and_sync(self, name: str, target: str) -> SyncResult | None:
        """The meeting with a peer; None if that turns out to be a device that called meanwhile, and is to be heard."""
        workspace, place = self._workspace, parse_endpoint(target)
        said = self._announcements.get(name)
        may = make_peer_filter(workspace)

        async def expected(device: bytes) -> bool:
            return (said is None or device == said.device) and await may(device)

        began = loop_time()
        link = await tcp.dial_tcp(place.host, place.port, workspace.identity, expected)
        try:
            if said is None:
                self.dial_scheduler.on_peer_identified(name, link.peer)
                if self.dial_scheduler.is_accepting(link.peer) and loses_tie_break(self._own_device, link.peer):
                    return None
            with self._track_session(link.peer):
                met = await run_session(
                    workspace,
                    link,
                    TCP_PROFILE,
                    initiator=True,
                    started_at_s=began,
                    on_event=lambda event: self._on_dial_event(name, event),
                )
            self._on_event(ServeEvent(met.peer, result=met, endpoint=target))
            return met
        finally:
            await link.close()

    def _dial_endpoint(self, name: str) -> str:
        """Where to call a peer; one with several addresses at another one after each failure."""
        said = self._announcements.get(name)
        return name if said is None else said.endpoint(self.dial_scheduler.failure_count(name))

    # --- answering ---------------------------------------------------------------------------------------------------

    async def _accept(self, link: Link) -> None:
        """Hold a meeting with a device that called; one at a time of those that both sides call for by themselves."""
        self.dial_scheduler.count_accepted(link.peer, 1)
        try:
            if await self._wait_for_tie_break(link):
                await self._run_accepted_session(link, TCP_PROFILE, initiator=False)
        finally:
            self.dial_scheduler.count_accepted(link.peer, -1)
            self._notify()

    def _dials_to(self, device: bytes) -> set[str]:
        return {
            each.name for each in self.dial_scheduler.statuses() if each.device == device and each.name in self._dials
        }

    async def _wait_for_tie_break(self, link: Link) -> bool:
        """Whether a device still wants to meet, once no call of this device to it is under way."""
        names = self._dials_to(link.peer)
        calls = [self._dials[name] for name in names]
        if not calls:
            return True
        if loses_tie_break(self._own_device, link.peer):
            # One that the other device has answered is not in anybody's way: it waits for the end of that, too.
            for name in names - self._answered_dials:
                self._dials[name].cancel()
        await asyncio.wait(calls, timeout=TIE_BREAK_TIMEOUT_S)
        return link.is_open

    async def _run_accepted_session(self, link: Link, carrier: LinkProfile, *, initiator: bool) -> SyncResult | None:
        began = self._workspace.clock()
        try:
            with self._track_session(link.peer):
                met = await run_session(self._workspace, link, carrier, initiator=initiator)
            await self._record_result(met)
            self._on_event(ServeEvent(link.peer, result=met, link_name=carrier.name))
            return met
        except FieldlineError as error:
            # If they have met the other way round meanwhile, the other device has given way, and nothing is wrong.
            if not self._dials_to(link.peer) and self._last_sync_us.get(link.peer, 0) < began:
                self._on_event(ServeEvent(link.peer, error=error, link_name=carrier.name))
            return None

    @contextmanager
    def _track_session(self, device: bytes) -> Iterator[None]:
        """Know that a meeting with a device is under way."""
        self._in_session[device] += 1
        self._status_changed.set()
        try:
            yield
        finally:
            self._in_session[device] -= 1
            self._in_session += Counter()
            self._status_changed.set()

    async def _serve_endpoint(self, port: ServedEndpoint) -> None:
        """Meet whoever comes at a port."""

        def tell(state: str, trouble: FieldlineError | None = None) -> None:
            self._endpoint_status[port.endpoint] = PeerStatus(port.endpoint, state=state, last_error=trouble)
            self._status_changed.set()

        async def on_link(link: Link, initiator: bool) -> SyncResult | None:
            tell("meeting")
            try:
                return await self._run_accepted_session(link, port.link_profile, initiator=initiator)
            finally:
                tell("serving")

        while True:
            tell("serving")
            try:
                await port.run(on_link)
            except FieldlineError as error:
                tell("failing", error)
                self._report_error(error, port.endpoint, port.link_profile.name)
            await asyncio.sleep(RETRY_AFTER_ERROR_S)

    async def _record_result(self, met: SyncResult) -> None:
        """Remember what a peer holds after a meeting."""
        await self._try_refresh_root()
        if met.peer is not None:
            self._last_sync_us[met.peer] = self._workspace.clock()
            self.dial_scheduler.on_synced(met.peer, met.root, loop_time())

    def _mishap(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Tell what keeps this device from taking calls: asyncio tries again a second later."""
        error = context.get("exception")
        if error is not None and used_up(error):
            self._report_error(lacking(error))
        else:
            loop.default_exception_handler(context)

    def _on_unknown_peer(self, stranger: UnknownPeer) -> None:
        self._report_once(stranger.device.hex(), ServeEvent(stranger.device, error=stranger))

    # --- discovering -------------------------------------------------------------------------------------------------

    async def _run_discovery(self, host: str) -> None:
        """Find and be found, in whatever networks there are."""
        from core.sync.discovery.browser import PeerBrowser

        while True:
            self._browser = discovery = PeerBrowser(self._on_announced, self._on_gone, host=host)
            try:
                await discovery.start()
                break
            except FieldlineError as error:
                self._report_error(error)
                await asyncio.sleep(RETRY_AFTER_ERROR_S)
        await self._try_refresh_root()
        while True:
            await asyncio.sleep(NETWORK_REFRESH_INTERVAL_S)
            if await discovery.update_interfaces():
                self.dial_scheduler.on_network_change(loop_time())
                await self._try_refresh_root()

    def _on_announced(self, said: Announcement) -> None:
        if self.dial_scheduler.on_announcement(said, loop_time()):
            self._announcements[said.name] = said
            if len(self._announcements) > 2 * MAX_PEER_NAMES:
                known = {each.name for each in self.dial_scheduler.statuses()}
                self._announcements = {name: each for name, each in self._announcements.items() if name in known}
            self._notify()

    def _on_gone(self, name: str) -> None:
        self.dial_scheduler.on_withdrawal(name)
        if name not in self._dials:
            self._forget_peer(name)
            self._status_changed.set()

    def _forget_peer(self, name: str) -> None:
        self._announcements.pop(name, None)
        self._last_errors.pop(name, None)

    def _report_error(self, error: FieldlineError, target: str | None = None, link: str = TCP_PROFILE.name) -> None:
        self._report_once(target or "", ServeEvent(None, error=error, endpoint=target, link_name=link))

    def _report_once(self, where: str, trouble: ServeEvent) -> None:
        """Tell of a trouble unless it was told before and nothing has changed there since."""
        if self._reported_errors.get(where) == str(trouble.error):
            return
        if len(self._reported_errors) >= MAX_PEER_NAMES:
            self._reported_errors.clear()
        self._reported_errors[where] = str(trouble.error)
        self._on_event(trouble)


async def run_service(
    workspace: DeviceContext,
    config: ServeConfig,
    *,
    on_listening: Callable[[str, int], None],
    on_event: Callable[[ServeEvent], None],
) -> None:
    """See `Workspace.serve`."""
    await Service(workspace, on_event).run(config, on_listening)

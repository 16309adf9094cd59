"""List what can be synced with now.

Devices that announce themselves in the network, and serial ports.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from core.errors import FieldlineError
from core.service import service_status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from core.device.context import DeviceContext
    from core.membership import Membership
    from core.sync.discovery.announcement import Announcement
    from core.sync.discovery.browser import PeerBrowser


NETWORK_REFRESH_INTERVAL_S = 5.0
"""Between two looks at the interfaces: a cable that was plugged in is used soon enough."""
MAX_ANNOUNCEMENTS = 1024
"""Remembered: anybody in the network can announce anything."""


@dataclass(frozen=True, slots=True)
class DiscoveredPeer:
    """A device or a port that was seen.

    Of a port only its endpoint and name are known.

    `fleet`, `device` and `root` (its first bytes) are what somebody announced, and are not proven. `name` is what the
    fleet calls that device. `is_in_sync` is None if that is not known; a member is of this fleet and may connect. The
    rest is what the process that serves on this device, if there is one, publishes: see `PeerStatus`.
    """

    endpoint: str
    name: str = ""
    fleet: bytes | None = None
    device: bytes | None = None
    root: bytes | None = None
    is_in_sync: bool | None = None
    is_member: bool = False
    state: str = ""
    failure_count: int = 0
    next_try_us: int | None = None
    last_sync_us: int | None = None
    last_error: FieldlineError | None = None


class PeerDiscovery:
    """Remembers the devices that announce themselves, as they come and go."""

    def __init__(self, workspace: DeviceContext) -> None:
        self._workspace = workspace
        self._announcements: dict[str, Announcement] = {}

    def on_announcement(self, announcement: Announcement) -> None:
        """Take note of a device that announces itself, or something else than before."""
        if announcement.name in self._announcements or len(self._announcements) < MAX_ANNOUNCEMENTS:
            self._announcements[announcement.name] = announcement

    def on_withdrawal(self, name: str) -> None:
        """Forget a device that is announced no more."""
        self._announcements.pop(name, None)

    async def list_peers(self) -> list[DiscoveredPeer]:
        """List the devices by name, without this one, then the ports.

        Those are among them that only the process that serves knows, by its option `--peer`.
        """
        from core.sync.discovery.announcement import ANNOUNCED_ROOT_BYTES

        workspace = self._workspace
        own = workspace.identity.device
        fleet, members = workspace.store.fleet, await workspace.membership()
        root = (await workspace.store.summary()).root[:ANNOUNCED_ROOT_BYTES]
        found = []
        for announcement in self._announcements.values():
            if announcement.device == own:
                continue
            known = members.members.get(announcement.device) if announcement.fleet == fleet else None
            found.append(
                DiscoveredPeer(
                    announcement.endpoint(),
                    known.name if known else "",
                    announcement.fleet,
                    announcement.device,
                    announcement.root,
                    announcement.root == root if announcement.fleet == fleet else None,
                    known is not None and members.may_connect(announcement.device),
                )
            )
        statuses = service_status.read_status(workspace.home.folder) or []
        found = _merge_status(found, [each for each in statuses if not each.is_serial_port], fleet, members)
        found.sort(key=lambda peer: (not peer.is_member, peer.name, peer.endpoint))
        return found + await asyncio.to_thread(_present_ports, workspace, statuses)


def _merge_status(
    found: list[DiscoveredPeer], statuses: list[service_status.PeerStatus], fleet: bytes, members: Membership
) -> list[DiscoveredPeer]:
    """Join what was seen with the published status, by device or else by endpoint."""
    by_peer = {each.device or each.endpoint: each for each in statuses}
    joined = [
        peer if (each := by_peer.pop(peer.device or peer.endpoint, None)) is None else _with_status(peer, each)
        for peer in found
    ]
    for each in by_peer.values():
        known = members.members.get(each.device) if each.device else None
        peer = DiscoveredPeer(
            each.endpoint,
            known.name if known else "",
            fleet if each.device else None,
            each.device,
            each.root,
            each.is_in_sync,
            known is not None,
        )
        joined.append(_with_status(peer, each))
    return joined


def _with_status(peer: DiscoveredPeer, each: service_status.PeerStatus) -> DiscoveredPeer:
    return replace(
        peer,
        state=each.state,
        failure_count=each.failure_count,
        next_try_us=each.next_try_us,
        last_sync_us=each.last_sync_us,
        last_error=each.last_error,
    )


def _present_ports(workspace: DeviceContext, statuses: list[service_status.PeerStatus]) -> list[DiscoveredPeer]:
    from core.sync.links.serial import serial_ports

    by_endpoint = {each.endpoint: each for each in statuses}
    found = []
    for port in serial_ports.list_serial_ports(
        [serial_ports.parse_serial_endpoint(each) for each in workspace.home.served_ports()]
    ):
        peer = DiscoveredPeer(port.endpoint, f"{port.name} {port.label}".strip())
        each = by_endpoint.get(str(serial_ports.SerialEndpoint(port.path)))
        found.append(peer if each is None else _with_status(peer, each))
    return found


@asynccontextmanager
async def discover_peers(
    workspace: DeviceContext, on_error: Callable[[FieldlineError], None] = lambda error: None
) -> AsyncIterator[PeerDiscovery]:
    """Discover other devices for as long as this is entered.

    This device is not announced.

    `on_error` is called once if the network cannot be listened to; ports are listed all the same.
    """
    from core.sync.discovery.browser import PeerBrowser

    discovery = PeerDiscovery(workspace)
    browser = PeerBrowser(discovery.on_announcement, discovery.on_withdrawal)
    try:
        await browser.start()
    except FieldlineError as error:
        on_error(error)
    refreshing = asyncio.create_task(_refresh_networks(browser))
    try:
        yield discovery
    finally:
        refreshing.cancel()
        await browser.close()


async def _refresh_networks(browser: PeerBrowser) -> None:
    while True:
        await asyncio.sleep(NETWORK_REFRESH_INTERVAL_S)
        await browser.update_interfaces()

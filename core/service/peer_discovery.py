"""What can be met right now: devices that announce themselves in the network, and serial ports."""

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
MAX_ANNOUNCEMENTS = 1024


@dataclass(frozen=True, slots=True)
class DiscoveredPeer:
    """A device or a port that was seen. Of a port nothing else is known than its target and what it is called.

    `fleet`, `device` and `root` (the first bytes of it) are what somebody announced, and are not proven. `name` is
    what the fleet calls that device. `same` says whether it holds the same as this one (None: not known), `member`
    whether it is of this fleet and may connect.

    The rest is what the process that serves on this device, if there is one, says about it: `state` is "meeting",
    "calling", "serving" (a port), "failing" or "", `next_try` and `met_at` are microseconds since 1970 UTC.
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
    """Devices that announce themselves in the network, and serial ports, as they come and go."""

    def __init__(self, workspace: DeviceContext) -> None:
        self._workspace = workspace
        self._announcements: dict[str, Announcement] = {}

    def on_announced(self, said: Announcement) -> None:
        """A device announces itself, or something else than before."""
        if said.name in self._announcements or len(self._announcements) < MAX_ANNOUNCEMENTS:
            self._announcements[said.name] = said

    def on_gone(self, name: str) -> None:
        """A device is not there any more."""
        self._announcements.pop(name, None)

    async def list_peers(self) -> list[DiscoveredPeer]:
        """What can be met now: devices by name, this one left out, then ports.

        Also those that only the process that serves knows of, as it was told of them with `--peer`.
        """
        from core.sync.discovery.announcement import ANNOUNCED_ROOT_BYTES

        workspace = self._workspace
        own = workspace.identity.device
        fleet, members = workspace.store.fleet, await workspace.membership()
        root = (await workspace.store.summary()).root[:ANNOUNCED_ROOT_BYTES]
        found = []
        for said in self._announcements.values():
            if said.device == own:
                continue
            known = members.members.get(said.device) if said.fleet == fleet else None
            found.append(
                DiscoveredPeer(
                    said.endpoint(),
                    known.name if known else "",
                    said.fleet,
                    said.device,
                    said.root,
                    said.root == root if said.fleet == fleet else None,
                    known is not None and members.may_connect(said.device),
                )
            )
        doings = service_status.read_status(workspace.home.folder) or []
        found = _merge_status(found, [each for each in doings if not each.is_serial_port], fleet, members)
        found.sort(key=lambda peer: (not peer.is_member, peer.name, peer.endpoint))
        return found + await asyncio.to_thread(_present_ports, workspace, doings)


def _merge_status(
    found: list[DiscoveredPeer], doings: list[service_status.PeerStatus], fleet: bytes, members: Membership
) -> list[DiscoveredPeer]:
    """What was seen, and what the process that serves says about it."""
    said = {each.device or each.endpoint: each for each in doings}
    joined = [
        peer if (each := said.pop(peer.device or peer.endpoint, None)) is None else _with_status(peer, each)
        for peer in found
    ]
    for each in said.values():
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


def _present_ports(workspace: DeviceContext, doings: list[service_status.PeerStatus]) -> list[DiscoveredPeer]:
    from core.sync.links.serial import serial_ports

    said = {each.endpoint: each for each in doings}
    found = []
    for port in serial_ports.list_serial_ports(
        [serial_ports.parse_serial_endpoint(each) for each in workspace.home.served_ports()]
    ):
        peer = DiscoveredPeer(port.endpoint, f"{port.name} {port.label}".strip())
        each = said.get(str(serial_ports.SerialEndpoint(port.path)))
        found.append(peer if each is None else _with_status(peer, each))
    return found


@asynccontextmanager
async def discover_peers(
    workspace: DeviceContext, on_error: Callable[[FieldlineError], None] = lambda error: None
) -> AsyncIterator[PeerDiscovery]:
    """Look out for other devices for as long as this is entered; nothing is announced by it.

    `trouble` is told why if the network cannot be listened to; ports are seen all the same.
    """
    from core.sync.discovery.browser import PeerBrowser

    made = PeerDiscovery(workspace)
    discovery = PeerBrowser(made.on_announced, made.on_gone)
    try:
        await discovery.start()
    except FieldlineError as error:
        on_error(error)
    refreshing = asyncio.create_task(_refresh_networks(discovery))
    try:
        yield made
    finally:
        refreshing.cancel()
        await discovery.close()


async def _refresh_networks(discovery: PeerBrowser) -> None:
    while True:
        await asyncio.sleep(NETWORK_REFRESH_INTERVAL_S)
        await discovery.update_interfaces()

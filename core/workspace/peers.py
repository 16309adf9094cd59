"""What can be met right now: devices that announce themselves in the network, and serial ports."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from core.errors import FieldlineError
from core.workspace import doing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from core.membership import Membership
    from core.sync.announcing import Announced
    from core.sync.discovery import Discovery
    from core.workspace.context import DeviceContext


NETWORK_SECONDS = 5.0
MOST_NAMES = 1024


@dataclass(frozen=True, slots=True)
class Peer:
    """A device or a port that was seen. Of a port nothing else is known than its target and what it is called.

    `fleet`, `device` and `root` (the first bytes of it) are what somebody announced, and are not proven. `name` is
    what the fleet calls that device. `same` says whether it holds the same as this one (None: not known), `member`
    whether it is of this fleet and may connect.

    The rest is what the process that serves on this device, if there is one, says about it: `state` is "meeting",
    "calling", "serving" (a port), "failing" or "", `next_try` and `met_at` are microseconds since 1970 UTC.
    """

    target: str
    name: str = ""
    fleet: bytes | None = None
    device: bytes | None = None
    root: bytes | None = None
    same: bool | None = None
    member: bool = False
    state: str = ""
    failures: int = 0
    next_try: int | None = None
    met_at: int | None = None
    trouble: FieldlineError | None = None


class Lookout:
    """Devices that announce themselves in the network, and serial ports, as they come and go."""

    def __init__(self, workspace: DeviceContext) -> None:
        self._workspace = workspace
        self._announced: dict[str, Announced] = {}

    def seen(self, said: Announced) -> None:
        """A device announces itself, or something else than before."""
        if said.name in self._announced or len(self._announced) < MOST_NAMES:
            self._announced[said.name] = said

    def gone(self, name: str) -> None:
        """A device is not there any more."""
        self._announced.pop(name, None)

    async def peers(self) -> list[Peer]:
        """What can be met now: devices by name, this one left out, then ports.

        Also those that only the process that serves knows of, as it was told of them with `--peer`.
        """
        from core.sync.announcing import ROOT_SIZE

        workspace = self._workspace
        own = workspace.identity.device
        fleet, members = workspace.store.fleet, await workspace.membership()
        root = (await workspace.store.summary()).root[:ROOT_SIZE]
        found = []
        for said in self._announced.values():
            if said.device == own:
                continue
            known = members.members.get(said.device) if said.fleet == fleet else None
            found.append(
                Peer(
                    said.target(),
                    known.name if known else "",
                    said.fleet,
                    said.device,
                    said.root,
                    said.root == root if said.fleet == fleet else None,
                    known is not None and members.may_connect(said.device),
                )
            )
        doings = doing.told(workspace.home.folder) or []
        found = _joined(found, [each for each in doings if not each.is_port], fleet, members)
        found.sort(key=lambda peer: (not peer.member, peer.name, peer.target))
        return found + await asyncio.to_thread(_ports, workspace, doings)


def _joined(found: list[Peer], doings: list[doing.Doing], fleet: bytes, members: Membership) -> list[Peer]:
    """What was seen, and what the process that serves says about it."""
    said = {each.device or each.target: each for each in doings}
    joined = [
        peer if (each := said.pop(peer.device or peer.target, None)) is None else _told(peer, each) for peer in found
    ]
    for each in said.values():
        known = members.members.get(each.device) if each.device else None
        peer = Peer(
            each.target,
            known.name if known else "",
            fleet if each.device else None,
            each.device,
            each.root,
            each.same,
            known is not None,
        )
        joined.append(_told(peer, each))
    return joined


def _told(peer: Peer, each: doing.Doing) -> Peer:
    return replace(
        peer,
        state=each.state,
        failures=each.failures,
        next_try=each.next_try,
        met_at=each.met_at,
        trouble=each.trouble,
    )


def _ports(workspace: DeviceContext, doings: list[doing.Doing]) -> list[Peer]:
    from core.sync.links import ports

    said = {each.target: each for each in doings}
    found = []
    for port in ports.present([ports.parse(each) for each in workspace.home.cables()]):
        peer = Peer(port.target, f"{port.name} {port.label}".strip())
        each = said.get(str(ports.SerialTarget(port.path)))
        found.append(peer if each is None else _told(peer, each))
    return found


@asynccontextmanager
async def lookout(
    workspace: DeviceContext, trouble: Callable[[FieldlineError], None] = lambda error: None
) -> AsyncIterator[Lookout]:
    """Look out for other devices for as long as this is entered; nothing is announced by it.

    `trouble` is told why if the network cannot be listened to; ports are seen all the same.
    """
    from core.sync.discovery import Discovery

    made = Lookout(workspace)
    discovery = Discovery(made.seen, made.gone)
    try:
        await discovery.start()
    except FieldlineError as error:
        trouble(error)
    refreshing = asyncio.create_task(_keep_up(discovery))
    try:
        yield made
    finally:
        refreshing.cancel()
        await discovery.close()


async def _keep_up(discovery: Discovery) -> None:
    while True:
        await asyncio.sleep(NETWORK_SECONDS)
        await discovery.refresh()

"""Cables: meeting whoever is at the other end of one, once or whenever there is something new."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from core.errors import FieldlineError
from core.service import service_status
from core.service.session_runner import (
    TCP_PROFILE,
    LinkProfile,
    OnEvent,
    SyncResult,
    loop_time,
    make_peer_filter,
    run_session,
)
from core.sync.links.serial import connect
from core.sync.links.serial.arq import BITS_PER_BYTE
from core.sync.links.serial.serial_ports import DEFAULT_BAUD, PortAbsent, PortError, SerialEndpoint
from core.sync.links.serial.serial_transport import SerialTransport
from core.sync.pump import DEFAULT_WRITE_BYTES

if TYPE_CHECKING:
    from core.device.context import DeviceContext
    from core.service.serve_config import LinkHandler

SERIAL_LINK_NAME = "serial"

PEER_TIMEOUT_S = 120.0
"""Seconds that one waits for the other end: before it begins, and whenever nothing comes, as from a pulled cable."""

REDIAL_INTERVAL_S, REDIAL_AFTER_ERROR_S = 300.0, 10.0
"""Seconds after which the other end is called though nothing is new: it may be another device by now."""

PORT_POLL_INTERVAL_S = 0.5
MIN_BATCH_BYTES, MIN_WRITE_BYTES = 1 << 12, 1 << 10


def serial_link_profile(rate: int) -> LinkProfile:
    """How much to use at once of a line of so many bits a second: commits about once a second, progress more often."""
    a_second = rate // 10
    piece = min(DEFAULT_WRITE_BYTES, max(MIN_WRITE_BYTES, a_second // 8))
    batch_bytes = min(TCP_PROFILE.batch_bytes, max(MIN_BATCH_BYTES, a_second))
    return LinkProfile(SERIAL_LINK_NAME, batch_bytes=batch_bytes, write_bytes=piece, peer_timeout_s=PEER_TIMEOUT_S)


@dataclass(frozen=True, slots=True)
class CableStatus:
    """How a cable that is in use stands: whether there is a session on it, whether it is `pulled` and waited for, its
    rate in bits a second and what it carries just now, how many frames were mended or had to be sent again, which
    device is at the other end, and whether nothing comes from there any more.
    """

    has_session: bool
    is_unplugged: bool
    baud: int
    bits_per_second: int
    corrected_count: int
    peer: bytes | None = None
    is_silent: bool = False


_open_cables: WeakValueDictionary[str, SerialTransport] = WeakValueDictionary()


def read_cable_status(target: str) -> CableStatus | None:
    """How the cable of this target (`serial:///dev/…`) stands that this process uses; None if it uses none there."""
    cable = _open_cables.get(target.removeprefix("serial://").partition("?")[0])
    if cable is None or cable.closed.done():
        return None
    arq = cable.arq
    corrected = arq.counters.resent + arq.counters.corrected
    joined, carries = cable.opened.done(), int(arq.line_rate * BITS_PER_BYTE)
    return CableStatus(joined, cable.is_port_absent, cable.baud, carries, corrected, cable.peer, cable.is_silent)


def _register_cable(cable: SerialTransport) -> None:
    _open_cables[cable.path] = cable


async def sync_over_serial(
    workspace: DeviceContext,
    endpoint: SerialEndpoint,
    *,
    modes: tuple[str, ...],
    timeout_s: float | None,
    on_event: OnEvent,
) -> SyncResult:
    """Meet the device at the other end once, when there is one, and again if that is started anew in the middle.

    `timeout` is how many seconds it may not be there or be silent. Raises FieldlineError if it came to nothing; what
    had been saved by then stays.
    """
    # What a meeting begins with is read now, not while the line waits.
    await workspace.store.sketch()
    began = loop_time()
    patience = PEER_TIMEOUT_S if timeout_s is None else timeout_s
    in_vain: float | None = None
    while True:
        try:
            link = await connect.connect_serial(
                endpoint,
                workspace.identity,
                make_peer_filter(workspace),
                timeout_s=patience,
                on_transport=_register_cable,
            )
        except PortError as error:
            if isinstance(error, PortAbsent) or not _is_served(workspace, endpoint):
                raise
            raise PortError(
                "`fieldline serve` on this device has {port}: it syncs with the other end by itself.",
                port=endpoint.path,
            ) from None
        except connect.PeerRestarted:
            # Whatever it is that begins and never gets to a link is not waited for longer than one that is not there.
            in_vain = loop_time() if in_vain is None else in_vain
            if loop_time() - in_vain > patience:
                raise
            continue
        in_vain = None
        try:
            return await run_session(
                workspace,
                link,
                serial_link_profile(link.line_bps),
                initiator=link.initiator,
                modes=modes,
                started_at_s=began,
                timeout_s=patience,
                on_event=on_event,
            )
        except FieldlineError:
            if not link.is_peer_restarted:
                raise
        finally:
            await link.close()


def _is_served(workspace: DeviceContext, target: SerialEndpoint) -> bool:
    """Whether the process that serves on this device has this port."""
    port = str(SerialEndpoint(target.path))
    return any(
        each.endpoint == port and each.state != "failing"
        for each in service_status.read_status(workspace.home.folder) or ()
    )


class ServedSerialPort:
    """A port that is served: answers whoever calls, and calls when something was saved here, when it was plugged in,
    and now and then. Two that serve the same cable are quiet when they hold the same.
    """

    def __init__(self, workspace: DeviceContext, target: SerialEndpoint) -> None:
        self._workspace = workspace
        self._serial_port = target
        self._root = b""
        self._shared_root: bytes | None = None
        """What both ends held after the last meeting."""
        self._dial_requested = asyncio.Event()
        self._absence_reported = False
        self.link_profile = serial_link_profile(target.baud or DEFAULT_BAUD)

    @property
    def endpoint(self) -> str:
        """What people call it."""
        return f"serial://{self._serial_port.path}"

    def set_root(self, root: bytes) -> None:
        """This device holds this now."""
        if root not in (self._root, self._shared_root):
            self._dial_requested.set()
        self._root = root

    async def run(self, on_link: LinkHandler) -> None:
        """Hand over each link that comes about, until cancelled; raises FieldlineError if there is none to be had.

        That a port is not there is told once; from then on it is waited for.
        """
        while True:
            try:
                link = await self._connect()
            except connect.PeerRestarted:
                continue
            try:
                self.link_profile = serial_link_profile(link.line_bps)
                met = await on_link(link, link.initiator)
            finally:
                await link.close()
            self._shared_root = met.root if met is not None else None
            if met is None or met.root == self._root:
                self._dial_requested.clear()

    async def _connect(self) -> connect.SerialLink:
        pause = REDIAL_AFTER_ERROR_S if self._shared_root is None else REDIAL_INTERVAL_S
        again = asyncio.get_running_loop().call_later(pause, self._dial_requested.set)
        try:
            while True:
                try:
                    link = await connect.connect_serial(
                        self._serial_port,
                        self._workspace.identity,
                        make_peer_filter(self._workspace),
                        dial_wanted=self._dial_requested,
                        on_transport=_register_cable,
                    )
                except PortAbsent:
                    if not self._absence_reported:
                        self._absence_reported = True
                        raise
                    self._dial_requested.set()
                    await asyncio.sleep(PORT_POLL_INTERVAL_S)
                else:
                    self._absence_reported = False
                    return link
        finally:
            again.cancel()

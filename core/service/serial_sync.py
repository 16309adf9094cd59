"""Sync over a serial cable with whoever is at its other end.

Once, or whenever there is something new.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from core.errors import FieldlineError
from core.service import service_status
from core.service.cable_log import note_cable_session
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
"""For the other end: before it begins, and whenever nothing comes. Long enough to plug a cable in again."""

REDIAL_INTERVAL_S, REDIAL_AFTER_ERROR_S = 300.0, 10.0
"""After which the other end is dialed though nothing is new: it may be another device by now."""

PORT_POLL_INTERVAL_S = 0.5
"""Between two looks for a port that is not there: at most this is lost after it is plugged in."""

MIN_BATCH_BYTES, MIN_WRITE_BYTES = 1 << 12, 1 << 10
"""On the slowest line: smaller ones would cost more in commits and frames than they save in waiting."""


def serial_link_profile(rate: int) -> LinkProfile:
    """Give the profile of a line of `rate` bits per second.

    It commits about once a second, and shows progress more often.
    """
    bytes_per_second = rate // 10
    write_bytes = min(DEFAULT_WRITE_BYTES, max(MIN_WRITE_BYTES, bytes_per_second // 8))
    batch_bytes = min(TCP_PROFILE.batch_bytes, max(MIN_BATCH_BYTES, bytes_per_second))
    return LinkProfile(
        SERIAL_LINK_NAME, batch_bytes=batch_bytes, write_bytes=write_bytes, peer_timeout_s=PEER_TIMEOUT_S
    )


@dataclass(frozen=True, slots=True)
class CableStatus:
    """Status of a cable in use.

    `is_unplugged` while the port is gone and waited for; `baud` is the rate of the line and `bits_per_second` what it
    carries just now; `corrected_count` counts frames that were corrected or sent again; `peer` is None before the other
    end has proven who it is, which `is_silent` if nothing comes from it any more.
    """

    has_session: bool
    is_unplugged: bool
    baud: int
    bits_per_second: int
    corrected_count: int
    peer: bytes | None = None
    is_silent: bool = False


_open_cables: WeakValueDictionary[str, SerialTransport] = WeakValueDictionary()


def read_cable_status(endpoint: str) -> CableStatus | None:
    """Read the status of the cable at an endpoint (`serial:///dev/…`).

    None if this process uses none there.
    """
    cable = _open_cables.get(endpoint.removeprefix("serial://").partition("?")[0])
    if cable is None or cable.closed.done():
        return None
    arq = cable.arq
    corrected = arq.counters.resent + arq.counters.corrected
    has_session, bits_per_second = cable.opened.done(), int(arq.line_rate * BITS_PER_BYTE)
    return CableStatus(
        has_session, cable.is_port_absent, cable.baud, bits_per_second, corrected, cable.peer, cable.is_silent
    )


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
    """Run a session with the device at the other end.

    And another one if it restarts in the middle.

    What was committed stays, whatever happens afterwards. Raises FieldlineError if no session came to its end.

    Args:
        workspace: this device.
        endpoint: the port.
        modes: the ways to reconcile that this side is willing to begin with.
        timeout_s: how long the other end may be absent or silent; None is the default.
        on_event: called with every event of the session.
    """
    # What a session begins with is read now, not while the line waits.
    await workspace.store.sketch()
    started_at_s = loop_time()
    peer_timeout_s = PEER_TIMEOUT_S if timeout_s is None else timeout_s
    restarting_since_s: float | None = None
    while True:
        try:
            link = await connect.connect_serial(
                endpoint,
                workspace.identity,
                make_peer_filter(workspace),
                timeout_s=peer_timeout_s,
                on_transport=_register_cable,
            )
        except PortError as error:
            if isinstance(error, PortAbsent) or not is_served(workspace.home.folder, endpoint):
                raise
            raise PortError(
                "`fieldline serve` on this device has {port}: it syncs with the other end by itself.",
                port=endpoint.path,
            ) from None
        except connect.PeerRestarted:
            # Whatever it is that begins and never gets to a link is not waited for longer than one that is not there.
            restarting_since_s = loop_time() if restarting_since_s is None else restarting_since_s
            if loop_time() - restarting_since_s > peer_timeout_s:
                raise
            continue
        restarting_since_s = None
        is_complete = False
        try:
            result = await run_session(
                workspace,
                link,
                serial_link_profile(link.line_bps),
                initiator=link.initiator,
                modes=modes,
                started_at_s=started_at_s,
                timeout_s=peer_timeout_s,
                on_event=on_event,
            )
            is_complete = True
            return result
        except FieldlineError:
            if not link.is_peer_restarted:
                raise
        finally:
            await note_cable_session(workspace, link, is_complete)
            await link.close()


def is_served(home: Path, endpoint: SerialEndpoint) -> bool:
    """Whether the process that serves on the device with this home holds this port."""
    port = str(SerialEndpoint(endpoint.path))
    return any(each.endpoint == port and each.state != "failing" for each in service_status.read_status(home) or ())


class ServedSerialPort:
    """A serial port that is served.

    It accepts, and dials after a commit, after it was plugged in, and now and then.

    Two devices that serve the same cable are idle while their roots are equal.
    """

    def __init__(self, workspace: DeviceContext, endpoint: SerialEndpoint) -> None:
        self._workspace = workspace
        self._serial_port = endpoint
        self._root = b""
        self._shared_root: bytes | None = None
        """The root of both ends after the last session; None if that failed."""
        self._dial_requested = asyncio.Event()
        self._absence_reported = False
        self.link_profile = serial_link_profile(endpoint.baud or DEFAULT_BAUD)

    @property
    def endpoint(self) -> str:
        """The endpoint as people write it."""
        return f"serial://{self._serial_port.path}"

    def set_root(self, root: bytes) -> None:
        """Take note of this device's root, and dial if it is new to the other end."""
        if root not in (self._root, self._shared_root):
            self._dial_requested.set()
        self._root = root

    async def run(self, on_link: LinkHandler) -> None:
        """Hand over each link that comes about, until cancelled.

        Raises FieldlineError if that is not possible.

        That a port is absent is raised once; from then on it is waited for.
        """
        while True:
            try:
                link = await self._connect()
            except connect.PeerRestarted:
                continue
            result = None
            try:
                self.link_profile = serial_link_profile(link.line_bps)
                result = await on_link(link, link.initiator)
            finally:
                await note_cable_session(self._workspace, link, result is not None)
                await link.close()
            self._shared_root = result.root if result is not None else None
            if result is None or result.root == self._root:
                self._dial_requested.clear()

    async def _connect(self) -> connect.SerialLink:
        delay_s = REDIAL_AFTER_ERROR_S if self._shared_root is None else REDIAL_INTERVAL_S
        redial = asyncio.get_running_loop().call_later(delay_s, self._dial_requested.set)
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
            redial.cancel()

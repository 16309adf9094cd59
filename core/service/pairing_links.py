"""Get a link for a pairing, over TCP or a cable.

Dial the device that waits, or wait for the one that dials.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Generic, TypeVar

from core.errors import Refused
from core.identity import Identity
from core.service import serial_sync
from core.service.endpoint import Endpoint, parse_endpoint
from core.service.pairing_runner import PairingLink
from core.service.session_runner import TCP_PROFILE, LinkProfile, loop_time
from core.sync.links import tcp
from core.sync.links.causes import LinkError
from core.sync.links.greeting import Purpose
from core.sync.links.serial import connect
from core.sync.links.serial.serial_ports import PortAbsent, PortError, SerialEndpoint
from core.sync.links.tls import TlsLink
from core.values import quote_value

PAIR_PORT = 7421
"""TCP port of a device that is open for pairing, beside that of one that serves; not assigned by IANA."""
WINDOW_S = 120.0
"""How long a device is open for pairing: long enough to walk to the other one."""

MAX_SHOWN_ADDRESSES = 3
"""More would not be read."""

_BARE_HOST_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\]")

T = TypeVar("T")
OnLink = Callable[[PairingLink, bool, LinkProfile], Awaitable[T]]
"""`(link, is_dialer, profile)` -> what the pairing came to."""


async def _allow_anybody(device: bytes) -> bool:
    return True


async def dial_peer(identity: Identity, endpoint: Endpoint, home: Path, on_link: OnLink[T]) -> T:
    """Pair with the device at an endpoint. Raises LinkError if there is none."""
    if endpoint.serial is not None:
        return await use_cable(identity, endpoint.serial, home, on_link, dials=True)
    link = await tcp.dial_tcp(endpoint.host, endpoint.port, identity, _allow_anybody, purpose=Purpose.PAIR)
    try:
        return await on_link(link, True, TCP_PROFILE)
    finally:
        await link.close()


async def use_cable(identity: Identity, endpoint: SerialEndpoint, home: Path, on_link: OnLink[T], *, dials: bool) -> T:
    """Pair with the device at the other end of a cable, once it is there.

    With `dials` off the other one begins.
    """
    ends_at_s = loop_time() + WINDOW_S
    while True:
        try:
            link = await connect.connect_serial(
                endpoint,
                identity,
                _allow_anybody,
                dial_wanted=None if dials else asyncio.Event(),
                timeout_s=max(0.1, ends_at_s - loop_time()),
                purpose=Purpose.PAIR,
            )
        except PortError as error:
            if isinstance(error, PortAbsent) or not serial_sync.is_served(home, endpoint):
                raise
            raise PortError(
                "`fieldline serve` on this device has {port}: stop it while you pair.", port=endpoint.path
            ) from None
        except connect.PeerRestarted:
            if loop_time() < ends_at_s:
                continue
            raise
        try:
            return await on_link(link, link.initiator, serial_sync.serial_link_profile(link.line_bps))
        finally:
            await link.close()


class PairingWindow(Generic[T]):
    """Waits for a device that dials over TCP, for `WINDOW_S`.

    One at a time is talked to, and others turned away.

    It goes on waiting while `on_link` gives None.
    """

    def __init__(self, identity: Identity, on_link: OnLink[T | None]) -> None:
        self._on_pairing_link = on_link
        self._is_busy = False
        self._has_changed = asyncio.Event()
        self._outcome: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._server = tcp.TcpListener(identity, self._allow, self._on_link, purpose=Purpose.PAIR)

    async def run(self, host: str, port: int, on_listening: Callable[[str, int], None]) -> T:
        """Wait at a host and port (0: a free one), and give what the pairing came to.

        `on_listening(host, port)` is called once. Raises LinkError if nobody came, or if it cannot listen.
        """
        await self._server.start(host, port)
        try:
            on_listening(self._server.host, self._server.port)
            ends_at_s = loop_time() + WINDOW_S
            while not self._outcome.done():
                if loop_time() >= ends_at_s and not self._is_busy:
                    raise LinkError("No device came to pair in time: begin again here, and dial from the other one.")
                try:
                    async with asyncio.timeout_at(None if self._is_busy else ends_at_s):
                        await self._has_changed.wait()
                except TimeoutError:
                    continue
                self._has_changed.clear()
            return self._outcome.result()
        finally:
            await self._server.close()

    async def _allow(self, device: bytes) -> bool:
        return not self._is_busy and not self._outcome.done()

    async def _on_link(self, link: TlsLink) -> None:
        if self._is_busy or self._outcome.done():
            return
        self._set_busy(True)
        try:
            result = await self._on_pairing_link(link, False, TCP_PROFILE)
            # What was said last has arrived before this device listens no more.
            await link.close()
            if result is not None:
                self._outcome.set_result(result)
        except Exception as error:  # noqa: BLE001 - it is raised where the result is awaited
            self._outcome.set_exception(error)
        finally:
            self._set_busy(False)

    def _set_busy(self, is_busy: bool) -> None:
        self._is_busy = is_busy
        self._has_changed.set()


def own_addresses() -> list[str]:
    """List the IPv4 addresses of this device, for people to type on another one."""
    import ifaddr

    every = [str(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4]
    return [each for each in every if not each.startswith("127.")][:MAX_SHOWN_ADDRESSES]


def parse_pairing_endpoint(text: str) -> Endpoint:
    """Parse the endpoint of a device that waits to pair.

    As any other, but for the port if none is named.

    Raises Refused for what is no endpoint of a device.
    """
    host = text.removeprefix("tcp://")
    if _BARE_HOST_PATTERN.fullmatch(host):
        text = f"tcp://{host}:{PAIR_PORT}"
    endpoint = parse_endpoint(text)
    if endpoint.path is not None:
        raise Refused("{target} is no device: pair with tcp://HOST or serial:///dev/PORT.", target=quote_value(text))
    return endpoint

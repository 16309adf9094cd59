"""Find other devices in the network, and be found (RFC 6763, RFC 6762).

DNS-SD over multicast DNS.

Who announces what is not proven by anything; `core.sync.discovery.announcement` reads it, and a link proves it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

import ifaddr
from zeroconf import DNSQuestionType, Error, IPVersion, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from core.errors import FieldlineError
from core.sync.discovery.announcement import (
    SERVICE_TYPE,
    Announcement,
    make_service_name,
    make_txt_record,
    parse_announcement,
)
from core.sync.links.causes import lacking, used_up

ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - devices are looked for in all networks
MULTICAST_QUESTION = DNSQuestionType.QM
"""Answers to one asker alone go astray where several programs share the port, as with avahi."""
REQUEST_TIMEOUT_MS = 3000
"""For one look-up: zeroconf asks several times within it."""
MAX_LOOKUP_TRIES = 5
"""A network may lose every other packet; a name that leads nowhere is given up."""
MAX_CONCURRENT_LOOKUPS = 16
"""More names at once are those of a liar, who shall not fill the network."""
ANNOUNCE_RETRY_S = 5.0
"""After an announcement failed: an interface that has just come up has no address yet."""
MAX_SERVICE_NAMES = 1024
"""Names that are looked up and remembered; what else is announced is passed over."""

_log = logging.getLogger(__name__)


class PeerBrowser:
    """Listens for the announcements of devices, and announces this one once asked to.

    `on_announcement` is called whenever a device announces something new, `on_withdrawal` with the name of one that
    withdrew or was not heard of for long. `host` is the address that this device listens on; with 0.0.0.0 all networks
    are used.
    """

    def __init__(
        self,
        on_announcement: Callable[[Announcement], None],
        on_withdrawal: Callable[[str], None],
        host: str = ANY_ADDRESS,
    ) -> None:
        self._on_announcement = on_announcement
        self._on_withdrawal = on_withdrawal
        self._host = host
        self._ip_version = IPVersion.V6Only if ":" in host else IPVersion.V4Only
        self._zeroconf: AsyncZeroconf | None = None
        self._browser: AsyncServiceBrowser | None = None
        self._own_record: tuple[int, bytes, bytes, bytes] | None = None
        self._announce_needed = asyncio.Event()
        self._announce_task: asyncio.Task[None] | None = None
        self._lookups: dict[str, asyncio.Task[None]] = {}
        self._changed_meanwhile: set[str] = set()
        self._lookup_slots = asyncio.Semaphore(MAX_CONCURRENT_LOOKUPS)
        self._last_network_state: frozenset[tuple[str, str, str]] = frozenset()

    async def start(self) -> None:
        """Begin to listen. Raises FieldlineError where that is not possible."""
        self._last_network_state = _network_state()
        try:
            self._zeroconf = AsyncZeroconf(interfaces=self._interfaces(), ip_version=self._ip_version)
            await self._zeroconf.zeroconf.async_wait_for_start()
            self._browser = AsyncServiceBrowser(
                self._zeroconf.zeroconf,
                SERVICE_TYPE,
                handlers=[self._on_service_change],
                question_type=MULTICAST_QUESTION,
            )
            self._announce_task = asyncio.create_task(self._announce_all(self._zeroconf))
        except (OSError, RuntimeError, Error) as error:
            await self.close()
            if used_up(error):
                raise lacking(error) from None
            raise FieldlineError(
                "Other devices cannot be discovered here: {why}. Use --no-discovery, or let UDP port 5353 be used.",
                why=getattr(error, "strerror", None) or str(error) or type(error).__name__,
            ) from None

    def announce(self, port: int, fleet: bytes, root: bytes, device: bytes) -> None:
        """Announce this device, or what is new of it."""
        self._own_record = (port, fleet, root, device)
        self._announce_needed.set()

    async def _announce_all(self, zeroconf: AsyncZeroconf) -> None:
        """Announce whatever is wanted whenever that changes.

        The first time takes a second, to see that no other has the name (RFC 6762, 8.1).
        """
        own: AsyncServiceInfo | None = None
        while True:
            await self._announce_needed.wait()
            self._announce_needed.clear()
            if self._own_record is None:
                continue
            port, fleet, root, device = self._own_record
            info = AsyncServiceInfo(
                SERVICE_TYPE,
                own.name if own else make_service_name(device),
                port=port,
                properties=make_txt_record(fleet, root, device),
                parsed_addresses=self._own_addresses(),
                server=f"{device.hex()}.local.",
            )
            try:
                if own is None:
                    await zeroconf.async_register_service(info, allow_name_change=True)
                else:
                    await zeroconf.async_update_service(info)
                own = info
            except (OSError, Error) as error:
                _log.info("%s cannot be announced: %s", info.name, error)
                await asyncio.sleep(ANNOUNCE_RETRY_S)
                self._announce_needed.set()

    async def update_interfaces(self) -> bool:
        """Use the networks that there are now; True if they are not what they were."""
        network = _network_state()
        if network == self._last_network_state or self._zeroconf is None:
            return False
        self._last_network_state = network
        with suppress(OSError, RuntimeError, Error):
            await self._zeroconf.async_update_interfaces(self._interfaces())
        if self._own_record is not None:
            self._announce_needed.set()
        return True

    async def close(self) -> None:
        """Withdraw the announcement and stop."""
        tasks = [*self._lookups.values(), *([self._announce_task] if self._announce_task else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        zeroconf, self._zeroconf = self._zeroconf, None
        with suppress(OSError, RuntimeError, Error):
            if self._browser is not None:
                await self._browser.async_cancel()
            if zeroconf is not None:
                await zeroconf.async_close()

    # --- within ------------------------------------------------------------------------------------------------------

    def _interfaces(self) -> list[str | int]:
        """Choose where to send and listen.

        IPv4 takes addresses, IPv6 numbers of interfaces.
        """
        if not ip_address(self._host).is_unspecified:
            return [self._host]
        if self._ip_version == IPVersion.V4Only:
            return [str(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4]
        return [
            adapter.index
            for adapter in ifaddr.get_adapters()
            if adapter.index is not None and any(ip.is_IPv6 for ip in adapter.ips)
        ]

    def _own_addresses(self) -> list[str]:
        """List the addresses at which this device accepts.

        Its loopback only if it has no other.
        """
        if not ip_address(self._host).is_unspecified:
            return [self._host]
        wants_v4 = self._ip_version == IPVersion.V4Only
        ips = [ip for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4 == wants_v4]
        found = [str(ip.ip) if ip.is_IPv4 else str(ip.ip[0]) for ip in ips]
        return [address for address in found if not ip_address(address).is_loopback] or found

    def _on_service_change(
        self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        if state_change is ServiceStateChange.Removed:
            if task := self._lookups.pop(name, None):
                task.cancel()
            self._on_withdrawal(name)
            return
        if self._report_cached(zeroconf, name):
            return
        if name in self._lookups:
            self._changed_meanwhile.add(name)
        elif len(self._lookups) < MAX_SERVICE_NAMES:
            task = asyncio.get_running_loop().create_task(self._look_up(zeroconf, name))
            self._lookups[name] = task
            task.add_done_callback(lambda _: self._on_lookup_done(name, task))

    def _on_lookup_done(self, name: str, task: asyncio.Task[None]) -> None:
        if self._lookups.get(name) is task:
            del self._lookups[name]

    def _report_cached(self, zeroconf: Zeroconf, name: str) -> bool:
        """Report a service from what came by itself; False if that is not all of it."""
        info = AsyncServiceInfo(SERVICE_TYPE, name)
        return info.load_from_cache(zeroconf) and self._report_if_valid(info)

    def _report_if_valid(self, info: AsyncServiceInfo) -> bool:
        announcement = parse_announcement(info.name, info.properties, _addresses_of(info), info.port)
        if announcement is not None:
            self._on_announcement(announcement)
        return announcement is not None

    async def _look_up(self, zeroconf: Zeroconf, name: str) -> None:
        """Ask for what a service announces; the network may lose every other packet."""
        for _ in range(MAX_LOOKUP_TRIES):
            self._changed_meanwhile.discard(name)
            info = AsyncServiceInfo(SERVICE_TYPE, name)
            try:
                async with self._lookup_slots:
                    await info.async_request(zeroconf, REQUEST_TIMEOUT_MS, question_type=MULTICAST_QUESTION)
            except (OSError, Error) as error:
                _log.info("%s cannot be looked up: %s", name, error)
                return
            if self._report_if_valid(info) and name not in self._changed_meanwhile:
                return


def _addresses_of(info: AsyncServiceInfo) -> Iterable[str]:
    """List the addresses of a service; those with a scope first."""
    return info.parsed_scoped_addresses()


def _network_state() -> frozenset[tuple[str, str, str]]:
    """Read the interfaces of this machine with their addresses, and which are up."""
    found: set[tuple[str, str, str]] = set()
    for adapter in ifaddr.get_adapters():
        name = adapter.name
        try:
            state = (Path("/sys/class/net") / name / "operstate").read_text()
        except OSError:
            state = ""
        found.update((name, str(ip.ip), state) for ip in adapter.ips)
    return frozenset(found)

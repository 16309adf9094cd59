"""Finding other devices in the network, and being found: DNS-SD over multicast DNS (RFC 6763, RFC 6762).

Who announces what is not proven by anything; `core.sync.announcing` reads it, and a link proves it.
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
from core.sync.announcing import TYPE, Announced, read, service_name, text
from core.sync.links.causes import lacking, used_up

ANYWHERE = "0.0.0.0"  # noqa: S104 - devices are looked for in all networks
TO_ALL = DNSQuestionType.QM
"""Answers to one asker alone go astray where several programs share the port, as with avahi."""
REQUEST_MILLISECONDS = 3000
TRIES = 5
MOST_REQUESTS = 16
AGAIN_SECONDS = 5.0
MOST_NAMES = 1024
"""Names that are looked up and remembered; what else is announced is passed over."""

_log = logging.getLogger(__name__)


class Discovery:
    """Hears what devices announce, and announces this one once it is told to.

    `seen` is told of every device whenever what it says is new, `gone` of the name of one that said goodbye or has
    not been heard of for long. `host` is the address that this device listens on; with 0.0.0.0 all networks are used.
    """

    def __init__(self, seen: Callable[[Announced], None], gone: Callable[[str], None], host: str = ANYWHERE) -> None:
        self._seen = seen
        self._gone = gone
        self._host = host
        self._version = IPVersion.V6Only if ":" in host else IPVersion.V4Only
        self._zeroconf: AsyncZeroconf | None = None
        self._browser: AsyncServiceBrowser | None = None
        self._wanted: tuple[int, bytes, bytes, bytes] | None = None
        self._to_announce = asyncio.Event()
        self._announcing: asyncio.Task[None] | None = None
        self._lookups: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._requests = asyncio.Semaphore(MOST_REQUESTS)
        self._network: frozenset[tuple[str, str, str]] = frozenset()

    async def start(self) -> None:
        """Begin to listen; raises FieldlineError where that is not possible."""
        self._network = _network()
        try:
            self._zeroconf = AsyncZeroconf(interfaces=self._interfaces(), ip_version=self._version)
            await self._zeroconf.zeroconf.async_wait_for_start()
            self._browser = AsyncServiceBrowser(
                self._zeroconf.zeroconf, TYPE, handlers=[self._changed], question_type=TO_ALL
            )
            self._announcing = asyncio.create_task(self._announce_all(self._zeroconf))
        except (OSError, RuntimeError, Error) as error:
            await self.close()
            if used_up(error):
                raise lacking(error) from None
            raise FieldlineError(
                "Other devices cannot be discovered here: {why}. Use --no-discovery, or let UDP port 5353 be used.",
                why=getattr(error, "strerror", None) or str(error) or type(error).__name__,
            ) from None

    def announce(self, port: int, fleet: bytes, root: bytes, device: bytes) -> None:
        """Announce this device, or what it says anew."""
        self._wanted = (port, fleet, root, device)
        self._to_announce.set()

    async def _announce_all(self, zeroconf: AsyncZeroconf) -> None:
        """Announce what is wanted whenever that changes. The first time takes a second, to see that no other has the
        name (RFC 6762, 8.1).
        """
        own: AsyncServiceInfo | None = None
        while True:
            await self._to_announce.wait()
            self._to_announce.clear()
            if self._wanted is None:
                continue
            port, fleet, root, device = self._wanted
            info = AsyncServiceInfo(
                TYPE,
                own.name if own else service_name(device),
                port=port,
                properties=text(fleet, root, device),
                parsed_addresses=self._addresses(),
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
                await asyncio.sleep(AGAIN_SECONDS)
                self._to_announce.set()

    async def refresh(self) -> bool:
        """Use the networks that there are now, and announce this device there; True if they are not what they were."""
        network = _network()
        if network == self._network or self._zeroconf is None:
            return False
        self._network = network
        with suppress(OSError, RuntimeError, Error):
            await self._zeroconf.async_update_interfaces(self._interfaces())
        if self._wanted is not None:
            self._to_announce.set()
        return True

    async def close(self) -> None:
        """Say goodbye and stop."""
        tasks = [*self._lookups.values(), *([self._announcing] if self._announcing else [])]
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
        """Where to speak and listen: IPv4 takes addresses, IPv6 numbers of interfaces."""
        if not ip_address(self._host).is_unspecified:
            return [self._host]
        if self._version == IPVersion.V4Only:
            return [str(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4]
        return [
            adapter.index
            for adapter in ifaddr.get_adapters()
            if adapter.index is not None and any(ip.is_IPv6 for ip in adapter.ips)
        ]

    def _addresses(self) -> list[str]:
        """The addresses at which this device answers; its loopback only if it has no other."""
        if not ip_address(self._host).is_unspecified:
            return [self._host]
        wants_v4 = self._version == IPVersion.V4Only
        ips = [ip for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4 == wants_v4]
        found = [str(ip.ip) if ip.is_IPv4 else str(ip.ip[0]) for ip in ips]
        return [address for address in found if not ip_address(address).is_loopback] or found

    def _changed(self, zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        if state_change is ServiceStateChange.Removed:
            if task := self._lookups.pop(name, None):
                task.cancel()
            self._gone(name)
            return
        if self._is_known(zeroconf, name):
            return
        if name in self._lookups:
            self._again.add(name)
        elif len(self._lookups) < MOST_NAMES:
            task = asyncio.get_running_loop().create_task(self._look_up(zeroconf, name))
            self._lookups[name] = task
            task.add_done_callback(lambda _: self._looked_up(name, task))

    def _looked_up(self, name: str, task: asyncio.Task[None]) -> None:
        if self._lookups.get(name) is task:
            del self._lookups[name]

    def _is_known(self, zeroconf: Zeroconf, name: str) -> bool:
        """Whether all that the service of this name says has come by itself, as it mostly does."""
        info = AsyncServiceInfo(TYPE, name)
        return info.load_from_cache(zeroconf) and self._says(info)

    def _says(self, info: AsyncServiceInfo) -> bool:
        said = read(info.name, info.properties, _places(info), info.port)
        if said is not None:
            self._seen(said)
        return said is not None

    async def _look_up(self, zeroconf: Zeroconf, name: str) -> None:
        """Learn what the service of this name says; the network may lose every other packet."""
        for _ in range(TRIES):
            self._again.discard(name)
            info = AsyncServiceInfo(TYPE, name)
            try:
                async with self._requests:
                    await info.async_request(zeroconf, REQUEST_MILLISECONDS, question_type=TO_ALL)
            except (OSError, Error) as error:
                _log.info("%s cannot be looked up: %s", name, error)
                return
            if self._says(info) and name not in self._again:
                return


def _places(info: AsyncServiceInfo) -> Iterable[str]:
    """The addresses of a service; those that say where they are from first."""
    return info.parsed_scoped_addresses()


def _network() -> frozenset[tuple[str, str, str]]:
    """The interfaces of this machine with their addresses, and whether something is plugged in."""
    found: set[tuple[str, str, str]] = set()
    for adapter in ifaddr.get_adapters():
        name = adapter.name
        try:
            state = (Path("/sys/class/net") / name / "operstate").read_text()
        except OSError:
            state = ""
        found.update((name, str(ip.ip), state) for ip in adapter.ips)
    return frozenset(found)

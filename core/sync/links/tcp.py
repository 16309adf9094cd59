"""The link over TCP."""

from __future__ import annotations

import asyncio
import errno
import logging
import re
import socket
from asyncio import StreamReader, StreamWriter
from collections import Counter
from collections.abc import Awaitable, Callable
from ipaddress import ip_address

from core.errors import FieldlineError
from core.identity import Identity
from core.sync.links import tls
from core.sync.links.causes import LinkError, Unable, forbidden, lacking, no_way_out, used_up, why
from core.sync.links.greeting import Purpose
from core.sync.links.tls import HANDSHAKE_TIMEOUT_S, AllowPeer, TlsLink, UnknownPeer
from core.values import quote_value

CONNECT_TIMEOUT_S = 10.0
"""Three retries of TCP: a device that is there has accepted by then."""
MAX_LINKS = 32
"""How many devices may be connected at once; more are hung up on and try again later."""

MAX_LINKS_PER_DEVICE = 4
"""How many of them one device may have: one that lost its network and calls again needs two."""
MAX_HANDSHAKES = 16
"""How many peers may be proving who they are; for one more one of these is hung up on."""

# How long an address of a host may take before the next one is tried as well (RFC 8305).
_NEXT_ADDRESS_DELAY_S = 0.25
# A greeting is all that is read before TLS.
_MAX_UNREAD_BYTES = 1 << 12

_log = logging.getLogger(__name__)


async def dial_tcp(
    host: str,
    port: int,
    identity: Identity,
    allow: AllowPeer,
    *,
    timeout_s: float = CONNECT_TIMEOUT_S,
    purpose: Purpose = Purpose.SYNC,
) -> TlsLink:
    """Dial the device at an address.

    Raises LinkError if nobody accepts there within `timeout_s`, else as `tls.secure_dialed`, which has as long again.
    """
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(
                host,
                port,
                limit=_MAX_UNREAD_BYTES,
                # One address has no rivals; a race that is cancelled can lose its winner's socket (CPython 3.11).
                happy_eyeballs_delay=None if _is_address(host) else _NEXT_ADDRESS_DELAY_S,
            )
    except TimeoutError:
        raise LinkError("{host} does not answer: check the address and the network.", host=quote_value(host)) from None
    except OSError as error:
        raise _unreached(host, port, error) from None
    except ValueError:
        raise LinkError(
            "{host} cannot be the name of a host: check how it is written.", host=quote_value(host)
        ) from None
    return await tls.secure_dialed(reader, writer, identity, allow, timeout_s=timeout_s, purpose=purpose)


class TcpListener:
    """Accepts devices that dial.

    `on_link` is run for each member, and the link closed after it; `on_unknown_peer` is called for each other device,
    `on_trouble` for what keeps this one from accepting. A peer has `timeout_s` to prove who it is.
    """

    def __init__(
        self,
        identity: Identity,
        allow: AllowPeer,
        on_link: Callable[[TlsLink], Awaitable[None]],
        on_unknown_peer: Callable[[UnknownPeer], None] = lambda peer: None,
        on_trouble: Callable[[FieldlineError], None] = lambda trouble: None,
        *,
        timeout_s: float = HANDSHAKE_TIMEOUT_S,
        purpose: Purpose = Purpose.SYNC,
    ) -> None:
        self._purpose = purpose
        self._identity = identity
        self._allow = allow
        self._on_link = on_link
        self._on_unknown_peer = on_unknown_peer
        self._on_trouble = on_trouble
        self._timeout_s = timeout_s
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._handshakes: dict[asyncio.Task[None], str] = {}
        """Who is proving who it is, the oldest first, and from what network each calls."""
        self._links: Counter[bytes] = Counter()
        """How many links each device has."""
        self._closing = False
        self.host = ""
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen on all addresses of a host; port 0 picks a free one.

        Raises LinkError if the port is taken or may not be used.
        """
        try:
            for address in await _resolve_addresses(host):
                # A name can have several addresses, which are to have the same port.
                server = await asyncio.start_server(
                    self._on_connection, address, self.port or port, limit=_MAX_UNREAD_BYTES
                )
                self._servers.append(server)
                if not self.port:
                    self.host, self.port = server.sockets[0].getsockname()[:2]
        except OSError as error:
            await self.close()
            if error.errno == errno.EADDRINUSE:
                raise LinkError(
                    "Port {port} is in use already: choose another with --port, or stop what uses it.",
                    port=self.port or port,
                ) from None
            raise LinkError(
                "It is not possible to listen on {host}, port {port}: {reason}.",
                host=quote_value(host),
                port=port,
                reason=why(error),
            ) from None
        except ValueError:
            raise LinkError(
                "{host} cannot be the name of a host: check how it is written.", host=quote_value(host)
            ) from None

    async def close(self) -> None:
        """Stop listening, and end the sessions under way."""
        self._closing = True
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for server in self._servers:
            await server.wait_closed()

    def _on_connection(self, reader: StreamReader, writer: StreamWriter) -> None:
        if self._closing:
            # It was on its way in; Python 3.12 and newer wait for all who came.
            writer.transport.abort()
            return
        if len(self._handshakes) >= MAX_HANDSHAKES:
            given_up = self._choose_given_up()
            del self._handshakes[given_up]
            given_up.cancel()
        task = asyncio.create_task(self._accept(reader, writer))
        self._tasks.add(task)
        self._handshakes[task] = _network_of(writer)
        task.add_done_callback(lambda task: self._on_connection_done(task, writer))

    def _choose_given_up(self) -> asyncio.Task[None]:
        """The peer to hang up on for one more: the oldest from where most come.

        A member proves itself at once, so peers that just sit there cannot keep others out; and who calls again and
        again from one place takes only its own places.
        """
        counts = Counter(self._handshakes.values())
        most = max(counts.values())
        return next(task for task, network in self._handshakes.items() if counts[network] == most)

    def _on_connection_done(self, task: asyncio.Task[None], writer: StreamWriter) -> None:
        self._tasks.discard(task)
        self._handshakes.pop(task, None)
        # It may have been cancelled before it began.
        writer.transport.abort()

    async def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            link = await tls.secure_accepted(
                reader, writer, self._identity, self._allow, timeout_s=self._timeout_s, purpose=self._purpose
            )
        except UnknownPeer as unknown:
            self._on_unknown_peer(unknown)
            return
        except FieldlineError as error:
            if isinstance(error, Unable) or not isinstance(error, LinkError):
                self._on_trouble(error)
            else:
                _log.info("%s", error)
            return
        except OSError as error:
            self._on_trouble(Unable("This device could not answer one that called: {why}.", why=why(error)))
            return
        finally:
            self._handshakes.pop(asyncio.current_task(), None)  # type: ignore[arg-type]
        self._links[link.peer] += 1
        try:
            if self._links[link.peer] <= MAX_LINKS_PER_DEVICE and self._links.total() <= MAX_LINKS:
                await self._on_link(link)
        finally:
            self._links -= Counter([link.peer])
            await link.close()


def _network_of(writer: StreamWriter) -> str:
    """Where a peer calls from: its IPv4 address, or its IPv6 network.

    Who has one address of such a network (64 bits) has all.
    """
    peer = writer.get_extra_info("peername")
    if not peer:
        return ""
    address = ip_address(peer[0].partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address) if address.version == 4 or mapped else address.packed[:8].hex()


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


async def _resolve_addresses(host: str) -> list[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _unreached(host: str, port: int, error: OSError) -> LinkError:
    """Make the error for a connection that failed.

    Who or what did, as far as the system says.
    """
    if error.errno is None:
        # Several addresses were tried, and what became of each is in the text only. One that is there counts most.
        numbers = [int(number) for number in re.findall(r"\[Errno (\d+)\]", str(error))]
        if numbers:
            error = OSError(errno.ECONNREFUSED if errno.ECONNREFUSED in numbers else numbers[-1], "")
    if used_up(error):
        return lacking(error)
    if forbidden(error):
        return Unable(
            "This device may not connect to {host}, port {port} ({why}): look at its own firewall.",
            host=quote_value(host),
            port=port,
            why=why(error),
        )
    if no_way_out(error):
        return Unable(
            "This device has no network that leads to {host} ({why}): look at its own connection.",
            host=quote_value(host),
            why=why(error),
        )
    if error.errno == errno.ECONNREFUSED:
        return LinkError(
            "Nobody answers at {host}, port {port}: is `fieldline serve` running there?",
            host=quote_value(host),
            port=port,
        )
    return LinkError("{host} cannot be reached: {reason}.", host=quote_value(host), reason=why(error))

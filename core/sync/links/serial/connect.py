"""The link over a serial cable: streams and TLS as over TCP, above a port."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamReaderProtocol, StreamWriter
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from core.identity import Identity
from core.sync.events import Event, Progress
from core.sync.links import tls
from core.sync.links.causes import LinkError, Unable
from core.sync.links.greeting import Purpose
from core.sync.links.serial.arq import BITS_PER_BYTE
from core.sync.links.serial.baud_negotiation import BAUD_RATES, DEFAULT_TIMING, BaudTiming
from core.sync.links.serial.serial_ports import DEFAULT_BAUD, PortError, SerialEndpoint, open_port
from core.sync.links.serial.serial_transport import CLOSE_STALL_S, SerialTransport
from core.sync.links.tls import AllowPeer, TlsLink

SERIAL_HANDSHAKE_TIMEOUT_S, ASSUMED_HANDSHAKE_BYTES = 30.0, 2000
"""How long both ends may take until they know each other, beside what a slow line takes for what they say."""

ASSUMED_CHANGE_BYTES = 150
"""About what a small change takes on the line."""


class PeerRestarted(LinkError):
    """The program at the other end was started anew: so has the session to be."""


@dataclass(frozen=True, slots=True)
class SerialLink:
    """A secured stream over a cable; exactly one of its two ends is `initiator`."""

    link: TlsLink
    transport: SerialTransport
    initiator: bool

    @property
    def peer(self) -> bytes:
        return self.link.peer

    @property
    def peer_key(self) -> bytes:
        return self.link.peer_key

    @property
    def reader(self) -> StreamReader:
        return self.link.reader

    @property
    def writer(self) -> StreamWriter:
        return self.link.writer

    @property
    def baud(self) -> int:
        """Bits a second that the ports are set to."""
        return self.transport.baud

    @property
    def line_bps(self) -> int:
        """Bits a second that the line carries, as far as is known."""
        return int(self.transport.arq.line_rate) * BITS_PER_BYTE

    @property
    def is_open(self) -> bool:
        """Whether neither side has hung up, as far as is known here."""
        return self.link.is_open

    @property
    def is_peer_restarted(self) -> bool:
        """Whether the program at the other end was started anew."""
        return self.transport.arq.is_peer_restarted

    def on_event(self, event: Event) -> None:
        """Take note of how much is still to come: much is worth a higher rate."""
        if isinstance(event, Progress):
            to_come = (event.to_send or 0) - event.sent + (event.to_receive or 0) - event.received
            self.transport.arq.pending_bytes = to_come * ASSUMED_CHANGE_BYTES

    async def close(self, stall_s: float = CLOSE_STALL_S) -> None:
        """Send what is still to be sent, close the stream and release the port.

        Gives up once nothing has arrived for `stall_s`.
        """
        closing = asyncio.ensure_future(self.link.close(inf))
        before = None
        try:
            # However long the line takes, as long as it gets on.
            while not closing.done() and (backlog := self.transport.arq.sender.backlog_bytes) != before:
                before = backlog
                await asyncio.wait({closing}, timeout=stall_s)
        finally:
            if not closing.done():
                self.transport.abort()
        await closing
        await self.transport.closed


async def connect_serial(
    endpoint: SerialEndpoint,
    identity: Identity,
    allow: AllowPeer,
    *,
    dial_wanted: asyncio.Event | None = None,
    timeout_s: float | None = None,
    handshake_timeout_s: float = SERIAL_HANDSHAKE_TIMEOUT_S,
    timing: BaudTiming = DEFAULT_TIMING,
    on_transport: Callable[[SerialTransport], None] = lambda cable: None,
    purpose: Purpose = Purpose.SYNC,
) -> SerialLink:
    """Connect to whoever is at the other end of a cable.

    Raises PortError if the port cannot be used, LinkError if nobody is there in time, else as `tls.secure_dialed`.

    Args:
        endpoint: The port, and the rate if it is pinned.
        identity: This device's key.
        allow: Whether a device may be synced with.
        dial_wanted: Until it is set this end only listens; None: dial at once.
        timeout_s: How long to wait for the other end; None: for ever.
        handshake_timeout_s: See `SERIAL_HANDSHAKE_TIMEOUT_S`.
        timing: When and how to look for a higher rate.
        on_transport: Called with the transport as soon as the port is open.
        purpose: What the link is for; the other end must be there for the same.
    """
    # Made now, lest the line waits for it.
    identity.certificate_der  # noqa: B018
    port = open_port(endpoint.path, endpoint.baud or DEFAULT_BAUD)
    try:
        # A rate that is named is pinned; the others are those that both ends begin with.
        supported = (endpoint.baud,) if endpoint.baud else port.supported_bauds(BAUD_RATES)
    except PortError:
        port.close()
        raise
    cable = SerialTransport(port, supported, dials=dial_wanted is None or dial_wanted.is_set(), timing=timing)
    on_transport(cable)
    try:
        await _wait_until_open(cable, dial_wanted, timeout_s)
    except ConnectionResetError:
        # Who tries again would find the port in use.
        await cable.closed
        raise _restarted_error(endpoint) from None
    except TimeoutError:
        await _release(cable)
        raise LinkError(
            "Nobody answers at the other end of {port}: run `fieldline sync` or `fieldline serve --serial` there,"
            " with the same ?baud= if any.",
            port=endpoint.path,
        ) from None
    except BaseException:
        await _release(cable)
        raise
    reader = StreamReader(loop=asyncio.get_running_loop())
    protocol = StreamReaderProtocol(reader, loop=asyncio.get_running_loop())
    cable.set_protocol(protocol)
    protocol.connection_made(cable)
    writer = StreamWriter(cable, protocol, reader, asyncio.get_running_loop())
    cable.resume_reading()
    initiator = cable.arq.is_initiator
    secure = tls.secure_dialed if initiator else tls.secure_accepted
    try:
        seconds = handshake_timeout_s + ASSUMED_HANDSHAKE_BYTES * BITS_PER_BYTE / cable.baud
        link = await secure(reader, writer, identity, allow, timeout_s=seconds, purpose=purpose)
    except LinkError as error:
        # What this device fails at, it fails at again.
        restarted = cable.arq.is_peer_restarted and not isinstance(error, Unable)
        cable.close()
        await cable.closed
        if restarted:
            raise _restarted_error(endpoint) from None
        raise
    except BaseException:
        await _release(cable)
        raise
    cable.peer = link.peer
    return SerialLink(link, cable, initiator)


async def _wait_until_open(cable: SerialTransport, dial_wanted: asyncio.Event | None, timeout: float | None) -> None:
    dialing = asyncio.ensure_future(_dial_when_set(cable, dial_wanted)) if dial_wanted is not None else None
    try:
        async with asyncio.timeout(timeout):
            await cable.opened
    finally:
        if dialing is not None:
            dialing.cancel()


async def _dial_when_set(cable: SerialTransport, dial_wanted: asyncio.Event) -> None:
    await dial_wanted.wait()
    cable.dial()


async def _release(cable: SerialTransport) -> None:
    cable.abort()
    await cable.closed


def _restarted_error(endpoint: SerialEndpoint) -> PeerRestarted:
    return PeerRestarted("The program at the other end of {port} was restarted: try again.", port=endpoint.path)

"""The link over a serial cable: the same streams and TLS as over TCP, above a port."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamReaderProtocol, StreamWriter
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from core.identity import Identity
from core.sync.events import Event, Progress
from core.sync.links import tls
from core.sync.links.arq import BITS
from core.sync.links.causes import LinkError, Unable
from core.sync.links.ports import USUAL, PortError, SerialTarget, open_port
from core.sync.links.rates import RATES
from core.sync.links.tls import Allow, Link
from core.sync.links.transport import CLOSE_SECONDS, Cable

HANDSHAKE_SECONDS, HANDSHAKE_BYTES = 30.0, 2000
"""How long both ends may take until they know each other, beside what a slow line takes for what they say."""

CHANGE_BYTES = 150
"""About what a small change takes on the line."""


class Restarted(LinkError):
    """The program at the other end was started anew: so has the meeting to be."""


@dataclass(frozen=True, slots=True)
class SerialLink:
    """A secured stream over a cable; of its two ends exactly one is `initiator`."""

    link: Link
    cable: Cable
    initiator: bool

    @property
    def peer(self) -> bytes:
        return self.link.peer

    @property
    def reader(self) -> StreamReader:
        return self.link.reader

    @property
    def writer(self) -> StreamWriter:
        return self.link.writer

    @property
    def baud(self) -> int:
        """Bits a second that the ports are set to."""
        return self.cable.baud

    @property
    def rate(self) -> int:
        """Bits a second that the line carries, as far as is known."""
        return int(self.cable.arq.rate) * BITS

    @property
    def is_open(self) -> bool:
        """Whether neither side has hung up, as far as is known here."""
        return self.link.is_open

    @property
    def restarted(self) -> bool:
        """Whether the program at the other end was started anew."""
        return self.cable.arq.reset

    def hears(self, event: Event) -> None:
        """Take note of how far the session is: much that is still to come is worth a higher rate."""
        if isinstance(event, Progress):
            to_come = (event.to_send or 0) - event.sent + (event.to_receive or 0) - event.received
            self.cable.arq.coming = to_come * CHANGE_BYTES

    async def close(self) -> None:
        """Send what is still to be sent, say goodbye and let go of the port."""
        closing = asyncio.ensure_future(self.link.close(inf))
        before = None
        try:
            # However long the line takes, as long as it gets on.
            while not closing.done() and (backlog := self.cable.arq.sending.backlog) != before:
                before = backlog
                await asyncio.wait({closing}, timeout=CLOSE_SECONDS)
        finally:
            if not closing.done():
                self.cable.abort()
        await closing
        await self.cable.closed


async def connect(
    target: SerialTarget,
    identity: Identity,
    allow: Allow,
    *,
    call: asyncio.Event | None = None,
    timeout: float | None = None,
    told: Callable[[Cable], None] = lambda cable: None,
) -> SerialLink:
    """Meet whoever is at the other end, within `timeout` seconds if somebody says so.

    Until `call` is set this end only answers. Raises PortError if the port cannot be used, LinkError if nobody is
    there in time, else as `tls.call`.
    """
    # Made now, lest the line waits for it.
    identity.certificate_der  # noqa: B018
    port = open_port(target.path, target.baud or USUAL)
    try:
        # A rate that somebody names is meant; the others are those that both ends begin with.
        takes = (target.baud,) if target.baud else port.takes(RATES)
    except PortError:
        port.close()
        raise
    cable = Cable(port, takes, calling=call is None or call.is_set())
    told(cable)
    try:
        await _opened(cable, call, timeout)
    except ConnectionResetError:
        # Who tries again would find the port in use.
        await cable.closed
        raise _restarted(target) from None
    except TimeoutError:
        await _let_go(cable)
        raise LinkError(
            "Nobody answers at the other end of {port}: run `fieldline sync` or `fieldline serve --serial` there,"
            " with the same ?baud= if any.",
            port=target.path,
        ) from None
    except BaseException:
        await _let_go(cable)
        raise
    reader = StreamReader(loop=asyncio.get_running_loop())
    protocol = StreamReaderProtocol(reader, loop=asyncio.get_running_loop())
    cable.set_protocol(protocol)
    protocol.connection_made(cable)
    writer = StreamWriter(cable, protocol, reader, asyncio.get_running_loop())
    cable.resume_reading()
    initiator = cable.arq.initiator
    secure = tls.call if initiator else tls.answer
    try:
        seconds = HANDSHAKE_SECONDS + HANDSHAKE_BYTES * BITS / cable.baud
        link = await secure(reader, writer, identity, allow, timeout=seconds)
    except LinkError as error:
        # What this device fails at, it fails at again.
        restarted = cable.arq.reset and not isinstance(error, Unable)
        cable.close()
        await cable.closed
        if restarted:
            raise _restarted(target) from None
        raise
    except BaseException:
        await _let_go(cable)
        raise
    cable.peer = link.peer
    return SerialLink(link, cable, initiator)


async def _opened(cable: Cable, call: asyncio.Event | None, timeout: float | None) -> None:
    calling = asyncio.ensure_future(_call_when(cable, call)) if call is not None else None
    try:
        async with asyncio.timeout(timeout):
            await cable.opened
    finally:
        if calling is not None:
            calling.cancel()


async def _call_when(cable: Cable, call: asyncio.Event) -> None:
    await call.wait()
    cable.call()


async def _let_go(cable: Cable) -> None:
    cable.abort()
    await cable.closed


def _restarted(target: SerialTarget) -> Restarted:
    return Restarted("The program at the other end of {port} was started anew: try again.", port=target.path)

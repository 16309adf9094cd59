"""Mutual TLS 1.3 (RFC 8446), each side pinned to the other's device key.

Over any reliable stream.

Devices have no authority to vouch for them, and Python's ssl cannot ask for a certificate that it does not know
beforehand. So both sides first greet in the clear, and each then trusts just the certificate of the key it was shown,
for this connection:

1. The caller sends its greeting.
2. The accepting side looks whether that device may connect. If not it says so, shows nothing of itself, and hangs up.
   Otherwise it sends its own greeting and starts TLS.
3. The caller looks whether this is a device to talk to, and starts TLS.

The handshake then proves that each has the key it showed; a greeting proves nothing before that.
"""

from __future__ import annotations

import asyncio
import ssl
from asyncio import StreamReader, StreamReaderProtocol, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from core.header import KEY_BYTES, device_id
from core.identity import Identity
from core.succession import vouching_devices
from core.sync.events import Event
from core.sync.links.causes import LinkError, lacking, used_up, why
from core.sync.links.greeting import (
    GREETING_REFUSED,
    OtherLinkVersion,
    OwnKeyError,
    Purpose,
    check_greeting,
    make_greeting,
    make_head,
    read_greeting,
)
from core.sync.links.tls_context import pinned

HANDSHAKE_TIMEOUT_S = 20.0
"""A small device on a bad network takes a few seconds; one that takes more than this is not there."""
CLOSE_TIMEOUT_S = 2.0
"""For the goodbye alone: what matters was acknowledged before."""

AllowPeer = Callable[[bytes], Awaitable[bool]]
"""Whether a device with this id may be talked to."""


class UnknownPeer(LinkError):
    """The other device is no member that may be synced with.

    `device` is the id it claims.
    """

    def __init__(self, template: str, device: bytes) -> None:
        super().__init__(template, device=device.hex())
        self.device = device


class NotAdmitted(LinkError):
    """The other device does not take this one for a member."""


class _TlsStream(StreamReaderProtocol):
    """Fills a stream with what comes out of TLS."""

    def eof_received(self) -> bool:
        # Inside TLS there is no half of a connection to keep open. Streams in general know that only once they know
        # their transport, and the other side may hang up before.
        super().eof_received()
        return False


@dataclass(frozen=True, slots=True)
class TlsLink:
    """A secured stream to `peer`, which has proven to have that device's key."""

    peer: bytes
    peer_key: bytes
    """The raw public key that the handshake proved, of which `peer` is the hash."""
    reader: StreamReader
    writer: StreamWriter
    # The stream below: it would hang up if nothing referred to it any more.
    _raw_writer: StreamWriter

    @property
    def is_open(self) -> bool:
        """Whether neither side has hung up, as far as is known here."""
        return not self._raw_writer.transport.is_closing()

    def on_event(self, event: Event) -> None:
        """Ignore how far the session is: it makes no difference to a network."""

    def abort(self) -> None:
        """Hang up at once, however often and in whatever state.

        What was not sent is lost.
        """
        # The transport below may be aborted at any time. That of TLS may not: in some versions of Python it has
        # forgotten what it belongs to once it is closed twice, and the other side closes it, too.
        self._raw_writer.transport.abort()
        if not self.writer.is_closing():
            self.writer.close()

    async def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        """Send what is still to be sent and close; after `timeout_s` just hang up."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.writer.drain()
                if self.is_open and not self.writer.is_closing():
                    self.writer.close()
                await self.writer.wait_closed()
        except OSError:
            # Also when the time is up, and for whatever TLS finds wrong with how the other side says goodbye.
            pass
        finally:
            self.abort()


async def secure_dialed(
    reader: StreamReader,
    writer: StreamWriter,
    identity: Identity,
    allow: AllowPeer,
    *,
    timeout_s: float = HANDSHAKE_TIMEOUT_S,
    purpose: Purpose = Purpose.SYNC,
) -> TlsLink:
    """Secure a stream as the side that dialed.

    Exactly one of the two ends must be it.

    The stream's transport must be one that `loop.start_tls` takes, and is TLS's alone from here on; on any error it is
    closed.

    Raises UnknownPeer if this side may not sync with the other, NotAdmitted if the other says so of this one,
    LinkError if the other is no Fieldline device, does not do its part within `timeout_s`, or cannot prove its key,
    Unable if it is this side that cannot go on.
    """
    async with _run_with_timeout(writer):
        return await _secure_dialed(reader, writer, identity, allow, _PeerTimeout(writer, timeout_s), purpose)


async def secure_accepted(
    reader: StreamReader,
    writer: StreamWriter,
    identity: Identity,
    allow: AllowPeer,
    *,
    timeout_s: float = HANDSHAKE_TIMEOUT_S,
    purpose: Purpose = Purpose.SYNC,
) -> TlsLink:
    """Secure a stream as the side that accepted; raises as `secure_dialed` does."""
    async with _run_with_timeout(writer):
        return await _secure_accepted(reader, writer, identity, allow, _PeerTimeout(writer, timeout_s), purpose)


async def _secure_dialed(
    reader: StreamReader,
    writer: StreamWriter,
    identity: Identity,
    allow: AllowPeer,
    other: _PeerTimeout,
    purpose: Purpose,
) -> TlsLink:
    writer.write(make_greeting(identity, purpose))
    async with other.has_its_turn():
        greeting = await read_greeting(reader)
    offered = greeting.purpose
    if offered is None and purpose is Purpose.PAIR:
        raise NotAdmitted(
            "The device there is not open for pairing, or is pairing with another one: run `fieldline pair --listen`"
            " there (or 6, then p), then try again."
        )
    if offered is None:
        raise NotAdmitted(
            "The device there does not take this one for a member: let an admin run"
            " `fieldline admit {device} --role ROLE`, then try again.",
            device=identity.device.hex(),
        )
    peer, certificate = check_greeting(identity, greeting.proof)
    if offered is not purpose:
        raise LinkError("The device that answers is there for something else: try again.")
    if not await _is_allowed(allow, peer, greeting.vouchers):
        raise UnknownPeer("The device that answers, {device}, is not a member of this fleet.", peer)
    context = pinned(identity, certificate, server=False)
    async with other.has_its_turn():
        return await _start_tls(writer, context, greeting.proof[:KEY_BYTES], certificate, other.left + 1)


async def _secure_accepted(
    reader: StreamReader,
    writer: StreamWriter,
    identity: Identity,
    allow: AllowPeer,
    other: _PeerTimeout,
    purpose: Purpose,
) -> TlsLink:
    try:
        async with other.has_its_turn():
            greeting = await read_greeting(reader)
    except OtherLinkVersion:
        writer.write(make_head(GREETING_REFUSED))
        raise
    wanted = greeting.purpose
    if wanted is None:
        raise LinkError("What connected there is not a Fieldline of this version.")
    try:
        peer, certificate = check_greeting(identity, greeting.proof)
    except OwnKeyError:
        # So that the person at the side that dialed learns it.
        writer.write(make_greeting(identity, purpose))
        raise
    if wanted is not purpose:
        writer.write(make_head(GREETING_REFUSED))
        if wanted is Purpose.PAIR:
            raise UnknownPeer(
                "A device that wants to pair, {device}, was turned away: open pairing here (`fieldline pair --listen`,"
                " or 6, then p).",
                peer,
            )
        raise LinkError("A device that wants to sync was turned away: this device waits for one that wants to pair.")
    if not await _is_allowed(allow, peer, greeting.vouchers):
        writer.write(make_head(GREETING_REFUSED))
        raise UnknownPeer("A device that is not a member, {device}, tried to connect and was turned away.", peer)
    context = pinned(identity, certificate, server=True)
    # Nothing may be awaited between the greeting and the start of TLS, or the caller's first TLS bytes go astray.
    writer.write(make_greeting(identity, purpose))
    async with other.has_its_turn():
        return await _start_tls(writer, context, greeting.proof[:KEY_BYTES], certificate, other.left + 1)


async def _is_allowed(allow: AllowPeer, peer: bytes, vouchers: Sequence[bytes]) -> bool:
    """Whether a peer may be talked to: itself, or as the new key of a device that may."""
    for device in (peer, *vouching_devices(peer, vouchers)):
        if await allow(device):
            return True
    return False


@asynccontextmanager
async def _run_with_timeout(writer: StreamWriter) -> AsyncIterator[None]:
    """Close the stream unless it came to a link."""
    try:
        yield
    except LinkError:
        # What was sent last is still on its way.
        writer.close()
        raise
    except BaseException as error:
        writer.transport.abort()
        if used_up(error):
            raise lacking(error) from None
        raise


class _PeerTimeout:
    """How long the other side may take for its part: `left` seconds more.

    What this side does takes none of them.

    Only what goes wrong while the other side has its turn can be a failure of that side.
    """

    def __init__(self, writer: StreamWriter, seconds: float) -> None:
        self._writer = writer
        self.left = seconds

    @asynccontextmanager
    async def has_its_turn(self) -> AsyncIterator[None]:
        """Wait for the other side. Raises LinkError for whatever goes wrong meanwhile."""
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            async with asyncio.timeout(self.left):
                yield
        except TimeoutError:
            # Who does not talk may not read, either: nothing is waited for.
            self._writer.transport.abort()
            raise LinkError("The other device did not answer in time: try again.") from None
        except (asyncio.IncompleteReadError, OSError) as error:
            self._writer.transport.abort()
            raise _broken(error) from None
        finally:
            self.left -= clock() - began


# What OpenSSL calls it when the other side shows another certificate, none, or has not its key.
_UNPROVEN = frozenset({"CERTIFICATE_VERIFY_FAILED", "PEER_DID_NOT_RETURN_A_CERTIFICATE", "BAD_SIGNATURE"})


def _broken(error: asyncio.IncompleteReadError | OSError) -> LinkError:
    """Make the error for what came up while the other side had its turn."""
    if used_up(error):
        return lacking(error)
    if not isinstance(error, ssl.SSLError) or isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return LinkError("The connection broke before both devices knew each other: try again.")
    if isinstance(error, ssl.SSLCertVerificationError) or error.reason in _UNPROVEN:
        return _unproven()
    return LinkError(
        "TLS did not come about with the other device ({why}): try again, and update Fieldline, Python and OpenSSL"
        " there and here if it stays so.",
        why=why(error),
    )


def _unproven() -> LinkError:
    return LinkError("The other device could not prove that it is who it says.")


async def _start_tls(
    below: StreamWriter, context: ssl.SSLContext, key: bytes, certificate: bytes, timeout: float
) -> TlsLink:
    """Start TLS over a stream, with streams of its own.

    What somebody slipped in behind a greeting, in the clear, stays in the old reader, and nobody reads it.
    """
    loop = asyncio.get_running_loop()
    reader = StreamReader(loop=loop)
    inside = _TlsStream(reader, loop=loop)
    transport = await loop.start_tls(
        below.transport,
        inside,
        context,
        server_side=context.protocol == ssl.PROTOCOL_TLS_SERVER,
        # The caller counts the time; asyncio would add a limit of its own.
        ssl_handshake_timeout=timeout,
    )
    if transport is None:
        raise ConnectionResetError
    inside.connection_made(transport)
    # Hold nothing back in TLS: the transport below knows how much its line can take.
    transport.set_write_buffer_limits(high=1)
    writer = StreamWriter(transport, inside, reader, loop)
    tls = writer.get_extra_info("ssl_object")
    if tls.version() != "TLSv1.3" or tls.getpeercert(binary_form=True) != certificate:
        raise _unproven()
    return TlsLink(device_id(key), key, reader, writer, below)

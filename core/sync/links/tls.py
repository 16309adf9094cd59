"""Mutual TLS 1.3 (RFC 8446) over any reliable stream, each side pinned to the other's device key.

Devices have no authority to vouch for them, and Python's ssl cannot ask for a certificate that it does not know
beforehand. So the certificates are exchanged in the clear first, and each side then trusts just the one it was shown,
for this connection:

1. The caller sends its greeting: magic, its certificate.
2. The answering side looks whether that device may connect. If not it says so, shows nothing of itself, and hangs up.
   Otherwise it sends its own greeting and starts TLS.
3. The caller looks whether this is a device to talk to, and starts TLS.

The handshake then proves that each has the key of the certificate it showed. A certificate in a greeting proves nothing
before that.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding

from core.changes import device_id
from core.errors import FieldlineError
from core.identity import Identity

MAGIC = b"FLDL\x01"
MAX_CERTIFICATE = 1024
HANDSHAKE_SECONDS = 20.0
CLOSE_SECONDS = 2.0

Allow = Callable[[bytes], Awaitable[bool]]
"""Whether a device with this id may be talked to."""


class LinkError(FieldlineError):
    """There is no link to the other device."""


class Stranger(LinkError):
    """A device that may not connect; `device` is the id that it claims."""

    def __init__(self, template: str, device: bytes, **params: object) -> None:
        super().__init__(template, device=device.hex(), **params)
        self.device = device


@dataclass(frozen=True, slots=True)
class Link:
    """A secured stream to the device `peer`."""

    peer: bytes
    reader: StreamReader
    writer: StreamWriter

    async def close(self) -> None:
        """Say goodbye and let go, without waiting long for an answer."""
        await _close(self.writer)


async def call(
    reader: StreamReader, writer: StreamWriter, identity: Identity, allow: Allow, *, timeout: float = HANDSHAKE_SECONDS
) -> Link:
    """Secure a stream as the side that called. On any error the stream is closed.

    Raises Stranger if one side does not know the other as a member, LinkError if the other is no Fieldline device,
    does not answer within `timeout` seconds, or cannot prove its key.
    """
    return await _guarded(_call(reader, writer, identity, allow), writer, timeout)


async def answer(
    reader: StreamReader, writer: StreamWriter, identity: Identity, allow: Allow, *, timeout: float = HANDSHAKE_SECONDS
) -> Link:
    """Secure a stream as the side that was called; raises as `call` does."""
    return await _guarded(_answer(reader, writer, identity, allow), writer, timeout)


async def _call(reader: StreamReader, writer: StreamWriter, identity: Identity, allow: Allow) -> Link:
    writer.write(_greeting(identity.certificate_der))
    await writer.drain()
    certificate = await _certificate(reader)
    if certificate is None:
        raise Stranger(
            "The other device does not know this one as a member: an admin must run `fieldline admit {device}` there.",
            identity.device,
        )
    peer = _device(certificate)
    if not await allow(peer):
        raise Stranger("The device that answers, {device}, is not a member of this fleet.", peer)
    await writer.start_tls(_context(identity, certificate, server=False), server_hostname="")
    return _proven(reader, writer, certificate, peer)


async def _answer(reader: StreamReader, writer: StreamWriter, identity: Identity, allow: Allow) -> Link:
    certificate = await _certificate(reader)
    if certificate is None:
        raise LinkError("The device that called hung up again.")
    peer = _device(certificate)
    if not await allow(peer):
        writer.write(_greeting(b""))
        with contextlib.suppress(OSError):
            await writer.drain()
        raise Stranger("A device that is not a member, {device}, tried to connect and was turned away.", peer)
    context = _context(identity, certificate, server=True)
    # Nothing may be awaited between the greeting and the start of TLS, or the caller's first TLS bytes are taken for
    # ours.
    writer.write(_greeting(identity.certificate_der))
    await writer.start_tls(context)
    return _proven(reader, writer, certificate, peer)


async def _guarded(work: Awaitable[Link], writer: StreamWriter, timeout: float) -> Link:
    try:
        async with asyncio.timeout(timeout):
            return await work
    except BaseException as error:
        writer.transport.abort()
        await _close(writer)
        if isinstance(error, TimeoutError):
            raise LinkError("The other device did not answer in time: try again.") from None
        if isinstance(error, ssl.SSLError):
            raise LinkError("The other device could not prove that it is who it says.") from None
        if isinstance(error, asyncio.IncompleteReadError | OSError):
            raise LinkError("The connection broke before both devices knew each other: try again.") from None
        raise


def _greeting(certificate: bytes) -> bytes:
    return MAGIC + len(certificate).to_bytes(2, "big") + certificate


async def _certificate(reader: StreamReader) -> bytes | None:
    """The certificate of a greeting; None for the greeting of a device that does not know us."""
    header = await reader.readexactly(len(MAGIC) + 2)
    length = int.from_bytes(header[len(MAGIC) :], "big")
    if header[: len(MAGIC)] != MAGIC or length > MAX_CERTIFICATE:
        raise LinkError("What answers there is not a Fieldline of this version.")
    return await reader.readexactly(length) if length else None


def _device(certificate: bytes) -> bytes:
    """The id of the device whose key a certificate carries."""
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise LinkError("What answers there is not a Fieldline of this version.")
    return device_id(key.public_bytes_raw())


def _context(identity: Identity, certificate: bytes, *, server: bool) -> ssl.SSLContext:
    """TLS 1.3 that trusts one certificate only.

    Without tickets, since taking up a session costs more bytes than a new one; with X25519 alone, since newer
    defaults send a key share of over a thousand bytes, which is a second on a slow cable.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_ecdh_curve("X25519")
    if server:
        context.num_tickets = 0
    try:
        context.load_verify_locations(cadata=certificate)
    except ssl.SSLError:
        raise LinkError("What answers there is not a Fieldline of this version.") from None
    _load_own(context, identity)
    return context


def _load_own(context: ssl.SSLContext, identity: Identity) -> None:
    """Python's ssl reads keys from files only: this one exists in memory, for as long as it takes."""
    pem = x509.load_der_x509_certificate(identity.certificate_der).public_bytes(Encoding.PEM)
    descriptor = os.memfd_create("device", os.MFD_CLOEXEC)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(pem + identity.key_pem)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _proven(reader: StreamReader, writer: StreamWriter, certificate: bytes, peer: bytes) -> Link:
    tls = writer.get_extra_info("ssl_object")
    if tls is None or tls.version() != "TLSv1.3" or tls.getpeercert(True) != certificate:
        raise LinkError("The other device could not prove that it is who it says.")
    return Link(peer, reader, writer)


async def _close(writer: StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError, ssl.SSLError, TimeoutError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await writer.wait_closed()
    writer.transport.abort()

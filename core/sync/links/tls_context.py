"""The TLS context: the own key, and the one certificate to trust."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from core.identity import Identity
from core.sync.links.causes import Unable, lacking, used_up, why

_DESCRIPTORS = "/proc/self/fd"


def pinned(identity: Identity, certificate: bytes, *, server: bool) -> ssl.SSLContext:
    """Make a TLS 1.3 context that trusts one certificate only. Raises Unable.

    Without tickets, since resuming costs more bytes than a new session.
    """
    with _of_ones_own():
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server else ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        _agree_by_x25519(context)
        if server:
            context.num_tickets = 0
        context.load_verify_locations(cadata=certificate)
        _load_own_key(context, identity)
        return context


def _agree_by_x25519(context: ssl.SSLContext) -> None:
    """Allow X25519 alone where that can be said.

    Newer defaults send a key share of over a thousand bytes, which is a second on a slow cable.

    Python 3.11 of Debian 12 takes only curves of NIST here (python/cpython#77063). OpenSSL before 3.5 begins with
    X25519 by itself, and only lists other groups behind it, in 18 bytes; a newer one would begin with more bytes, not
    with something weaker. The keys are ephemeral in any case: in TLS 1.3 only tickets could do without, and there are
    none.
    """
    if hasattr(context, "set_groups"):  # Python 3.15
        context.set_groups("X25519")
        return
    with suppress(ssl.SSLError, ValueError):
        context.set_ecdh_curve("X25519")


def _load_own_key(context: ssl.SSLContext, identity: Identity) -> None:
    """Load the key from a file in memory, for as long as it takes.

    Ssl reads files only.
    """
    pem = ssl.DER_cert_to_PEM_cert(identity.certificate_der).encode()
    descriptor = os.memfd_create("device", os.MFD_CLOEXEC)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(pem + identity.key_pem)
        context.load_cert_chain(f"{_DESCRIPTORS}/{descriptor}")
    finally:
        os.close(descriptor)


@contextmanager
def _of_ones_own() -> Iterator[None]:
    """Raise Unable for what goes wrong here.

    Nothing of the other device was read yet.
    """
    try:
        yield
    except (OSError, MemoryError, ValueError) as error:
        if used_up(error):
            raise lacking(error) from None
        # A ValueError: what Python's ssl was built with has no TLS 1.3.
        if not isinstance(error, OSError) or isinstance(error, ssl.SSLError):
            raise Unable(
                "TLS 1.3 cannot be used on this device ({why}): update its Python and OpenSSL, and look what"
                " OpenSSL's settings (openssl.cnf) forbid.",
                why=why(error),
            ) from None
        raise Unable(
            "This device cannot hand its key to TLS ({why}): /proc must be mounted, and what confines Fieldline"
            " here must allow it memfd_create and reading {folder}.",
            folder=_DESCRIPTORS,
            why=why(error),
        ) from None

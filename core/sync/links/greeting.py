"""What the two ends of a link say to each other in the clear before TLS.

What for, and with which key.

A greeting is magic, version, a byte that says what the link is for or that there is none, the raw public key, and the
signature of the key's certificate. All certificates are the same but for that (`Identity.certificate_der`), so the
other's is put together here and not read from its bytes. A device whose key goes on for others adds what these vouch
for it with: their count, and for each its key and signature, the latest first (core.succession).
"""

from __future__ import annotations

from asyncio import StreamReader
from dataclasses import dataclass
from enum import Enum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from core.header import KEY_BYTES, SIGNATURE_BYTES, device_id
from core.identity import Identity
from core.succession import MAX_VOUCHERS, VOUCHER_BYTES
from core.sync.links.causes import LinkError

LINK_MAGIC = b"FLDL"
LINK_VERSION = 1
GREETING_REFUSED = 0
GREETING_VOUCHED = 3
"""As `Purpose.SYNC`, and vouchers follow."""
_HEAD_BYTES = len(LINK_MAGIC) + 2
_PROOF_BYTES = KEY_BYTES + SIGNATURE_BYTES
# Of a certificate (RFC 5280, 4.1) the signature covers what stands between these.
_SIGNED = slice(4, -SIGNATURE_BYTES - 10)


class Purpose(Enum):
    """What a link is for; the value stands in the greeting.

    A side takes only callers who want what it offers.
    """

    SYNC = 1
    PAIR = 2


class OtherLinkVersion(LinkError):
    """The other side greets in another version of this protocol."""


class OwnKeyError(LinkError):
    """The other side has the key of this device."""


@dataclass(frozen=True, slots=True)
class Greeting:
    """What the other side is there for, its key and signature, and its vouchers.

    No purpose: it turns this one away.
    """

    purpose: Purpose | None
    proof: bytes = b""
    vouchers: tuple[bytes, ...] = ()


def make_head(code: int) -> bytes:
    """Begin a greeting; all of it if it turns the other side away."""
    return LINK_MAGIC + bytes([LINK_VERSION, code])


def make_greeting(identity: Identity, purpose: Purpose = Purpose.SYNC) -> bytes:
    """Greet as this device."""
    proof = identity.public_key + identity.certificate_der[-SIGNATURE_BYTES:]
    if purpose is not Purpose.SYNC or not identity.vouchers:
        return make_head(purpose.value) + proof
    return make_head(GREETING_VOUCHED) + proof + bytes([len(identity.vouchers)]) + b"".join(identity.vouchers)


async def read_greeting(reader: StreamReader) -> Greeting:
    """Read the other side's greeting. Raises LinkError for what is none."""
    head = await reader.readexactly(_HEAD_BYTES)
    *magic, version, code = head
    if bytes(magic) != LINK_MAGIC:
        raise LinkError("What is at the other end is not Fieldline: check what runs there.")
    if version != LINK_VERSION:
        raise _other_version()
    if code == GREETING_REFUSED:
        return Greeting(None)
    if code == GREETING_VOUCHED:
        proof = await reader.readexactly(_PROOF_BYTES)
        count = (await reader.readexactly(1))[0]
        if not 1 <= count <= MAX_VOUCHERS:
            raise _other_version()
        data = await reader.readexactly(count * VOUCHER_BYTES)
        vouchers = tuple(data[at : at + VOUCHER_BYTES] for at in range(0, len(data), VOUCHER_BYTES))
        return Greeting(Purpose.SYNC, proof, vouchers)
    if code not in (each.value for each in Purpose):
        raise _other_version()
    return Greeting(Purpose(code), await reader.readexactly(_PROOF_BYTES))


def check_greeting(identity: Identity, proof: bytes) -> tuple[bytes, bytes]:
    """Give the id of the device with this key, and its certificate.

    Raises LinkError for what is no key.
    """
    key, signature = proof[:KEY_BYTES], proof[KEY_BYTES:]
    peer = device_id(key)
    if peer == identity.device:
        raise OwnKeyError(
            "The other end has the key of this device: it is this device itself, or a copy of it."
            " Each device needs a key of its own."
        )
    own = identity.certificate_der
    filled = own.replace(identity.device.hex().encode(), peer.hex().encode()).replace(identity.public_key, key)
    certificate = filled[:-SIGNATURE_BYTES] + signature
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, certificate[_SIGNED])
    except (InvalidSignature, ValueError):
        raise LinkError("The other device greets with a key that is not one: check what runs there.") from None
    return peer, certificate


def _other_version() -> OtherLinkVersion:
    return OtherLinkVersion("The other device speaks another version of the link: update Fieldline there or here.")

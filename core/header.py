"""The signed header of a change.

A header is a tagged COSE_Sign1 (RFC 9052, EdDSA) whose payload is a deterministic CBOR map (RFC 8949, 4.2.1). The
protected header carries the author's public key, so that a change certifies itself; the device is that key's hash. The
external AAD is the fleet id, so that a change cannot be replayed into another fleet; it is empty for the genesis, whose
id makes the fleet id.

A header stands for its change: the change id is its hash, and the body hangs on it by the root of its leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from core import cbor
from core.errors import BlockRefused
from core.hashes import digest
from core.value_codec import HASH_BYTES, ID_BYTES, MAX_FACTS

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

FORMAT = 2
KEY_BYTES = 32
SIGNATURE_BYTES = 64
BATCH_BYTES = 8

MAX_HEADER_BYTES = 2048
MAX_EXTENSION_BYTES = 1024
"""All extensions together, with their keys."""
MIN_EXTENSION = 64
MAX_EXTENSION = 2**32 - 1
MAX_POSITION = 2**32 - 1
"""A change a second for 136 years."""
MAX_TIMESTAMP_US = 253_402_300_799_999_999
"""The last microsecond of the year 9999."""

_EDDSA = -8
_TAG_SIGN1 = 18
_PROTECTED = cbor.head(cbor.MAP, 2) + cbor.uint(1) + cbor.integer(_EDDSA) + cbor.uint(4) + cbor.head(cbor.BYTES, 32)
_PROTECTED_BYTES = len(_PROTECTED) + KEY_BYTES
_START = cbor.head(cbor.TAG, _TAG_SIGN1) + cbor.head(cbor.ARRAY, 4) + cbor.head(cbor.BYTES, _PROTECTED_BYTES)
_UNPROTECTED = cbor.head(cbor.MAP, 0)
_SIGNATURE_HEAD = cbor.head(cbor.BYTES, SIGNATURE_BYTES)
HEADER_PREFIX = _START + _PROTECTED
"""The bytes that every header begins with, and no part of one has elsewhere but by chance."""
_KEY_AT = len(_START) + len(_PROTECTED)
_PAYLOAD_AT = _KEY_AT + KEY_BYTES + len(_UNPROTECTED)
_SIGNED_HEAD = cbor.head(cbor.ARRAY, 4) + cbor.text("Signature1") + cbor.head(cbor.BYTES, _PROTECTED_BYTES) + _PROTECTED
_FIELDS = frozenset((1, *range(3, 11)))
_HASH_HEAD = cbor.head(cbor.BYTES, HASH_BYTES)
_FORMAT_AND_POSITION = b"\1" + cbor.uint(FORMAT) + b"\3"
_AUTHOR_HEAD = b"\7" + cbor.head(cbor.BYTES, ID_BYTES)
_BATCH_HEAD = b"\x0a" + cbor.head(cbor.BYTES, BATCH_BYTES)
_NO_TAGS = cbor.decoders({})


@dataclass(frozen=True, slots=True)
class Header:
    """What a device signs of a change.

    `key` is the author device's public key. `position` counts its changes from 0; `previous` is the id of the one
    before and `past` the root over all ids before (`mountain_range`), both None at 0 and only there. `at` is the
    device's clock in microseconds since 1970 UTC, `author` the entity of the person. `leaves` and `root` are the number
    of leaves of the body and the root of the tree over them. Changes saved at once, one a locality, share a `batch`
    (8 bytes). `extensions` are byte strings under keys from 64 on, for what later versions add: kept as they are.
    """

    key: bytes
    position: int
    previous: bytes | None
    past: bytes | None
    at: int
    author: bytes
    leaves: int
    root: bytes
    batch: bytes | None = None
    extensions: Mapping[int, bytes] = field(default_factory=dict)

    @property
    def device(self) -> bytes:
        """The id of the device that signs, which is its key's hash."""
        return device_id(self.key)


@dataclass(frozen=True, slots=True)
class SignedHeader:
    """A header with its exact bytes and their hash.

    Whether the signature holds is not yet known (`verify`).
    """

    id: bytes
    data: bytes
    fields: Header
    signature: bytes


@lru_cache(maxsize=4096)
def device_id(key: bytes) -> bytes:
    """Give the 16-byte id of the device with this raw ed25519 public key."""
    return digest(key)[:ID_BYTES]


def fleet_id(genesis: bytes) -> bytes:
    """Give the fleet's id from the id of its genesis."""
    return genesis[:ID_BYTES]


def sign(fields: Header, key: Ed25519PrivateKey, fleet: bytes | None) -> SignedHeader:
    """Sign a header with the key that its fields name.

    `fleet` is None for the genesis.

    Raises BlockRefused for what no device would accept.
    """
    payload = encode_payload(fields)
    return _join(fields, payload, key.sign(_to_be_signed(fields.key, payload, fleet or b"")))


def assemble(fields: Header, signature: bytes) -> SignedHeader:
    """Join fields and a signature (64 bytes, not checked).

    Raises BlockRefused for fields out of their bounds.
    """
    return _join(fields, encode_payload(fields), signature)


def _join(fields: Header, payload: bytes, signature: bytes) -> SignedHeader:
    parts = (_START, _PROTECTED, fields.key, _UNPROTECTED, cbor.byte_string(payload), _SIGNATURE_HEAD, signature)
    data = b"".join(parts)
    return SignedHeader(digest(data), data, fields, signature)


def header_size(data: bytes) -> int:
    """Give the size of the header that these bytes begin with.

    Raises BlockRefused if they begin with none.

    Everything in front of the payload and behind it has a fixed size and form, so nothing has to be parsed for that.
    """
    size, start = _payload_span(data)
    return start + size + len(_SIGNATURE_HEAD) + SIGNATURE_BYTES


def decode_header(data: bytes) -> SignedHeader:
    """Read a header's bytes.

    Raises BlockRefused if they are malformed, out of bounds or not canonical.

    The signature is not checked: see `verify`.
    """
    size, start = _payload_span(data)
    end = start + size
    fields = _header(data[_KEY_AT : _KEY_AT + KEY_BYTES], cbor.loads(data[start:end], _NO_TAGS))
    signature = data[end + len(_SIGNATURE_HEAD) :]
    header = assemble(fields, signature)
    if len(signature) != SIGNATURE_BYTES or header.data != data:
        raise BlockRefused("a block is not in canonical form")
    return header


def read_checked_header(data: bytes) -> SignedHeader:
    """Read bytes that `decode_header` has accepted before, at half the cost."""
    size, start = _payload_span(data)
    end = start + size
    fields = _header(data[_KEY_AT : _KEY_AT + KEY_BYTES], cbor.loads(data[start:end], _NO_TAGS))
    return SignedHeader(digest(data), data, fields, data[end + len(_SIGNATURE_HEAD) :])


def verify(header: SignedHeader, fleet: bytes) -> None:
    """Check the signature of a header for this fleet.

    Raises BlockRefused if it does not hold.
    """
    aad = b"" if fleet_id(header.id) == fleet else fleet
    size, start = _payload_span(header.data)
    key = header.fields.key
    signed = b"".join((_SIGNED_HEAD, key, cbor.byte_string(aad), header.data[_PAYLOAD_AT : start + size]))
    if not has_signed(key, header.signature, signed):
        raise BlockRefused("a block is badly signed, or of another fleet")


def has_signed(key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether a signature holds for these bytes and this raw public key."""
    load, wrong = _verifiers()
    try:
        load(key).verify(signature, message)
    except wrong:
        return False
    return True


@lru_cache(maxsize=1)
def _verifiers() -> tuple[Callable[[bytes], Ed25519PublicKey], tuple[type[Exception], ...]]:
    """Give what reads a public key and keeps it, and what tells of a bad signature.

    A command that checks none does not wait for the library.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return lru_cache(maxsize=1024)(Ed25519PublicKey.from_public_bytes), (InvalidSignature, ValueError)


def encode_payload(fields: Header) -> bytes:
    """Encode what is signed; raises BlockRefused for fields out of their bounds."""
    _check(fields)
    count = 6 + len(fields.extensions)
    links = batch = extensions = b""
    if fields.previous is not None and fields.past is not None:
        links = b"".join((b"\4", _HASH_HEAD, fields.previous, b"\5", _HASH_HEAD, fields.past))
        count += 2
    if fields.batch is not None:
        batch = _BATCH_HEAD + fields.batch
        count += 1
    if fields.extensions:
        extensions = encode_extensions(fields.extensions)
    payload = b"".join(
        (
            cbor.head(cbor.MAP, count),
            _FORMAT_AND_POSITION,
            cbor.uint(fields.position),
            links,
            b"\6",
            cbor.uint(fields.at),
            _AUTHOR_HEAD,
            fields.author,
            b"\x08",
            cbor.uint(fields.leaves),
            b"\x09",
            _HASH_HEAD,
            fields.root,
            batch,
            extensions,
        )
    )
    if len(payload) + _PAYLOAD_AT + 3 + len(_SIGNATURE_HEAD) + SIGNATURE_BYTES > MAX_HEADER_BYTES:
        raise BlockRefused("a header is larger than {limit} bytes", limit=MAX_HEADER_BYTES)
    return payload


def encode_extensions(extensions: Mapping[int, bytes]) -> bytes:
    """Encode the pairs of the extensions, keys ascending.

    Raises BlockRefused for other than byte strings, other keys, or more than 1 KiB.
    """
    for number, content in extensions.items():
        if not (_is_uint(number, MAX_EXTENSION) and number >= MIN_EXTENSION and isinstance(content, bytes)):
            raise BlockRefused("a change is malformed")
    data = b"".join(cbor.uint(key) + cbor.byte_string(extensions[key]) for key in sorted(extensions))
    if len(data) > MAX_EXTENSION_BYTES:
        raise BlockRefused("a header is larger than {limit} bytes", limit=MAX_EXTENSION_BYTES)
    return data


def _payload_span(data: bytes) -> tuple[int, int]:
    """Give the size of the payload and where it begins."""
    at = _PAYLOAD_AT
    head = data[at : at + 3]
    if (
        not data.startswith(HEADER_PREFIX)
        or data[at - 1 : at] != _UNPROTECTED
        or len(head) < 3
        or head[0] not in (0x58, 0x59)
    ):
        raise BlockRefused("a block is not a signed change")
    size, start = (head[1], at + 2) if head[0] == 0x58 else (int.from_bytes(head[1:], "big"), at + 3)
    if size > MAX_HEADER_BYTES or start + size + len(_SIGNATURE_HEAD) + SIGNATURE_BYTES > len(data):
        raise BlockRefused("a block is not a signed change")
    return size, start


def _to_be_signed(key: bytes, payload: bytes, aad: bytes) -> bytes:
    """Encode the Sig_structure of RFC 9052, 4.4."""
    return b"".join((_SIGNED_HEAD, key, cbor.byte_string(aad), cbor.byte_string(payload)))


def _header(key: bytes, plain: Any) -> Header:
    """Name the fields of what was read.

    Whether they are in their bounds shows when they are encoded again.
    """
    if not isinstance(plain, dict) or plain.get(1) != FORMAT:
        raise _unknown_format()
    extensions = {} if plain.keys() <= _FIELDS else _extensions(plain)
    # A field that is there but null is no other form of one that is absent.
    if None in plain.values():
        raise BlockRefused("a change is malformed")
    read: Callable[[int], Any] = plain.get
    return Header(key, read(3), read(4), read(5), read(6), read(7), read(8), read(9), read(10), extensions)


def _extensions(plain: dict[Any, Any]) -> dict[int, Any]:
    """Give what later versions added, in order.

    Raises BlockRefused for fields that no version can have added.
    """
    if any(type(each) is not int or (each < MIN_EXTENSION and each not in _FIELDS) for each in plain):
        raise _unknown_format()
    return {each: plain[each] for each in sorted(plain) if each >= MIN_EXTENSION}


def _unknown_format() -> BlockRefused:
    return BlockRefused("a change is of a format that this version does not know: update Fieldline on this device")


def _check(fields: Header) -> None:
    if not (
        _is_uint(fields.position, MAX_POSITION)
        and _is_uint(fields.at, MAX_TIMESTAMP_US)
        and _is_uint(fields.leaves, MAX_FACTS + 1)
        and fields.leaves
        and _is_bytes(fields.key, KEY_BYTES)
        and _is_bytes(fields.author, ID_BYTES)
        and _is_bytes(fields.root, HASH_BYTES)
        and (fields.batch is None or _is_bytes(fields.batch, BATCH_BYTES))
    ):
        raise BlockRefused("a change is malformed")
    if fields.position == 0:
        are_links_right = fields.previous is None and fields.past is None
    else:
        are_links_right = _is_bytes(fields.previous, HASH_BYTES) and _is_bytes(fields.past, HASH_BYTES)
    if not are_links_right:
        raise BlockRefused("a change is malformed")


def _is_uint(value: Any, limit: int) -> bool:
    return type(value) is int and 0 <= value <= limit


def _is_bytes(value: Any, size: int) -> bool:
    return isinstance(value, bytes) and len(value) == size

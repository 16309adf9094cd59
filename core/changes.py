"""The change: what one person saved at once on one device, and its exact bytes.

A block is a tagged COSE_Sign1 (RFC 9052, EdDSA) whose payload is deterministic CBOR (RFC 8949, 4.2) with integer
keys. The protected header carries the author's public key, so that a block certifies itself: the device id in the
payload must be the hash of that key. The external AAD is the fleet id, so that a change cannot be replayed into
another fleet; it is empty for the genesis, whose id makes the fleet id.

Everything here is pure. Bytes from elsewhere are hostile: `decode` bounds them and refuses what is not canonical,
which it finds out by encoding what it read again and comparing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import cbor2
from blake3 import blake3

from core.errors import BlockRefused

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MAX_BLOCK_BYTES = 65536
MAX_FACTS = 512
MAX_PROPERTY_BYTES = 100
MAX_USER_BYTES = 200
MAX_NOTE_BYTES = 4096
MAX_TIMESTAMP_US = 253_402_300_799_999_999  # the last microsecond of the year 9999
MAX_CBOR_DEPTH = 6

ID_BYTES = 16
CHANGE_ID_BYTES = 32
FACT_ID_BYTES = CHANGE_ID_BYTES + 2
KEY_BYTES = 32
SIGNATURE_BYTES = 64

BLOCK_FORMAT = 1
_SIGN1_TAG = 18
_REFERENCE_TAG = 37
_EDDSA = -8
_MIN_INTEGER, _MAX_INTEGER = -(2**63), 2**63 - 1


def _entity_id_of_name(name: str) -> bytes:
    return blake3(b"fieldline entity " + name.encode()).digest(length=ID_BYTES)


FLEET_ENTITY = _entity_id_of_name("fleet")
SCHEMA_ENTITY = _entity_id_of_name("schema")


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference to an entity by its 16-byte id."""

    entity: bytes


Scalar = str | int | bool | Ref
Value = Scalar | None | tuple[Scalar, ...]
"""What a fact can state. None is "explicitly cleared"; decimals are text; lists are flat."""


@dataclass(frozen=True, slots=True)
class Fact:
    """That an entity's property has a value; `obsoletes` holds the 34-byte ids of the facts its author saw there,
    sorted.
    """

    entity: bytes
    property: str
    value: Value
    obsoletes: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """The payload of a block. `at` is in microseconds since 1970 UTC; `previous` is this device's change before, or
    None.
    """

    device: bytes
    previous: bytes | None
    user: str
    at_us: int
    note: str | None
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """A decoded canonical block: its id, its exact bytes, what it says, and whose key it carries (signature not yet
    checked).
    """

    id: bytes
    data: bytes
    change: Change
    key: bytes
    payload: bytes
    signature: bytes


def device_id(public_key: bytes) -> bytes:
    """The 16-byte id of the device that owns this raw ed25519 public key."""
    return blake3(public_key).digest(length=ID_BYTES)


def change_id(data: bytes) -> bytes:
    """BLAKE3-256 of the whole block."""
    return blake3(data).digest()


def fact_id(change: bytes, index: int) -> bytes:
    """Change id and the fact's place in it, 34 bytes."""
    return change + index.to_bytes(2, "big")


def fleet_id(genesis: bytes) -> bytes:
    """The fleet's id from the id of its genesis change."""
    return genesis[:ID_BYTES]


def encode_value(value: Value) -> bytes:
    """Canonical bytes: two values are equal if and only if these are."""
    return cbor2.dumps(_value_to_cbor(value), canonical=True)


def decode_value(data: bytes) -> Value:
    """The value of bytes that `encode_value` made; raises BlockRefused for any other."""
    value = _value_from_cbor(_load_cbor(data))
    if encode_value(value) != data:
        raise BlockRefused("a value is not in canonical form")
    return value


def sign_change(change: Change, key: Ed25519PrivateKey, fleet: bytes | None) -> bytes:
    """Sign a change and give its block's bytes; see `sealed`."""
    return sign_block(change, key, fleet).data


def sign_block(change: Change, key: Ed25519PrivateKey, fleet: bytes | None) -> Block:
    """Sign a change and give its block; `fleet` is None for the genesis.

    Raises BlockRefused if the change is not one that every device would accept.
    """
    public = key.public_key().public_bytes_raw()
    protected = _protected_header(public)
    payload = cbor2.dumps(_change_to_cbor(change), canonical=True)
    signature = key.sign(_sig_structure(protected, payload, fleet or b""))
    return decode_block(_block_bytes(protected, payload, signature))


def decode_block(data: bytes) -> Block:
    """Read a block's bytes; raises BlockRefused if they are too large, malformed or not canonical.

    The signature is not checked: see `verify`.
    """
    if len(data) > MAX_BLOCK_BYTES:
        raise BlockRefused("a block of {size} bytes is larger than {limit}", size=len(data), limit=MAX_BLOCK_BYTES)
    outer = _load_cbor(data)
    parts = outer.value if isinstance(outer, cbor2.CBORTag) and outer.tag == _SIGN1_TAG else None
    if not isinstance(parts, list | tuple) or len(parts) != 4:
        raise BlockRefused("a block is not a signed change")
    protected, unprotected, payload, signature = parts
    key = _author_key(protected)
    if unprotected != {} or not isinstance(payload, bytes) or not _is_id(signature, SIGNATURE_BYTES):
        raise BlockRefused("a block is not a signed change")
    change = _change_from_cbor(_load_cbor(payload))
    if change.device != device_id(key):
        raise BlockRefused("a block names a device whose key it does not carry")
    if (
        cbor2.dumps(_change_to_cbor(change), canonical=True) != payload
        or _block_bytes(protected, payload, signature) != data
    ):
        raise BlockRefused("a block is not in canonical form")
    return Block(change_id(data), data, change, key, payload, signature)


def verify_block(block: Block, fleet: bytes) -> None:
    """Check the signature of a block for this fleet; raises BlockRefused if it does not hold."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    aad = b"" if fleet_id(block.id) == fleet else fleet
    try:
        Ed25519PublicKey.from_public_bytes(block.key).verify(
            block.signature, _sig_structure(_protected_header(block.key), block.payload, aad)
        )
    except (InvalidSignature, ValueError):
        raise BlockRefused("a block is badly signed, or of another fleet") from None


# --- to plain CBOR ---------------------------------------------------------------------------------------------------


def _protected_header(public: bytes) -> bytes:
    return cbor2.dumps({1: _EDDSA, 4: public}, canonical=True)


def _block_bytes(protected: bytes, payload: bytes, signature: bytes) -> bytes:
    return cbor2.dumps(cbor2.CBORTag(_SIGN1_TAG, [protected, {}, payload, signature]), canonical=True)


def _sig_structure(protected: bytes, payload: bytes, aad: bytes) -> bytes:
    """The Sig_structure of RFC 9052, 4.4."""
    return cbor2.dumps(["Signature1", protected, aad, payload], canonical=True)


def _value_to_cbor(value: Value) -> Any:
    if isinstance(value, Ref):
        return cbor2.CBORTag(_REFERENCE_TAG, value.entity)
    if isinstance(value, tuple):
        return [_value_to_cbor(item) for item in value]
    return value


def _change_to_cbor(change: Change) -> dict[int, Any]:
    facts = [[f.entity, f.property, _value_to_cbor(f.value), list(f.obsoletes)] for f in change.facts]
    return {
        1: BLOCK_FORMAT,
        2: change.device,
        3: change.previous,
        4: change.user,
        5: change.at_us,
        6: change.note,
        7: facts,
    }


# --- from plain CBOR -------------------------------------------------------------------------------------------------


def _read_reference_tag(entity: Any, immutable: bool) -> Ref:
    if not _is_id(entity, ID_BYTES):
        raise ValueError
    return Ref(entity)


def _read_sign1_tag(parts: Any, immutable: bool) -> cbor2.CBORTag:
    return cbor2.CBORTag(_SIGN1_TAG, parts)


def _reject_tag(value: Any, immutable: bool) -> Any:
    raise ValueError


# The library knows how to read dates, big numbers, patterns, messages, addresses, sets and shared values. None of
# that is in the format, so none of it is run on a peer's bytes.
_REJECTED_TAGS = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799)
_TAG_DECODERS: dict[int, Callable[[Any, bool], Any]] = {
    **dict.fromkeys(_REJECTED_TAGS, _reject_tag),
    _REFERENCE_TAG: _read_reference_tag,
    _SIGN1_TAG: _read_sign1_tag,
}


def _load_cbor(data: bytes) -> Any:
    try:
        return cbor2.loads(
            data,
            semantic_decoders=_TAG_DECODERS,
            max_depth=MAX_CBOR_DEPTH,
            allow_indefinite=False,
            allow_duplicate_keys=False,
        )
    except (cbor2.CBORDecodeError, ValueError, TypeError, OverflowError, MemoryError, RecursionError):
        raise BlockRefused("a block is not well-formed CBOR") from None


def _is_id(value: Any, size: int) -> bool:
    return isinstance(value, bytes) and len(value) == size


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_short_text(value: Any, limit: int) -> bool:
    return isinstance(value, str) and len(value.encode()) <= limit


def _is_printable_line(value: Any, limit: int) -> bool:
    """Not empty and without control characters, so that it can stand in one line of a terminal."""
    return _is_short_text(value, limit) and value != "" and all(ord(c) >= 32 and not 127 <= ord(c) < 160 for c in value)


def _scalar_from_cbor(value: Any) -> Scalar:
    if isinstance(value, str | bool | Ref) or (_is_int(value) and _MIN_INTEGER <= value <= _MAX_INTEGER):
        return value  # type: ignore[no-any-return]
    raise BlockRefused("a fact has a value of a type that is not in the format")


def _value_from_cbor(value: Any) -> Value:
    if value is None:
        return None
    if isinstance(value, list | tuple):
        return tuple(_scalar_from_cbor(item) for item in value)
    return _scalar_from_cbor(value)


def _author_key(protected: Any) -> bytes:
    header = _load_cbor(protected) if isinstance(protected, bytes) and len(protected) < 64 else None
    key = header.get(4) if isinstance(header, dict) else None
    if not isinstance(key, bytes) or len(key) != KEY_BYTES or protected != _protected_header(key):
        raise BlockRefused("a block does not carry its author's key")
    return key


def _fact_from_cbor(plain: Any) -> Fact:
    if not isinstance(plain, list | tuple) or len(plain) != 4:
        raise BlockRefused("a fact is malformed")
    entity, name, value, obsoletes = plain
    if not _is_id(entity, ID_BYTES) or not _is_printable_line(name, MAX_PROPERTY_BYTES):
        raise BlockRefused("a fact is malformed")
    if not isinstance(obsoletes, list | tuple) or not all(_is_id(target, FACT_ID_BYTES) for target in obsoletes):
        raise BlockRefused("a fact is malformed")
    if any(a >= b for a, b in pairwise(obsoletes)):
        raise BlockRefused("a fact does not list what it obsoletes in order")
    return Fact(entity, name, _value_from_cbor(value), tuple(obsoletes))


def _change_from_cbor(plain: Any) -> Change:
    if not isinstance(plain, dict) or len(plain) != 7 or plain.get(1) != BLOCK_FORMAT:
        raise BlockRefused("a change is of a format that this version does not know: update Fieldline on this device")
    fields: list[Any] = [plain.get(key) for key in range(2, 8)]
    device, previous, user, at, note, facts = fields
    if not _is_id(device, ID_BYTES) or not (previous is None or _is_id(previous, CHANGE_ID_BYTES)):
        raise BlockRefused("a change is malformed")
    if not _is_printable_line(user, MAX_USER_BYTES) or not (note is None or _is_short_text(note, MAX_NOTE_BYTES)):
        raise BlockRefused("a change is malformed")
    if not _is_int(at) or not 0 <= at <= MAX_TIMESTAMP_US:
        raise BlockRefused("a change is malformed")
    if not isinstance(facts, list | tuple) or not 1 <= len(facts) <= MAX_FACTS:
        raise BlockRefused("a change has no facts or more than {limit}", limit=MAX_FACTS)
    return Change(device, previous, user, at, note, tuple(_fact_from_cbor(fact) for fact in facts))


def parent_ids(block: Block) -> set[bytes]:
    """The changes that this one was made in knowledge of: those of the facts that it obsoletes, and the one before
    it.
    """
    targets = {target[:CHANGE_ID_BYTES] for fact in block.change.facts for target in fact.obsoletes}
    return targets | ({block.change.previous} if block.change.previous else set())

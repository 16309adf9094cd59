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

MAX_BLOCK = 65536
MAX_FACTS = 512
MAX_PROPERTY = 100
MAX_USER = 200
MAX_NOTE = 4096
MAX_AT = 253_402_300_799_999_999  # the last microsecond of the year 9999
MAX_DEPTH = 6

ID_SIZE = 16
CHANGE_ID_SIZE = 32
FACT_ID_SIZE = CHANGE_ID_SIZE + 2
KEY_SIZE = 32
SIGNATURE_SIZE = 64

FORMAT = 1
_TAG_SIGN1 = 18
_TAG_REFERENCE = 37
_EDDSA = -8
_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1


def _fixed_id(name: str) -> bytes:
    return blake3(b"fieldline entity " + name.encode()).digest(length=ID_SIZE)


FLEET_ENTITY = _fixed_id("fleet")
SCHEMA_ENTITY = _fixed_id("schema")


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
    at: int
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
    return blake3(public_key).digest(length=ID_SIZE)


def change_id(data: bytes) -> bytes:
    """BLAKE3-256 of the whole block."""
    return blake3(data).digest()


def fact_id(change: bytes, index: int) -> bytes:
    """Change id and the fact's place in it, 34 bytes."""
    return change + index.to_bytes(2, "big")


def fleet_id(genesis: bytes) -> bytes:
    """The fleet's id from the id of its genesis change."""
    return genesis[:ID_SIZE]


def encode_value(value: Value) -> bytes:
    """Canonical bytes: two values are equal if and only if these are."""
    return cbor2.dumps(_plain_value(value), canonical=True)


def decode_value(data: bytes) -> Value:
    """The value of bytes that `encode_value` made; raises BlockRefused for any other."""
    value = _value(_loads(data))
    if encode_value(value) != data:
        raise BlockRefused("a value is not in canonical form")
    return value


def seal(change: Change, key: Ed25519PrivateKey, fleet: bytes | None) -> bytes:
    """Sign a change and give its block's bytes; see `sealed`."""
    return sealed(change, key, fleet).data


def sealed(change: Change, key: Ed25519PrivateKey, fleet: bytes | None) -> Block:
    """Sign a change and give its block; `fleet` is None for the genesis.

    Raises BlockRefused if the change is not one that every device would accept.
    """
    public = key.public_key().public_bytes_raw()
    protected = _protected(public)
    payload = cbor2.dumps(_plain_change(change), canonical=True)
    signature = key.sign(_to_be_signed(protected, payload, fleet or b""))
    return decode(_block_bytes(protected, payload, signature))


def decode(data: bytes) -> Block:
    """Read a block's bytes; raises BlockRefused if they are too large, malformed or not canonical.

    The signature is not checked: see `verify`.
    """
    if len(data) > MAX_BLOCK:
        raise BlockRefused("a block of {size} bytes is larger than {limit}", size=len(data), limit=MAX_BLOCK)
    outer = _loads(data)
    parts = outer.value if isinstance(outer, cbor2.CBORTag) and outer.tag == _TAG_SIGN1 else None
    if not isinstance(parts, list | tuple) or len(parts) != 4:
        raise BlockRefused("a block is not a signed change")
    protected, unprotected, payload, signature = parts
    key = _key_of(protected)
    if unprotected != {} or not isinstance(payload, bytes) or not _is_id(signature, SIGNATURE_SIZE):
        raise BlockRefused("a block is not a signed change")
    change = _change(_loads(payload))
    if change.device != device_id(key):
        raise BlockRefused("a block names a device whose key it does not carry")
    if (
        cbor2.dumps(_plain_change(change), canonical=True) != payload
        or _block_bytes(protected, payload, signature) != data
    ):
        raise BlockRefused("a block is not in canonical form")
    return Block(change_id(data), data, change, key, payload, signature)


def verify(block: Block, fleet: bytes) -> None:
    """Check the signature of a block for this fleet; raises BlockRefused if it does not hold."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    aad = b"" if fleet_id(block.id) == fleet else fleet
    try:
        Ed25519PublicKey.from_public_bytes(block.key).verify(
            block.signature, _to_be_signed(_protected(block.key), block.payload, aad)
        )
    except (InvalidSignature, ValueError):
        raise BlockRefused("a block is badly signed, or of another fleet") from None


# --- to plain CBOR ---------------------------------------------------------------------------------------------------


def _protected(public: bytes) -> bytes:
    return cbor2.dumps({1: _EDDSA, 4: public}, canonical=True)


def _block_bytes(protected: bytes, payload: bytes, signature: bytes) -> bytes:
    return cbor2.dumps(cbor2.CBORTag(_TAG_SIGN1, [protected, {}, payload, signature]), canonical=True)


def _to_be_signed(protected: bytes, payload: bytes, aad: bytes) -> bytes:
    """The Sig_structure of RFC 9052, 4.4."""
    return cbor2.dumps(["Signature1", protected, aad, payload], canonical=True)


def _plain_value(value: Value) -> Any:
    if isinstance(value, Ref):
        return cbor2.CBORTag(_TAG_REFERENCE, value.entity)
    if isinstance(value, tuple):
        return [_plain_value(item) for item in value]
    return value


def _plain_change(change: Change) -> dict[int, Any]:
    facts = [[f.entity, f.property, _plain_value(f.value), list(f.obsoletes)] for f in change.facts]
    return {
        1: FORMAT,
        2: change.device,
        3: change.previous,
        4: change.user,
        5: change.at,
        6: change.note,
        7: facts,
    }


# --- from plain CBOR -------------------------------------------------------------------------------------------------


def _reference(entity: Any, immutable: bool) -> Ref:
    if not _is_id(entity, ID_SIZE):
        raise ValueError
    return Ref(entity)


def _sign1(parts: Any, immutable: bool) -> cbor2.CBORTag:
    return cbor2.CBORTag(_TAG_SIGN1, parts)


def _unwanted(value: Any, immutable: bool) -> Any:
    raise ValueError


# The library knows how to read dates, big numbers, patterns, messages, addresses, sets and shared values. None of
# that is in the format, so none of it is run on a peer's bytes.
_LIBRARY_TAGS = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799)
_TAGS: dict[int, Callable[[Any, bool], Any]] = {
    **dict.fromkeys(_LIBRARY_TAGS, _unwanted),
    _TAG_REFERENCE: _reference,
    _TAG_SIGN1: _sign1,
}


def _loads(data: bytes) -> Any:
    try:
        return cbor2.loads(
            data, semantic_decoders=_TAGS, max_depth=MAX_DEPTH, allow_indefinite=False, allow_duplicate_keys=False
        )
    except (cbor2.CBORDecodeError, ValueError, TypeError, OverflowError, MemoryError, RecursionError):
        raise BlockRefused("a block is not well-formed CBOR") from None


def _is_id(value: Any, size: int) -> bool:
    return isinstance(value, bytes) and len(value) == size


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: Any, limit: int) -> bool:
    return isinstance(value, str) and len(value.encode()) <= limit


def _is_plain_text(value: Any, limit: int) -> bool:
    """Not empty and without control characters, so that it can stand in one line of a terminal."""
    return _is_text(value, limit) and value != "" and all(ord(c) >= 32 and not 127 <= ord(c) < 160 for c in value)


def _scalar(value: Any) -> Scalar:
    if isinstance(value, str | bool | Ref) or (_is_int(value) and _INT_MIN <= value <= _INT_MAX):
        return value  # type: ignore[no-any-return]
    raise BlockRefused("a fact has a value of a type that is not in the format")


def _value(value: Any) -> Value:
    if value is None:
        return None
    if isinstance(value, list | tuple):
        return tuple(_scalar(item) for item in value)
    return _scalar(value)


def _key_of(protected: Any) -> bytes:
    header = _loads(protected) if isinstance(protected, bytes) and len(protected) < 64 else None
    key = header.get(4) if isinstance(header, dict) else None
    if not isinstance(key, bytes) or len(key) != KEY_SIZE or protected != _protected(key):
        raise BlockRefused("a block does not carry its author's key")
    return key


def _fact(plain: Any) -> Fact:
    if not isinstance(plain, list | tuple) or len(plain) != 4:
        raise BlockRefused("a fact is malformed")
    entity, name, value, obsoletes = plain
    if not _is_id(entity, ID_SIZE) or not _is_plain_text(name, MAX_PROPERTY):
        raise BlockRefused("a fact is malformed")
    if not isinstance(obsoletes, list | tuple) or not all(_is_id(target, FACT_ID_SIZE) for target in obsoletes):
        raise BlockRefused("a fact is malformed")
    if any(a >= b for a, b in pairwise(obsoletes)):
        raise BlockRefused("a fact does not list what it obsoletes in order")
    return Fact(entity, name, _value(value), tuple(obsoletes))


def _change(plain: Any) -> Change:
    if not isinstance(plain, dict) or len(plain) != 7 or plain.get(1) != FORMAT:
        raise BlockRefused("a change is of a format that this version does not know: update Fieldline on this device")
    fields: list[Any] = [plain.get(key) for key in range(2, 8)]
    device, previous, user, at, note, facts = fields
    if not _is_id(device, ID_SIZE) or not (previous is None or _is_id(previous, CHANGE_ID_SIZE)):
        raise BlockRefused("a change is malformed")
    if not _is_plain_text(user, MAX_USER) or not (note is None or _is_text(note, MAX_NOTE)):
        raise BlockRefused("a change is malformed")
    if not _is_int(at) or not 0 <= at <= MAX_AT:
        raise BlockRefused("a change is malformed")
    if not isinstance(facts, list | tuple) or not 1 <= len(facts) <= MAX_FACTS:
        raise BlockRefused("a change has no facts or more than {limit}", limit=MAX_FACTS)
    return Change(device, previous, user, at, note, tuple(_fact(fact) for fact in facts))


def parents(block: Block) -> set[bytes]:
    """The changes that this one was made in knowledge of: those of the facts that it obsoletes, and the one before
    it.
    """
    targets = {target[:CHANGE_ID_SIZE] for fact in block.change.facts for target in fact.obsoletes}
    return targets | ({block.change.previous} if block.change.previous else set())

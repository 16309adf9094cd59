"""The values that facts state, and their bytes.

A value is text, an integer of 64 bits, a boolean, null (explicitly cleared), a reference, a fact id, or a flat list of
those but null; or it withdraws facts. There are no floats: decimals are text. Two values are equal if and only if
their bytes are.

Text is in normalization form C (Unicode Standard Annex 15), by the data of Unicode 3.2 as RFC 3454 has it. The version
is fixed, since devices with different versions must agree on which bytes are a change: each later version has
characters that an earlier one does not know. What is composed by a later version is composed by 3.2, too.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

from core import cbor
from core.errors import BlockRefused

ID_BYTES = 16
HASH_BYTES = 32
CHANGE_ID_BYTES = HASH_BYTES
INDEX_BYTES = 2
FACT_ID_BYTES = CHANGE_ID_BYTES + INDEX_BYTES
MAX_FACTS = 512

INT_MIN, INT_MAX = -(2**63), 2**63 - 1

TAG_REFERENCE = 37
"""Registered for a UUID, which an entity's id is in form."""
TAG_PARENT = 175
TAG_FACT = 177
TAG_WITHDRAWAL = 178
"""Of the two-byte tags that IANA's registry of CBOR tags has free (144 to 199); not registered for us."""
TAG_REDACTED = 60
"""The redacted element of SD-CWT (draft-ietf-spice-sd-cwt)."""


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference to an entity by its 16-byte id."""

    entity: bytes


@dataclass(frozen=True, slots=True)
class ParentRef:
    """A reference to the entity that this one lies in.

    What a locality holds follows from bytes, not from a schema.
    """

    entity: bytes


@dataclass(frozen=True, slots=True)
class FactRef:
    """A reference to a fact, or to the note of a change, by its 34-byte id."""

    fact: bytes


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A withdrawn fact of the same slot, by its 34-byte id (`core.withdrawal`)."""

    fact: bytes


@dataclass(frozen=True, slots=True)
class Redacted:
    """What is left of a value that was erased: the commitment to it, 32 bytes."""

    commitment: bytes


Scalar: TypeAlias = str | int | bool | Ref | ParentRef | FactRef | Withdrawal
Value: TypeAlias = Scalar | Redacted | tuple[Scalar, ...] | None
"""What a fact can state. None is "explicitly cleared"; nobody states Redacted: a value becomes it. A Withdrawal, or a
list of several in ascending order, states nothing: it withdraws.
"""


def normalized(text: str) -> str:
    """Bring text that a person or a file gave to the form that values have."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def normalized_value(value: Value) -> Value:
    """Bring all text of a value to the form that values have."""
    if isinstance(value, tuple):
        return tuple(normalized(item) if isinstance(item, str) else item for item in value)
    return normalized(value) if isinstance(value, str) else value


def is_normalized(text: str) -> bool:
    """Say whether text has the form that values have."""
    return text.isascii() or unicodedata.ucd_3_2_0.is_normalized("NFC", text)


def is_line(text: str, limit: int) -> bool:
    """Say whether text is normalized, short, not empty, and free of controls."""
    return (
        text != ""
        and len(text.encode()) <= limit
        and is_normalized(text)
        and all(ord(c) >= 32 and not 127 <= ord(c) < 160 for c in text)
    )


_SHORT_TEXT_HEADS = tuple(cbor.head(cbor.TEXT, size) for size in range(24))
"""How texts begin whose length is in their first byte."""
_REFERENCE_HEAD = cbor.head(cbor.TAG, TAG_REFERENCE) + cbor.head(cbor.BYTES, ID_BYTES)
_PARENT_HEAD = cbor.head(cbor.TAG, TAG_PARENT) + cbor.head(cbor.BYTES, ID_BYTES)
REFERENCE_HEADS = _REFERENCE_HEAD, _PARENT_HEAD
"""How the bytes of a value begin that is one reference to an entity."""
_FACT_HEAD = cbor.head(cbor.TAG, TAG_FACT) + cbor.head(cbor.BYTES, FACT_ID_BYTES)
_WITHDRAWAL_HEAD = cbor.head(cbor.TAG, TAG_WITHDRAWAL) + cbor.head(cbor.BYTES, FACT_ID_BYTES)
_REDACTED_HEAD = cbor.head(cbor.TAG, TAG_REDACTED) + cbor.head(cbor.BYTES, HASH_BYTES)


def encode_value(value: Value) -> bytes:
    """Encode a value; raises BlockRefused for what the format has no value for."""
    if isinstance(value, str):
        if len(value) < 24 and value.isascii():  # what most values are
            return _SHORT_TEXT_HEADS[len(value)] + value.encode()
        return _encoded_text(value)
    if value is None:
        return b"\xf6"
    if isinstance(value, tuple):
        _check_withdrawals(value)
        return cbor.head(cbor.ARRAY, len(value)) + b"".join(map(_encoded_item, value))
    return _encoded_other(value)


def decode_value(data: bytes) -> Value:
    """Read the value of bytes that `encode_value` made.

    Raises BlockRefused for any other.
    """
    if 0 < len(data) <= 24 and data[:1] == _SHORT_TEXT_HEADS[len(data) - 1] and data.isascii():
        return data[1:].decode()  # what most values are, and it has one form only
    value = value_of(cbor.loads(data, VALUE_TAGS))
    if encode_value(value) != data:
        raise BlockRefused("a value is not in canonical form")
    return value


def value_of(plain: Any) -> Value:
    """Make a value of what `cbor.loads` read with `VALUE_TAGS`.

    Only lists are still to be made tuples.
    """
    return tuple(plain) if isinstance(plain, list) else plain


def plain_reference(value: Value) -> Value:
    """Give the value with references to parents as references.

    Whether somebody tagged them is no difference in it.
    """
    if isinstance(value, ParentRef):
        return Ref(value.entity)
    if isinstance(value, tuple) and any(isinstance(item, ParentRef) for item in value):
        return tuple(Ref(item.entity) if isinstance(item, ParentRef) else item for item in value)
    return value


def withdrawn_by(value: Value) -> tuple[bytes, ...]:
    """Give the ids of the facts that a value withdraws, in ascending order.

    None for one that states something.
    """
    if isinstance(value, Withdrawal):
        return (value.fact,)
    return tuple(item.fact for item in value if isinstance(item, Withdrawal)) if isinstance(value, tuple) else ()


def withdrawal_of(facts: Iterable[bytes]) -> Value:
    """Make the value that withdraws these facts, at least one."""
    items = tuple(Withdrawal(fact) for fact in sorted(set(facts)))
    return items[0] if len(items) == 1 else items


def parents_of(value: Value) -> tuple[bytes, ...]:
    """Give the entities that a value names as parents."""
    items = value if isinstance(value, tuple) else (value,)
    return tuple(item.entity for item in items if isinstance(item, ParentRef))


def _encoded_text(text: str) -> bytes:
    if text.isascii():
        return cbor.text(text)
    if not is_normalized(text):
        raise BlockRefused("a text is not in Unicode's normalization form C")
    try:
        return cbor.text(text)
    except UnicodeEncodeError:
        raise BlockRefused("a text is not in Unicode's normalization form C") from None


def _encoded_item(item: Any) -> bytes:
    if isinstance(item, Redacted):
        raise BlockRefused("a fact has a value of a type that is not in the format")
    return _encoded_text(item) if isinstance(item, str) else _encoded_other(item)


def _encoded_other(value: Any) -> bytes:
    kind = type(value)
    if kind is bool:
        return b"\xf5" if value else b"\xf4"
    if kind is int and INT_MIN <= value <= INT_MAX:
        return cbor.integer(value)
    if kind is Ref and _is_id(value.entity, ID_BYTES):
        return _REFERENCE_HEAD + bytes(value.entity)
    if kind is ParentRef and _is_id(value.entity, ID_BYTES):
        return _PARENT_HEAD + bytes(value.entity)
    if kind is FactRef and is_fact_id(value.fact, MAX_FACTS):
        return _FACT_HEAD + bytes(value.fact)
    if kind is Withdrawal and is_fact_id(value.fact):
        return _WITHDRAWAL_HEAD + bytes(value.fact)
    if kind is Redacted and _is_id(value.commitment, HASH_BYTES):
        return _REDACTED_HEAD + bytes(value.commitment)
    raise BlockRefused("a fact has a value of a type that is not in the format")


def _check_withdrawals(items: tuple[Scalar, ...]) -> None:
    """Raise BlockRefused for a list that withdraws too little, twice, or states.

    It must withdraw several facts, each once, and state nothing.
    """
    facts = [item.fact for item in items if type(item) is Withdrawal]
    if facts and (len(facts) == 1 or len(facts) < len(items) or any(a >= b for a, b in pairwise(facts))):
        raise BlockRefused("a fact does not list what it withdraws in order")


def is_fact_id(data: Any, last: int = MAX_FACTS - 1) -> bool:
    """Say whether this is the id of a fact.

    The index after the last fact is that of the note.
    """
    return _is_id(data, FACT_ID_BYTES) and int.from_bytes(data[HASH_BYTES:], "big") <= last


def _is_id(data: Any, size: int) -> bool:
    return isinstance(data, bytes) and len(data) == size


def _of(make: type, size: int) -> cbor.Decoder:
    def made(content: Any, immutable: bool) -> Any:
        if not _is_id(content, size):
            raise ValueError
        return make(content)

    return made


VALUE_TAGS = cbor.decoders(
    {
        TAG_REFERENCE: _of(Ref, ID_BYTES),
        TAG_PARENT: _of(ParentRef, ID_BYTES),
        TAG_FACT: _of(FactRef, FACT_ID_BYTES),
        TAG_WITHDRAWAL: _of(Withdrawal, FACT_ID_BYTES),
        TAG_REDACTED: _of(Redacted, HASH_BYTES),
    }
)

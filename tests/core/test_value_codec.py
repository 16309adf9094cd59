"""Values have one form in bytes, whatever the library or the Unicode version."""

from __future__ import annotations

import unicodedata
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import cbor
from core.errors import BlockRefused
from core.value_codec import (
    TAG_FACT,
    TAG_PARENT,
    TAG_REFERENCE,
    FactRef,
    ParentRef,
    Redacted,
    Ref,
    Value,
    decode_value,
    encode_value,
    is_normalized,
    normalized,
    parents_of,
)
from tests.support.strategies import scalars, values


def plain(value: Value) -> Any:
    """The value as the library would write it."""
    match value:
        case Ref():
            return cbor2.CBORTag(TAG_REFERENCE, value.entity)
        case ParentRef():
            return cbor2.CBORTag(TAG_PARENT, value.entity)
        case FactRef():
            return cbor2.CBORTag(TAG_FACT, value.fact)
        case tuple():
            return [plain(item) for item in value]
    return value


@given(values)
def test_a_value_is_encoded_as_the_library_would_and_read_back(value: Value) -> None:
    data = encode_value(value)
    assert data == cbor2.dumps(plain(value), canonical=True)
    found = decode_value(data)
    assert found == value
    assert type(found) is type(value)


@given(values, values)
def test_values_are_equal_if_their_bytes_are(one: Value, other: Value) -> None:
    same = type(one) is type(other) and one == other and repr(one) == repr(other)
    assert (encode_value(one) == encode_value(other)) is same


@given(st.integers(0, 2**64 - 1), st.integers(0, 6))
def test_a_head_is_the_shortest(number: int, major: int) -> None:
    assert cbor.head(0, number) == cbor2.dumps(number, canonical=True)
    assert cbor.head(major, number)[1:] == cbor.head(0, number)[1:] or number < 24


def test_what_is_erased_has_a_form() -> None:
    assert decode_value(encode_value(Redacted(b"c" * 32))) == Redacted(b"c" * 32)


@pytest.mark.parametrize(
    "wrong",
    [
        1.5,
        {},
        b"bytes",
        2**63,
        -(2**63) - 1,
        (None,),
        (("nested",),),
        (Redacted(b"c" * 32),),
        Ref(b"short"),
        ParentRef(b"e" * 17),
        FactRef(b"f" * 32),
        FactRef(b"f" * 32 + b"\2\1"),
        Redacted(b"c" * 31),
        "half \ud800",
        "e\u0301",
        ["a list"],
    ],
)
def test_what_is_no_value_is_not_encoded(wrong: Any) -> None:
    with pytest.raises(BlockRefused):
        encode_value(wrong)


@pytest.mark.parametrize(
    "data",
    [
        "1801",  # 1, longer than it need be
        "190001",
        "c24101",  # a big number
        "f93c00",  # a float
        "f7",  # undefined
        "e0",  # a simple value
        "7f6161ff",  # text in pieces
        "9fff",
        "780161",
        "a0",
        "4100",
        "81f6",
        "8180",
        "d82541aa",
        "d825581000112233445566778899aabbccddeeff",
        "d9002550000102030405060708090a0b0c0d0e0f",
        "d9010080",
        "c074323032362d30312d30315430303a30303a30305a",
        "6365cc81",  # e and a combining accent
        "61ff",
        "0000",
        "",
        "83",
    ],
)
def test_another_form_is_refused(data: str) -> None:
    with pytest.raises(BlockRefused):
        decode_value(bytes.fromhex(data))


@given(values, st.data())
def test_changed_bytes_are_refused_or_another_value(value: Value, data: st.DataObject) -> None:
    encoded = bytearray(encode_value(value))
    encoded[data.draw(st.integers(0, len(encoded) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        found = decode_value(bytes(encoded))
    except BlockRefused:
        return
    assert encode_value(found) == encoded


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_composed_today_is_composed_by_the_fixed_version(text: str) -> None:
    assert is_normalized(normalized(text))
    if is_normalized(text):
        assert decode_value(encode_value(text)) == text


def test_every_character_of_this_python_has_a_form_that_is_accepted() -> None:
    for number in range(0x110000):
        if not 0xD800 <= number < 0xE000:
            for text in (chr(number), f"e{chr(number)}", f"a{chr(number)}\u0301"):
                assert is_normalized(unicodedata.normalize("NFC", text)), hex(number)


@given(st.lists(scalars, max_size=5).map(tuple))
def test_parents_are_those_that_are_tagged_so(items: tuple[Any, ...]) -> None:
    assert parents_of(items) == tuple(item.entity for item in items if isinstance(item, ParentRef))
    assert parents_of(ParentRef(b"e" * 16)) == (b"e" * 16,)
    assert parents_of(Ref(b"e" * 16)) == ()

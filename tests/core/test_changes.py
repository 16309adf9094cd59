"""Blocks: what is sealed is read back exactly, and nothing else is accepted."""

from __future__ import annotations

from dataclasses import replace

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.changes import (
    MAX_BLOCK_BYTES,
    MAX_FACTS,
    Change,
    Fact,
    Value,
    change_id,
    decode_block,
    decode_value,
    encode_value,
    fleet_id,
    sign_change,
    verify_block,
)
from core.errors import BlockRefused
from tests.support import strategies

KEY, DEVICE = strategies.KEYS[0], strategies.DEVICES[0]
FLEET = b"f" * 16
CHANGE = Change(DEVICE, None, "Maier", 1_000_000, None, (Fact(b"e" * 16, "printer", "Acme"),))


@given(strategies.changes)
def test_what_is_sealed_is_read_back(change: Change) -> None:
    data = sign_change(change, KEY, FLEET)
    block = decode_block(data)
    assert block.change == change
    assert block.data == data
    assert block.id == change_id(data)
    verify_block(block, FLEET)


@given(strategies.changes)
def test_sealing_what_was_read_gives_the_same_bytes(change: Change) -> None:
    data = sign_change(change, KEY, FLEET)
    assert sign_change(decode_block(data).change, KEY, FLEET) == data


@given(strategies.values)
def test_a_value_is_read_back(value: Value) -> None:
    read = decode_value(encode_value(value))
    assert read == value
    assert type(read) is type(value)


@given(strategies.values, strategies.values)
def test_equal_bytes_mean_equal_values(one: Value, other: Value) -> None:
    def typed(value: Value) -> object:
        return [(type(v), v) for v in value] if isinstance(value, tuple) else (type(value), value)

    assert (encode_value(one) == encode_value(other)) == (typed(one) == typed(other))


@given(st.binary(max_size=300))
def test_random_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(BlockRefused):
        decode_block(data)


@given(strategies.changes, st.data())
def test_a_changed_byte_is_refused(change: Change, data: st.DataObject) -> None:
    sealed = bytearray(sign_change(change, KEY, FLEET))
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BlockRefused):
        verify_block(decode_block(bytes(sealed)), FLEET)


@pytest.mark.parametrize(
    "tag", [0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 52, 54, 100, 256, 258, 260, 1004, 43000, 55799, 99999]
)
@pytest.mark.parametrize("content", [1, "a(", b"x", [1, 2], {}])
def test_no_other_tag_is_read(tag: int, content: object) -> None:
    with pytest.raises(BlockRefused):
        decode_value(cbor2.dumps(cbor2.CBORTag(tag, content)))


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(BlockRefused):
        decode_block(b"\x81" * 60000 + b"\x01")


def test_a_promised_length_is_not_believed() -> None:
    for header in (
        b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\xbb" + b"\xff" * 8,
    ):
        with pytest.raises(BlockRefused):
            decode_block(b"\xd2\x84" + header)


def _resealed(plain: dict[int, object]) -> bytes:
    """A block with any payload, correctly signed."""
    protected = cbor2.dumps({1: -8, 4: KEY.public_key().public_bytes_raw()}, canonical=True)
    payload = cbor2.dumps(plain, canonical=True)
    signature = KEY.sign(cbor2.dumps(["Signature1", protected, FLEET, payload], canonical=True))
    return cbor2.dumps(cbor2.CBORTag(18, [protected, {}, payload, signature]), canonical=True)


GOOD: dict[int, object] = {1: 1, 2: DEVICE, 3: None, 4: "Maier", 5: 5, 6: None, 7: [[b"e" * 16, "p", "v", []]]}


def test_the_test_reseals_rightly() -> None:
    verify_block(decode_block(_resealed(GOOD)), FLEET)


@pytest.mark.parametrize(
    "wrong",
    [
        {1: 2},
        {1: True},
        {2: b"x" * 16},
        {2: b"short"},
        {3: b"short"},
        {4: ""},
        {4: "two\nlines"},
        {4: "\x1b[2J"},
        {4: "x" * 201},
        {5: -1},
        {5: True},
        {5: 1.5},
        {5: 2**63},
        {6: 1},
        {6: "x" * 4097},
        {7: []},
        {7: [[b"e" * 16, "p", "v", []]] * (MAX_FACTS + 1)},
        {7: [[b"e" * 15, "p", "v", []]]},
        {7: [[b"e" * 16, "", "v", []]]},
        {7: [[b"e" * 16, "x" * 101, "v", []]]},
        {7: [[b"e" * 16, "p", 1.5, []]]},
        {7: [[b"e" * 16, "p", b"bytes", []]]},
        {7: [[b"e" * 16, "p", {}, []]]},
        {7: [[b"e" * 16, "p", [None], []]]},
        {7: [[b"e" * 16, "p", [["nested"]], []]]},
        {7: [[b"e" * 16, "p", 2**64 - 1, []]]},
        {7: [[b"e" * 16, "p", cbor2.CBORTag(37, b"short"), []]]},
        {7: [[b"e" * 16, "p", "v", [b"1" * 33]]]},
        {7: [[b"e" * 16, "p", "v", [b"2" * 34, b"1" * 34]]]},
        {7: [[b"e" * 16, "p", "v", [b"1" * 34, b"1" * 34]]]},
        {7: [[b"e" * 16, "p", "v"]]},
        {8: "more"},
    ],
)
def test_a_payload_outside_the_format_is_refused_though_well_signed(wrong: dict[int, object]) -> None:
    with pytest.raises(BlockRefused):
        decode_block(_resealed(GOOD | wrong))


def test_too_large_a_change_is_refused_when_it_is_sealed() -> None:
    facts = tuple(Fact(b"e" * 16, f"p{n}", "x" * 200) for n in range(400))
    with pytest.raises(BlockRefused, match=str(MAX_BLOCK_BYTES)):
        sign_change(replace(CHANGE, facts=facts), KEY, FLEET)


def test_an_indefinite_length_is_refused() -> None:
    data = sign_change(CHANGE, KEY, FLEET)
    assert data[1] == 0x84
    with pytest.raises(BlockRefused):
        decode_block(data[:1] + b"\x9f" + data[2:] + b"\xff")


def test_a_change_cannot_be_replayed_into_another_fleet() -> None:
    block = decode_block(sign_change(CHANGE, KEY, FLEET))
    with pytest.raises(BlockRefused):
        verify_block(block, b"g" * 16)


def test_the_genesis_is_bound_to_the_fleet_that_it_founds() -> None:
    genesis = decode_block(sign_change(CHANGE, KEY, None))
    verify_block(genesis, fleet_id(genesis.id))
    with pytest.raises(BlockRefused):
        verify_block(genesis, FLEET)


def test_a_block_by_somebody_elses_key_is_refused() -> None:
    with pytest.raises(BlockRefused):
        sign_change(replace(CHANGE, device=strategies.DEVICES[1]), KEY, FLEET)

"""Blocks: what is sealed is read back; nothing else is; values can be taken out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cbor2
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from core import body as bodies
from core import cbor, chain
from core.body import MAX_NOTE_BYTES, Fact, decode_body, make_body
from core.changes import (
    MAX_BLOCK_BYTES,
    Block,
    Change,
    change_id,
    decode_block,
    fact_id,
    read_checked_block,
    redact,
    sign_block,
    verify_block,
)
from core.errors import BlockRefused
from core.header import fleet_id, header_size
from core.value_codec import MAX_FACTS, FactRef, ParentRef, Redacted, Ref, encode_value
from tests.support.strategies import AUTHOR, FLEET, KEYS, SEED, ChainPen, changes, seeds

KEY = KEYS[0]
CHANGE = Change(
    AUTHOR,
    1_700_000_000_000_000,
    "a note",
    (
        Fact(b"F" * 16, "site", ParentRef(b"S" * 16)),
        Fact(b"E" * 16, "name", "Kiel", (b"1" * 32 + b"\0\1", b"2" * 32 + b"\0\2")),
        Fact(b"E" * 16, "list", (1, "two", Ref(b"R" * 16))),
        Fact(b"E" * 16, "gone", None),
        Fact(b"E" * 16, "on", True),
    ),
    b"batch678",
    {64: b"what is to come", 1000: b""},
)


def chained() -> Block:
    pen = ChainPen()
    pen.write()
    pen.write()
    return pen.write(CHANGE)


BLOCK = chained()
FRAME_BYTES, BATCH_FIELD_BYTES = 293, 10
"""What a change of one fact takes beside what it says, up to position 23, and what a batch takes."""


@pytest.mark.parametrize("batch", [None, b"batch678"])
@pytest.mark.parametrize("value", ["", "x" * 20, "x" * 300, 7, None, True])
@pytest.mark.parametrize("note", [None, "toner leak"])
@pytest.mark.parametrize("seen", [(), (b"1" * 32 + b"\0\1",)])
def test_beside_what_is_said_a_change_of_one_fact_takes_always_as_much(
    batch: bytes | None, value: str | int | bool | None, note: str | None, seen: tuple[bytes, ...]
) -> None:
    pen = ChainPen()
    pen.write()
    block = pen.write(Change(AUTHOR, 1_700_000_000_000_000, note, (Fact(b"E" * 16, "printer", value, seen),), batch))
    encoded = [encode_value(value), encode_value("printer"), encode_value(note), *map(encode_value, map(FactRef, seen))]
    # A fact that is obsoleted goes without the tag of a value, which takes 3 bytes.
    content = sum(map(len, encoded)) - 3 * len(seen)
    # What a payload of 256 bytes or a list takes more for its size.
    assert len(block.data) - content <= FRAME_BYTES + (BATCH_FIELD_BYTES if batch else 0)
    assert len(block.data) - content >= FRAME_BYTES - 3


@given(changes, seeds)
def test_a_change_is_read_back_as_it_was_sealed(change: Change, seed: bytes) -> None:
    block = sign_block(change, KEY, FLEET, seed)
    found = decode_block(block.data)
    assert found == block
    assert read_checked_block(block.data) == block, "what was checked need not be encoded again"
    verify_block(found, FLEET)
    fields = found.header.fields
    assert (fields.author, fields.at, fields.batch, fields.extensions) == (
        change.author,
        change.at,
        change.batch,
        change.extensions,
    )
    assert found.body.note == change.note
    assert set(map(repr, found.facts)) == set(map(repr, change.facts))
    assert list(found.facts) == sorted(found.facts, key=lambda fact: (fact.entity, fact.property.encode()))
    assert change_id(block.data) == blake3(block.header.data).digest() == block.id
    assert list(found.body.values) == [encode_value(fact.value) for fact in found.facts]


@given(changes, st.randoms(use_true_random=False))
def test_the_order_in_which_facts_are_given_does_not_matter(change: Change, chance: Any) -> None:
    shuffled = list(change.facts)
    chance.shuffle(shuffled)
    assert (
        sign_block(replace(change, facts=tuple(shuffled)), KEY, FLEET, SEED).data
        == sign_block(change, KEY, FLEET, SEED).data
    )


def test_a_device_goes_on_from_its_tip() -> None:
    fields = BLOCK.header.fields
    pen = ChainPen()
    first, second = pen.write(), pen.write()
    assert (fields.position, fields.previous) == (2, second.id)
    tip = chain.advance(chain.first_tip(first.header), second.header)
    assert fields.past == tip.past


def test_every_changed_byte_is_refused() -> None:
    data = BLOCK.data
    for place in range(len(data)):
        for flipped in (1, 0x80):
            wrong = data[:place] + bytes([data[place] ^ flipped]) + data[place + 1 :]
            with pytest.raises(BlockRefused):
                verify_block(decode_block(wrong), FLEET)


def test_every_cut_and_every_addition_is_refused() -> None:
    data = BLOCK.data
    for size in range(len(data)):
        with pytest.raises(BlockRefused):
            decode_block(data[:size])
    for more in (b"\0", b"\xf6", data):
        with pytest.raises(BlockRefused):
            decode_block(data + more)


def resigned(payload: dict[Any, Any]) -> bytes:
    """A header with this payload, well signed, in front of the body of the example."""
    protected = cbor2.dumps({1: -8, 4: KEY.public_key().public_bytes_raw()}, canonical=True)
    plain = cbor2.dumps(payload, canonical=True)
    signature = KEY.sign(cbor2.dumps(["Signature1", protected, FLEET, plain], canonical=True))
    header = cbor2.dumps(cbor2.CBORTag(18, [protected, {}, plain, signature]), canonical=True)
    return bytes(header) + BLOCK.body.data


def payload_of(block: Block) -> dict[Any, Any]:
    found: dict[Any, Any] = cbor2.loads(cbor2.loads(block.header.data).value[2])
    return found


GOOD = payload_of(BLOCK)


def test_the_header_is_what_a_library_for_cose_writes() -> None:
    assert resigned(GOOD) == BLOCK.data
    assert set(GOOD) == {1, 3, 4, 5, 6, 7, 8, 9, 10, 64, 1000}


@pytest.mark.parametrize(
    "wrong",
    [
        {1: 1},
        {1: 3},
        {1: None},
        {2: b"d" * 16},
        {3: 0},
        {3: -1},
        {3: 2**32},
        {3: True},
        {3: "2"},
        {3: None},
        {4: None},
        {4: b"p" * 31},
        {4: "p" * 32},
        {5: None},
        {5: b"p" * 33},
        {6: -1},
        {6: 253_402_300_800_000_000},
        {6: 1.5},
        {7: b"a" * 15},
        {7: None},
        {7: "a" * 16},
        {8: 0},
        {8: 5},
        {8: 7},
        {8: 514},
        {8: True},
        {9: b"r" * 32},
        {9: b"r" * 31},
        {10: b"b" * 7},
        {10: None},
        {0: 1},
        {-1: 1},
        {11: b""},
        {63: b""},
        {"x": b""},
        {b"x": b""},
        {64: "text"},
        {64: 1},
        {64: None},
        {64: [b""]},
        {64: b"x" * 1030},
        {2**32: b""},
    ],
)
def test_a_field_outside_the_format_is_refused_though_well_signed(wrong: dict[Any, Any]) -> None:
    with pytest.raises(BlockRefused):
        decode_block(resigned(GOOD | wrong))


@pytest.mark.parametrize("key", sorted(set(GOOD) - {10, 64, 1000}))
def test_a_field_that_must_be_there_must_be_there(key: int) -> None:
    with pytest.raises(BlockRefused):
        decode_block(resigned({each: value for each, value in GOOD.items() if each != key}))


def test_an_extension_is_kept_bit_for_bit() -> None:
    data = resigned(GOOD | {77: bytes(range(200))})
    block = decode_block(data)
    verify_block(block, FLEET)
    assert block.header.fields.extensions[77] == bytes(range(200))
    assert block.data == data


def test_extensions_and_headers_have_bounds() -> None:
    decode_block(resigned(GOOD | {64: b"x" * 1000}))
    with pytest.raises(BlockRefused, match="1024"):
        decode_block(resigned(GOOD | {64: b"x" * 600, 65: b"x" * 600}))
    with pytest.raises(BlockRefused):
        sign_block(replace(CHANGE, extensions={63: b""}), KEY, FLEET, SEED)


def test_a_first_change_has_no_past() -> None:
    first = sign_block(CHANGE, KEY, FLEET, SEED)
    fields = first.header.fields
    assert (fields.position, fields.previous, fields.past) == (0, None, None)
    assert not {4, 5} & payload_of(first).keys()
    for wrong in ({4: b"p" * 32}, {5: b"p" * 32}, {4: b"p" * 32, 5: b"p" * 32}):
        with pytest.raises(BlockRefused):
            decode_block(resigned(payload_of(first) | wrong))


def unlike(block: Block, body: bytes) -> bytes:
    """The block with another body, whose header says so, well signed.

    Only the body's form can be at fault.
    """
    try:
        made = decode_body(body)
    except BlockRefused:
        return resigned(GOOD)[: header_size(block.data)] + body
    header = resigned(GOOD | {8: made.leaves, 9: made.root})
    return header[: header_size(header)] + body


def plain_body() -> list[Any]:
    found: list[Any] = cbor2.loads(BLOCK.body.data)
    return found


def written(body: Any) -> bytes:
    return bytes(cbor2.dumps(body, canonical=True))


def wrong_bodies() -> list[tuple[str, bytes]]:
    def with_groups(*groups: Any) -> bytes:
        return written([SEED, None, list(groups)])

    one = [b"E" * 16, [["a", 1, []], ["b", 2, []]]]
    two = [b"F" * 16, [["a", 1, []]]]
    ids = [b"1" * 32 + b"\0\1", b"2" * 32 + b"\0\1"]
    salts, note, groups = plain_body()
    return [
        ("entities descend", with_groups(two, one)),
        ("an entity twice", with_groups(one, one)),
        ("an entity in two groups", with_groups([one[0], one[1][:1]], [one[0], one[1][1:]])),
        ("properties descend", with_groups([one[0], one[1][::-1]])),
        ("a property twice", with_groups([one[0], [one[1][0], one[1][0]]])),
        ("an empty group", with_groups([one[0], []], two)),
        ("no group", with_groups()),
        ("a short entity", with_groups([b"E" * 15, one[1]])),
        ("an entity as text", with_groups(["E" * 16, one[1]])),
        ("an empty property", with_groups([one[0], [["", 1, []]]])),
        ("a control character", with_groups([one[0], [["a\n", 1, []]]])),
        ("a long property", with_groups([one[0], [["a" * 101, 1, []]]])),
        ("a property not composed", with_groups([one[0], [["e\u0301", 1, []]]])),
        ("a property as bytes", with_groups([one[0], [[b"a", 1, []]]])),
        ("a float", with_groups([one[0], [["a", 1.5, []]]])),
        ("a map", with_groups([one[0], [["a", {}, []]]])),
        ("bytes", with_groups([one[0], [["a", b"x", []]]])),
        ("null in a list", with_groups([one[0], [["a", [None], []]]])),
        ("a list in a list", with_groups([one[0], [["a", [["x"]], []]]])),
        ("targets out of order", with_groups([one[0], [["a", 1, ids[::-1]]]])),
        ("a target twice", with_groups([one[0], [["a", 1, [ids[0], ids[0]]]]])),
        ("a short target", with_groups([one[0], [["a", 1, [ids[0][:-1]]]]])),
        ("a target that is no fact", with_groups([one[0], [["a", 1, [b"1" * 32 + b"\2\0"]]]])),
        ("targets are null", with_groups([one[0], [["a", 1, None]]])),
        ("a fact too short", with_groups([one[0], [["a", 1]]])),
        ("a fact too long", with_groups([one[0], [["a", 1, [], 0]]])),
        ("a group too long", with_groups([one[0], one[1], 0])),
        ("no array", written({})),
        ("two items", written([salts, groups])),
        ("four items", written([salts, note, groups, None])),
        ("a short seed", written([SEED[:-1], note, groups])),
        ("a seed as text", written(["s" * 16, note, groups])),
        ("a co-path for nothing", written([[SEED], note, groups])),
        ("an empty note", written([SEED, "", groups])),
        ("a note as bytes", written([SEED, b"note", groups])),
        ("a long note", written([SEED, "n" * (MAX_NOTE_BYTES + 1), groups])),
        ("a note not composed", written([SEED, "e\u0301", groups])),
        ("the seed's size in two bytes", BLOCK.body.data.replace(b"\x83\x50", b"\x83\x58\x10", 1)),
        ("an array without a size", b"\x9f" + BLOCK.body.data[1:] + b"\xff"),
    ]


@pytest.mark.parametrize(("what", "body"), wrong_bodies(), ids=[what for what, _ in wrong_bodies()])
def test_another_form_of_a_body_is_refused(what: str, body: bytes) -> None:
    with pytest.raises(BlockRefused):
        decode_body(body)
    with pytest.raises(BlockRefused):
        decode_block(unlike(BLOCK, body))


def test_a_body_is_bound_to_its_header() -> None:
    other = make_body([BLOCK.facts[0]._replace(value="another")], None, SEED)
    with pytest.raises(BlockRefused, match="signed"):
        decode_block(BLOCK.header.data + other.data)
    salted = make_body(BLOCK.facts, BLOCK.body.note if isinstance(BLOCK.body.note, str) else None, b"t" * 16)
    with pytest.raises(BlockRefused, match="signed"):
        decode_block(BLOCK.header.data + salted.data)


def test_bounds_of_a_change() -> None:
    many = [Fact(b"E" * 16, f"p{n:03}", n) for n in range(MAX_FACTS + 1)]
    assert len(sign_block(replace(CHANGE, facts=tuple(many[:-1])), KEY, FLEET, SEED).facts) == MAX_FACTS
    with pytest.raises(BlockRefused, match=str(MAX_FACTS)):
        sign_block(replace(CHANGE, facts=tuple(many)), KEY, FLEET, SEED)
    with pytest.raises(BlockRefused):
        sign_block(replace(CHANGE, facts=()), KEY, FLEET, SEED)
    wide = [Fact(b"E" * 16, f"p{n:03}", ParentRef(bytes([n]) * 16)) for n in range(65)]
    sign_block(replace(CHANGE, facts=tuple(wide[:-1])), KEY, FLEET, SEED)
    with pytest.raises(BlockRefused, match="64"):
        sign_block(replace(CHANGE, facts=tuple(wide)), KEY, FLEET, SEED)
    with pytest.raises(BlockRefused, match=str(MAX_BLOCK_BYTES)):
        sign_block(
            replace(CHANGE, facts=tuple(Fact(b"E" * 16, f"p{n:03}", "x" * 200) for n in range(400))), KEY, FLEET, SEED
        )


def test_a_change_cannot_be_replayed_into_another_fleet() -> None:
    with pytest.raises(BlockRefused):
        verify_block(BLOCK, b"g" * 16)


def test_the_genesis_is_bound_to_the_fleet_that_it_founds() -> None:
    genesis = decode_block(sign_block(CHANGE, KEY, None, SEED).data)
    verify_block(genesis, fleet_id(genesis.id))
    with pytest.raises(BlockRefused):
        verify_block(genesis, FLEET)


# --- redaction -------------------------------------------------------------------------------------------------------


def allowed(block: Block, places: set[int]) -> set[bytes]:
    return {fact_id(block.id, place) for place in places}


@given(changes, seeds, st.data())
def test_redaction_keeps_id_root_and_signature_and_can_be_opened_again(
    change: Change, seed: bytes, data: st.DataObject
) -> None:
    block = sign_block(change, KEY, FLEET, seed)
    places = data.draw(st.sets(st.integers(0, block.body.leaves - 1)))
    less = redact(block, places)
    assert (less.id, less.body.root, less.header) == (block.id, block.body.root, block.header)
    assert less.body.redacted == places
    found = decode_block(less.data, allowed(block, places))
    assert found == less
    verify_block(found, FLEET)
    for place, fact in enumerate(block.facts):
        kept = less.facts[place]
        assert (kept.entity, kept.property, kept.obsoletes) == (fact.entity, fact.property, fact.obsoletes)
        assert kept.value == fact.value or (place in places and isinstance(kept.value, Redacted))
    values: dict[int, Any] = {
        place: block.body.note if place == len(block.facts) else block.facts[place].value for place in places
    }
    assert bodies.reopen(less.body, block.body.salts, values).data == block.body.data


@given(changes, st.data())
def test_redactions_commute(change: Change, data: st.DataObject) -> None:
    block = sign_block(change, KEY, FLEET, SEED)
    places = st.sets(st.integers(0, block.body.leaves - 1))
    one, other = data.draw(places), data.draw(places)
    both = redact(block, one | other).data
    assert redact(redact(block, one), other).data == redact(redact(block, other), one).data == both


@given(changes, st.data())
def test_a_redaction_that_nobody_asked_for_is_refused(change: Change, data: st.DataObject) -> None:
    block = sign_block(change, KEY, FLEET, SEED)
    places = data.draw(st.sets(st.integers(0, block.body.leaves - 1), min_size=1))
    less = redact(block, places)
    with pytest.raises(BlockRefused, match="erased"):
        decode_block(less.data)
    left_out = data.draw(st.sampled_from(sorted(places)))
    with pytest.raises(BlockRefused, match="erased"):
        decode_block(less.data, allowed(block, places - {left_out}))


def test_nothing_of_an_erased_value_is_left() -> None:
    secret = "Ada Lovelace"
    block = sign_block(replace(CHANGE, note=secret, facts=(Fact(b"P" * 16, "person.name", secret),)), KEY, FLEET, SEED)
    less = redact(block, {0, 1})
    assert secret.encode() in block.data
    assert secret.encode() not in less.data
    assert SEED not in less.data
    # Who guesses the value cannot tell: without the salt its commitment is not to be had.
    assert isinstance(less.facts[0].value, Redacted)
    assert less.facts[0].value.commitment != blake3(b"\2" + encode_value(secret)).digest()


def test_a_block_whose_values_are_all_gone_is_still_a_block() -> None:
    every = set(range(BLOCK.body.leaves))
    less = redact(BLOCK, every)
    assert less.body.salts == ()
    assert decode_block(less.data, allowed(BLOCK, every)) == less


def test_a_redacted_value_cannot_be_stated_or_reopened_as_another() -> None:
    less = redact(BLOCK, {0})
    with pytest.raises(BlockRefused):
        make_body(less.facts, None, SEED)
    with pytest.raises(BlockRefused, match="erased"):
        bodies.reopen(less.body, SEED, {0: "another"})
    with pytest.raises(BlockRefused):
        bodies.reopen(less.body, b"t" * 16, {0: BLOCK.facts[0].value})
    with pytest.raises(ValueError, match="leaf"):
        redact(BLOCK, {BLOCK.body.leaves})


def test_every_changed_byte_of_a_redacted_block_is_refused() -> None:
    places = {1, BLOCK.body.leaves - 1}
    data = redact(BLOCK, places).data
    for place in range(len(data)):
        wrong = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises(BlockRefused):
            verify_block(decode_block(wrong, allowed(BLOCK, places)), FLEET)


def test_a_note_and_a_fact_are_different_leaves() -> None:
    """A note cannot pass for a fact or the other way round.

    Their leaves begin differently.
    """
    assert cbor.loads(b"\xf6", {}) is None
    with_note = make_body([Fact(b"E" * 16, "a", 1)], "n", SEED)
    without = make_body([Fact(b"E" * 16, "a", 1), Fact(b"E" * 16, "b", "n")], None, SEED)
    assert with_note.leaves == without.leaves == 2
    assert with_note.root != without.root

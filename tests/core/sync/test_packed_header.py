"""A link carries only what the receiver cannot make; what went in comes out."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import chain
from core import changes as format2
from core import header as headers
from core.body import Fact
from core.changes import Block, Change
from core.errors import BlockRefused
from core.mountain_range import Range
from core.sync.codec import MalformedMessage, encode_varint
from core.sync.packed_header import NO_PAST, NO_PREVIOUS, PEAKS, LinksUnknown, Sent, Trail, pack, read_place, unpack
from tests.support.strategies import AUTHOR, FLEET, ChainPen, changes


def packed_block(block: Block, ours: Sent, *, linked: bool = True, below: Range | None = None) -> bytes:
    return pack(block.header, block.body.data, ours, linked=linked, below=below)


def sent(block: Block, ours: Sent, theirs: Trail) -> bytes:
    packed = packed_block(block, ours)
    assert unpack(packed, theirs, FLEET).data == block.data
    return packed


@given(st.lists(changes, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_blocks_in_any_order_come_out_as_they_were(changes: list[Change], chance: Random) -> None:
    pen = ChainPen()
    blocks = [pen.write(change) for change in changes]
    order = list(blocks)
    chance.shuffle(order)
    ours, theirs = Sent(), Trail()
    for block in order:
        assert unpack(packed_block(block, ours), theirs, FLEET) == block


def test_in_order_neither_previous_nor_past_is_sent() -> None:
    pen = ChainPen()
    blocks = [pen.write() for _ in range(6)]
    ours, theirs = Sent(), Trail()
    for place, block in enumerate(blocks):
        packed = sent(block, ours, theirs)
        assert packed[0] == (NO_PREVIOUS | NO_PAST if place else 0)
        assert len(packed) < len(block.data) - 35


def test_a_receiver_that_holds_the_chain_needs_only_what_is_new() -> None:
    pen = ChainPen()
    for _ in range(5):
        pen.write()
    assert pen.tip is not None
    ours, theirs = Sent(), Trail()
    ours.add(pen.device, pen.tip.position, pen.tip.id, whole=True)
    theirs.add(pen.device, pen.tip.position, pen.tip.id, pen.tip.range)
    assert sent(pen.write(), ours, theirs)[0] == NO_PREVIOUS | NO_PAST


def test_peaks_once_spare_the_past_of_all_that_follow() -> None:
    pen = ChainPen()
    blocks = [pen.write() for _ in range(9)]
    ours, theirs = Sent(), Trail()
    first = packed_block(blocks[5], ours, below=pen.ranges[5])
    assert first[0] == PEAKS
    assert unpack(first, theirs, FLEET).data == blocks[5].data
    for block in blocks[6:]:
        assert sent(block, ours, theirs)[0] == NO_PREVIOUS | NO_PAST


def test_of_the_newest_first_only_the_ids_of_neighbours_are_spared() -> None:
    pen = ChainPen()
    blocks = [pen.write() for _ in range(4)]
    ours, theirs = Sent(), Trail()
    assert sent(blocks[2], ours, theirs)[0] == 0
    assert sent(blocks[3], ours, theirs)[0] == NO_PREVIOUS


def test_after_a_fork_the_signature_says_which_one_it_is() -> None:
    pen = ChainPen()
    for _ in range(4):
        pen.write()
    thief = pen.branch(3)
    thief.write(at=9)
    theirs = Trail()
    assert thief.tip is not None and pen.tip is not None
    for tip in (thief.tip, pen.tip):
        theirs.add(tip.device, tip.position, tip.id, tip.range)
    ours = Sent()
    ours.add(pen.device, pen.tip.position, pen.tip.id, whole=True)
    block = pen.write()
    packed = packed_block(block, ours)
    assert packed[0] == NO_PREVIOUS | NO_PAST
    assert unpack(packed, theirs, FLEET).data == block.data
    # Who knows of the fork leaves nothing out.
    both = Sent()
    for tip in (thief.tip, chain.Tip(pen.device, 3, pen.blocks[3].id, pen.ranges[4])):
        both.add(tip.device, tip.position, tip.id, whole=True)
    assert packed_block(block, both)[0] == 0


def test_what_the_receiver_does_not_hold_cannot_be_left_out() -> None:
    pen = ChainPen()
    pen.write()
    second = pen.write()
    ours = Sent()
    packed_block(pen.blocks[0], ours)
    packed = packed_block(second, ours)
    with pytest.raises(MalformedMessage, match="not known"):
        unpack(packed, Trail(), FLEET)
    wrong = Trail()
    wrong.add(pen.device, 0, b"x" * 32, pen.ranges[1])
    with pytest.raises(LinksUnknown):
        unpack(packed, wrong, FLEET)


def test_a_link_that_is_wrong_is_sent_as_it_is() -> None:
    """A liar's header is kept and relayed as evidence: nobody could make its `past`."""
    pen = ChainPen()
    first, second = pen.write(), pen.write()
    lie = headers.sign(replace(second.header.fields, past=b"x" * 32), pen.key, FLEET)
    bad = format2.join(lie, second.body)
    ours, theirs = Sent(), Trail()
    sent(first, ours, theirs)
    packed = packed_block(bad, ours, linked=False, below=pen.ranges[1])
    assert packed[0] == NO_PREVIOUS
    assert unpack(packed, theirs, FLEET).data == bad.data


def test_every_changed_byte_is_refused_or_makes_no_difference() -> None:
    pen = ChainPen()
    pen.write()
    block = pen.write(Change(AUTHOR, 5, "note", (Fact(b"E" * 16, "p", "v"),), b"batch678", {64: b"x"}))
    packed = packed_block(block, Sent())
    for place in range(len(packed)):
        for flipped in (1, 0x80):
            wrong = packed[:place] + bytes([packed[place] ^ flipped]) + packed[place + 1 :]
            with pytest.raises((MalformedMessage, BlockRefused)):
                unpack(wrong, Trail(), FLEET)
    for size in range(len(packed)):
        with pytest.raises((MalformedMessage, BlockRefused)):
            unpack(packed[:size], Trail(), FLEET)


@pytest.mark.parametrize(
    "wrong", [{}, {-1: b""}, {63: b""}, {2**32: b""}, {"x": b""}, {64: 1}, {64: None}, [], {64: b"x" * 1030}]
)
def test_other_extensions_are_refused(wrong: object) -> None:
    pen = ChainPen()
    block = pen.write(Change(AUTHOR, 5, None, (Fact(b"E" * 16, "p", "v"),), None, {64: b"x"}))
    packed = packed_block(block, Sent())
    good, bad = b"\5" + cbor2.dumps({64: b"x"}), cbor2.dumps(wrong)
    assert packed.count(good) == 1
    with pytest.raises((MalformedMessage, BlockRefused)):
        unpack(packed.replace(good, encode_varint(len(bad)) + bad), Trail(), FLEET)


def test_a_redacted_block_is_packed_alike() -> None:
    pen = ChainPen()
    block = pen.write(Change(AUTHOR, 5, "note", (Fact(b"E" * 16, "p", "v"), Fact(b"E" * 16, "q", "w"))))
    less = format2.redact(block, {1})
    packed = packed_block(less, Sent())
    with pytest.raises(BlockRefused, match="erased"):
        unpack(packed, Trail(), FLEET)
    assert unpack(packed, Trail(), FLEET, {block.fact_id(1)}) == less


def test_a_peer_cannot_make_too_large_a_block() -> None:
    with pytest.raises(MalformedMessage, match="large"):
        unpack(bytes(70_000), Trail(), FLEET)
    pen = ChainPen()
    facts = tuple(Fact(b"E" * 16, f"p{n:03}", "x" * 300) for n in range(200))
    block = pen.write(replace(Change(AUTHOR, 5, None, ()), facts=facts))
    assert unpack(packed_block(block, Sent()), Trail(), FLEET) == block


def test_what_is_remembered_stays_small_and_alike_on_both_sides() -> None:
    """A sender leaves out nothing that the receiver forgot, also after a fork."""
    pen = ChainPen()
    ours, theirs = Sent(), Trail()
    for _ in range(50):
        sent(pen.write(), ours, theirs)
    assert len(ours._held) == len(theirs._known) == 1
    thief = pen.branch(20)
    for _ in range(5):
        sent(thief.write(at=7), ours, theirs)
    assert len(ours._held) == len(theirs._known) == 2
    sent(pen.write(), ours, theirs)


def test_what_must_be_known_before_is_reported_without_reading_all() -> None:
    pen = ChainPen()
    ours = Sent()
    first = packed_block(pen.write(), ours)
    second = packed_block(pen.write(), ours)
    assert read_place(first) == ((pen.device, 0), False)
    assert read_place(second[:100]) == ((pen.device, 1), True)
    assert read_place(packed_block(pen.write(), Sent())) == ((pen.device, 2), False)
    for wrong in (b"", second[:40], second[:97]):
        with pytest.raises(MalformedMessage):
            read_place(wrong)

"""A chain: what lies before a cut, what does not follow, and what proves it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import chain
from core import header as headers
from core.chain import Cut, Fault, Fork, Side, Tip, WrongLink
from core.errors import BlockRefused
from core.header import SignedHeader
from core.mountain_range import Range, levels_of, prove
from tests.support.strategies import FLEET, KEYS, ChainPen


def written(count: int, number: int = 0) -> ChainPen:
    pen = ChainPen(number)
    for _ in range(count):
        pen.write()
    return pen


def lying(header: SignedHeader, number: int = 0, **wrong: Any) -> SignedHeader:
    """The header with other fields, well signed by whoever has the key."""
    key = KEYS[number]
    return headers.sign(replace(header.fields, key=key.public_key().public_bytes_raw(), **wrong), key, FLEET)


@given(st.integers(2, 12), st.data())
def test_what_lies_before_a_cut_is_found_by_copy_and_by_proof_alike(count: int, data: st.DataObject) -> None:
    pen = written(count)
    fork_at = data.draw(st.integers(0, count - 1))
    thief = pen.branch(fork_at)
    for number in range(data.draw(st.integers(1, 3))):
        thief.write(at=1000 + number)
    head = pen.blocks[data.draw(st.integers(0, count - 1))].header
    position = head.fields.position
    ids = [block.id for block in pen.blocks]
    by_copy, by_proof = Cut(head), Cut(head)
    assert by_copy.take_chain(ids[:position])
    if position:
        levels = levels_of(ids)
        assert by_proof.take_proof(dict(enumerate(ids[:position])), prove(levels, position, range(position)))
    for block in {block.id: block for block in pen.blocks + thief.blocks}.values():
        expected = Side.WITHIN if block.id in ids[: position + 1] else Side.BEYOND
        place = block.header.fields.position
        assert by_copy.side(place, block.id) == by_proof.side(place, block.id) == expected


def test_until_it_is_known_what_is_below_a_change_waits() -> None:
    pen = written(6)
    cut = Cut(pen.blocks[4].header)
    ids = [block.id for block in pen.blocks]
    assert [cut.side(place, change) for place, change in enumerate(ids)] == [Side.WAITING] * 4 + [
        Side.WITHIN,
        Side.BEYOND,
    ]
    assert not cut.take_chain(ids[:3])
    assert not cut.take_chain([*ids[:3], b"x" * 32])
    assert not cut.take_chain(ids[:5])
    assert not cut.take_proof({1: ids[2]}, prove(levels_of(ids), 4, [1]))
    assert cut.side(1, ids[1]) is Side.WAITING
    assert cut.take_proof({1: ids[1]}, prove(levels_of(ids), 4, [1]))
    assert cut.side(1, ids[1]) is Side.WITHIN
    assert cut.side(2, ids[2]) is Side.WAITING


def test_several_cuts_leave_the_least_and_several_branches_the_most() -> None:
    assert min(Side.WITHIN, Side.WAITING, Side.BEYOND) is Side.BEYOND
    assert min(Side.WITHIN, Side.WAITING) is Side.WAITING
    assert max(Side.BEYOND, Side.WAITING) is Side.WAITING


@given(st.integers(1, 12))
def test_the_walk_over_previous_gives_the_ids_below(count: int) -> None:
    pen = written(count)
    known = {block.id: block.header for block in pen.blocks}
    for place, block in enumerate(pen.blocks):
        below = chain.ids_below(block.header, known.get)
        assert below == [each.id for each in pen.blocks[:place]]
        assert Cut(block.header).take_chain(below)
    if count > 2:
        del known[pen.blocks[1].id]
        assert chain.ids_below(pen.blocks[-1].header, known.get) is None


def test_the_walk_ends_at_another_devices_change_and_at_a_wrong_position() -> None:
    mine, other = written(3), written(3, 1)
    known = {block.id: block.header for block in mine.blocks + other.blocks}
    foreign = lying(other.blocks[2].header, 1, previous=mine.blocks[1].id)
    assert chain.ids_below(foreign, known.get) is None
    low = lying(mine.blocks[1].header, previous=mine.blocks[2].id)
    assert chain.ids_below(low, known.get) is None


@given(st.integers(1, 40))
def test_an_honest_chain_follows(count: int) -> None:
    pen = written(count)
    tip = chain.first_tip(pen.blocks[0].header)
    for block in pen.blocks[1:]:
        assert chain.fault(tip, block.header) is None
        tip = chain.advance(tip, block.header)
    assert tip == pen.tip
    with pytest.raises(ValueError, match="follow"):
        chain.advance(tip, pen.blocks[-1].header)
    if count > 1:
        with pytest.raises(ValueError, match="position 0"):
            chain.first_tip(pen.blocks[1].header)


def links(pen: ChainPen, place: int) -> tuple[Tip, Range, SignedHeader, SignedHeader]:
    """Tip and range below it, its header, and the header after it."""
    before = pen.blocks[place].header
    return (
        Tip(pen.device, place, before.id, pen.ranges[place + 1]),
        pen.ranges[place],
        before,
        pen.blocks[place + 1].header,
    )


@given(st.integers(0, 20))
def test_a_wrong_past_is_proven_by_two_headers_and_peaks(place: int) -> None:
    tip, below, before, after = links(written(place + 2), place)
    assert chain.evidence(tip, below, before, after) is None
    for wrong in (b"x" * 32, below.root):
        bad = lying(after, past=wrong)
        found = chain.evidence(tip, below, before, bad)
        assert found is not None
        verdict = found.check(FLEET)
        assert (verdict.device, verdict.position, verdict.changes) == (tip.device, place + 1, (bad.id,))
        assert verdict.fault is Fault.PAST
        assert len(found.previous) + len(found.header) + len(found.peaks) < 1000
        with pytest.raises(BlockRefused):
            replace(found, peaks=found.peaks + bytes(32)).check(FLEET)


def test_a_foreign_previous_and_a_wrong_position_are_proven_by_two_headers() -> None:
    pen = written(4)
    tip, below, before, after = links(pen, 2)
    foreign = lying(after, 1)
    found = chain.evidence(tip, below, before, foreign)
    assert found is not None
    assert found.peaks == b""
    verdict = found.check(FLEET)
    assert (verdict.fault, verdict.device) == (Fault.FOREIGN, foreign.fields.device)
    skipping = lying(after, position=9)
    found = chain.evidence(tip, below, before, skipping)
    assert found is not None
    assert found.check(FLEET).fault is Fault.POSITION
    with pytest.raises(BlockRefused):
        replace(found, peaks=below.to_bytes()).check(FLEET)


def test_an_honest_device_cannot_be_accused() -> None:
    """No peaks make an honest link wrong, and no thief has evidence to sign."""
    _, below, before, after = links(written(6), 3)
    for peaks in (below.to_bytes(), b"", below.to_bytes()[:-32] + b"x" * 32, Range(3).to_bytes()):
        with pytest.raises(BlockRefused):
            WrongLink(before.data, after.data, peaks).check(FLEET)
    with pytest.raises(BlockRefused):
        WrongLink(after.data, before.data).check(FLEET)
    unsigned = bytearray(lying(after, past=b"x" * 32).data)
    unsigned[-1] ^= 1
    with pytest.raises(BlockRefused):
        WrongLink(before.data, bytes(unsigned), below.to_bytes()).check(FLEET)
    with pytest.raises(BlockRefused):
        WrongLink(before.data, lying(after, past=b"x" * 32).data, below.to_bytes()).check(b"g" * 16)


def test_two_headers_at_one_position_are_a_fork() -> None:
    pen = written(4)
    thief = pen.branch(2)
    other = thief.write(at=7).header
    mine = pen.blocks[2].header
    one, two = sorted((mine, other), key=lambda header: header.id)
    verdict = Fork(one.data, two.data).check(FLEET)
    assert (verdict.position, verdict.changes, verdict.fault) == (2, (one.id, two.id), None)
    assert len(one.data) + len(two.data) < 530
    for wrong in (
        Fork(two.data, one.data),
        Fork(one.data, one.data),
        Fork(one.data, pen.blocks[3].header.data),
        Fork(*sorted((mine.data, written(3, 1).blocks[2].header.data))),
    ):
        with pytest.raises(BlockRefused):
            wrong.check(FLEET)


def test_what_lies_behind_a_bad_link_is_distinguished_from_another_branch() -> None:
    """The thief's branch with a wrong past counts for nothing.

    The device's own goes on.
    """
    pen = written(5)
    bad = lying(pen.blocks[2].header, past=b"x" * 32)
    thief = pen.branch(2)
    thief.tip = Tip(pen.device, 2, bad.id, pen.ranges[2].append(bad.id))
    behind = thief.write().header
    cut = Cut(behind)
    assert cut.take_chain([pen.blocks[0].id, pen.blocks[1].id, bad.id])
    assert cut.side(2, bad.id) is Side.WITHIN
    honest = Cut(pen.blocks[4].header)
    assert honest.take_chain([block.id for block in pen.blocks[:4]])
    assert honest.side(2, bad.id) is Side.BEYOND

"""What a stream of blocks leaves out.

Always what the other end can make, and no more than pays.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.changes import Block
from core.errors import BlockRefused
from core.mountain_range import levels_of
from core.sync.batch_codec import MAX_BATCH_BLOCKS
from core.sync.block_stream import BlockPacker, BlockUnpacker, ChainTree, HeldBlock, Run, split_block
from core.sync.codec import MAX_BATCH_BYTES
from core.sync.packed_header import NO_PAST, NO_PREVIOUS, PEAKS
from tests.support.strategies import FLEET, ChainPen

PEN = ChainPen()
BLOCKS = [PEN.write() for _ in range(60)]
HELD = [split_block(block.data) for block in BLOCKS]
TREE = ChainTree(levels_of(block.id for block in BLOCKS))


def pack(packer: BlockPacker, blocks: list[HeldBlock]) -> list[bytes]:
    """Pack a batch as the exchange does."""
    ranges = {}
    for run in packer.runs_without_past(blocks):
        below = TREE.range_below(run.first.header)
        assert below is not None
        if packer.is_worth(below, run):
            ranges[run.first.header.id] = below
    return packer.pack_batch(blocks, ranges)


def fresh(*, leaves_out: bool = True) -> BlockPacker:
    return BlockPacker(set(), set(), leaves_out)


@given(st.sets(st.integers(0, 59), min_size=1), st.integers(1, 20), st.booleans(), st.booleans())
def test_any_part_of_a_chain_in_any_batches_comes_out_as_it_was(
    chosen: set[int], size: int, newest_first: bool, leaves_out: bool
) -> None:
    packer, unpacker = fresh(leaves_out=leaves_out), BlockUnpacker(FLEET, is_lenient=False)
    order = sorted(chosen, reverse=newest_first)
    for some in (sorted(order[start : start + size]) for start in range(0, len(order), size)):
        entries = pack(packer, [HELD[place] for place in some])
        assert unpacker.missing_places(entries) == []
        assert unpacker.unpack_batch(entries).blocks == [BLOCKS[place] for place in some]


def test_in_a_row_all_but_the_first_need_nothing_of_their_chain() -> None:
    entries = pack(fresh(), HELD[20:40])
    assert [entry[0] for entry in entries] == [PEAKS, *[NO_PREVIOUS | NO_PAST] * 19]


def test_peaks_that_went_over_the_stream_before_are_worth_it_for_fewer() -> None:
    packer = fresh()
    pack(packer, HELD[32:50])
    below = TREE.range_below(HELD[55].header)
    assert below is not None
    assert not fresh().is_worth(below, Run(HELD[55], HELD[58], 4)), "5 peaks for 4 changes"
    assert packer.is_worth(below, Run(HELD[55], HELD[58], 4)), "one of them is known"
    assert packer.is_worth(below, Run(HELD[55], HELD[55], 1)), "now all are"


def test_a_tree_knows_only_its_own_chain() -> None:
    other = split_block(PEN.branch(30).write(at=9).data)
    assert TREE.range_below(other.header) is None
    assert TREE.range_below(HELD[30].header) == PEN.ranges[30]
    assert ChainTree(levels_of([])).range_below(HELD[0].header) is None


def test_what_is_restored_is_bounded_by_what_came() -> None:
    """No bomb: a block takes little more than its packed bytes, and blocks are few."""
    entries = pack(fresh(), HELD)
    more = [held.size - len(entry) for held, entry in zip(HELD, entries, strict=True)]
    assert max(more) < 200
    assert MAX_BATCH_BYTES + 200 * MAX_BATCH_BLOCKS < 2 * MAX_BATCH_BYTES


@pytest.mark.parametrize("is_lenient", [True, False])
def test_who_is_lenient_passes_over_what_cannot_be_made_and_what_hangs_on_it(is_lenient: bool) -> None:
    packer = BlockPacker({HELD[10].header.id}, set(), leaves_out=True)
    entries = packer.pack_batch([HELD[0], HELD[10], HELD[11]], {})
    unpacker = BlockUnpacker(FLEET, is_lenient)
    assert unpacker.missing_places(entries) == [(PEN.device, 9)]
    restored = unpacker.unpack_batch(entries)
    expected: list[Block | None] = [BLOCKS[0], None, None]
    assert (restored.blocks == expected) == is_lenient
    assert (restored.error is None) == is_lenient
    known = BlockUnpacker(FLEET, is_lenient)
    known.add_held([(PEN.device, 9, BLOCKS[9].id, PEN.ranges[10])])
    assert known.unpack_batch(entries).blocks == [BLOCKS[0], BLOCKS[10], BLOCKS[11]]


def test_what_does_not_follow_from_its_chain_keeps_its_past() -> None:
    packer = BlockPacker(set(), {HELD[1].header.id}, leaves_out=True)
    entries = packer.pack_batch(HELD[:3], {})
    assert [entry[0] for entry in entries] == [0, NO_PREVIOUS, NO_PREVIOUS]


def test_of_a_batch_with_one_bad_signature_nothing_is_used() -> None:
    entries = pack(fresh(leaves_out=False), HELD[:5])
    wrong = bytearray(entries[2])
    wrong[40] ^= 1
    unpacker = BlockUnpacker(FLEET, is_lenient=True)
    restored = unpacker.unpack_batch([*entries[:2], bytes(wrong), *entries[3:]])
    assert not restored.blocks
    assert isinstance(restored.error, BlockRefused)
    assert unpacker.unpack_batch(entries).blocks == BLOCKS[:5]


def test_after_a_fork_a_batch_finds_the_branch_that_was_signed() -> None:
    thief = PEN.branch(10)
    other = thief.write(at=9)
    entries = BlockPacker({HELD[11].header.id}, set(), leaves_out=True).pack_batch(HELD[11:14], {})
    unpacker = BlockUnpacker(FLEET, is_lenient=False)
    there = ((other.id, PEN.ranges[10].append(other.id)), (BLOCKS[10].id, PEN.ranges[11]))
    unpacker.add_held([(PEN.device, 10, change, upto) for change, upto in there])
    assert unpacker.unpack_batch(entries).blocks == BLOCKS[11:14]

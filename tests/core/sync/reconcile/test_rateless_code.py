from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.sync.reconcile import rateless_code
from core.sync.reconcile.rateless_code import (
    MAX_ELEMENTS_PER_GROUP,
    MAX_TRIES_PER_GROUP,
    BlockDecoder,
    CodePart,
    encode_part,
    row_heights,
)
from core.sync.reconcile.set_sketch import ROWS, VALUE_PRIME, Rows, add_to_rows, empty_rows

Elements = list[tuple[int, int]]

seeds = st.integers(0, 2**32)


def shorts_of(elements: Elements, bits: int) -> list[int]:
    return [x - 1 << 24 | group << 24 - bits for group, x in elements]


def rows_of(elements: Elements, bits: int) -> Rows:
    rows = empty_rows(bits)
    add_to_rows(rows, shorts_of(elements, bits), bits)
    return rows


def some(number: int, bits: int, seed: int) -> Elements:
    """Different elements, each in any group."""
    source = random.Random(seed)
    return [(source.getrandbits(bits), x) for x in source.sample(range(1, VALUE_PRIME), number)]


def solve(ours: Rows, theirs: Rows, stop: int, excess: int = 0) -> tuple[BlockDecoder, int]:
    """A block fed until it was done or had failed, and how many parts it took."""
    block, part, parts = BlockDecoder(ours, excess), CodePart(0, stop), 0
    while True:
        block.feed(part.stop_elements, encode_part(theirs, part))
        parts += 1
        if block.is_done or block.has_failed:
            return block, parts
        part = block.next_part()


def is_beyond_the_code(sizes: list[int]) -> bool:
    """Whether some row has more groups left than parities that can be asked for."""
    groups = len(sizes)
    most = row_heights(MAX_ELEMENTS_PER_GROUP * groups, groups)
    return max(sizes) > ROWS or any(
        sum(size >= row for size in sizes) > parities for row, parities in enumerate(most, 1)
    )


@example(bits=2, size=64, share=0.0, guess=1.5, seed=51678)
@given(st.integers(2, 6), st.integers(0, 300), st.floats(0, 1), st.floats(0.3, 1.5), seeds)
def test_it_finds_the_difference_or_says_that_it_cannot(
    bits: int, size: int, share: float, guess: float, seed: int
) -> None:
    groups = 1 << bits
    elements = some(min(size, 16 * groups) + 30, bits, seed)
    common, elements = elements[:30], elements[30:]
    cut = int(len(elements) * share)
    ours, theirs = elements[:cut], elements[cut:]
    stop = max(1, min(int(len(elements) * guess), MAX_ELEMENTS_PER_GROUP * groups))
    block, parts = solve(
        rows_of(common + ours, bits), rows_of(common + theirs, bits), stop, (2 * cut - len(elements)) >> bits
    )
    if block.has_failed:
        assert is_beyond_the_code([sum(group == g for g, _ in elements) for group in range(groups)])
    else:
        assert sorted(block.ours) == sorted(ours)
        assert sorted(block.theirs) == sorted(theirs)
    assert parts < 20


@given(st.integers(2, 8), st.lists(st.integers(1, 3000), min_size=2, max_size=6))
def test_more_elements_never_have_fewer_parities(bits: int, sizes: list[int]) -> None:
    tables = [row_heights(elements, 1 << bits) for elements in sorted(sizes)]
    for fewer, more in pairwise(tables):
        assert all(a <= b for a, b in zip(fewer, more, strict=True))
    assert all(a >= b for a, b in pairwise(tables[0]))


def test_heights_are_as_documented() -> None:
    """What two devices must agree on, for ever: other values here are another format."""
    assert row_heights(20, 4) == (4, 4, 4, 4, 3, 3, 2, 1, 1, 1) + (0,) * 22
    assert row_heights(100, 16)[:12] == (16, 16, 16, 15, 14, 12, 9, 7, 5, 3, 2, 1)


@given(st.integers(2, 5), st.integers(1, 60), seeds, st.binary(min_size=1))
def test_hostile_cells_never_raise_and_cost_bounded_work(bits: int, stop: int, seed: int, noise: bytes) -> None:
    source = random.Random(seed)
    ours = rows_of(some(40, bits, seed), bits)
    tries = 0
    solution = rateless_code._Group.solve

    def counted(group: rateless_code._Group) -> tuple[list[int], list[int]] | None:
        nonlocal tries
        tries += 1
        return solution(group)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rateless_code._Group, "solve", counted)
        block, part = BlockDecoder(ours), CodePart(0, stop)
        for _ in range(60):
            size = part.size_bytes(1 << bits)
            block.feed(
                part.stop_elements, (noise * (size // len(noise) + 1))[:size] if seed % 2 else source.randbytes(size)
            )
            if block.is_done or block.has_failed:
                break
            part = block.next_part()
            assert part.is_allowed(1 << bits)
        else:
            raise AssertionError("it goes on asking")
    assert tries <= MAX_TRIES_PER_GROUP << bits


def test_a_part_of_another_size_is_refused() -> None:
    rows = rows_of(some(20, 3, 1), 3)
    code = encode_part(rows, CodePart(0, 20))
    for stop, data in (
        (20, code[:-1]),
        (20, code + b"\x00"),
        (21, code),
        (0, b""),
        (MAX_ELEMENTS_PER_GROUP * 8 + 1, code),
    ):
        with pytest.raises(ValueError, match="wrong size"):
            BlockDecoder(rows).feed(stop, data)


def test_equal_elements_in_a_group_are_found_out() -> None:
    """Two elements of the peer with the same value in the same group.

    No set, so there is no solution.
    """
    twice = [(1, 77), (1, 77), (2, 5)]
    block, _ = solve(rows_of([], 2), rows_of(twice, 2), 12)
    assert block.has_failed


@given(seeds)
def test_one_wrong_bit_is_noticed_or_leaves_the_rest_right(seed: int) -> None:
    elements = some(60, 3, seed)
    code = bytearray(encode_part(rows_of(elements, 3), CodePart(0, 80)))
    source = random.Random(seed)
    code[source.randrange(len(code))] ^= 1 << source.randrange(8)
    block = BlockDecoder(rows_of([], 3))
    block.feed(80, bytes(code))
    if block.is_done:
        assert len(set(block.theirs) ^ set(elements)) <= 2 * ROWS

"""The two trees of a body: the leaves' and the salts'."""

from __future__ import annotations

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BlockRefused
from core.leaf_tree import root_of
from core.salt_tree import Salts, expand, puncture


def rfc6962(leaves: list[bytes]) -> bytes:
    """The tree as the RFC defines it."""
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return blake3(b"\1" + rfc6962(leaves[:k]) + rfc6962(leaves[k:])).digest()


def ggm(seed: bytes, count: int) -> list[bytes]:
    """The salts as they are defined."""
    if count == 1:
        return [seed]
    k = 1
    while 2 * k < count:
        k *= 2
    left, right = (blake3(b"\4" + bytes([side]) + seed).digest()[:16] for side in (0, 1))
    return ggm(left, k) + ggm(right, count - k)


@given(st.integers(1, 600))
def test_the_trees_have_the_shape_of_the_rfc(count: int) -> None:
    leaves = [blake3(number.to_bytes(2, "big")).digest() for number in range(count)]
    assert root_of(leaves) == rfc6962(leaves)
    assert expand(b"s" * 16, count) == ggm(b"s" * 16, count)


erasures = st.integers(1, 80).flatmap(
    lambda count: st.tuples(st.just(count), *[st.sets(st.integers(0, count - 1)) for _ in range(2)])
)


@given(erasures)
def test_a_punctured_tree_gives_all_salts_but_the_erased_ones(case: tuple[int, set[int], set[int]]) -> None:
    count, gone, _ = case
    whole = expand(b"s" * 16, count)
    left = puncture(b"s" * 16, count, frozenset(), gone)
    assert expand(left, count, gone) == [b"" if i in gone else salt for i, salt in enumerate(whole)]


@given(erasures)
def test_the_steps_in_which_leaves_were_erased_do_not_show(case: tuple[int, set[int], set[int]]) -> None:
    count, one, other = case
    seed = b"s" * 16
    both = one | other
    at_once = puncture(seed, count, frozenset(), both)
    assert puncture(puncture(seed, count, frozenset(), one), count, one, both) == at_once
    assert puncture(puncture(seed, count, frozenset(), other), count, other, both) == at_once


@given(erasures)
def test_nothing_kept_leads_to_an_erased_salt(case: tuple[int, set[int], set[int]]) -> None:
    """No seed above an erased leaf is kept, on whatever level."""
    count, gone, _ = case

    def above(seed: bytes, first: int, size: int) -> set[bytes]:
        if not any(first <= i < first + size for i in gone):
            return set()
        found = {seed}
        if size > 1:
            k = 1 << (size - 1).bit_length() - 1
            left, right = (blake3(b"\4" + bytes([side]) + seed).digest()[:16] for side in (0, 1))
            found |= above(left, first, k) | above(right, first + k, size - k)
        return found

    left = puncture(b"s" * 16, count, frozenset(), gone)
    if gone:
        assert not above(b"s" * 16, 0, count) & set(left)


def test_one_of_thirty_seven_costs_six_seeds() -> None:
    assert len(puncture(b"s" * 16, 37, frozenset(), {5})) == 6


@pytest.mark.parametrize(
    ("salts", "count", "gone"),
    [
        (b"short", 3, set()),
        ((b"s" * 16,), 1, set()),
        (b"s" * 16, 3, {1}),
        ((b"s" * 16,), 3, {1}),
        ((b"s" * 16, b"s" * 15), 3, {1}),
        ((b"s" * 16,) * 3, 3, {1}),
        ((b"s" * 16,), 1, {0}),
    ],
)
def test_other_salts_than_are_needed_are_refused(salts: Salts, count: int, gone: set[int]) -> None:
    with pytest.raises(BlockRefused):
        expand(salts, count, gone)

"""Slots: the leaves and which is in use depend on the set of facts alone."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from core.slots import Agreed, Candidate, Conflict, leaf_ids, slot_of
from tests.support import strategies

candidates = st.builds(
    Candidate,
    fact=strategies.fact_ids,
    value=st.sampled_from([None, "a", "b", 1, True]) | strategies.values,
    user=st.just("u"),
    device=st.just(b"d" * 16),
    at_us=st.integers(0, 5),
    note=st.none(),
)
leaf_lists = st.lists(candidates, max_size=6, unique_by=lambda c: c.fact)


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[bytes, str, tuple[bytes, ...]]]:
    """Facts of two slots that obsolete earlier ones, of their own slot or wrongly."""
    facts: list[tuple[bytes, str, tuple[bytes, ...]]] = []
    for number in range(draw(st.integers(0, 12))):
        seen = draw(st.lists(st.sampled_from([f[0] for f in facts]), unique=True, max_size=3)) if facts else []
        facts.append((number.to_bytes(34, "big"), draw(st.sampled_from("pq")), tuple(sorted(seen))))
    return facts


@given(leaf_lists, st.randoms(use_true_random=False))
def test_the_order_of_leaves_does_not_matter(leaves: list[Candidate], order: random.Random) -> None:
    shuffled = leaves[:]
    order.shuffle(shuffled)
    assert slot_of(shuffled) == slot_of(leaves)


@given(leaf_lists.filter(bool))
def test_the_pick_is_one_of_the_leaves_and_set_before_cleared(leaves: list[Candidate]) -> None:
    slot = slot_of(leaves)
    assert slot.leaves[0] in leaves
    assert slot.value == slot.leaves[0].value
    if any(leaf.value is not None for leaf in leaves):
        assert slot.value is not None
        newest = max(leaf.at_us for leaf in leaves if leaf.value is not None)
        assert slot.leaves[0].at_us == newest


@given(leaf_lists.filter(bool), strategies.values)
def test_equal_leaves_are_good_with_all_as_witnesses(leaves: list[Candidate], value: object) -> None:
    slot = slot_of(Candidate(leaf.fact, value, leaf.user, leaf.device, leaf.at_us, None) for leaf in leaves)  # type: ignore[arg-type]
    assert isinstance(slot, Agreed)
    assert {w.fact for w in slot.witnesses} == {leaf.fact for leaf in leaves}


def test_true_and_one_are_different_values() -> None:
    leaves = [Candidate(b"1" * 34, 1, "u", b"d" * 16, 0, None), Candidate(b"2" * 34, True, "u", b"d" * 16, 0, None)]
    assert isinstance(slot_of(leaves), Conflict)


@given(histories(), histories(), histories())
def test_merge_is_commutative_associative_and_idempotent(a: list, b: list, c: list) -> None:  # type: ignore[type-arg]
    # Three replicas hold parts of one history: the facts of the longest, as far as each has seen them.
    whole = max((a, b, c), key=len)
    parts = [set(whole[::2]), set(whole[1::3]), set(whole[: len(whole) // 2])]
    x, y, z = parts
    assert leaf_ids(x | y) == leaf_ids(y | x)
    assert leaf_ids((x | y) | z) == leaf_ids(x | (y | z))
    assert leaf_ids([*x, *x]) == leaf_ids(x)


@given(histories(), st.randoms(use_true_random=False))
def test_the_order_of_arrival_does_not_matter(facts: list, order: random.Random) -> None:  # type: ignore[type-arg]
    shuffled = facts[:]
    order.shuffle(shuffled)
    assert leaf_ids(shuffled) == leaf_ids(facts)


@given(histories())
def test_only_facts_of_the_same_slot_are_obsoleted(facts: list) -> None:  # type: ignore[type-arg]
    slots = {fact: slot for fact, slot, _ in facts}
    gone = {(slots[target]) + target.hex() for _, slot, seen in facts for target in seen if slots[target] == slot}
    for slot, leaves in leaf_ids(facts).items():
        assert leaves == {fact for fact, own, _ in facts if own == slot and slot + fact.hex() not in gone}

"""A fact's time depends on its slot alone, and is not before what it obsoletes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.effective_time import Dated, effective_times, is_ahead, is_behind


@st.composite
def slots(draw: st.DrawFn) -> dict[bytes, Dated]:
    """Facts about three slots that obsolete earlier ones, of any slot."""
    found: dict[bytes, Dated] = {}
    for number in range(draw(st.integers(1, 12))):
        targets = draw(st.lists(st.sampled_from(sorted(found)), unique=True, max_size=3)) if found else []
        slot = draw(st.sampled_from("abc"))
        found[b"%02d" % number] = Dated(slot, draw(st.integers(0, 20)), (*targets, b"unknown"))
    return found


def recursive(facts: dict[bytes, Dated], name: bytes) -> int:
    own = facts[name]
    seen = [t for t in own.obsoletes if t in facts and facts[t].slot == own.slot]
    return max([own.at, *(recursive(facts, target) for target in seen)])


@given(slots())
def test_it_is_what_it_is_defined_to_be(facts: dict[bytes, Dated]) -> None:
    assert effective_times(facts) == {name: recursive(facts, name) for name in facts}


@given(slots())
def test_a_slots_times_follow_from_its_own_facts(facts: dict[bytes, Dated]) -> None:
    whole = effective_times(facts)
    for slot in "abc":
        own = {name: fact for name, fact in facts.items() if fact.slot == slot}
        assert effective_times(own) == {name: whole[name] for name in own}


@given(slots(), st.randoms(use_true_random=False))
def test_the_order_does_not_matter(facts: dict[bytes, Dated], chance: object) -> None:
    names = list(facts)
    chance.shuffle(names)  # type: ignore[attr-defined]
    assert effective_times({name: facts[name] for name in names}) == effective_times(facts)


def test_a_long_history_needs_no_deep_stack() -> None:
    facts = {b"%06d" % n: Dated("a", 1, (b"%06d" % (n - 1),) if n else ()) for n in range(20_000)}
    facts[b"%06d" % 0] = Dated("a", 99)
    assert set(effective_times(facts).values()) == {99}


def test_a_time_that_cannot_be_true_is_reported() -> None:
    assert is_behind(5, 6)
    assert not is_behind(6, 6)
    assert is_ahead(20, 10, 5)
    assert not is_ahead(15, 10, 5)

"""What a withdrawal does to the leaves of a slot.

Case by case, and against the definition.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.body import Fact, make_body, redact
from core.errors import BlockRefused
from core.slots import leaf_ids
from core.value_codec import FactRef, Redacted, Value, Withdrawal, encode_value, withdrawal_of, withdrawn_by
from core.withdrawal import FOREVER, Spans, Stated, void_spans

LAST = 40


@dataclass(frozen=True)
class Node:
    """A fact in the graph of a slot: what it names, if it withdraws, its start."""

    name: bytes
    names: tuple[bytes, ...] = ()
    withdraws: bool = False
    since: int = 0


def leaves(*facts: Node) -> set[bytes]:
    """The leaves of a slot with these facts, as the program finds them."""
    found = leaf_ids(((fact.name, 0, fact.names) for fact in facts), {f.name for f in facts if f.withdraws})
    return found.get(0, set())


def defined(facts: frozenset[Node]) -> tuple[set[bytes], set[bytes]]:
    """The leaves and what is void, word by word as the wire format defines them."""

    @cache
    def void(name: bytes) -> bool:
        return withdrawn(name) and not obsolete(name)

    def withdrawn(name: bytes) -> bool:
        return any(name in fact.names and fact.withdraws and not void(fact.name) for fact in facts)

    def obsolete(name: bytes) -> bool:
        return any(name in fact.names and not fact.withdraws and not void(fact.name) for fact in facts)

    names = {fact.name for fact in facts}
    stated = {fact.name for fact in facts if not fact.withdraws}
    return {n for n in stated if not withdrawn(n) and not obsolete(n)}, {n for n in names if void(n)}


@st.composite
def slots(draw: st.DrawFn) -> list[Node]:
    """Facts of one slot, each naming some of those before it, or one that is not here.

    Times as the store has them.
    """
    facts: list[Node] = []
    for number in range(draw(st.integers(1, 9))):
        known = [fact.name for fact in facts]
        names = draw(st.lists(st.sampled_from([*known[-3:], *known, b"?"]), unique=True, max_size=3))
        since = max([draw(st.integers(0, LAST)), *(fact.since for fact in facts if fact.name in names)])
        withdraws = bool(names) and draw(st.booleans())
        facts.append(Node(bytes([65 + number]), tuple(names), withdraws, since))
    return facts


@given(slots(), st.randoms(use_true_random=False))
def test_the_leaves_are_those_of_the_definition_in_any_order_and_however_often(
    facts: list[Node], order: object
) -> None:
    expected, _ = defined(frozenset(facts))
    assert leaves(*facts) == expected
    shuffled = facts * 2
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    assert leaves(*shuffled) == expected


@given(slots())
def test_what_is_void_when_is_what_the_definition_says_of_the_facts_until_then(facts: list[Node]) -> None:
    found = void_spans({fact.name: Stated(fact.since, fact.names, fact.withdraws) for fact in facts})
    for moment in range(LAST + 1):
        _, void = defined(frozenset(fact for fact in facts if fact.since <= moment))
        assert {name for name, spans in found.items() if _holds(spans, moment)} == void, moment
    assert all(a[1] < b[0] for spans in found.values() for a, b in pairwise(spans))


def _holds(spans: Spans, moment: int) -> bool:
    return any(since <= moment < until for since, until in spans)


@given(slots())
def test_without_withdrawals_nothing_is_other_than_before(facts: list[Node]) -> None:
    stated = [Node(fact.name, fact.names, False, fact.since) for fact in facts]
    gone = {name for fact in stated for name in fact.names}
    assert leaves(*stated) == {fact.name for fact in stated} - gone


@given(slots(), st.data())
def test_to_withdraw_the_newest_gives_the_leaves_from_before_it(facts: list[Node], data: st.DataObject) -> None:
    """And to withdraw that gives those with it again, as often as one likes."""
    seen = leaves(*facts)
    names = tuple(sorted(seen)) if data.draw(st.booleans()) else tuple(sorted(seen))[:1]
    world = [*facts, Node(b"new", names)]
    turns = [seen, leaves(*world)]
    for number in range(4):
        last = b"new" if number == 0 else b"w%d" % (number - 1)
        world.append(Node(b"w%d" % number, (last,), withdraws=True))
        assert leaves(*world) == turns[number % 2]


def test_a_conflict_is_open_again_with_its_candidates() -> None:
    facts = [Node(b"u"), Node(b"a", (b"u",)), Node(b"b", (b"u",)), Node(b"t", (b"a", b"b"))]
    assert leaves(*facts) == {b"t"}
    assert leaves(*facts, Node(b"w", (b"t",), withdraws=True)) == {b"a", b"b"}


def test_who_writes_over_what_is_withdrawn_meanwhile_stands() -> None:
    facts = [
        Node(b"u"),
        Node(b"t", (b"u",)),
        Node(b"w", (b"t",), withdraws=True),
        Node(b"g", (b"t",)),
    ]
    assert leaves(*facts) == {b"g"}, "its author knew t, and t knew u"
    assert leaves(*facts, Node(b"x", (b"g",), withdraws=True)) == {b"u"}, "with g gone t is withdrawn as it was meant"


def test_a_redo_after_an_edit_that_knew_of_the_undo_changes_nothing() -> None:
    facts = [
        Node(b"u"),
        Node(b"t", (b"u",)),
        Node(b"w", (b"t",), withdraws=True),
        Node(b"g", (b"u", b"w")),
    ]
    assert leaves(*facts) == {b"g"}
    assert leaves(*facts, Node(b"r", (b"w",), withdraws=True)) == {b"g"}


def test_two_withdrawals_are_one_and_both_have_to_go_for_it_to_be_back() -> None:
    facts = [Node(b"u"), Node(b"t", (b"u",)), *(Node(w, (b"t",), withdraws=True) for w in (b"v", b"w"))]
    assert leaves(*facts) == {b"u"}
    assert leaves(*facts, Node(b"r", (b"v",), withdraws=True)) == {b"u"}
    assert leaves(*facts, Node(b"r", (b"v", b"w"), withdraws=True)) == {b"t"}


def test_one_withdrawal_takes_back_a_chain() -> None:
    facts = [
        Node(b"u"),
        Node(b"a", (b"u",)),
        Node(b"b", (b"a",)),
        Node(b"w", (b"a", b"b"), withdraws=True),
    ]
    assert leaves(*facts) == {b"u"}
    assert leaves(*facts[1:]) == set()


def test_what_is_withdrawn_before_it_arrives_never_counts() -> None:
    assert leaves(Node(b"w", (b"t",), withdraws=True)) == set()
    assert leaves(Node(b"w", (b"t",), withdraws=True), Node(b"t")) == set()


def test_a_span_ends_with_the_redo_and_the_past_before_the_withdrawal_is_as_it_was() -> None:
    found = void_spans(
        {"u": Stated(1), "t": Stated(2, ("u",)), "w": Stated(5, ("t",), True), "r": Stated(9, ("w",), True)}
    )
    assert found == {"t": ((5, 9),), "w": ((9, FOREVER),)}


FACTS = [bytes([number]) * 32 + b"\0\1" for number in range(3)]


def test_a_withdrawal_names_what_it_obsoletes_and_nothing_else() -> None:
    for value in (withdrawal_of(FACTS[:1]), withdrawal_of(FACTS)):
        named = withdrawn_by(value)
        assert make_body([Fact(b"E" * 16, "p", value, named)], None, bytes(16)).facts[0].value == value
        for other in ((), named[1:], (*named, b"\xff" * 32 + b"\0\1")):
            with pytest.raises(BlockRefused, match="withdraws others"):
                make_body([Fact(b"E" * 16, "p", value, other)], None, bytes(16))


@pytest.mark.parametrize(
    "value",
    [
        (Withdrawal(FACTS[0]),),
        (Withdrawal(FACTS[1]), Withdrawal(FACTS[0])),
        (Withdrawal(FACTS[0]), Withdrawal(FACTS[0])),
        (Withdrawal(FACTS[0]), FactRef(FACTS[1])),
        (Withdrawal(FACTS[0]), "text"),
        Withdrawal(b"\1" * 32 + b"\2\0"),
        Withdrawal(b"\1" * 32),
    ],
)
def test_there_is_one_form_of_a_withdrawal(value: Value) -> None:
    with pytest.raises(BlockRefused):
        encode_value(value)


def test_a_withdrawal_is_never_redacted() -> None:
    facts = [Fact(b"E" * 16, "p", withdrawal_of(FACTS), tuple(FACTS)), Fact(b"E" * 16, "q", "said")]
    body = make_body(facts, None, bytes(16))
    assert isinstance(redact(body, [1]).facts[1].value, Redacted)
    with pytest.raises(ValueError, match="withdrawal"):
        redact(body, [0, 1])

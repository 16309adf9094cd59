from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from core.records import Edit, Record, diff_edits, kind_of, make_edit, record_of
from core.schema import Schema
from core.schema_toml import load_builtin_schema
from core.slots import Agreed, Candidate, Conflict, leaf_ids
from core.value_codec import Ref, Value
from core.values import is_same_value
from tests.support.strategies import values

LOCALITY = load_builtin_schema("service-centre").kinds["locality"]
ENTITY = b"\x07" * 16
PLAIN = Schema().kind("thing")

names = st.sampled_from(["kind", "name", "printer", "retired", "subnet"])
fact_ids = st.builds(
    lambda change, index: bytes([change]) * 32 + bytes([0, index]), st.integers(0, 9), st.integers(0, 3)
)
candidates = st.builds(Candidate, fact_ids, values, st.just("Maier"), st.just(b"d" * 16), st.integers(0, 5), st.none())


@st.composite
def leaves(draw: Any) -> dict[str, list[Candidate]]:
    found = draw(st.lists(st.tuples(names, candidates), max_size=12, unique_by=lambda pair: pair[1].fact))
    slots: dict[str, list[Candidate]] = {}
    for name, candidate in found:
        slots.setdefault(name, []).append(candidate)
    return slots


def shown_by(entity_leaves: Mapping[str, list[Candidate]]) -> Record:
    return record_of(ENTITY, entity_leaves, PLAIN)


def candidate(value: Value, number: int, at: int = 0) -> Candidate:
    return Candidate(bytes([number]) * 32 + b"\0\0", value, "Maier", b"d" * 16, at, None)


def after(before: Mapping[str, list[Candidate]], edits: list[Edit]) -> Record:
    """What a store holds after a change with these edits, by reference semantics."""
    change = b"\xff" * 32
    facts = {c.fact: (name, c) for name, each in before.items() for c in each}
    edges: list[tuple[bytes, str, tuple[bytes, ...]]] = [(fact, name, ()) for fact, (name, _) in facts.items()]
    for index, each in enumerate(edits):
        fact = change + index.to_bytes(2, "big")
        facts[fact] = (each.property, Candidate(fact, each.value, "Jones", b"e" * 16, 9, None))
        edges.append((fact, each.property, each.obsoletes))
    left = leaf_ids(edges)
    return shown_by({name: [facts[fact][1] for fact in ids] for name, ids in left.items()})


@given(leaves(), st.dictionaries(names, values))
def test_after_the_edits_everything_wanted_is_so_and_the_rest_is_as_it_was(
    before: dict[str, list[Candidate]], wanted: dict[str, Value]
) -> None:
    shown = shown_by(before)
    edits = diff_edits(shown, wanted)
    now = after(before, edits)
    for name, value in wanted.items():
        assert not isinstance(now.slot(name), Conflict)
        assert is_same_value(now.value(name), value)
    for name in before.keys() - wanted.keys():
        assert now.slot(name) == shown.slot(name)
    assert diff_edits(now, wanted) == []


@given(leaves(), st.dictionaries(names, values))
def test_an_edit_obsoletes_exactly_the_leaves_that_were_shown(
    before: dict[str, list[Candidate]], wanted: dict[str, Value]
) -> None:
    everywhere = {c.fact for each in before.values() for c in each}
    for each in diff_edits(shown_by(before), wanted):
        shown = {c.fact for c in before.get(each.property, [])}
        assert list(each.obsoletes) == sorted(set(each.obsoletes))
        if each.property == "retired" and each.value is True:
            assert shown <= set(each.obsoletes) <= everywhere
            assert {fact[:32] for fact in each.obsoletes} == {fact[:32] for fact in everywhere}
            others = set(each.obsoletes) - shown
            assert len({fact[:32] for fact in others}) == len(others)
        else:
            assert set(each.obsoletes) == shown


@given(leaves())
def test_nothing_different_is_no_edit_except_for_conflicts(before: dict[str, list[Candidate]]) -> None:
    shown = shown_by(before)
    edits = diff_edits(shown, {name: slot.value for name, slot in shown.slots.items()})
    assert [e.property for e in edits] == [name for name, slot in shown.slots.items() if slot.state == "conflict"]


@given(leaves(), st.dictionaries(names, values, min_size=1), leaves())
def test_what_came_in_meanwhile_is_never_overwritten(
    before: dict[str, list[Candidate]], wanted: dict[str, Value], late: dict[str, list[Candidate]]
) -> None:
    known = {c.fact for each in before.values() for c in each}
    arrived = {name: [c for c in each if c.fact not in known] for name, each in late.items()}
    edits = diff_edits(shown_by(before), wanted)
    merged = {name: before.get(name, []) + arrived.get(name, []) for name in before.keys() | arrived.keys()}
    now = after(merged, edits)
    for name, each in arrived.items():
        assert {c.fact for c in each} <= {c.fact for c in now.slot(name).leaves}


def test_clearing_what_nobody_stated_is_nothing() -> None:
    assert diff_edits(Record(ENTITY), {"printer": None}) == []
    cleared = shown_by({"printer": [candidate(None, 1)]})
    assert cleared.slot("printer").state == "cleared"
    assert diff_edits(cleared, {"printer": None}) == []
    assert diff_edits(Record(ENTITY), {"printer": ""}) == [Edit(ENTITY, "printer", "")]


def test_true_and_one_are_different() -> None:
    shown = shown_by({"printer": [candidate(1, 1)]})
    assert [e.value for e in diff_edits(shown, {"printer": True})] == [True]


def test_equal_witnesses_are_all_obsoleted() -> None:
    shown = shown_by({"printer": [candidate("A", 2), candidate("A", 1)]})
    assert isinstance(shown.slot("printer"), Agreed)
    assert diff_edits(shown, {"printer": "B"})[0].obsoletes == (b"\1" * 32 + b"\0\0", b"\2" * 32 + b"\0\0")


def test_settling_again_what_is_settled_states_it_again() -> None:
    shown = shown_by({"retired": [candidate(True, 1)], "name": [candidate("Lane 2", 2)]})
    assert diff_edits(shown, {"retired": True}) == []
    assert make_edit(shown, "retired", True).obsoletes == (b"\1" * 32 + b"\0\0", b"\2" * 32 + b"\0\0")
    assert make_edit(shown, "retired", False).obsoletes == (b"\1" * 32 + b"\0\0",)


def test_a_record_knows_its_kind_key_and_whether_it_is_retired() -> None:
    stated = {
        "kind": [candidate("locality", 1)],
        "code": [candidate("241", 2)],
        "retired": [candidate(True, 3)],
        "extra": [candidate(5, 4)],
    }
    record = record_of(ENTITY, stated, LOCALITY)
    assert (record.kind, record.key, record.retired) == ("locality", "241", True)
    assert record.value("extra") == 5
    assert record.slot("subnet").state == "absent"
    assert kind_of(stated) == "locality"
    odd = {"kind": [candidate(5, 1)], "code": [candidate(True, 2)], "retired": [candidate(1, 3)]}
    record = record_of(ENTITY, odd, LOCALITY)
    assert (record.kind, record.key, record.retired, kind_of(odd)) == (None, None, False, None)
    number = record_of(ENTITY, {"code": [candidate(241, 1)]}, LOCALITY)
    assert number.key == "241"
    assert record_of(ENTITY, {"code": [candidate(Ref(ENTITY), 1)]}, LOCALITY).key is None
    assert (
        record_of(ENTITY, {"retired": [candidate(True, 1, at=1), candidate(False, 2, at=2)]}, LOCALITY).retired is False
    )

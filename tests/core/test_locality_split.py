"""A save is split so that each change has one locality, fits, and all is said."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from core.body import Fact
from core.changes import Change, sign_block
from core.locality_split import COMMON, NOWHERE, Placed, locality_of, split
from core.schema_toml import load_builtin_schema
from core.value_codec import ParentRef, Ref, encode_value, plain_reference
from tests.support.strategies import AUTHOR, FLEET, KEYS, SEED, fact_ids, line_text, values

SCHEMA = load_builtin_schema("service-centre")
TSC, OTHER_TSC, LANE, ODD = (bytes([number]) * 16 for number in range(1, 5))
PERSON = b"P" * 16
THERE = {
    TSC: Placed("locality"),
    OTHER_TSC: Placed("locality"),
    LANE: Placed("place", TSC),
    PERSON: Placed("person"),
    ODD: Placed("unheard-of", TSC),
}


def find(entity: bytes) -> Placed:
    return THERE.get(entity, Placed())


def test_what_is_about_one_locality_is_one_change() -> None:
    facts = [Fact(LANE, "name", "Lane 1"), Fact(TSC, "name", "Kiel"), Fact(LANE, "printer", "p1")]
    assert split(facts, find, SCHEMA) == [facts]


def test_each_locality_has_a_change_and_what_is_common_comes_first() -> None:
    facts = [
        Fact(LANE, "name", "Lane 1"),
        Fact(OTHER_TSC, "name", "Lübeck"),
        Fact(PERSON, "person.name", "Ada"),
        Fact(b"X" * 16, "p", 1),
        Fact(TSC, "name", "Kiel"),
    ]
    assert split(facts, find, SCHEMA) == [[facts[2]], [facts[0], facts[4]], [facts[1]], [facts[3]]]


def test_what_is_new_or_moves_belongs_where_it_comes_to() -> None:
    new = b"N" * 16
    facts = [Fact(new, "locality", Ref(TSC)), Fact(new, "kind", "place"), Fact(LANE, "locality", Ref(OTHER_TSC))]
    first, second = split(facts, find, SCHEMA)
    assert [fact.entity for fact in first] == [new, new]
    assert second == [Fact(LANE, "locality", ParentRef(OTHER_TSC))]


def test_a_reference_to_what_an_entity_lies_in_is_tagged_and_no_other() -> None:
    assert SCHEMA.kind("place").within == SCHEMA.kind("place").parent == "locality"
    ((tagged, other),) = split([Fact(LANE, "locality", Ref(TSC)), Fact(LANE, "near", Ref(TSC))], find, SCHEMA)
    assert (tagged.value, other.value) == (ParentRef(TSC), Ref(TSC))


def test_localities() -> None:
    assert locality_of(TSC, find(TSC), SCHEMA) == TSC
    assert locality_of(LANE, find(LANE), SCHEMA) == TSC
    assert locality_of(PERSON, find(PERSON), SCHEMA) == COMMON
    assert locality_of(b"X" * 16, Placed(), SCHEMA) == NOWHERE


some_facts = st.lists(
    st.builds(
        Fact,
        st.sampled_from([*THERE, b"X" * 16, b"Y" * 16]),
        st.sampled_from(["kind", "name", "locality", "printer"]) | line_text,
        values
        | st.integers(100, 30_000).map(lambda size: "x" * size)
        | st.builds(Ref, st.binary(min_size=16, max_size=16)),
        st.lists(fact_ids, unique=True, max_size=3).map(lambda found: tuple(sorted(found))),
    ),
    min_size=1,
    max_size=30,
)


@given(some_facts)
def test_all_is_said_and_every_part_is_a_change_that_all_devices_accept(facts: list[Fact]) -> None:
    parts = split(facts, find, SCHEMA)

    def stated(some: list[Fact]) -> Counter[tuple[bytes, str, bytes, tuple[bytes, ...]]]:
        return Counter((f.entity, f.property, encode_value(plain_reference(f.value)), f.obsoletes) for f in some)

    assert stated([fact for part in parts for fact in part]) == stated(facts)
    for part in parts:
        sign_block(Change(AUTHOR, 1, "n" * 4096, tuple(part)), KEYS[0], FLEET, SEED)


def test_many_facts_and_many_parents_are_parted_so_that_they_fit() -> None:
    many = [Fact(TSC, f"p{number:04}", number) for number in range(1100)]
    assert [len(part) for part in split(many, find, SCHEMA)] == [512, 512, 76]
    wide = [Fact(TSC, f"p{n:03}", tuple(ParentRef(bytes([n, k]) * 8) for k in range(40))) for n in range(4)]
    assert [len(part) for part in split(wide, find, SCHEMA)] == [1, 1, 1, 1]

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import resolution
from core.errors import Refused
from core.inbox import ITEM_TYPES, InboxItem, acceptance_property, find_inbox_items
from core.records import Edit, Record, diff_edits, make_edit, record_of
from core.schema import Schema
from core.schema_toml import load_builtin_schema, parse_schema_file
from core.slots import Candidate, leaf_ids
from core.value_codec import Ref, Value, encode_value

CENTRE = load_builtin_schema("service-centre")
EVERYTHING = b"\xee" * 16


def ident(number: int) -> bytes:
    return number.to_bytes(16, "big")


def nobody(a: bytes, b: bytes) -> bool:
    return a == b


def entity(number: int, kind: str = "place", retired: bool = False, **values: Value | Sequence[Value]) -> Record:
    """A record of which each value was stated in a change of its own.

    A list gives a leaf each.
    """
    leaves: dict[str, list[Candidate]] = {}
    stated: dict[str, Value | Sequence[Value]] = {"kind": kind, **({"retired": True} if retired else {}), **values}
    for name, value in stated.items():
        for index, each in enumerate(value if isinstance(value, list) else [value]):
            fact = ident(number) + name.encode().ljust(15, b"-") + bytes([index]) + b"\0\0"
            leaves.setdefault(name, []).append(Candidate(fact, each, "Maier", b"d" * 16, index, None))
    return record_of(ident(number), leaves, CENTRE.kind(kind))


def found(*records: Record, schema: Schema = CENTRE) -> list[InboxItem]:
    return find_inbox_items(records, schema, descends_from=lambda a, b: True)


def reported(*records: Record) -> list[tuple[str, str]]:
    return [(item.type, str(item.message)) for item in found(*records)]


LOCALITY = entity(1, "locality", code="241", name="TSC 241", subnet="10.24.1.0/24")
HERE = Ref(ident(1))


def test_what_is_in_order_is_no_item() -> None:
    assert reported(LOCALITY, entity(2, name="Lane 1", locality=HERE, card_terminal="11111111")) == []


def test_a_conflict_shows_what_is_in_use_meanwhile() -> None:
    place = entity(2, name="Lane 1", locality=HERE, printer=["5020", "5021", "5021"])
    (item,) = found(LOCALITY, place)
    assert (item.type, item.kind, item.key, item.property) == ("conflict", "place", "241/Lane 1", "printer")
    assert item.candidates == place.slot("printer").leaves
    assert item.entities == (ident(2),)
    assert str(item.message) == 'printer of place:241/Lane 1 has 2 different values; in use, provisional: "5021"'


def test_a_conflict_of_references_names_what_they_point_at() -> None:
    cities = [entity(n, "locality", code=str(n), name=f"TSC {n}") for n in (4, 5)]
    both = (Ref(ident(4)), Ref(ident(5)))
    (item,) = found(LOCALITY, *cities, entity(9, "gadget", near=[(HERE,), both]))
    assert str(item.message).endswith("in use, provisional: locality:4, locality:5")


def test_a_conflict_of_something_unknown_is_shown_too() -> None:
    (item,) = found(entity(9, "gadget", colour=["red", "blue"]))
    assert (item.type, item.kind, item.key) == ("conflict", "gadget", None)


def test_a_unique_value_claimed_twice_is_one_item() -> None:
    places = [entity(n, name=f"Lane {n}", locality=HERE, docking_station="17e9:6006 #A1B2") for n in (4, 3, 2)]
    places += [entity(7, name="Lane 7", retired=True, locality=HERE, docking_station="17e9:6006 #A1B2")]
    (item,) = found(LOCALITY, *places)
    assert item.entities == (ident(2), ident(3), ident(4))
    assert [c.value for c in item.candidates] == ["17e9:6006 #A1B2"] * 3
    assert str(item.message) == (
        'docking_station "17e9:6006 #A1B2" is claimed by place:241/Lane 2, place:241/Lane 3, place:241/Lane 4'
    )


def test_a_key_is_unique_in_what_it_is_within() -> None:
    elsewhere = entity(5, "locality", code="7")
    lanes = [entity(2, name="Lane 1", locality=HERE), entity(3, name="Lane 1", locality=Ref(ident(5)))]
    assert reported(LOCALITY, elsewhere, *lanes) == []
    both = reported(LOCALITY, elsewhere, *lanes, entity(4, name="Lane 1", locality=HERE))
    assert both == [("duplicate", 'name "Lane 1" is claimed by place:241/Lane 1, place:241/Lane 1')]


def test_spellings_of_one_thing_are_one_claim() -> None:
    schema = parse_schema_file('name = "s"\n[kinds.box.properties.mac]\ntype = "mac"\nmany = true\nunique = true\n')
    boxes = [
        entity(1, "box", mac=("AA-BB-CC-00-00-01",)),
        entity(2, "box", mac=("aa:bb:cc:00:00:01", "aabb.cc00.0002")),
    ]
    assert [m.type for m in found(*boxes, schema=schema)] == ["duplicate"]


def test_overlapping_networks_are_reported_with_the_widest_first() -> None:
    wide = entity(5, "locality", code="12", subnet="10.24.0.0/16")
    inner = [entity(n, "locality", code=str(n), subnet=f"10.24.{n}.0/24") for n in range(20, 26)]
    (item,) = found(LOCALITY, *inner, wide, entity(6, "locality", code="6", subnet="10.25.0.0/16"))
    assert (item.type, item.key, item.entities[0], len(item.entities)) == ("overlap", "12", ident(5), 8)
    assert str(item.message) == (
        "subnet 10.24.0.0/16 of locality:12 overlaps locality:241 (10.24.1.0/24), locality:20 (10.24.20.0/24), "
        "locality:21 (10.24.21.0/24), +4"
    )


def test_a_reference_to_something_unknown_or_retired_is_dangling() -> None:
    gone = entity(5, "locality", retired=True, code="7")
    lanes = [entity(2, name="Lane 1", locality=Ref(ident(5))), entity(3, name="Lane 2", locality=Ref(ident(99)))]
    assert reported(gone, *lanes) == [
        ("dangling", "locality of place:7/Lane 1 refers to locality:7, which is retired"),
        ("dangling", "locality of place:Lane 2 refers to 00000000, which is not known here"),
    ]
    assert reported(entity(2, retired=True, name="Lane 1", locality=Ref(ident(99)))) == []


def test_what_references_point_at_can_be_looked_up_elsewhere() -> None:
    lane = entity(2, name="Lane 1", locality=HERE)
    assert find_inbox_items([lane], CENTRE, nobody, find={ident(1): LOCALITY}.get) == []
    assert [m.key for m in find_inbox_items([lane], CENTRE, nobody)] == ["Lane 1"]


def test_a_value_that_the_schema_refuses_is_invalid() -> None:
    wrong = entity(3, name="Lane 2", locality=Ref(ident(2)), card_terminal="123", printer=5, note="kept")
    right = entity(2, name="Lane 1", locality=HERE, avl_configuration=None)
    assert reported(LOCALITY, right, wrong) == [
        ("invalid", 'card_terminal: "123" must look like 11111111 (8 digits)'),
        ("invalid", "locality: place:241/Lane 1 is not of the kind locality"),
        ("invalid", "printer: 5 is not text"),
    ]
    assert reported(LOCALITY, entity(2, name=None, locality=HERE)) == [("invalid", "name must have a value")]


# --- several devices, what they knew and what can be told of it afterwards -------------------------------------------


@dataclass
class Fleet:
    """Devices that edit one entity apart and meet.

    The changes, what each names, and what its author really had.
    """

    facts: dict[bytes, tuple[bytes, Edit, tuple[bytes, ...]]] = field(default_factory=dict)
    previous: dict[bytes, bytes | None] = field(default_factory=dict)
    had: dict[bytes, set[bytes]] = field(default_factory=dict)
    devices: list[set[bytes]] = field(default_factory=lambda: [set() for _ in range(3)])
    last: dict[int, bytes] = field(default_factory=dict)

    def shown(self, changes: set[bytes]) -> Record:
        facts = {f: each for f, each in self.facts.items() if each[0] in changes}
        left = leaf_ids((f, e.property, e.obsoletes) for f, (_, e, _) in facts.items())
        leaves = {
            name: [Candidate(f, facts[f][1].value, "x", b"d" * 16, len(self.had[facts[f][0]]), None) for f in ids]
            for name, ids in left.items()
        }
        return record_of(EVERYTHING, leaves, CENTRE.kinds["place"])

    def save(self, device: int, edits: list[Edit]) -> None:
        if not edits:
            return
        change = len(self.had).to_bytes(32, "big")
        self.previous[change] = self.last.get(device)
        self.had[change] = {*self.devices[device], change}
        for index, each in enumerate(edits):
            self.facts[change + index.to_bytes(2, "big")] = (change, each, each.obsoletes)
        self.last[device] = change
        self.devices[device].add(change)

    def knew(self, a: bytes, b: bytes) -> bool:
        """What the changes themselves tell: `b` can be reached from `a`."""
        work, seen = [a], set()
        while work:
            change = work.pop()
            if change in seen:
                continue
            seen.add(change)
            work += [t[:32] for c, _, named in self.facts.values() if c == change for t in named]
            if previous := self.previous[change]:
                work.append(previous)
        return b in seen


devices = st.integers(0, 2)
steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("edit"), devices, st.dictionaries(st.sampled_from(["printer", "name"]), st.sampled_from("ab"))
        ),
        st.tuples(st.sampled_from(["retire", "again", "bring back"]), devices, st.none()),
        st.tuples(st.just("meet"), devices, devices),
    ),
    max_size=16,
)


@given(steps)
@settings(max_examples=100)
def test_an_edit_of_something_retired_is_reported_exactly_if_who_retired_it_did_not_have_it(history: list[Any]) -> None:
    fleet = Fleet()
    fleet.save(0, diff_edits(Record(EVERYTHING), {"kind": "place", "name": "Lane 2"}))
    for what, device, more in history:
        shown = fleet.shown(fleet.devices[device])
        match what:
            case "edit":
                fleet.save(device, diff_edits(shown, more))
            case "retire":
                fleet.save(device, diff_edits(shown, {"retired": True}))
            case "again":
                fleet.save(device, [make_edit(shown, "retired", True)])
            case "bring back":
                fleet.save(device, diff_edits(shown, {"retired": False}))
            case "meet":
                fleet.devices[device] |= fleet.devices[more]
                fleet.devices[more] |= fleet.devices[device]
    record = fleet.shown(set(fleet.had))
    retirements = [leaf.change for leaf in record.slot("retired").leaves if leaf.value is True]
    expected = set()
    for name, slot in record.slots.items():
        known = {encode_value(x.value) for x in slot.leaves if any(x.change in fleet.had[r] for r in retirements)}
        if record.retired and name != "retired":
            expected |= {x for x in slot.leaves if encode_value(x.value) not in known}
    retired_edits = [m for m in find_inbox_items([record], CENTRE, fleet.knew) if m.type == "retired-edit"]
    assert {c for m in retired_edits for c in m.candidates if c.value is not True} == expected
    assert len(retired_edits) == bool(expected)
    if expected:
        fleet.devices[0] = set(fleet.had)
        fleet.save(0, [make_edit(record, "retired", True)])
        after = find_inbox_items([fleet.shown(set(fleet.had))], CENTRE, fleet.knew)
        assert not [m for m in after if m.type == "retired-edit"]


# --- accepted as they are ---------------------------------------------------------------------------------------------


def accepted_by(item: InboxItem, record: Record) -> Record:
    """The record after somebody accepted the item there."""
    (edit,) = [resolution.accept_item(item, record)]
    leaves = {name: list(slot.leaves) for name, slot in record.slots.items()}
    leaf = Candidate(b"\xaa" * 34, edit.value, "Jones", b"d" * 16, 99, "wanted")
    return record_of(record.entity, {**leaves, edit.property: [leaf]}, CENTRE.kind(record.kind))


OUTER = entity(1, "locality", code="1", subnet="10.0.0.0/27")
INNER = entity(2, "locality", code="2", subnet="10.0.0.1/32")


def test_an_accepted_clash_is_marked_until_one_of_its_values_changes() -> None:
    (item,) = found(OUTER, INNER)
    assert (item.type, item.acceptance) == ("overlap", None)
    outer = accepted_by(item, OUTER)
    for records in ((outer, INNER), (INNER, outer), (OUTER, accepted_by(item, INNER))):
        (again,) = found(*records)
        assert again.id == item.id
        assert again.acceptance is not None
        assert (again.acceptance.user, again.acceptance.note) == ("Jones", "wanted")
    # What has nothing to do with it leaves it accepted.
    (again,) = found(outer, entity(2, "locality", code="2", name="Kiel", subnet="10.0.0.1/32"))
    assert again.acceptance is not None
    for changed in (
        [outer, entity(2, "locality", code="2", subnet="10.0.0.2/32")],
        [outer, INNER, entity(3, "locality", code="3", subnet="10.0.0.9/32")],
        [outer, entity(3, "locality", code="2", subnet="10.0.0.1/32")],
    ):
        (back,) = found(*changed)
        assert (back.type, back.acceptance) == ("overlap", None)


def test_accepted_by_one_and_taken_back_by_another_is_open() -> None:
    (item,) = found(OUTER, INNER)
    outer = accepted_by(item, OUTER)
    name = acceptance_property(item.id)
    leaves = {each: list(slot.leaves) for each, slot in outer.slots.items()}
    leaves[name].append(Candidate(b"\xbb" * 34, None, "Smith", b"e" * 16, 100, None))
    both = found(record_of(outer.entity, leaves, CENTRE.kind("locality")), INNER)
    assert [(each.type, each.acceptance) for each in both] == [("conflict", None), ("overlap", None)]


def test_every_type_but_a_conflict_can_be_accepted() -> None:
    lane = entity(2, name="Lane 1", locality=Ref(ident(9)), card_terminal="x", printer=["a", "b"])
    other = entity(3, name="Lane 1", locality=Ref(ident(9)))
    items = {each.type: each for each in found(lane, other)}
    assert items.keys() == {"conflict", "duplicate", "dangling", "invalid"}
    with pytest.raises(Refused, match="resolved, not accepted"):
        resolution.accept_item(items["conflict"], lane)
    for name in ("duplicate", "invalid"):
        assert {each.type for each in found(accepted_by(items[name], lane), other) if each.acceptance} == {name}


def test_who_accepts_a_clash_edits_nothing() -> None:
    """An acceptance unseen by who retired the entity is no edit of a retired one."""
    (item,) = found(OUTER, INNER)
    retired = accepted_by(item, entity(1, "locality", retired=True, code="1", subnet="10.0.0.0/27"))
    (unseen,) = retired.slot(acceptance_property(item.id)).leaves
    assert find_inbox_items([retired], CENTRE, lambda a, b: b != unseen.change) == []


# --- many ------------------------------------------------------------------------------------------------------------

networks = st.builds(
    lambda address, length: str(ip_network((address << 24 | 0x0A0000, length), strict=False)),
    st.integers(0, 3),
    st.integers(6, 12),
)


@given(st.lists(st.lists(networks, max_size=2), max_size=8))
def test_networks_overlap_if_and_only_if_two_entities_have_nested_ones(subnets: list[list[str]]) -> None:
    schema = parse_schema_file(
        'name = "s"\n[kinds.net.properties.n]\ntype = "ip-network"\nmany = true\nno_overlap = true\n'
    )
    records = [entity(n, "net", n=tuple(each)) for n, each in enumerate(subnets)]
    groups = [set(m.entities) for m in found(*records, schema=schema)]
    for one, other in combinations(records, 2):
        nets = [[ip_network(n) for n in subnets[int.from_bytes(r.entity, "big")]] for r in (one, other)]
        if any(a.overlaps(b) for a in nets[0] for b in nets[1]):
            assert any({one.entity, other.entity} <= group for group in groups)
    for group in groups:
        assert len(group) > 1
        inside = [ip_network(n) for e in group for n in subnets[int.from_bytes(e, "big")]]
        assert any(a.overlaps(b) for a, b in combinations(inside, 2))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["x", "y", None])), max_size=8), st.randoms())
def test_the_items_do_not_depend_on_the_order_of_the_records(places: list[Any], chance: random.Random) -> None:
    records = [LOCALITY, entity(50, "locality", retired=True, code="3", subnet="10.0.0.0/8")]
    records += [
        entity(n, name=name, locality=Ref(ident(n % 3)), docking_station=dock, printer=["1", "2"][: n % 3])
        for n, (name, dock) in enumerate(places, 100)
    ]
    expected = found(*records)
    chance.shuffle(records)
    again = found(*records)
    assert again == expected
    assert [str(m.message) for m in again] == [str(m.message) for m in expected]
    order = [ITEM_TYPES.index(m.type) for m in again]
    assert order == sorted(order)


def test_ten_thousand_entities_are_worked_through() -> None:
    localities = [
        entity(n, "locality", code=str(n), subnet=str(ip_network((10 << 24 | n << 8, 24)))) for n in range(1, 2001)
    ]
    localities.append(entity(5000, "locality", code="wide", subnet="10.0.0.0/8"))
    places: list[Record] = [
        entity(n, name=f"Lane {n}", locality=Ref(ident(n % 2000 + 1)), card_terminal=f"{n // 2:08}", printer="P")
        for n in range(10_000, 18_000)
    ]
    counted: Mapping[str, list[InboxItem]] = {name: [] for name in ITEM_TYPES}
    for item in found(*localities, *places):
        counted[item.type].append(item)
    assert {name: len(each) for name, each in counted.items() if each} == {"duplicate": 4000, "overlap": 1}
    assert len(counted["overlap"][0].entities) == 2001

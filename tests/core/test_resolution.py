"""What settles matters.

Rules that choose, and edits that are made in knowledge of what was shown and nothing else.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import FieldlineError
from core.inbox import InboxItem
from core.records import Record
from core.resolution import (
    ResolutionRule,
    StaleItem,
    count_devices,
    count_users,
    resolve_clash,
    resolve_conflict,
    retire_entity,
    unretire_entity,
)
from core.schema_toml import load_builtin_schema
from core.slots import Candidate, slot_of

ONE, TWO, THREE = b"1" * 16, b"2" * 16, b"3" * 16


def leaf(number: int, value: str, user: str = "Maier", device: bytes = ONE, at: int = 0) -> Candidate:
    return Candidate(bytes([number]) * 34, value, user, device, at, None)


def conflict(*leaves: Candidate) -> InboxItem:
    slot = slot_of(leaves)
    return InboxItem("conflict", ONE, "place", "1", "printer", slot.leaves, (ONE,), FieldlineError("told"))


def record(*leaves: Candidate, entity: bytes = ONE) -> Record:
    return Record(entity, "place", "1", False, {"printer": slot_of(leaves)})


LEAVES = st.lists(
    st.builds(
        leaf,
        st.integers(0, 255),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["Maier", "Jones"]),
        st.sampled_from([ONE, TWO]),
        st.integers(0, 5),
    ),
    min_size=1,
    unique_by=lambda each: each.fact,
)


@given(LEAVES)
def test_the_newest_wins_in_whatever_order_the_candidates_come(leaves: list[Candidate]) -> None:
    chosen = ResolutionRule().choose(leaves)
    assert chosen is not None
    assert all((leaf.at_us, leaf.fact) <= (chosen.at_us, chosen.fact) for leaf in leaves)
    assert ResolutionRule().choose(reversed(leaves)) == chosen


@given(LEAVES)
def test_a_rule_takes_only_what_its_user_or_device_said(leaves: list[Candidate]) -> None:
    for rule in (ResolutionRule(user="Jones"), ResolutionRule(device=TWO), ResolutionRule(user="Jones", device=TWO)):
        counted = [each for each in leaves if rule.user in (None, each.user) and rule.device in (None, each.device)]
        chosen = rule.choose(leaves)
        assert (chosen is None) == (not counted)
        assert chosen is None or chosen == ResolutionRule().choose(counted)


def test_settling_replaces_all_that_was_shown() -> None:
    leaves = [leaf(1, "a"), leaf(2, "b")]
    edit = resolve_conflict(conflict(*leaves), record(*leaves), "c")
    assert (edit.value, set(edit.obsoletes)) == ("c", {each.fact for each in leaves})


def test_what_somebody_said_meanwhile_is_not_replaced_unseen() -> None:
    leaves = [leaf(1, "a"), leaf(2, "b")]
    with pytest.raises(StaleItem):
        resolve_conflict(conflict(*leaves), record(*leaves, leaf(3, "d")), "c")


def test_the_others_give_way() -> None:
    records = {entity: record(leaf(place, "same"), entity=entity) for place, entity in enumerate((ONE, TWO, THREE))}
    leaves = tuple(each.slot("printer").leaves[0] for each in records.values())
    item = InboxItem("duplicate", ONE, "place", "1", "printer", leaves, tuple(records), FieldlineError("told"))
    edits = resolve_clash(item, TWO, records, load_builtin_schema("service-centre"))
    assert [(edit.entity, edit.value) for edit in edits] == [(ONE, None), (THREE, None)]


def test_who_cannot_do_without_it_is_retired() -> None:
    records = {entity: record(leaf(place, "Lane 1"), entity=entity) for place, entity in enumerate((ONE, TWO))}
    leaves = tuple(each.slot("printer").leaves[0] for each in records.values())
    item = InboxItem("duplicate", ONE, "place", "1", "name", leaves, tuple(records), FieldlineError("told"))
    edits = resolve_clash(item, ONE, records, load_builtin_schema("service-centre"))
    assert [(edit.entity, edit.property, edit.value) for edit in edits] == [(TWO, "retired", True)]


def test_to_retire_again_names_what_is_known_by_then() -> None:
    name_leaf = leaf(1, "a")
    assert name_leaf.fact in retire_entity(record(name_leaf)).obsoletes
    assert unretire_entity(record(name_leaf)).value is False


def test_people_and_devices_are_counted_once_an_item() -> None:
    items = [conflict(leaf(1, "a"), leaf(2, "b")), conflict(leaf(3, "a", "Jones"), leaf(4, "b", device=TWO))]
    assert count_users(items) == {"Maier": 2, "Jones": 1}
    assert count_devices(items) == {ONE: 2, TWO: 1}

"""Before and after: only what differs is set off, and colours have signs."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.member_values import ROLE_PROPERTY
from core.schema import RETIRED, Property
from core.store.queries.fact_diffs import FactDiff
from core.succession import SUCCESSION_PREFIX
from core.value_codec import Value
from tui.layout import line_width
from tui.view_models.form import NO_NAMES
from tui.view_models.value_diff import change_text, diff_block, key_changes, word_spans

PRINTER = Property("printer", labels={"en": "Printer"})
ASSIGNED = Property("assignments", labels={"en": "Assignments"})


def text(line: list[tuple[str, str]]) -> str:
    return "".join(part for part, _role in line)


def _shown(prop: Property, old: Value, new: Value, had_value: bool, **more: bool) -> str:
    return text(change_text(prop, FactDiff(b"f", b"e", prop.name, old, new, had_value, **more), NO_NAMES))


def test_only_the_word_that_differs_is_set_off() -> None:
    before, after = word_spans("Acme LookNice 5030", "Acme LookNice 5031")
    assert before == [("Acme LookNice ", "removed"), ("5030", "removed-part")]
    assert after == [("Acme LookNice ", "added"), ("5031", "added-part")]


def test_values_that_have_nothing_in_common_are_shown_whole() -> None:
    assert word_spans("Brix", "Acme") == ([("Brix", "removed")], [("Acme", "added")])


@given(st.text("ab .1/", max_size=20), st.text("ab .1/", max_size=20))
def test_no_letter_is_lost(old: str, new: str) -> None:
    before, after = word_spans(old, new)
    assert (text(before), text(after)) == (old, new)


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        ("Acme", "Brix 60", "Printer → Brix 60"),
        (None, "Brix 60", "Printer → Brix 60"),
        ("Acme", None, "Printer → unset"),
        ("Acme", "Acme", "Printer Acme kept"),
    ],
)
def test_a_row_says_the_new_value(old: Value, new: Value, shown: str) -> None:
    assert _shown(PRINTER, old, new, old is not None) == shown


def test_a_row_says_the_keys_that_came_and_went() -> None:
    old, new = json.dumps({"a": 1, "lab1": 9, "c": 2}), json.dumps({"a": 1, "lab2": 30, "c": 3})
    assert _shown(ASSIGNED, old, new, True) == "Assignments +lab2 −lab1 ~c"
    assert _shown(ASSIGNED, ("x", "y"), ("y", "z"), True) == "Assignments +z −x"


def test_a_row_says_that_something_was_retired() -> None:
    prop = Property(RETIRED, type="boolean")
    assert _shown(prop, None, True, False) == "retired"
    assert _shown(prop, True, False, True) == "put back in use"


def test_of_json_only_the_keys_that_differ_are_shown_with_their_signs() -> None:
    old, new = json.dumps({"a": 1, "b": 2, "lab1": 9}), json.dumps({"a": 1, "b": 3})
    lines = diff_block(ASSIGNED, old, new, NO_NAMES, True, 30)
    assert [text(line) for line in lines] == ["− lab1  9", "− b  2", "+ b  3", "= 1 key the same"]
    assert [line[0][1] for line in lines] == ["removed", "removed", "added", "dim"]


@pytest.mark.parametrize("value", ["{", "[1", '{"a": ' * 3000, "7", "true", "{}"])
def test_what_is_no_json_object_is_compared_as_text(value: str) -> None:
    assert key_changes(ASSIGNED, value, value + "x", NO_NAMES) is None


@given(st.text(max_size=60), st.text(max_size=60), st.integers(10, 40))
def test_no_line_is_too_wide_and_each_text_begins_with_its_sign(old: str, new: str, width: int) -> None:
    lines = diff_block(PRINTER, old, new, NO_NAMES, True, width)
    assert all(line_width(line) <= width for line in lines)
    assert text(lines[0]).startswith("−")
    assert any(text(line).startswith("+") for line in lines)


@pytest.mark.parametrize(
    ("new", "is_reopened", "shown"),
    [
        ("Acme", False, "Printer Acme undone"),
        ("Acme", True, "Printer Acme undone, in conflict again"),
        ("Brix", False, "Printer → Brix"),
        ("Brix", True, "Printer → Brix, in conflict again"),
    ],
)
def test_a_row_says_that_an_undo_opens_a_conflict_again(new: str, is_reopened: bool, shown: str) -> None:
    assert _shown(PRINTER, "Acme", new, True, is_withdrawal=True, is_reopened=is_reopened) == shown


def test_a_row_says_in_words_that_a_device_has_a_new_key() -> None:
    role = Property(ROLE_PROPERTY, labels={"en": "Role"})
    assert _shown(role, None, f"{SUCCESSION_PREFIX}00:11", False) == "has a new key"
    assert _shown(PRINTER, None, f"{SUCCESSION_PREFIX}00:11", False) == f"Printer → {SUCCESSION_PREFIX}00:11"

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.sort_order import natural_key, sort_key
from core.table_file import escape_cell, format_csv_line, unescape_cell


@pytest.mark.parametrize(
    "ordered",
    [
        ["Lane 1", "Lane 2", "Lane 10"],
        ["10.24.2.0", "10.24.10.0"],
        ["Arzt", "Ärzte", "Zebra"],
        ["lane", "Lane 1"],
        ["", "1", "a"],
    ],
)
def test_numbers_are_in_the_order_of_their_values_and_letters_beside_their_accented_forms(ordered: list[str]) -> None:
    mixed = [ordered[-1], *ordered[:-1]]
    assert sorted(mixed, key=natural_key) == ordered


@pytest.mark.parametrize(
    ("type_name", "ordered"),
    [
        ("integer", [-10, -9, 2, 10]),
        ("decimal", ["-1.5", "1.25", "1.3", "1e3"]),
        ("ip-address", ["9.0.0.1", "10.0.0.1", "::1", "fe80::1"]),
        ("ip-network", ["10.0.0.0/8", "10.0.0.0/24", "10.0.1.0/24", "::/0"]),
        ("boolean", [False, True]),
        ("integer", [2, 10, "1", "x"]),
    ],
)
def test_values_are_in_the_order_of_their_type_and_what_is_not_of_it_is_last(
    type_name: str, ordered: list[str | int]
) -> None:
    mixed = [ordered[-1], *ordered[:-1]]
    assert sorted(mixed, key=lambda value: sort_key(type_name, value, str(value))) == ordered


@given(st.lists(st.text(), max_size=8))
def test_any_texts_can_be_sorted(texts: list[str]) -> None:
    sorted(texts, key=natural_key)


@given(st.integers(0), st.integers(0), st.sampled_from(["", "0", "00"]))
def test_numbers_of_any_length_are_in_the_order_of_their_values(one: int, other: int, zeros: str) -> None:
    if one != other:
        assert (natural_key(f"Lane {zeros}{one} a") < natural_key(f"Lane {other} a")) == (one < other)


@given(*[st.text(alphabet=st.characters(exclude_categories=["Cs"]))] * 2)
def test_sqlite_has_the_same_order(one: str, other: str) -> None:
    keys = [natural_key(one), natural_key(other)]
    assert (keys[0] < keys[1]) == (keys[0].encode() < keys[1].encode())


@given(st.one_of(st.text(), st.from_regex(r"'{0,3}[=+@\-\t\r'][0-9a.]*", fullmatch=True)))
def test_what_is_escaped_for_a_spreadsheet_is_read_as_it_was(text: str) -> None:
    assert unescape_cell(escape_cell(text)) == text


@pytest.mark.parametrize("text", ["=1+1", "+49 431 1", "-x", "@SUM(A1)", "\t=1", "'=1"])
def test_a_spreadsheet_finds_no_formula(text: str) -> None:
    assert format_csv_line([text]).startswith(("'" + text[0], "\"'" + text[0]))


@pytest.mark.parametrize("text", ["-5", "-0.5", "5", "it's", "a=b", ""])
def test_what_is_no_formula_stays_as_it_is(text: str) -> None:
    assert escape_cell(text) == text


@pytest.mark.parametrize(
    ("text", "key"),
    [("Lane 10", "lane 210"), ("Lane 010", "lane 210\0lane 010"), ("0", "10"), ("Käse", "kase\0käse")],
)
def test_the_text_stands_behind_the_key_only_where_that_does_not_tell_it(text: str, key: str) -> None:
    assert natural_key(text) == key

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Refused
from core.seen_column import Seen, SeenCell, cell_digest, format_seen, parse_seen, seen_cell, short_fact
from core.table_file import format_csv_line, read_table

FACTS = st.lists(st.binary(min_size=34, max_size=34), max_size=3)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,9}", fullmatch=True)


@given(st.binary(min_size=16, max_size=16), st.dictionaries(NAMES, st.tuples(st.text(), FACTS), max_size=5))
def test_what_was_seen_is_read_as_it_was_written(entity: bytes, cells: dict[str, tuple[str, list[bytes]]]) -> None:
    seen = Seen(entity, {name: seen_cell(text, facts) for name, (text, facts) in cells.items()})
    assert parse_seen(format_seen(seen)) == seen


@given(st.one_of(st.text(), st.integers(), st.none(), st.lists(st.text())))
def test_whatever_else_stands_there_is_refused(text: object) -> None:
    with pytest.raises(Refused):
        parse_seen(text)


@given(st.text())
def test_a_cell_is_known_again_after_a_spreadsheet_has_written_it(text: str) -> None:
    (row,) = read_table("a,b\r\n" + format_csv_line([text, "x"]).removesuffix("\n") + "\r\n")
    stored = row.values.get("a", "")
    assert cell_digest("-" if stored is None else stored) == cell_digest(text)


def test_a_cell_that_was_edited_is_another_one() -> None:
    assert cell_digest("Lane 1") == cell_digest(" Lane 1\r\n")
    assert cell_digest("Lane 1") != cell_digest("Lane  1")
    assert cell_digest(None) != cell_digest("")
    assert cell_digest({"ref": "a:b"}) != cell_digest({"ref": "a:c"})


def test_facts_of_one_change_stay_apart() -> None:
    change = bytes(32)
    assert short_fact(change + b"\0\1") != short_fact(change + b"\0\2")
    assert seen_cell("x", []) == SeenCell()

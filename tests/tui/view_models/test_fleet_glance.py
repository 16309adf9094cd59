"""Who holds what, in words, bars and a table."""

from __future__ import annotations

from datetime import UTC

import pytest

from core.store.indexes.holdings import Contact
from core.workspace.holdings import FleetHoldings
from tests.support.opened_app import NOW
from tui.i18n.dates import DateFormatter
from tui.layout import Line, line_width
from tui.view_models.fleet_glance import (
    SHOWN_DAYS,
    FleetGlance,
    busy_line,
    held_bar,
    holds_sentences,
    holds_text,
    people_lines,
    reached_lines,
    table_lines,
)

HQ, K1, K2 = b"H" * 16, b"1" * 16, b"2" * 16
NAMES = {HQ: "HQ", K1: "K1", K2: "K2"}
DATES = DateFormatter(lambda: NOW, UTC)
HOLDINGS = FleetHoldings(
    {HQ: 10, K1: 5, K2: 3},
    {(K1, HQ): 8, (K1, K2): 3},
    {K1: Contact(K1, NOW - 3_600_000_000, "tcp")},
)
GLANCE = FleetGlance(HQ, [HQ, K1, K2], NAMES, HOLDINGS, {K1: [0] * (SHOWN_DAYS - 1) + [4]})


def text_of(lines: list[Line]) -> list[str]:
    return ["".join(text for text, _role in line) for line in lines]


def test_what_a_device_holds_is_said_as_far_as_it_is_known() -> None:
    assert [GLANCE.missing(each) for each in (HQ, K1, K2)] == [0, 2, None]
    assert [holds_text(each) for each in (0, 2, None)] == [
        ("everything", "plain"),
        ("behind by 2", "attention"),
        ("not known", "dim"),
    ]
    (behind, role), (since, _) = holds_sentences(GLANCE, K1, DATES)
    assert "behind by 2 changes" in behind
    assert role == "attention"
    assert "15:45" in since
    assert holds_sentences(GLANCE, K2, DATES) == []


def test_the_table_has_a_number_where_changes_are_missing() -> None:
    lines = text_of(table_lines(GLANCE, 60, 20))
    rows = {line.split()[0]: line.split()[1:] for line in lines[2:]}
    assert rows["HQ"] == ["10", "–", "2", "?"]
    assert rows["K1"] == ["5", "·", "–", "?"]
    assert rows["K2"] == ["3", "·", "·", "–"]
    assert rows["missing"] == ["2"]
    assert table_lines(GLANCE, 20, 20) == []
    assert table_lines(GLANCE, 60, 5) == []


def test_a_bar_shows_what_is_missing_however_little_it_is() -> None:
    for held, total in ((0, 7), (999, 1000), (1000, 1000), (1, 1000)):
        line = held_bar(held, total, 10)
        assert line_width(line) == 10
        assert (line[1][0] != "") == (held < total)


def test_changes_that_reached_others_are_counted() -> None:
    lines = text_of(reached_lines(GLANCE, HQ, 40, 9))
    assert lines[0].split()[0] == "K1"
    assert lines[0].endswith("8 of 10")
    assert "not known" in lines[1]
    assert reached_lines(GLANCE, b"?" * 16, 40, 9) == []


@pytest.mark.parametrize("width", [30, 60, 78, 200])
def test_nothing_is_wider_than_its_room(width: int) -> None:
    people = [("somebody with a long name", 1_234_567), *((f"p{n}", n) for n in range(30, 0, -1))]
    for lines in (table_lines(GLANCE, width, 20), people_lines(people, width, 12), reached_lines(GLANCE, K1, width, 5)):
        assert max((line_width(line) for line in lines), default=0) <= width
        assert len(lines) <= 20


def test_people_who_have_no_room_are_counted() -> None:
    lines = text_of(people_lines([(f"p{n}", 40 - n) for n in range(30)], 60, 8))
    assert len(lines) == 8
    assert "and 24 more" in lines[-1]


def test_how_busy_a_device_was_goes_from_its_first_change_to_now() -> None:
    now = NOW // 900_000_000
    assert busy_line([(now, 1), (now - 100, 9)], NOW, 10).strip("─")[0] == "▇"
    assert busy_line([(now - 100, 9)], NOW, 10)[-1] == "─"
    assert busy_line([], NOW, 10) == ""

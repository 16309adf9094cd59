"""The log by days and months.

Each row has its change, each month its heading, and each bar its day.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from tui.i18n.dates import DateFormatter
from tui.layout import line_width
from tui.view_models.log_calendar import QUARTER_US, LogCalendar
from tui.view_models.log_density import count_density, day_of_bar, density_block, density_line
from tui.view_models.sparkline import bucket_counts, sparkline, tall_bars

DATES = DateFormatter(lambda: 0, UTC)
QUARTERS = st.dictionaries(st.integers(1_500_000, 2_000_000), st.integers(1, 5), max_size=30).map(
    lambda found: sorted(found.items(), reverse=True)
)


def quarter(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp()) * 1_000_000 // QUARTER_US  # type: ignore[arg-type, misc]


@given(QUARTERS)
def test_every_change_has_a_row_of_its_own_and_every_month_a_heading(quarters: list[tuple[int, int]]) -> None:
    calendar = LogCalendar(quarters, DATES)
    rows = [calendar.row_of(index) for index in range(calendar.total)]
    assert [calendar.entry_index(row) for row in rows] == list(range(calendar.total))
    headings = [row for row in range(calendar.row_count) if calendar.month_at(row)]
    assert sorted([*rows, *headings]) == list(range(calendar.row_count))
    assert len(headings) == len(calendar.months)
    assert sum(month.count for month in calendar.months) == calendar.total == sum(day.count for day in calendar.days)


@given(QUARTERS)
def test_a_heading_stands_before_the_first_change_of_its_month(quarters: list[tuple[int, int]]) -> None:
    calendar = LogCalendar(quarters, DATES)
    for month in calendar.months:
        row = calendar.row_of(month.newer)
        assert calendar.month_at(row - 1) == month
        assert calendar.entry_index(row - 1) == month.newer
        index = calendar.day_at(month.newer)
        assert index is not None
        assert calendar.days[index].day.replace(day=1) == month.first


def test_days_begin_at_midnight_of_the_zone() -> None:
    late, early = quarter(2026, 3, 31, 22, 15), quarter(2026, 3, 31, 21, 45)
    here = DateFormatter(lambda: 0, timezone(timedelta(hours=2)))
    calendar = LogCalendar([(late, 1), (early, 2)], here)
    assert [(each.day.month, each.day.day, each.count) for each in calendar.days] == [(4, 1, 1), (3, 31, 2)]
    assert len(LogCalendar([(late, 1), (early, 2)], DATES).days) == 1


@given(QUARTERS.filter(bool), st.integers(20, 200))
def test_no_change_is_left_out_and_each_bar_leads_to_one(quarters: list[tuple[int, int]], width: int) -> None:
    calendar = LogCalendar(quarters, DATES)
    density = count_density(calendar, width)
    assert density is not None
    assert len(density.counts) <= width
    assert sum(density.counts) == calendar.total
    for bar, count in enumerate(density.counts):
        if count:
            day = day_of_bar(calendar, density, bar)
            assert day is not None
            assert density.bar_of(day.day) == bar
    for at in (None, calendar.days[0].day, calendar.days[-1].day):
        assert line_width(density_line(density, at, width + 2)) <= width + 2
        for line in density_block(calendar, density, at, DATES, width + 2):
            assert line_width(line) <= width + 2


def test_an_empty_log_has_no_bars() -> None:
    calendar = LogCalendar([], DATES)
    assert calendar.row_count == 0
    assert count_density(calendar, 80) is None


def test_one_change_is_seen_beside_a_thousand() -> None:
    assert sparkline([0, 1, 1000]) == "─▁▇"
    assert [row[1] for row in tall_bars([1000, 1], 3)][-1] != " "
    assert bucket_counts([0, 5, 10], 0, 10, 2) == [1, 2]


def test_few_bars_are_drawn_wider_and_the_mark_stands_below_its_bar() -> None:
    calendar = LogCalendar([(number * 96, number + 1) for number in range(9, -1, -1)], DATES)
    density = count_density(calendar, 45)
    assert density is not None and density.columns == 4
    lines = [
        "".join(text for text, _role in line) for line in density_block(calendar, density, date(1970, 1, 3), DATES, 45)
    ]
    assert len(lines[3].rstrip()) == 1 + 10 * 4
    assert (lines[4].index("▲") - 1) // density.columns == 2
    assert "".join(text for text, role in density_line(density, date(1970, 1, 3), 45) if role == "key") == "▄▄▄▄"

"""The changes of a log by day.

Which rows are headings of months, and which days have how many changes. Pure.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from tui.i18n.dates import DateFormatter

QUARTER_US = 900_000_000
"""Microseconds of the parts in which a log is counted: every time zone begins its days with one."""


@dataclass(frozen=True, slots=True)
class DayCount:
    """A day with changes: how many it has, and how many newer ones there are."""

    day: date
    count: int
    newer: int


@dataclass(frozen=True, slots=True)
class Month:
    """A month with changes.

    The first of its days, how many changes it has, and how many newer ones there are.
    """

    first: date
    count: int
    newer: int


class LogCalendar:
    """Days and months of a log, the newest first.

    Rows are its changes with a heading before each month.
    """

    def __init__(self, quarters: Sequence[tuple[int, int]], dates: DateFormatter) -> None:
        """`quarters` are the parts of the log with changes, the newest first.

        (number since 1970, changes).
        """
        days: list[DayCount] = []
        total = 0
        for number, count in quarters:
            time = dates.to_local(number * QUARTER_US)
            day = time.date() if time is not None else date.max
            if days and days[-1].day == day:
                days[-1] = DayCount(day, days[-1].count + count, days[-1].newer)
            else:
                days.append(DayCount(day, count, total))
            total += count
        self.days: Sequence[DayCount] = days
        self.total = total
        self.months = _months(days)
        self._starts = [month.newer + index for index, month in enumerate(self.months)]
        """The row of each month's heading."""

    @property
    def row_count(self) -> int:
        """How many rows there are, headings included."""
        return self.total + len(self.months)

    def month_at(self, row: int) -> Month | None:
        """The month of which a row is the heading; None for the row of a change."""
        index = bisect_right(self._starts, row) - 1
        return self.months[index] if index >= 0 and self._starts[index] == row else None

    def entry_index(self, row: int) -> int:
        """The change of a row, counted from the newest.

        Of a heading the first one below it.
        """
        index = bisect_right(self._starts, row)
        before = self._starts[index - 1] if index else -1
        return row - index + (1 if index and before == row else 0)

    def row_of(self, entry_index: int) -> int:
        """The row of a change, counted from the newest."""
        return entry_index + bisect_right([month.newer for month in self.months], entry_index)

    def day_at(self, entry_index: int) -> int | None:
        """Which of the days a change is on; None without any."""
        index = bisect_right([each.newer for each in self.days], entry_index) - 1
        return index if index >= 0 else None


def _months(days: Sequence[DayCount]) -> list[Month]:
    months: list[Month] = []
    for each in days:
        first = each.day.replace(day=1)
        if months and months[-1].first == first:
            months[-1] = Month(first, months[-1].count + each.count, months[-1].newer)
        else:
            months.append(Month(first, each.count, each.newer))
    return months

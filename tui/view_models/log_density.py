"""How busy each part of the fleet's life was, as bars over a line of time. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from rich.cells import cell_len

from tui.i18n.dates import DateFormatter
from tui.i18n.translate import N_, _, format_number, ngettext
from tui.layout import Line, fit_line, spread
from tui.view_models.log_calendar import DayCount, LogCalendar
from tui.view_models.sparkline import sparkline, tall_bars

TALL_ROWS, MAX_BAR_COLUMNS = 3, 4
_UNITS = ((1, N_("one bar a day")), (7, N_("one bar a week")), (28, N_("one bar in four weeks")))
"""Days of a bar, and how that is said."""
_MIN_LABEL_GAP_COLUMNS = 3


@dataclass(frozen=True, slots=True)
class Density:
    """Counts of equal spans of days, the oldest first.

    `first` is the first day of the first one, `columns` how wide the bar of each is.
    """

    first: date
    days: int
    unit: str
    counts: Sequence[int]
    columns: int = 1

    def bar_of(self, day: date) -> int:
        """The bar that a day is in."""
        return max(0, min(len(self.counts) - 1, (day - self.first).days // self.days))

    def start_of(self, bar: int) -> date:
        """The first day of a bar."""
        return self.first + timedelta(days=bar * self.days)


def count_density(calendar: LogCalendar, width: int) -> Density | None:
    """Count the changes of a log in at most `width` bars; None where there are none."""
    days = [each for each in calendar.days if each.day != date.max]
    if not days or width < 1:
        return None
    first, last = days[-1].day, days[0].day
    span = (last - first).days + 1
    step, unit = next(((step, unit) for step, unit in _UNITS if span <= step * width), (0, ""))
    if not step:
        step, unit = -(-span // width), ""
    counts = [0] * -(-span // step)
    for each in days:
        counts[(each.day - first).days // step] += each.count
    columns = max(1, min(MAX_BAR_COLUMNS, width // len(counts)))
    return Density(first, step, _(unit) if unit else "", counts, columns)


def density_line(density: Density, at: date | None, width: int) -> Line:
    """The bars on one row, that of a day set off."""
    bars = sparkline(density.counts)
    return fit_line([(" ", "plain"), *_with_mark(bars, density, at)], width)


def density_block(
    calendar: LogCalendar, density: Density, at: date | None, dates: DateFormatter, width: int
) -> list[Line]:
    """The bars three rows high, over a line with months, and what they count.

    Args:
        calendar: the log.
        density: its bars.
        at: the day where the cursor is.
        dates: formats times.
        width: the columns that a line may take.
    """
    first, last = density.first, calendar.days[0].day
    top = max(density.counts)
    busiest = _format_day(density.start_of(list(density.counts).index(top)), dates)
    left: Line = [
        (" ", "plain"),
        (
            ngettext("{count} change", "{count} changes", calendar.total).replace(
                "{count}", format_number(calendar.total)
            ),
            "strong",
        ),
        (
            f"  {_format_day(first, dates)} – {_format_day(last, dates)}"
            + (f", {density.unit}" if density.unit else ""),
            "dim",
        ),
    ]
    right: Line = [
        (_("busiest: {when}").format(when=busiest) + "  ", "dim"),
        (format_number(top), "value"),
        (" ", "plain"),
    ]
    lines = [spread(width, left, right)]
    lines += [[(" ", "plain"), *_with_mark(row, density, at)] for row in tall_bars(density.counts, TALL_ROWS)]
    lines.append(_axis_line(density, at, width))
    lines.append(_label_line(density, at, dates, width))
    return lines


def _with_mark(bars: str, density: Density, at: date | None) -> Line:
    drawn = "".join(block * density.columns for block in bars)
    if at is None:
        return [(drawn, "tint")]
    start = density.bar_of(at) * density.columns
    end = start + density.columns
    return [(drawn[:start], "tint"), (drawn[start:end], "key"), (drawn[end:], "tint")]


def _axis_line(density: Density, at: date | None, width: int) -> Line:
    rule = ["─"] * (width - 2)
    for bar in _month_bars(density):
        if bar * density.columns < len(rule):
            rule[bar * density.columns] = "┬"
    if at is None:
        return [(" " + "".join(rule), "line")]
    middle = density.bar_of(at) * density.columns + (density.columns - 1) // 2
    middle = min(middle, len(rule) - 1)
    text = "".join(rule)
    return [(" " + text[:middle], "line"), ("▲", "key"), (text[middle + 1 :], "line")]


def _month_bars(density: Density) -> list[int]:
    """The bars in which a quarter begins, or a month where each has room."""
    every = 1 if len(density.counts) * density.days <= 200 else 3
    found: list[int] = []
    for bar in range(len(density.counts)):
        start, end = density.start_of(bar), density.start_of(bar + 1)
        days = [start + timedelta(days=step) for step in range((end - start).days)] if density.days <= 28 else []
        if any(day.day == 1 and (day.month - 1) % every == 0 for day in days):
            found.append(bar)
    return found


def _label_line(density: Density, at: date | None, dates: DateFormatter, width: int) -> Line:
    cells = [" "] * width
    end = -_MIN_LABEL_GAP_COLUMNS
    for bar in _month_bars(density):
        last_day = density.start_of(bar + 1) - timedelta(days=1)
        text = dates.month(last_day.replace(day=1))
        start = bar * density.columns + 1
        if start >= end + _MIN_LABEL_GAP_COLUMNS and start + cell_len(text) < width:
            cells[start : start + len(text)] = text
            end = start + cell_len(text)
    return [("".join(cells)[:width], "dim")]


def _format_day(day: date, dates: DateFormatter) -> str:
    return dates.calendar_day(day)


def day_of_bar(calendar: LogCalendar, density: Density, bar: int) -> DayCount | None:
    """The newest day with changes in a bar, or the next older one.

    None where there is none.
    """
    end = density.start_of(bar + 1)
    return next((each for each in calendar.days if each.day < end), None)

"""Times as people read them: short, in the zone and the language of whoever looks.

Times are integers, microseconds since 1970 UTC, as in the facts. Only absolute times are shown, or days: a text such
as "3 minutes ago" would have to be written to the terminal again and again while nobody does anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

from core.timestamps import is_repeated
from tui.i18n.translate import N_, _, language, ngettext

Clock = Callable[[], int]

_MONTHS = (
    N_("Jan"), N_("Feb"), N_("Mar"), N_("Apr"), N_("May"), N_("Jun"),
    N_("Jul"), N_("Aug"), N_("Sep"), N_("Oct"), N_("Nov"), N_("Dec"),
)  # fmt: skip
_DAYS = (N_("Mon"), N_("Tue"), N_("Wed"), N_("Thu"), N_("Fri"), N_("Sat"), N_("Sun"))
_DAY = {"en": "{day} {name}", "de": "{day}.{month}."}
_DATE = {"en": "{day} {name} {year}", "de": "{day}.{month}.{year}"}
"""How each language writes a date: no words, and so not in the catalogues."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


_CLOCK_ERRORS = {"behind": N_("clock slow"), "ahead": N_("clock fast")}


def with_clock_error(text: str, error: str | None) -> str:
    """A moment with what is wrong with the clock that gave it, in words.

    See `core.slots.Clock`.
    """
    return text if error is None else f"{text} ({_(_CLOCK_ERRORS[error])})"


def mark_clock_error(text: str, error: str | None) -> str:
    """A moment in a narrow column, marked if the clock that gave it was wrong."""
    return text if error is None else f"?{text}"


@dataclass(frozen=True, slots=True)
class DateFormatter:
    """Format times in `zone` (None: the machine's) by the watch `clock()`."""

    clock: Clock
    zone: tzinfo | None = None

    def to_local(self, at_us: int) -> datetime | None:
        """The time in the zone; None where a calendar has no such date."""
        try:
            return (_EPOCH + timedelta(microseconds=at_us)).astimezone(self.zone)
        except (OverflowError, ValueError):
            return None

    def short(self, at_us: int) -> str:
        """At most 11 columns: time today, weekday and time in a week, else the date."""
        if (found := self._time_and_age(at_us)) is None:
            return "?"
        time, days = found
        if days == 0:
            return f"{time:%H:%M}"
        if 0 < days < 7:
            return f"{_(_DAYS[time.weekday()])} {time:%H:%M}"
        is_this_year = days > 0 and (now := self.to_local(self.clock())) is not None and time.year == now.year
        return self._day(time) if is_this_year else self._date(time)

    def brief(self, at_us: int) -> str:
        """At most 9 columns: time, weekday, day in a year, else month and year."""
        if (found := self._time_and_age(at_us)) is None:
            return "?"
        time, days = found
        if days == 0:
            return f"{time:%H:%M}"
        if 0 < days < 7:
            return _(_DAYS[time.weekday()])
        return self._day(time) if 0 < days < 300 else f"{_(_MONTHS[time.month - 1])} {time.year}"

    def day(self, at_us: int) -> str:
        """At most 11 columns: the date."""
        time = self.to_local(at_us)
        return "?" if time is None else self._date(time)

    def month(self, day: date) -> str:
        """The month of a day, and its year in January."""
        name = _(_MONTHS[day.month - 1])
        return f"{name} {day.year}" if day.month == 1 else name

    def month_and_year(self, day: date) -> str:
        """The month of a day with its year."""
        return f"{_(_MONTHS[day.month - 1])} {day.year}"

    def calendar_day(self, day: date) -> str:
        """At most 11 columns: a day with its year."""
        return _format_date(_DATE, datetime(day.year, day.month, day.day, tzinfo=UTC))

    def weekday(self, at_us: int) -> str:
        """6 columns: the weekday, and the day of the month."""
        time = self.to_local(at_us)
        return "?" if time is None else f"{_(_DAYS[time.weekday()]):<3} {time.day:>2}"

    def calendar_date(self, at_us: int) -> date | None:
        """The day of a time in the zone; None where a calendar has no such date."""
        time = self.to_local(at_us)
        return None if time is None else time.date()

    def clock_time(self, at_us: int) -> str:
        """5 columns: hour and minute.

        In an hour that comes twice 12, with the offset.
        """
        time = self.to_local(at_us)
        return "?" if time is None else f"{time:%H:%M}{self._offset(time)}"

    def days_ago(self, at_us: int) -> str:
        """How many days ago it was: today, yesterday, 3 days ago.

        The date of what is in the future.
        """
        if (found := self._time_and_age(at_us)) is None:
            return "?"
        time, days = found
        if days < 0:
            return self._date(time)
        if days < 2:
            return _("yesterday") if days else _("today")
        return ngettext("{count} day ago", "{count} days ago", days)

    def _time_and_age(self, at_us: int) -> tuple[datetime, int] | None:
        """The time, and how many days ago it was, negative in the future.

        None where a calendar has no such date.
        """
        time, now = self.to_local(at_us), self.to_local(self.clock())
        return None if time is None or now is None else (time, (now.date() - time.date()).days)

    def dated(self, at_us: int) -> str:
        """At most 17 columns: date and time to the minute.

        In an hour that comes twice 24, with the offset.
        """
        time = self.to_local(at_us)
        return "?" if time is None else f"{self._date(time)} {time:%H:%M}{self._offset(time)}"

    def full(self, at_us: int) -> str:
        """At most 20 columns: date and time to the second.

        In an hour that comes twice 27, with the offset.
        """
        time = self.to_local(at_us)
        return "?" if time is None else f"{self._date(time)} {time:%H:%M:%S}{self._offset(time)}"

    def _offset(self, time: datetime) -> str:
        """Which of the two it is, where the clock shows this time twice; else empty."""
        return _format_offset(time) if is_repeated(time.replace(tzinfo=None), self.zone) else ""

    @staticmethod
    def _day(time: datetime) -> str:
        return _format_date(_DAY, time)

    @staticmethod
    def _date(time: datetime) -> str:
        return _format_date(_DATE, time)


def _format_offset(time: datetime) -> str:
    digits = f"{time:%z}"
    return f" {digits[:3]}:{digits[3:5]}"


def _format_date(patterns: Mapping[str, str], time: datetime) -> str:
    pattern = patterns.get(language(), patterns["en"])
    return pattern.format(day=time.day, month=time.month, year=time.year, name=_(_MONTHS[time.month - 1]))

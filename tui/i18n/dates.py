"""Times as people read them: short, in the zone and the language of whoever looks.

Times are integers, microseconds since 1970 UTC, as in the facts. Only absolute times are shown: a text such as "3
minutes ago" would have to be written to the terminal again and again while nobody does anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from tui.i18n.translate import N_, _, language

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


@dataclass(frozen=True, slots=True)
class DateFormatter:
    """Formats times for somebody in `zone` (None: the machine's own) whose watch shows `clock()`."""

    clock: Clock
    zone: tzinfo | None = None

    def to_local(self, at: int) -> datetime | None:
        """The time in the zone; None where a calendar has no such date."""
        try:
            return (_EPOCH + timedelta(microseconds=at)).astimezone(self.zone)
        except (OverflowError, ValueError):
            return None

    def short(self, at: int) -> str:
        """At most 11 columns: the time today, the weekday and time within a week, else the date."""
        timestamp_us, now = self.to_local(at), self.to_local(self.clock())
        if timestamp_us is None or now is None:
            return "?"
        days = (now.date() - timestamp_us.date()).days
        if days == 0:
            return f"{timestamp_us:%H:%M}"
        if 0 < days < 7:
            return f"{_(_DAYS[timestamp_us.weekday()])} {timestamp_us:%H:%M}"
        if days > 0 and timestamp_us.year == now.year:
            return self._day(timestamp_us)
        return self._date(timestamp_us)

    def brief(self, at: int) -> str:
        """At most 9 columns: the time today, the weekday within a week, the day within a year, else month and year."""
        timestamp_us, now = self.to_local(at), self.to_local(self.clock())
        if timestamp_us is None or now is None:
            return "?"
        days = (now.date() - timestamp_us.date()).days
        if days == 0:
            return f"{timestamp_us:%H:%M}"
        if 0 < days < 7:
            return _(_DAYS[timestamp_us.weekday()])
        if 0 < days < 300:
            return self._day(timestamp_us)
        return f"{_(_MONTHS[timestamp_us.month - 1])} {timestamp_us.year}"

    def dated(self, at: int) -> str:
        """At most 17 columns: date and time to the minute."""
        timestamp_us = self.to_local(at)
        return "?" if timestamp_us is None else f"{self._date(timestamp_us)} {timestamp_us:%H:%M}"

    def full(self, at: int) -> str:
        """At most 20 columns: date and time to the second."""
        timestamp_us = self.to_local(at)
        return "?" if timestamp_us is None else f"{self._date(timestamp_us)} {timestamp_us:%H:%M:%S}"

    @staticmethod
    def _day(timestamp_us: datetime) -> str:
        return _format_date(_DAY, timestamp_us)

    @staticmethod
    def _date(timestamp_us: datetime) -> str:
        return _format_date(_DATE, timestamp_us)


def _format_date(patterns: Mapping[str, str], timestamp_us: datetime) -> str:
    pattern = patterns.get(language(), patterns["en"])
    return pattern.format(
        day=timestamp_us.day, month=timestamp_us.month, year=timestamp_us.year, name=_(_MONTHS[timestamp_us.month - 1])
    )

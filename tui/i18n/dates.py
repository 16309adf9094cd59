"""Moments as people read them: short, in the zone and the language of whoever looks.

Times are integers, microseconds since 1970 UTC, as in the facts. Only absolute times are shown: a text such as "3
minutes ago" would have to be written to the terminal again and again while nobody does anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from core.timestamps import is_repeated
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
    """Writes moments for somebody in `zone` (None: the machine's own) whose watch shows `clock()`."""

    clock: Clock
    zone: tzinfo | None = None

    def to_local(self, at: int) -> datetime | None:
        """The moment in the zone, or None where a calendar cannot say it."""
        try:
            return (_EPOCH + timedelta(microseconds=at)).astimezone(self.zone)
        except (OverflowError, ValueError):
            return None

    def short(self, at: int) -> str:
        """At most 11 columns: the time today, the weekday and time within a week, else the date."""
        moment, now = self.to_local(at), self.to_local(self.clock())
        if moment is None or now is None:
            return "?"
        days = (now.date() - moment.date()).days
        if days == 0:
            return f"{moment:%H:%M}"
        if 0 < days < 7:
            return f"{_(_DAYS[moment.weekday()])} {moment:%H:%M}"
        if days > 0 and moment.year == now.year:
            return self._day(moment)
        return self._date(moment)

    def brief(self, at: int) -> str:
        """At most 9 columns: the time today, the weekday within a week, the day within a year, else month and year."""
        moment, now = self.to_local(at), self.to_local(self.clock())
        if moment is None or now is None:
            return "?"
        days = (now.date() - moment.date()).days
        if days == 0:
            return f"{moment:%H:%M}"
        if 0 < days < 7:
            return _(_DAYS[moment.weekday()])
        if 0 < days < 300:
            return self._day(moment)
        return f"{_(_MONTHS[moment.month - 1])} {moment.year}"

    def dated(self, at: int) -> str:
        """At most 17 columns: date and time to the minute; in an hour that comes twice 24, with the offset."""
        moment = self.to_local(at)
        return "?" if moment is None else f"{self._date(moment)} {moment:%H:%M}{self._offset(moment)}"

    def full(self, at: int) -> str:
        """At most 20 columns: date and time to the second; in an hour that comes twice 27, with the offset."""
        moment = self.to_local(at)
        return "?" if moment is None else f"{self._date(moment)} {moment:%H:%M:%S}{self._offset(moment)}"

    def _offset(self, moment: datetime) -> str:
        """Which of the two it is, where the clock shows this time twice; else empty."""
        return _format_offset(moment) if is_repeated(moment.replace(tzinfo=None), self.zone) else ""

    @staticmethod
    def _day(moment: datetime) -> str:
        return _format_date(_DAY, moment)

    @staticmethod
    def _date(moment: datetime) -> str:
        return _format_date(_DATE, moment)


def _format_offset(moment: datetime) -> str:
    digits = f"{moment:%z}"
    return f" {digits[:3]}:{digits[3:5]}"


def _format_date(patterns: Mapping[str, str], moment: datetime) -> str:
    pattern = patterns.get(language(), patterns["en"])
    return pattern.format(day=moment.day, month=moment.month, year=moment.year, name=_(_MONTHS[moment.month - 1]))

"""How good the cable to a device was in the last sessions. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui.i18n.dates import DateFormatter
from tui.i18n.translate import _, format_number, ngettext
from tui.layout import Column, Line, layout_columns, rule_line
from tui.view_models.sparkline import sparkline

if TYPE_CHECKING:
    from core.service.cable_log import CableSession

_LABEL_COLUMNS, _NUMBER_COLUMNS = 15, 14
_MIN_DATE_COLUMNS = 11


def quality_lines(sessions: Sequence[CableSession], dates: DateFormatter, width: int, height: int) -> list[Line]:
    """Draw a head, and the rate and the errors of sessions with one device.

    Args:
        sessions: the last ones, the latest first; none for a device that was never at a cable.
        dates: formats times.
        width: the columns that a line may take.
        height: the lines that there are.
    """
    if not sessions or height < 5:
        return []
    context = ngettext("{count} session", "{count} sessions", len(sessions))
    lines: list[Line] = [rule_line(width + 1, [(_("Cable"), "strong"), (f"  {context}", "dim")])[1:]]
    older = list(reversed(sessions))
    latest, sent = sessions[0], sum(each.sent for each in sessions)
    resent, corrected = sum(each.resent for each in sessions), sum(each.corrected for each in sessions)
    again = _("{count} of {total}").format(count=format_number(resent), total=format_number(sent))
    rows = (
        (_("rate"), _bit_rate(latest.bits_per_second), [each.bits_per_second for each in older], False),
        (_("bits corrected"), format_number(corrected), [each.corrected for each in older], bool(corrected)),
        (_("sent again"), again, [each.resent for each in older], bool(resent)),
    )
    room = max(1, width - _LABEL_COLUMNS - _NUMBER_COLUMNS - 3)
    for label, number, counts, is_worse in rows:
        cells = [
            Column(label, _LABEL_COLUMNS, "dim"),
            Column(number, _NUMBER_COLUMNS, "value"),
            Column(sparkline(counts[-room:]), None, "attention" if is_worse else "tint"),
        ]
        lines.append([(" ", "plain"), *layout_columns(width - 1, cells)])
    ended, role = (_("complete"), "value") if latest.is_complete else (_("broken off"), "attention")
    cells = [Column(_("the last"), _LABEL_COLUMNS, "dim"), Column(ended, _NUMBER_COLUMNS, role)]
    cells.append(Column(dates.short(latest.at_us) if room >= _MIN_DATE_COLUMNS else "", None, "dim"))
    return [*lines, [(" ", "plain"), *layout_columns(width - 1, cells)]]


def quality_text(sessions: Sequence[CableSession]) -> str:
    """The same in a sentence; empty without sessions."""
    if not sessions:
        return ""
    corrected = sum(each.corrected for each in sessions)
    text = ngettext("Cable, {count} session", "Cable, {count} sessions", len(sessions))
    more = ngettext("{count} bit corrected", "{count} bits corrected", corrected)
    return f"{text}: {_bit_rate(sessions[0].bits_per_second)} · {more}"


def _bit_rate(bits_per_second: int) -> str:
    return _("{count} bit/s").format(count=format_number(bits_per_second))

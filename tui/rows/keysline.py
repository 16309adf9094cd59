"""The last line of every screen: the keys that act now, and which of them is where on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tui import commands
from tui.commands import Command
from tui.language.i18n import _
from tui.rows.lines import Line, spread, width_of


def keys_line(width: int, offered: Iterable[Command], why_not: dict[str, str], typing: bool = False) -> Line:
    """The keys that act now, those that cannot act dimmed; help always stands at its end.

    While somebody is `typing`, letters are text: then help has another key.
    """
    line: Line = []
    for command, lead, key, label in _fitting(width, offered, typing):
        roles = ("dim", "dim") if command.name in why_not else ("strong", "plain")
        line += [(lead, "plain"), (key, roles[0]), (label, roles[1])]
    return spread(width, line, _help(typing))


def key_at(column: int, width: int, offered: Iterable[Command], typing: bool = False) -> str | None:
    """The key that stands in a column of that line; None between two of them."""
    end = 0
    for command, lead, key, label in _fitting(width, offered, typing):
        start = end + len(lead)
        end = start + width_of([(key + label, "plain")])
        if start <= column < end:
            return command.keys[0]
    return _help_key(typing) if column >= width - width_of(_help(typing)) else None


def _help_key(typing: bool) -> str | None:
    keys = commands.find(("everywhere",), "help").keys
    return next((key for key in keys if not typing or len(commands.key_name(key)) > 1), None)


def _help(typing: bool) -> Line:
    key = _help_key(typing)
    return [(commands.key_name(key), "strong"), (" " + _("help") + " ", "plain")] if key else []


def _fitting(width: int, offered: Iterable[Command], typing: bool) -> Iterator[tuple[Command, str, str, str]]:
    """The commands that have room, each with what stands before it, its key and its label."""
    room = width - width_of(_help(typing)) - 1
    lead = " "
    for command in offered:
        if not command.label or not command.keys:
            continue
        key, label = commands.key_name(command.keys[0]), " " + _(command.label)
        taken = width_of([(lead + key + label, "plain")])
        if taken > room:
            break
        yield command, lead, key, label
        room -= taken
        lead = "  "

"""The last line of every screen: the keys that act now, and which of them is where on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tui import commands
from tui.commands import Command
from tui.language.i18n import _
from tui.rows.lines import Line, spread, width_of


def keys_line(width: int, offered: Iterable[Command], why_not: dict[str, str]) -> Line:
    """The keys that act now, those that cannot act dimmed; help always stands at its end."""
    line: Line = []
    for command, lead, key, label in _fitting(width, offered):
        roles = ("dim", "dim") if command.name in why_not else ("strong", "plain")
        line += [(lead, "plain"), (key, roles[0]), (label, roles[1])]
    return spread(width, line, _help())


def key_at(column: int, width: int, offered: Iterable[Command]) -> str | None:
    """The key that stands in a column of that line; None between two of them."""
    end = 0
    for command, lead, key, label in _fitting(width, offered):
        start = end + len(lead)
        end = start + width_of([(key + label, "plain")])
        if start <= column < end:
            return command.keys[0]
    return commands.find(("everywhere",), "help").keys[0] if column >= width - width_of(_help()) else None


def _help() -> Line:
    return [("?", "strong"), (" " + _("help") + " ", "plain")]


def _fitting(width: int, offered: Iterable[Command]) -> Iterator[tuple[Command, str, str, str]]:
    """The commands that have room, each with what stands before it, its key and its label."""
    room = width - width_of(_help()) - 1
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

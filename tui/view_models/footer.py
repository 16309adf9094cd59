"""The last line of every screen.

The keys that act now, and which of them is where on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tui import commands
from tui.commands import Command
from tui.i18n.translate import _
from tui.layout import Line, line_width, spread


def footer_line(width: int, available: Iterable[Command], disabled: dict[str, str], is_typing: bool = False) -> Line:
    """The keys that act now, those that cannot act dimmed.

    Help always stands at its end.

    Args:
        width: the columns that a line may take.
        available: the commands of the screen, in the order shown.
        disabled: names of those that cannot act, with the reason.
        is_typing: whether letters are text: then help has another key.
    """
    line: Line = []
    for command, lead, key, label in _fitting_commands(width, available, is_typing):
        roles = ("off", "off") if command.name in disabled else ("key", "plain")
        line += [(lead, "plain"), (key, roles[0]), (label, roles[1])]
    return spread(width, line, _help_part(is_typing))


def footer_key_at(column: int, width: int, available: Iterable[Command], is_typing: bool = False) -> str | None:
    """The key that stands in a column of that line; None between two of them.

    Args:
        column: of the line, from 0.
        width: the columns that a line may take.
        available: the commands of the screen, in the order shown.
        is_typing: whether letters are text: then help has another key.
    """
    end = 0
    for command, lead, key, label in _fitting_commands(width, available, is_typing):
        start = end + len(lead)
        end = start + line_width([(key + label, "plain")])
        if start <= column < end:
            return command.keys[0]
    return _find_help_key(is_typing) if column >= width - line_width(_help_part(is_typing)) else None


def _find_help_key(typing: bool) -> str | None:
    keys = commands.find_command(("everywhere",), "help").keys
    return next((key for key in keys if not typing or len(commands.format_key(key)) > 1), None)


def _help_part(typing: bool) -> Line:
    key = _find_help_key(typing)
    return [(commands.format_key(key), "key"), (" " + _("help") + " ", "plain")] if key else []


def _fitting_commands(width: int, offered: Iterable[Command], typing: bool) -> Iterator[tuple[Command, str, str, str]]:
    """The commands that have room, each with what precedes it, key and label."""
    room = width - line_width(_help_part(typing)) - 1
    lead = " "
    for command in offered:
        if not command.label or not command.keys:
            continue
        key, label = commands.format_key(command.keys[0]), " " + _(command.label)
        taken = line_width([(lead + key + label, "plain")])
        if taken > room:
            break
        yield command, lead, key, label
        room -= taken
        lead = "  "

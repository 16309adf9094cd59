"""The frame of every screen.

Status line, tabs or banner, and what stands in too small a terminal. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len

from tui.i18n.translate import _
from tui.layout import Line, line_width, spread, wrap_text
from tui.view_models.breadcrumbs import shorten_breadcrumb

MIN_COLUMNS, MIN_LINES = 80, 23
"""The smallest terminal in which every function has its place: of 24 lines tmux takes one for itself."""
MIN_READABLE_COLUMNS, MIN_READABLE_LINES = 40, 10
"""The smallest one in which a list can still be read: a phone, or a part of a window."""
_STATUS_GAPS_COLUMNS = 6
"""Columns of the status line between its parts: four before the breadcrumb, one behind it, one at the end."""

Tab = tuple[str, str]
"""The name of a screen, and its label in the language in use."""


def too_small_lines(width: int, height: int) -> list[Line]:
    """What stands instead of everything in a terminal that is too small."""
    text = _("Fieldline needs {width} columns and {height} lines; here are {columns} and {lines}.").format(
        width=MIN_READABLE_COLUMNS, height=MIN_READABLE_LINES, columns=width, lines=height
    )
    more = _("Make the window larger, or its letters smaller: everything is still there.")
    return [[(line, "attention")] for line in wrap_text(text, width)] + [
        [(line, "plain")] for line in wrap_text(more, width)
    ]


def size_hint(width: int, height: int) -> Line:
    """What is missing on a terminal that is too small for all of it.

    It can be read all the same.
    """
    if width >= MIN_COLUMNS and height >= MIN_LINES:
        return []
    text = _("Not all fits: {columns} × {lines} of {width} × {height}.")
    return [(text.format(columns=width, lines=height, width=MIN_COLUMNS, height=MIN_LINES), "attention")]


def status_line(width: int, fleet: str, device: str, breadcrumb: str, items: Line) -> Line:
    """Draw the first line: fleet and device, where we are, and what needs a person.

    Args:
        width: the columns that a line may take.
        fleet: the name of the fleet; empty while it is not known.
        device: the name of this device.
        breadcrumb: where we are; empty for nowhere.
        items: spans with a separator between two; what has no room is left out from the end.
    """
    left: Line = [(f" {fleet}", "strong"), (f" · {device}", "dim")] if fleet else [(" ", "plain")]
    while len(items) > 1 and line_width(left) + cell_len(breadcrumb) + line_width(items) + _STATUS_GAPS_COLUMNS > width:
        items = items[:-2]
    if breadcrumb:
        room = width - line_width(left) - line_width(items) - _STATUS_GAPS_COLUMNS
        left.append(("    " + shorten_breadcrumb(breadcrumb, room), "strong"))
    return spread(width, left, [*items, (" ", "plain")])


def banner_line(width: int, banner: str) -> Line:
    """What stands instead of the tabs while nothing can be edited."""
    return [(f" {banner} ".ljust(width), "banner")]


def tab_line(tabs: Sequence[Tab], current: str) -> Line:
    """The second line: the tabs with their digits, the current one set off."""
    line: Line = [(" ", "plain")]
    for digit, (name, label) in enumerate(tabs, start=1):
        if name == current:
            line.append((f" {digit} {label} ", "current"))
        else:
            name_text, _space, count = label.partition(" ")
            line += [(f" {digit}", "key"), (f" {name_text}", "plain")]
            line += [(f" {count} ", "alert")] if count else [(" ", "plain")]
    return line


def tab_at(column: int, tabs: Sequence[Tab]) -> str | None:
    """The name of the tab in a column of that line; None beside all of them."""
    return next((name for name, start, end in _tab_spans(tabs) if start <= column < end), None)


def _tab_spans(tabs: Sequence[Tab]) -> Iterator[tuple[str, int, int]]:
    """Name, first column and the column behind it of each tab."""
    end = 1
    for digit, (name, label) in enumerate(tabs, start=1):
        start, end = end, end + cell_len(f" {digit} {label} ")
        yield name, start, end

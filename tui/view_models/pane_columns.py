"""The parts of a pane of details: below each other, or in two columns. Pure.

A part is drawn for the columns and the lines that it may take, and is left out where it does not fit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tui.layout import Line, line_width

Part = Callable[[int, int], list[Line]]
"""Draws a part for a width and a height; no lines if there is nothing to say."""

MIN_TWO_COLUMNS = 77
"""Columns from which the parts stand in two columns: those of a screen of 160."""
_GAP_COLUMNS = 3


def column_width(width: int) -> int:
    """The columns that a part gets in a pane of a width."""
    return (width - _GAP_COLUMNS) // 2 if width >= MIN_TWO_COLUMNS else width


def arrange_parts(first: Sequence[Part], second: Sequence[Part], width: int, height: int) -> list[Line]:
    """Draw parts below each other, or in two columns where there is room.

    Args:
        first: the parts at the left.
        second: the parts at the right; in one column they come last.
        width: the columns of the pane.
        height: the lines of the pane.
    """
    if width < MIN_TWO_COLUMNS:
        return stack_parts([*first, *second], width, height)
    column = column_width(width)
    left, right = stack_parts(first, column, height), stack_parts(second, column, height)
    if not left or not right:
        return left or right
    return join_columns(left, right, column)


def stack_parts(parts: Sequence[Part], width: int, height: int) -> list[Line]:
    """Draw parts below each other with a blank line between, as far as they fit."""
    lines: list[Line] = []
    for part in parts:
        gap = 1 if lines else 0
        drawn = part(width, height - len(lines) - gap)
        if drawn and len(lines) + gap + len(drawn) <= height:
            lines += [[]] * gap + drawn
    return lines


def join_columns(left: Sequence[Line], right: Sequence[Line], width: int) -> list[Line]:
    """Two blocks of lines beside each other, the left one `width` columns wide."""
    lines: list[Line] = []
    for index in range(max(len(left), len(right))):
        line = left[index] if index < len(left) else []
        if index < len(right) and right[index]:
            line = [*line, (" " * (width + _GAP_COLUMNS - line_width(line)), "plain"), *right[index]]
        lines.append(line)
    return lines

"""Lines of text in columns, of which every part of a screen is drawn. Pure.

A line is a list of spans, each a text and the role it plays (one of `tui.looks.ROLES`, which say how it looks).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, chop_cells, set_cell_size

Span = tuple[str, str]
Line = list[Span]

_CONTEXT_CHARS = 12  # characters shown before the place where two long texts begin to differ


def line_width(line: Line) -> int:
    """The columns that a line takes."""
    return sum(cell_len(text) for text, _ in line)


def clean_text(text: str) -> str:
    """One line of printable text.

    What somebody else wrote must not steer this terminal.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else "⏎" if char == "\n" else " " for char in text)


def cut(text: str, width: int) -> str:
    """`text` in at most `width` columns, with an ellipsis where it does not fit."""
    text = clean_text(text)
    if cell_len(text) <= width:
        return text
    if width <= 1:
        return "…" * width
    return set_cell_size(text, width - 1).rstrip() + "…"


def fit(text: str, width: int, right: bool = False) -> str:
    """`text` in exactly `width` columns."""
    text = cut(text, width)
    pad = " " * (width - cell_len(text))
    return pad + text if right else text + pad


def fit_line(line: Line, width: int) -> Line:
    """A line in at most `width` columns; blanks at the end are not added."""
    left = width
    fitted: Line = []
    for raw, role in line:
        text = clean_text(raw)
        size = cell_len(text)
        if size > left:
            fitted.append((cut(text, left), role))
            return fitted
        fitted.append((text, role))
        left -= size
    return fitted


@dataclass(frozen=True, slots=True)
class Column:
    """A text in a column of a line.

    `width` columns wide, or all that is left where `width` is None. `tail` stands behind the text, also where that is
    cut.
    """

    text: str
    width: int | None = None
    role: str = "plain"
    right: bool = False
    tail: str = ""


def layout_columns(width: int, cells: Sequence[Column]) -> Line:
    """A line of columns with a blank between them; a column of width 0 is left out."""
    shown = [cell for cell in cells if cell.width != 0]
    fixed = sum(cell.width or 0 for cell in shown) + max(0, len(shown) - 1)
    flexible = sum(1 for cell in shown if cell.width is None)
    rest = max(0, width - fixed)
    line: Line = []
    for index, cell in enumerate(shown):
        if cell.width is None:
            share = rest // flexible
            flexible -= 1
            rest -= share
            size = share
        else:
            size = cell.width
        text = cut(cell.text, max(0, size - cell_len(cell.tail))) + cell.tail if cell.tail else cell.text
        line.append((fit(text, size, cell.right) + (" " if index < len(shown) - 1 else ""), cell.role))
    return fit_line(line, width)


def spread(width: int, left: Line, right: Line) -> Line:
    """A line with one part at the left and one at the right edge.

    The left part gives way.
    """
    right = fit_line(right, width)
    room = width - line_width(right)
    left = fit_line(left, max(0, room - 1))
    return [*left, (" " * (room - line_width(left)), "plain"), *right]


def wrap_text(text: str, width: int) -> list[str]:
    """`text` broken at blanks into lines of at most `width` columns.

    A longer word is broken where a line is full.
    """
    lines: list[str] = []
    current = ""
    for word in clean_text(text).split():
        longer = f"{current} {word}" if current else word
        if cell_len(longer) <= width:
            current = longer
            continue
        if current:
            lines.append(current)
        *full, current = chop_cells(word, width) if width > 1 else [cut(word, width)]
        lines += full
    return [*lines, current] if current else lines


def fit_pair(old: str, new: str, width: int) -> tuple[str, str]:
    """Two texts that fit into `width` columns together.

    Where they do not, what they begin with alike is left out, of the second one first, so that what differs can be
    read.
    """
    old, new = clean_text(old), clean_text(new)
    same = next((at for at, (one, other) in enumerate(zip(old, new, strict=False)) if one != other), None)
    same = min(len(old), len(new)) if same is None else same
    context = max(0, same - _CONTEXT_CHARS)
    word = max(context, old.rfind(" ", 0, same) + 1)
    for old_from, new_from in ((0, 0), (0, context), (0, word), (context, word)):
        before, after = _from_offset(old, old_from), _from_offset(new, new_from)
        if cell_len(before) + cell_len(after) <= width:
            return before, after
    before, after = _from_offset(old, word), _from_offset(new, word)
    left = min(cell_len(before), max(width // 2, width - cell_len(after)))
    return cut(before, left), cut(after, width - left)


def _from_offset(text: str, start: int) -> str:
    return "…" + text[start:] if start > 1 else text


def head_line(width: int, left: Line, right: Line) -> Line:
    """A line over a list: what it is at the left, how it is shown at the right."""
    if not (left or right):
        return []
    start: Line = [(text, "strong" if role == "plain" else role) for text, role in left]
    end: Line = [(text, "dim" if role == "plain" else role) for text, role in right]
    return [*spread(width - 1, [(" ", "plain"), *start], end), (" ", "plain")]


def rule_line(width: int, left: Line | None = None, right: Line | None = None) -> Line:
    """A title with a thin rule to the right edge, at whose end stands its state."""
    end: Line = [(" ", "plain"), *right] if right and line_width(right) else []
    start: Line = [(" ", "plain"), *left, (" ", "plain")] if left else [(" ", "plain")]
    start = fit_line(start, max(0, width - 1 - line_width(end)))
    return [*start, ("─" * max(0, width - 1 - line_width(start) - line_width(end)), "line"), *end]

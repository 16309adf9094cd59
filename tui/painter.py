"""Writes to the terminal only the cells that differ from what it already shows.

A technician may sit at the far end of a 9600-baud line, where every hundred bytes are a tenth of a second. Textual
writes whole regions whenever a widget refreshes; here the last picture is kept cell by cell, as curses does, and a new
one is turned into the shortest sequence of moves, scrolls and texts. Rows that only moved are moved by the terminal
itself (DECSTBM with IL and DL, ECMA-48), which the Linux console and every VT102 descendant understand.

Pure: no terminal is touched here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Cell = tuple[str, str]
"""A character and the parameters of its SGR sequence; the right half of a wide character is an empty string."""
Row = list[Cell]

BLANK: Cell = (" ", "")
UNKNOWN: Cell = ("\0", "")
_GAP = 4  # moving the cursor costs about as much as writing this many unchanged cells
_LEAST_GAIN = 3  # rows that a scroll must save before it is worth its own bytes


class Painter:
    """The picture on a terminal of `width` by `height` cells, as far as it is known."""

    def __init__(self) -> None:
        self._rows: list[Row] = []

    def forget(self) -> None:
        """The terminal's content is not known any more (resized, resumed): the next picture is written in full."""
        self._rows = []

    def row(self, y: int, width: int) -> Row:
        """Row `y` as the terminal shows it."""
        if y < len(self._rows) and len(self._rows[y]) == width:
            return self._rows[y]
        return [UNKNOWN] * width

    def paint(self, rows: Mapping[int, Row], width: int, height: int) -> str:
        """What to write so that the given rows (all `width` cells long) are shown; the other rows stay as they are."""
        if len(self._rows) != height or len(self._rows[0]) != width:
            self._rows = [[UNKNOWN] * width for _ in range(height)]
        wanted = list(self._rows)
        for y, row in rows.items():
            if 0 <= y < height:
                wanted[y] = row
        changed = [y for y in sorted(rows) if 0 <= y < height and self._rows[y] != wanted[y]]
        written = _rewritten(self._rows, wanted, changed)
        if len(changed) > _LEAST_GAIN and (move := _find_scroll(self._rows, wanted, changed)):
            for top, bottom, by in _variants(move, changed):
                moved, sequence = _scrolled(self._rows, top, bottom, by)
                rest = sorted({*changed, *range(top, bottom + 1)})
                written = min(written, sequence + _rewritten(moved, wanted, rest), key=len)
        self._rows = wanted
        return written


def patched(row: Row, x: int, cells: Sequence[Cell]) -> Row:
    """A copy of `row` with `cells` at column `x`; what does not fit is cut off."""
    new = list(row)
    end = min(len(row), x + len(cells))
    if x < end:
        new[x:end] = cells[: end - x]
    return new


def _find_scroll(old: list[Row], new: list[Row], changed: list[int]) -> tuple[int, int, int] | None:
    """`(top, bottom, by)`: the block of rows of the old picture to move up by `by` (down if negative), or None."""
    first, last = changed[0], changed[-1]
    best: tuple[int, int, int] | None = None
    best_gain = _LEAST_GAIN
    for by in range(1, (last - first) // 2 + 1):
        for sign in (by, -by):
            hits = [
                y
                for y in changed
                if first <= y + sign <= last and new[y] == old[y + sign] and any(cell != BLANK for cell in new[y])
            ]
            if len(hits) > best_gain:
                best_gain = len(hits)
                ends = [*hits, *(y + sign for y in hits)]
                best = (min(ends), max(ends), sign)
    return best


def _variants(move: tuple[int, int, int], changed: list[int]) -> list[tuple[int, int, int]]:
    """The block itself, and with the row behind it: a row that moves and changes a little is moved as well."""
    top, bottom, by = move
    longer = (top, bottom + 1, by) if by > 0 else (top - 1, bottom, by)
    return [move, longer] if (bottom + 1 if by > 0 else top - 1) in changed else [move]


def _scrolled(rows: list[Row], top: int, bottom: int, by: int) -> tuple[list[Row], str]:
    """The picture with the rows `top` to `bottom` moved up by `by` (down if negative), and how to tell the terminal."""
    count = abs(by)
    empty = [[BLANK] * len(rows[0]) for _ in range(count)]
    block = rows[top : bottom + 1]
    block = block[count:] + empty if by > 0 else empty + block[:-count]
    verb = ("M" if by > 0 else "L") if count == 1 else f"{count}M" if by > 0 else f"{count}L"
    return [*rows[:top], *block, *rows[bottom + 1 :]], f"\x1b[{top + 1};{bottom + 1}r\x1b[{top + 1}H\x1b[{verb}\x1b[r"


def _rewritten(old: list[Row], new: list[Row], ys: list[int]) -> str:
    """The shortest way to turn these rows of the old picture into those of the new one."""
    return "".join([_rewrite(y, old[y], new[y]) for y in ys if old[y] != new[y]])


def _rewrite(y: int, old: Row, new: Row) -> str:
    """The shortest way to turn the old row into the new one."""
    width = len(new)
    if any(not char for char, _ in old) or any(not char for char, _ in new):
        spans = [(0, width)]  # half of a wide character cannot be written: the whole row is
    else:
        spans = _differing(old, new)
    blank_from = width
    while blank_from and new[blank_from - 1] == BLANK:
        blank_from -= 1
    out: list[str] = []
    at = -1
    for start, end in spans:
        out.append(f"\x1b[{y + 1};{start + 1}H" if at < 0 else f"\x1b[{start - at}C")
        if end - max(start, blank_from) > _GAP:
            # The rest of the row is blank, and blank it may become for certain: erase to its end.
            out.append(_text(new[start:blank_from]) + "\x1b[K")
            break
        out.append(_text(new[start:end]))
        at = end
    return "".join(out)


def _differing(old: Row, new: Row) -> list[tuple[int, int]]:
    """The spans `(start, end)` of cells that differ, those with a short gap between them joined."""
    spans: list[tuple[int, int]] = []
    for x, cell in enumerate(new):
        if cell == old[x]:
            continue
        if spans and x - spans[-1][1] <= _GAP:
            spans[-1] = (spans[-1][0], x + 1)
        else:
            spans.append((x, x + 1))
    return spans


def _text(cells: Sequence[Cell]) -> str:
    """The cells with an SGR sequence wherever the style changes; the style is back to plain at the end."""
    out: list[str] = []
    current = ""
    for char, style in cells:
        if style != current:
            out.append(f"\x1b[0;{style}m" if style and current else f"\x1b[{style}m" if style else "\x1b[m")
            current = style
        out.append(char)
    if current:
        out.append("\x1b[m")
    return "".join(out)

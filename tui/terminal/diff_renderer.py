"""Writes to the terminal only the cells that differ from what it already shows.

A technician may sit at the far end of a 9600-baud line, where every hundred bytes are a tenth of a second. Textual
writes whole regions whenever a widget refreshes; here the last picture is kept cell by cell, as curses does, and a new
one is turned into the shortest sequence of moves, scrolls and texts. Rows that only moved are moved by the terminal
itself (DECSTBM with IL and DL, ECMA-48), which the Linux console and every VT102 descendant understand.

Pure: no terminal is touched here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

Cell = tuple[str, str]
"""A character and the parameters of its SGR sequence; the right half of a wide character is an empty string."""
CellRow = list[Cell]

BLANK: Cell = (" ", "")
UNKNOWN: Cell = ("\0", "")
_LETTER_STYLES = {"1", "2", "3", *(f"{tens}{colour}" for tens in (3, 9) for colour in range(8))}
_ATTRIBUTE_NAMES = {"1": "bold", "2": "dim", "3": "italic", "4": "underline", "7": "reverse", "9": "strike"}
_OFF = {
    "bold": "22", "dim": "22", "italic": "23", "underline": "24", "reverse": "27", "strike": "29", "ink": "39",
    "ground": "49",
}  # fmt: skip
"""How each of them ends (ECMA-48, 8.3.117)."""
_MIN_ERASE_CELLS = 4  # erasing to the end of a row costs about as much as writing this many blanks
_MAX_GAP_CELLS = 12  # unchanged cells that may be shorter to write again than to move over
_MIN_SCROLL_GAIN_ROWS = 3  # rows that a scroll must save before it is worth its own bytes


class DiffRenderer:
    """The picture on a terminal of `width` by `height` cells, as far as it is known."""

    def __init__(self) -> None:
        self._rows: list[CellRow] = []

    def invalidate(self) -> None:
        """The terminal's content is not known any more (resized, resumed).

        The next picture is written in full.
        """
        self._rows = []

    def row(self, y: int, width: int) -> CellRow:
        """Row `y` as the terminal shows it."""
        if y < len(self._rows) and len(self._rows[y]) == width:
            return self._rows[y]
        return [UNKNOWN] * width

    def render(self, rows: Mapping[int, CellRow], width: int, height: int) -> str:
        """What to write so that the given rows (all `width` cells long) are shown.

        The other rows stay as they are.
        """
        if len(self._rows) != height or len(self._rows[0]) != width:
            self._rows = [[UNKNOWN] * width for _ in range(height)]
        wanted = list(self._rows)
        for y, row in rows.items():
            if 0 <= y < height:
                wanted[y] = row
        changed = [y for y in sorted(rows) if 0 <= y < height and self._rows[y] != wanted[y]]
        written = _rewrite_rows(self._rows, wanted, changed)
        if len(changed) > _MIN_SCROLL_GAIN_ROWS and (move := _find_scroll(self._rows, wanted, changed)):
            for top, bottom, by in _variants(move, changed):
                moved, sequence = _scroll_rows(self._rows, top, bottom, by)
                rest = sorted({*changed, *range(top, bottom + 1)})
                written = min(written, sequence + _rewrite_rows(moved, wanted, rest), key=_size)
        self._rows = wanted
        return written


def patch_row(row: CellRow, x: int, cells: Sequence[Cell]) -> CellRow:
    """A copy of `row` with `cells` at column `x`; what does not fit is cut off.

    A blank that looks like any other blank is made the same, so that it need not be written again where only its style
    differs.
    """
    new = list(row)
    end = min(len(row), x + len(cells))
    if x < end:
        fitting = cells[: end - x]
        new[x:end] = [(char, _shown_on_blank(style)) if char == " " else (char, style) for char, style in fitting]
    return new


@lru_cache(maxsize=1024)
def _shown_on_blank(style: str) -> str:
    """What of a style can be seen where nothing is written.

    The colour of letters and their weight cannot.
    """
    if not style or _is_blank_style(style):
        return ""
    attributes = _attributes(style)
    hidden = ("bold", "dim", "italic") if "reverse" in attributes else ("bold", "dim", "italic", "ink")
    return ";".join(code for name, code in attributes.items() if name not in hidden)


@lru_cache(maxsize=1024)
def _is_blank_style(style: str) -> bool:
    """Whether a blank in this style looks like a plain one.

    Bold, dim, italic and the colour of letters do not show.
    """
    codes = iter(style.split(";") if style else ())
    for code in codes:
        if code == "38":
            # A colour of letters in several numbers: 38;5;n or 38;2;r;g;b.
            for _ in range(1 if next(codes, "") == "5" else 3):
                next(codes, None)
        elif code not in _LETTER_STYLES:
            return False
    return True


def _find_scroll(old: list[CellRow], new: list[CellRow], changed: list[int]) -> tuple[int, int, int] | None:
    """Find the block of rows to move up (down if negative) by `by`, or None.

    As `(top, bottom, by)` of the old picture.
    """
    first, last = changed[0], changed[-1]
    best: tuple[int, int, int] | None = None
    best_gain = _MIN_SCROLL_GAIN_ROWS
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
    """The block itself, and with the row behind it.

    A row that moves and changes a little is moved as well.
    """
    top, bottom, by = move
    longer = (top, bottom + 1, by) if by > 0 else (top - 1, bottom, by)
    return [move, longer] if (bottom + 1 if by > 0 else top - 1) in changed else [move]


def _scroll_rows(rows: list[CellRow], top: int, bottom: int, by: int) -> tuple[list[CellRow], str]:
    """Move rows of the picture up by `by`, and say how to tell the terminal.

    The rows `top` to `bottom`; down if negative.
    """
    count = abs(by)
    empty = [[BLANK] * len(rows[0]) for _ in range(count)]
    block = rows[top : bottom + 1]
    block = block[count:] + empty if by > 0 else empty + block[:-count]
    verb = ("M" if by > 0 else "L") if count == 1 else f"{count}M" if by > 0 else f"{count}L"
    return [*rows[:top], *block, *rows[bottom + 1 :]], f"\x1b[{top + 1};{bottom + 1}r\x1b[{top + 1}H\x1b[{verb}\x1b[r"


def _rewrite_rows(old: list[CellRow], new: list[CellRow], ys: list[int]) -> str:
    """The shortest way to turn these old rows into those of the new picture."""
    pen = _Pen()
    for y in ys:
        if old[y] != new[y]:
            _rewrite_row(pen, y, old[y], new[y])
    return pen.finish()


def _rewrite_row(pen: _Pen, y: int, old: CellRow, new: CellRow) -> None:
    """Turn the old row into the new one."""
    width = len(new)
    if any(not char for char, _ in old) or any(not char for char, _ in new):
        spans = [(0, width)]  # half of a wide character cannot be written: the whole row is
    else:
        spans = _differing_spans(old, new)
    blank_from = width
    while blank_from and new[blank_from - 1] == BLANK:
        blank_from -= 1
    at = -1
    for start, end in spans:
        if at < 0:
            pen.go(y, start)
        else:
            pen.skip(new[at:start], new[start])
        if end >= blank_from and spans[-1][1] - max(start, blank_from) > _MIN_ERASE_CELLS:
            # The rest of the row is blank, and blank it may become for certain: erase to its end.
            _write_span(pen, y, start, new[start:blank_from])
            pen.erase()
            return
        _write_span(pen, y, start, new[start:end])
        at = end


def _write_span(pen: _Pen, y: int, x: int, cells: Sequence[Cell]) -> None:
    """Write cells from column `x` on.

    Terminals disagree about the width of a character made of several: behind it the cursor is put where it belongs.
    """
    written = 0
    for index, (char, style) in enumerate(cells):
        if len(char) > 1:
            width = 1 + next((n for n, (half, _) in enumerate(cells[index + 1 :]) if half), len(cells) - index - 1)
            pen.write([*cells[written:index], *[(" ", style)] * width])
            pen.go(y, x + index)
            pen.write([cells[index]])
            written = index + width
            if written < len(cells):
                pen.go(y, x + written)
    pen.write(cells[written:])


def _differing_spans(old: CellRow, new: CellRow) -> list[tuple[int, int]]:
    """The spans `(start, end)` of cells that differ."""
    spans: list[tuple[int, int]] = []
    for x, cell in enumerate(new):
        if cell == old[x]:
            continue
        if spans and x == spans[-1][1]:
            spans[-1] = (spans[-1][0], x + 1)
        else:
            spans.append((x, x + 1))
    return spans


class _Pen:
    """Writes cells with an SGR sequence wherever the style changes.

    Between rows and over gaps the style stays.
    """

    def __init__(self) -> None:
        self._out: list[str] = []
        self._style = ""

    def go(self, y: int, x: int) -> None:
        """Put the cursor on a cell."""
        self._out.append(f"\x1b[{y + 1};{x + 1}H")

    def skip(self, gap: Sequence[Cell], then: Cell) -> None:
        """Come to the end of cells that are there already, where `then` is written.

        Over them, or by writing them again if that is no longer.
        """
        move = f"\x1b[{len(gap)}C"
        written, style = _styled(gap, self._style) if len(gap) <= _MAX_GAP_CELLS else (move, self._style)
        if _size(written) + _size(_styled([then], style)[0]) <= len(move) + _size(_styled([then], self._style)[0]):
            self._out.append(written)
            self._style = style
        else:
            self._out.append(move)

    def write(self, cells: Sequence[Cell]) -> None:
        """Write cells from the cursor on."""
        written, self._style = _styled(cells, self._style)
        self._out.append(written)

    def erase(self) -> None:
        """Make the rest of the row blank."""
        self._out.append(self._plain() + "\x1b[K")

    def finish(self) -> str:
        """All that was written; the style is plain at its end."""
        self._out.append(self._plain())
        return "".join(self._out)

    def _plain(self) -> str:
        was, self._style = self._style, ""
        return "\x1b[m" if was else ""


def _styled(cells: Sequence[Cell], current: str) -> tuple[str, str]:
    """What to write for cells where `current` is in force, and the style after."""
    out: list[str] = []
    for char, style in cells:
        if style != current and not (char == " " and _shown_on_blank(current) == _shown_on_blank(style)):
            out.append(_change_style(current, style))
            current = style
        out.append(char)
    return "".join(out), current


@lru_cache(maxsize=4096)
def _change_style(current: str, style: str) -> str:
    """The shortest sequence that changes one style into another.

    Only what differs, or all of it after a reset.
    """
    if not style:
        return "\x1b[m"
    if not current:
        return f"\x1b[{style}m"
    before, after = _attributes(current), _attributes(style)
    codes = [_OFF[name] for name in before if name not in after]
    if any(name in ("bold", "dim") and name not in after for name in before):
        before = {name: code for name, code in before.items() if name not in ("bold", "dim")}  # 22 ends both
    codes += [code for name, code in after.items() if before.get(name) != code]
    return min(f"\x1b[{';'.join(dict.fromkeys(codes))}m", f"\x1b[0;{style}m", key=len)


def _attributes(style: str) -> dict[str, str]:
    """The parameters of a style by what they are about."""
    found: dict[str, str] = {}
    codes = iter(style.split(";"))
    for code in codes:
        if code in ("38", "48"):
            kind = next(codes, "")
            rest = [next(codes, "") for _ in range(1 if kind == "5" else 3)]
            found["ink" if code == "38" else "ground"] = ";".join([code, kind, *rest])
        elif name := _ATTRIBUTE_NAMES.get(code):
            found[name] = code
        else:
            found["ink" if code[0] in "39" else "ground"] = code
    return found


def _size(text: str) -> int:
    return len(text.encode())

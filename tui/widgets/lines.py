"""Widgets that show lines.

A block of them, and a list with a cursor over rows that are loaded when they are seen.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from string import ascii_lowercase, ascii_uppercase
from typing import Protocol

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding
from textual.events import Click, Key
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget
from textual.worker import WorkType

from tui import commands
from tui.glyphs import GLYPHS
from tui.layout import Line, fit_line
from tui.looks import lit_role
from tui.widgets.role_styles import Palette

DrawLines = Callable[[int, int], list[Line]]
"""Gives the lines for a width and a height, in columns and rows."""


_JUMP_LETTERS = ascii_lowercase + ascii_uppercase

_DEFAULT_PALETTE = Palette()


class _RoleStyled(Widget):
    """Draws spans in the application's palette."""

    GROUND = "ground"
    """What the text stands on, one of `tui.widgets.role_styles.GROUNDS`."""

    def line_strip(self, line: Line, width: int, rest: str = "plain") -> Strip:
        """The line in exactly `width` columns.

        What it leaves empty is drawn in the role `rest`.
        """
        strip = Strip([Segment(text, self.role_style(role)) for text, role in line if text])
        return strip.adjust_cell_length(width, self.role_style(rest))

    def role_style(self, role: str) -> Style:
        """How a role looks."""
        palette: Palette = getattr(self.app, "palette", _DEFAULT_PALETTE)
        return palette.style(role, self.GROUND)


class Lines(_RoleStyled):
    """A block of lines drawn by a function.

    Call `redraw` when what it draws has changed.
    """

    class Clicked(Message):
        """Somebody clicked into a column of the first line."""

        def __init__(self, lines: Lines, column: int) -> None:
            super().__init__()
            self.lines = lines
            self.column = column

        @property
        def control(self) -> Lines:
            return self.lines

    def __init__(self, draw: DrawLines, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._draw = draw
        self._shown: list[Line] = []
        self._drawn_for: Size | None = None

    def redraw(self) -> None:
        """Draw again."""
        self._drawn_for = None
        self.refresh()

    def on_click(self, event: Click) -> None:
        if event.y == 0:
            self.post_message(self.Clicked(self, event.x))

    def drawn_lines(self) -> list[Line]:
        """The lines as they are, as many as there is room for."""
        width, height = self.size
        if self._drawn_for != self.size:
            # Here and not when a size is announced, which may be later than it is drawn.
            self._shown, self._drawn_for = self._draw(width, height), self.size
        return self._shown[:height]

    def render_line(self, y: int) -> Strip:
        lines = self.drawn_lines()
        return self.line_strip(lines[y] if y < len(lines) else [], self.size.width)


def _lit_beginning(line: Line) -> Line:
    """A line of which only the first text is lit.

    On a slow line every column that changes its look is sent again.
    """
    for index, (text, role) in enumerate(line):
        if shown := text.strip():
            before, behind = text[: text.index(shown)], text[text.index(shown) + len(shown) :]
            lit: Line = [(before, role), (shown, lit_role(role)), (behind, role)]
            return [*line[:index], *lit, *line[index + 1 :]]
    return line


class BandLines(Lines):
    """A block of lines on a band across the screen."""

    GROUND = "band"


class RowSource(Protocol):
    """The rows of a list."""

    def __len__(self) -> int: ...

    def key(self, index: int) -> Hashable:
        """What stays the same about a row when the list changes around it."""
        ...

    def is_skipped(self, index: int) -> bool:
        """Whether the cursor goes past this row, because it is a heading."""
        ...

    def line(self, index: int, width: int) -> Line:
        """The row's text; empty while it is not loaded."""
        ...

    def needs_load(self, first: int, last: int) -> bool:
        """Whether any of these rows must still be loaded."""
        ...

    async def load(self, first: int, last: int) -> None:
        """Load these rows (and a few around them)."""
        ...


class StaticRows:
    """Rows that are all there: each a key and a line.

    A row whose key is None is a heading.
    """

    def __init__(self, rows: Sequence[tuple[Hashable, Line]] = ()) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def key(self, index: int) -> Hashable:
        return self.rows[index][0]

    def is_skipped(self, index: int) -> bool:
        return self.rows[index][0] is None

    def line(self, index: int, width: int) -> Line:
        return fit_line(self.rows[index][1], width)

    def needs_load(self, first: int, last: int) -> bool:
        return False

    async def load(self, first: int, last: int) -> None:
        return None


class DrawnRows(StaticRows):
    """Rows that are all there, drawn for the width they are shown in.

    Each a key and a function.
    """

    def __init__(self, rows: Sequence[tuple[Hashable, Callable[[int], Line]]]) -> None:
        super().__init__([(key, []) for key, _draw in rows])
        self._draw = [draw for _key, draw in rows]

    def line(self, index: int, width: int) -> Line:
        return self._draw[index](width)


class LineList(ScrollView, _RoleStyled, can_focus=True):
    """A list of any length with a cursor.

    It asks its source only for the rows it shows.

    The cursor is shown while the list has the focus, or always.
    """

    BINDINGS = [
        Binding(",".join(command.keys), f"move('{command.name}')", show=False)
        for command in commands.commands_of("list")
    ]

    class Moved(Message):
        """The cursor is on another row, or the row under it changed."""

        def __init__(self, lines: LineList) -> None:
            super().__init__()
            self.lines = lines

        @property
        def control(self) -> LineList:
            return self.lines

    def __init__(
        self,
        source: RowSource | None = None,
        *,
        id: str | None = None,
        always: bool = False,
        tail: DrawLines | None = None,
    ) -> None:
        """Show rows.

        Args:
            source: gives the rows.
            id: of the widget.
            always: whether the cursor is shown without the focus, too.
            tail: draws what stands below the last row where there is room.
        """
        super().__init__(id=id)
        self._tail = tail
        self._tail_lines: list[Line] = []
        self._tail_drawn_for: tuple[int, int] | None = None
        self.source: RowSource = source if source is not None else StaticRows()
        self.cursor = self._nearest_selectable(0, 1)
        self._always = always
        self._letters: dict[str, int] = {}

    def show_rows(self, source: RowSource, cursor: int | None = None) -> None:
        """Show these rows, with the cursor on row `cursor` (default: where it is now)."""
        offset = self.cursor - round(self.scroll_y)
        self.source = source
        self.cursor = self._nearest_selectable(self.cursor if cursor is None else cursor, 1)
        self._tail_drawn_for = None
        self.virtual_size = Size(self.size.width, len(source))
        self._scroll_to_show(offset if cursor is not None else None)
        self._load_visible()
        self.refresh()
        self.post_message(self.Moved(self))

    @property
    def key(self) -> Hashable:
        """The key of the row under the cursor, None in an empty list."""
        return self.source.key(self.cursor) if len(self.source) else None

    def move_to(self, index: int) -> None:
        """Put the cursor on a row and scroll just far enough to show it."""
        index = self._nearest_selectable(index, 1 if index >= self.cursor else -1)
        if index == self.cursor:
            return
        old, self.cursor = self.cursor, index
        self._scroll_to_show(None)
        self._load_visible()
        self.refresh_line(old)
        self.refresh_line(index)
        self.post_message(self.Moved(self))

    def action_move(self, command: str) -> None:
        """Carry out one of the list commands."""
        page = max(1, self.size.height - 1)
        steps = {"down": 1, "up": -1, "page_down": page, "page_up": -page}
        if command in steps:
            self.move_to(self.cursor + steps[command])
        elif command == "jump":
            self._show_jump_letters()
        else:
            self.move_to(0 if command == "first" else len(self.source) - 1)

    def _show_jump_letters(self) -> None:
        """Show a letter before each visible line.

        The next key goes to its line, or back if it is none of them.
        """
        top = round(self.scroll_y)
        rows = [
            row for row in range(top, min(top + self.size.height, len(self.source))) if not self.source.is_skipped(row)
        ]
        self._letters = dict(zip(_JUMP_LETTERS, rows, strict=False))
        self.refresh()

    def on_key(self, event: Key) -> None:
        if self._letters:
            event.stop()
            event.prevent_default()
            row = self._letters.get(event.character or "")
            self._letters = {}
            self.refresh()
            if row is not None:
                self.move_to(row)

    def on_click(self, event: Click) -> None:
        """Put the cursor on the row; a second click does what Enter does."""
        row = event.y + round(self.scroll_y)
        if row >= len(self.source) or self.source.is_skipped(row):
            return
        if event.chain > 1 and row == self.cursor:
            self.app.call_later(self.app.simulate_key, "enter")
        self.move_to(row)

    def on_blur(self) -> None:
        self._letters = {}

    def on_resize(self) -> None:
        self.virtual_size = Size(self.size.width, len(self.source))
        self._scroll_to_show(None)
        self._load_visible()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._load_visible()

    def render_line(self, y: int) -> Strip:
        index = y + round(self.scroll_y)
        width = self.size.width
        if index >= len(self.source):
            tail = self._lines_below(width, self.size.height - len(self.source) - 1)
            below = index - len(self.source) - 1
            return self.line_strip(tail[below] if 0 <= below < len(tail) else [], width)
        current = index == self.cursor
        line = self.source.line(index, width - 2)
        if letter := next((letter for letter, row in self._letters.items() if row == index), None):
            return self.line_strip([(letter, "banner"), *line], width)
        if not current:
            return self.line_strip([(" ", "plain"), *line], width)
        if not (self.has_focus or self._always):
            return self.line_strip([(GLYPHS["cursor"], "marker"), *line], width)
        if getattr(self.app, "is_slow", False):
            return self.line_strip([(GLYPHS["cursor"], "cursor"), *_lit_beginning(line)], width)
        lit = [(text, lit_role(role)) for text, role in line]
        return self.line_strip([(GLYPHS["cursor"], "cursor"), *lit], width, "lit")

    def _lines_below(self, width: int, height: int) -> list[Line]:
        if self._tail is None or height <= 0:
            return []
        if self._tail_drawn_for != (width, height):
            self._tail_lines, self._tail_drawn_for = self._tail(width, height), (width, height)
        return self._tail_lines

    def _nearest_selectable(self, index: int, step: int) -> int:
        """The nearest row for the cursor, sought in the direction of `step` first."""
        last = len(self.source) - 1
        index = max(0, min(index, last))
        for direction in (step, -step):
            at = index
            while 0 <= at <= last and self.source.is_skipped(at):
                at += direction
            if 0 <= at <= last:
                return at
        return index

    def _scroll_to_show(self, keep_row: int | None) -> None:
        """Scroll so that the cursor is visible.

        `keep_row` is the row of the window where it should be if possible.
        """
        height = max(1, self.size.height)
        top = round(self.scroll_y) if keep_row is None else self.cursor - keep_row
        first = self.cursor
        while first > 0 and self.source.is_skipped(first - 1):
            first -= 1  # a heading stays in sight with the first row below it
        top = min(top, first)
        top = max(top, self.cursor - height + 1, 0)
        top = min(top, max(0, len(self.source) - height))
        if top != round(self.scroll_y):
            self.scroll_to(y=top, animate=False, force=True)

    def _load_visible(self) -> None:
        """Load what is visible and not there yet."""
        first = round(self.scroll_y)
        last = min(len(self.source), first + self.size.height) - 1
        if last >= first and self.source.needs_load(first, last):
            # Not the coroutine itself: one that is replaced before it began would never be awaited.
            load: WorkType[None] = partial(self._load_rows, self.source, first, last)
            self.run_worker(load, group="load", exclusive=True)

    async def _load_rows(self, source: RowSource, first: int, last: int) -> None:
        await source.load(first, last)
        if source is self.source:
            self.virtual_size = Size(self.size.width, len(source))
            self.refresh()
            self.post_message(self.Moved(self))

"""The seam between Textual and the terminal.

An application that writes only what differs from what is shown, and whose cursor is where the focus is, for those who
have the screen read to them.
"""

from __future__ import annotations

import asyncio
import os
import re
from functools import cached_property, lru_cache
from typing import Any

from rich.cells import split_graphemes
from rich.color import ColorSystem
from rich.console import Console
from rich.style import Style
from textual import on
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.driver import Driver
from textual.events import Resize
from textual.geometry import Offset, Size
from textual.screen import Screen
from textual.strip import Strip
from textual.timer import Timer
from textual.widgets import Input

from tui.one_shot_timer import never_skipped
from tui.terminal.clipboard import clipboard_sequence
from tui.terminal.diff_renderer import Cell, CellRow, DiffRenderer, patch_row
from tui.terminal.driver import limit_input
from tui.terminal.themes import ThemedApp
from tui.widgets.lines import LineList
from tui.widgets.role_styles import Palette
from tui.workers import SingleCancelManager

_SYSTEMS = {"true": ColorSystem.TRUECOLOR, "256": ColorSystem.EIGHT_BIT}
_CODES = re.compile(r"[34]8;(?:5;\d+|2;\d+;\d+;\d+)|\d+")


class DiffUpdate(CompositorUpdate):
    """An update that writes only the cells that the terminal does not show yet."""

    WRITABLE = (LayoutUpdate, ChopsUpdate)

    def __init__(
        self, update: LayoutUpdate | ChopsUpdate, renderer: DiffRenderer, size: Size, system: ColorSystem
    ) -> None:
        self._update = update
        self._system = system
        self._renderer = renderer
        self._size = size

    @cached_property
    def text(self) -> str:
        """The escape sequences and texts to write, which the terminal then shows."""
        width, height = self._size
        rows: dict[int, CellRow] = {}

        def put(y: int, x: int, strip: Strip) -> None:
            row = rows.get(y) or self._renderer.row(y, width)
            rows[y] = patch_row(row, x, _cells(strip, self._system))

        if isinstance(self._update, LayoutUpdate):
            for y, strips in enumerate(self._update.strips, self._update.region.y):
                x = self._update.region.x
                for strip in strips:
                    put(y, x, strip)
                    x += strip.cell_length
        else:
            for y, start, end in self._update.spans:
                for stop, (x, chop) in zip(self._update.chop_ends[y], self._update.chops[y].items(), strict=True):
                    if chop is not None and x <= end and stop > start:
                        put(y, x, chop)
        return self._renderer.render(rows, width, height)

    def render_segments(self, console: Console) -> str:
        return self.text


def _cells(strip: Strip, system: ColorSystem) -> list[Cell]:
    cells: list[Cell] = []
    for text, style, control in strip:
        if control:
            continue
        sgr = _sgr(style, system) if style else ""
        printable = text.isprintable()
        if printable and text.isascii():
            cells.extend((char, sgr) for char in text)
            continue
        for start, end, size in split_graphemes(text)[0]:
            # What would steer the terminal is left out, whoever forgot to make it harmless.
            shown = text[start:end] if printable else "".join(char for char in text[start:end] if char.isprintable())
            if size:
                cells.append((shown or " ", sgr))
                cells.extend([("", sgr)] * (size - 1))
            elif cells and shown:
                cells[-1] = (cells[-1][0] + shown, sgr)
    return cells


@lru_cache(maxsize=1024)
def _sgr(style: Style, system: ColorSystem) -> str:
    """The SGR parameters of a style.

    The default colours (39, 49) say nothing after a reset and are left out.
    """
    return ";".join(code for code in _CODES.findall(Strip.render_ansi(style, system)) if code not in ("39", "49"))


class DiffApp(ThemedApp[None]):
    """Writes only the cells that differ, and puts its cursor where the focus is.

    `painted` is set once anything is on the screen. On a slow line (`is_slow`) less of a row is lit.
    """

    SHOW_CURSOR = "\x1b[?25h"

    def __init__(self, palette: Palette, *, is_slow: bool = False, typed_ahead: bytes = b"") -> None:
        """`typed_ahead` was read from the terminal before, and is to be taken as typed."""
        super().__init__(palette)
        self._workers = SingleCancelManager(self)
        self.is_slow = is_slow
        self.driver_class = limit_input(self.driver_class, typed_ahead)
        self._renderer = DiffRenderer()
        self._painted_size = Size()
        self._placed: Offset | None = None
        """Where the terminal's cursor was put last."""
        self.painted = asyncio.Event()

    def set_timer(self, *args: Any, **named: Any) -> Timer:
        """See `App.set_timer`; Textual waits with one for the last of many sizes."""
        return never_skipped(super().set_timer(*args, **named))

    def do_redraw(self) -> None:
        """Draw the screen again, for when something else wrote on the terminal."""
        self._renderer.invalidate()
        self.screen.refresh(layout=True)

    def copy_to_clipboard(self, text: str) -> None:
        """Hand a text to the terminal to copy; whether it does is not to be found out."""
        self._clipboard = text
        if self._driver is not None:
            self._driver.write(clipboard_sequence(text, os.environ))

    def on_resize(self, event: Resize) -> None:
        """Also comes when the program starts, and when it goes on after it was stopped."""
        if event.size != self._painted_size:
            self._renderer.invalidate()
            self._painted_size = event.size
        if self._driver is not None:
            self._driver.write(self.SHOW_CURSOR)

    @on(Driver.SignalResume)
    def _repaint_on_resume(self) -> None:
        """The program goes on after it was stopped.

        Something else was on the terminal meanwhile.
        """
        self._renderer.invalidate()
        self.screen.refresh(layout=True)

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        if isinstance(renderable, DiffUpdate.WRITABLE):
            system = _SYSTEMS.get(self.palette.depth, ColorSystem.STANDARD)
            update = DiffUpdate(renderable, self._renderer, screen.outer_size, system)
            self.cursor_position = focus_position(self.screen) or self.cursor_position
            renderable = update
            if self._running and not self._closed and not self.is_headless and self._driver and not self._batch_count:
                if not update.text and self.cursor_position == self._placed:
                    return  # all is there as it is
                self._placed = self.cursor_position
        super()._display(screen, renderable)
        if renderable is not None and not self._batch_count:
            self.painted.set()


def focus_position(screen: Screen[Any]) -> Offset | None:
    """Where a person types: the current line of a list, or the next letter."""
    focused = screen.focused
    if isinstance(focused, LineList):
        row = focused.cursor - round(focused.scroll_y)
        # A wheel scrolls the cursor out of sight: then it waits where it was.
        return focused.region.offset + Offset(0, row) if 0 <= row < focused.size.height else None
    if isinstance(focused, Input):
        return focused.cursor_screen_offset - Offset(int(focused.cursor_at_end), 0)
    # Where nothing can have the focus there is something to read.
    return next((each.content_region.offset for each in screen.query(".to-read") if each.region.height), None)

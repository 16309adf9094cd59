"""A list with a cursor, and details of its current line below: what most screens are."""

from __future__ import annotations

from functools import partial
from time import monotonic

from textual.app import ComposeResult
from textual.containers import Container
from textual.timer import Timer

from tui.command_host import command_bindings
from tui.dialogs.save_to_file import FileContent, plain_texts
from tui.layout import Line, rule_line, wrap_text
from tui.screens.base import BaseScreen
from tui.screens.list_commands import ListCommands
from tui.widgets.lines import LineList, Lines

_FILE_COLUMNS, _FILE_DETAIL_LINES = 100, 1000
"""Columns of what is saved to a file, and lines of the details there: more than any screen shows."""


class ListScreen(BaseScreen):
    """A screen with a list, of which the current line can be copied, and all be saved to a file."""

    BINDINGS = command_bindings("listing")
    AUTO_FOCUS = "LineList"

    def __init__(self) -> None:
        super().__init__()
        self._rests_at_s = 0.0
        self._details_timer: Timer | None = None
        self.list_commands = ListCommands(self, self.clipboard_text, self._file_content)

    def content(self) -> ComposeResult:
        with Container(id="panes"):
            with Container(id="left"):
                yield self.heading_block()
                yield Lines(lambda width, _height: [rule_line(width)], id="heading-rule")
                yield from self.body()
            yield Lines(lambda _width, height: [[(" │", "line")]] * height, id="divider")
            with Container(id="right"):
                yield Lines(lambda width, _height: [self.caption(width)], id="details-title")
                yield Lines(self.details, id="details")

    def body(self) -> ComposeResult:
        yield LineList(id="list", tail=self.tail)

    @property
    def lines(self) -> LineList:
        """The list on the screen."""
        return self.query_one("#list", LineList)

    # --- for the screens to fill in ----------------------------------------------------------------------------------

    def subject(self) -> Line:
        """What the current line is about."""
        return []

    def caption(self, width: int) -> Line:
        """What stands between the list and the details."""
        return rule_line(width, self.subject())

    def details(self, width: int, height: int) -> list[Line]:
        """What there is to know of the current line."""
        return []

    def tail(self, width: int, height: int) -> list[Line]:
        """What stands below the last row of the list, where there is room: a summary of what the list is about."""
        return []

    def clipboard_text(self) -> str:
        """What somebody wants of the current line elsewhere; empty if there is nothing."""
        return ""

    def is_row_loaded(self) -> bool:
        """Whether the row under the cursor can be acted on; if not, a command waits for it."""
        return True

    # --- the details -------------------------------------------------------------------------------------------------

    def empty_lines(self, text: str, width: int) -> list[Line]:
        """What stands below an empty list."""
        return [[("   ", "plain"), (line, "plain")] for line in wrap_text(self.admission_hint() or text, width - 6)]

    def on_line_list_moved(self) -> None:
        self.note_cursor_moved()
        self.redraw_details()

    def note_cursor_moved(self) -> None:
        """The cursor has moved: the details follow once it has rested, so that a key held down writes rows only."""
        self._rests_at_s = monotonic() + self.state.options.details_delay_s

    def redraw_details(self) -> None:
        """Draw again what depends on the current line."""
        self.query_one("#heading", Lines).redraw()
        self.query_one("#keys", Lines).redraw()
        if self._details_timer is not None:
            self._details_timer.stop()
        if (left_s := self._rests_at_s - monotonic()) > 0:
            self._details_timer = self.set_timer(left_s, self._redraw_details_blocks)
        else:
            self._redraw_details_blocks()

    def _redraw_details_blocks(self) -> None:
        for name in ("#details-title", "#details"):
            self.query_one(name, Lines).redraw()

    def _file_content(self) -> FileContent:
        left, right = self.heading()
        head: list[Line] = [self.status_line(_FILE_COLUMNS), [*left, ("  ", "plain"), *right], []]
        below = [[], self.subject(), *self.details(_FILE_COLUMNS, _FILE_DETAIL_LINES)] if len(self.lines.source) else []
        return FileContent(self.TAB, self.lines.source, plain_texts(head), plain_texts(below))

    # --- commands ----------------------------------------------------------------------------------------------------

    def command_owner(self, name: str) -> object | None:
        return self.list_commands if name in ("copy", "save") else super().command_owner(name)

    def disabled_reason(self, name: str) -> str | None:
        return self.list_commands.disabled_reason(name) if name in ("copy", "save") else super().disabled_reason(name)

    def action_command(self, name: str) -> None:
        if self.is_row_loaded() or not len(self.lines.source):
            super().action_command(name)
        else:  # typed ahead: on a slow line the next key comes before the row that it is for has been read
            self.run_task(partial(self._command_when_loaded, name), group="ahead")

    async def _command_when_loaded(self, name: str) -> None:
        await self.lines.source.load(self.lines.cursor, self.lines.cursor)
        super().action_command(name)

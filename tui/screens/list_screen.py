"""A list with a cursor, and details of its current line below.

What most screens are.
"""

from __future__ import annotations

from functools import partial

from textual.app import ComposeResult
from textual.containers import Container

from tui.command_host import command_bindings
from tui.layout import Line, rule_line, wrap_text
from tui.screens.base import BaseScreen
from tui.screens.details_delay import DetailsDelay
from tui.screens.frame import admission_text
from tui.screens.list_commands import ListCommands
from tui.widgets.lines import LineList, Lines


class ListScreen(BaseScreen):
    """A screen with a list: copy the current line, or save all to a file."""

    BINDINGS = command_bindings("listing")
    AUTO_FOCUS = "LineList"

    def __init__(self) -> None:
        super().__init__()
        self.details_delay = DetailsDelay(self)
        self.list_commands = ListCommands(self, self)

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
        """What stands below the last row, where there is room: a summary."""
        return []

    def clipboard_text(self) -> str:
        """What somebody wants of the current line elsewhere; empty if there is nothing."""
        return ""

    def is_row_loaded(self) -> bool:
        """Whether the cursor's row can be acted on; if not, a command waits for it."""
        return True

    # --- the details -------------------------------------------------------------------------------------------------

    def empty_lines(self, text: str, width: int) -> list[Line]:
        """What stands below an empty list."""
        return [
            [("   ", "plain"), (line, "plain")] for line in wrap_text(admission_text(self.state) or text, width - 6)
        ]

    def on_line_list_moved(self) -> None:
        self.details_delay.note_moved()
        self.redraw_details()

    def redraw_details(self) -> None:
        """Draw again what depends on the current line."""
        self.query_one("#heading", Lines).redraw()
        self.query_one("#keys", Lines).redraw()
        self.details_delay.redraw()

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

"""What all screens share.

The frame, commands from the registry, and refreshing when data has changed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.screen import Screen

from tui import commands
from tui.command_host import Answer, CommandHost, FooterLine, command_bindings
from tui.commands import Command
from tui.layout import Line, head_line
from tui.screens.frame import TabLine, status_line, write_refusal
from tui.terminal.key_sequencer import REFRESH_GROUP
from tui.view_models.frame import (
    MIN_COLUMNS,
    MIN_LINES,
    MIN_READABLE_COLUMNS,
    MIN_READABLE_LINES,
    too_small_lines,
)
from tui.widgets.lines import BandLines, Lines
from tui.widgets.message_line import MessageLine

if TYPE_CHECKING:
    from tui.app_state import AppState

MIN_PANES_COLUMNS, WIDE_PANES_COLUMNS = 100, 120
"""Columns from which the details stand beside the list, and from which the list is as wide as it gets."""
TALL_LINES, VERY_TALL_LINES = 30, 45
"""Lines from which a screen is tall: a terminal of that size is hardly at the end of a slow line."""


def is_very_tall(screen: Screen[None]) -> bool:
    """Whether there is room on a screen for more of everything."""
    return screen.app.size.height >= VERY_TALL_LINES


class ScreenActions:
    """Commands of several screens, as methods `do_<name>` for their screen."""

    def __init__(self, screen: BaseScreen) -> None:
        self.screen = screen

    @property
    def state(self) -> AppState:
        """What all screens share."""
        return self.screen.state

    def disabled_reason(self, name: str) -> str | None:
        """Return why a command cannot act now (besides past and read only), or None."""
        return None


class BaseScreen(CommandHost, Screen[None]):
    """A full screen in the frame: status, tabs or banner, body, message, keys."""

    TAB: ClassVar[str] = ""
    BINDINGS = command_bindings("past")
    AUTO_FOCUS: ClassVar[str | None] = None
    HORIZONTAL_BREAKPOINTS = [(0, "-slim"), (MIN_READABLE_COLUMNS, "-narrow"), (MIN_COLUMNS, "-wide")]
    HORIZONTAL_BREAKPOINTS += [(MIN_PANES_COLUMNS, "-panes"), (WIDE_PANES_COLUMNS, "-wide-panes")]
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (MIN_READABLE_LINES, "-short"), (MIN_LINES, "-low"), (MIN_LINES + 1, "-full")]
    VERTICAL_BREAKPOINTS += [(TALL_LINES, "-tall")]

    def __init__(self) -> None:
        # Now, and not when it is shown: other classes mean that all styles are worked out once more.
        width, height = self.app.size
        fitting = self._get_breakpoint_classes(width, self.HORIZONTAL_BREAKPOINTS)
        fitting |= self._get_breakpoint_classes(height, self.VERTICAL_BREAKPOINTS)
        super().__init__(classes=" ".join(fitting))
        # Textual parses all styles again for a screen that has another count; these are as they were.
        self._css_update_count = self.app._css_update_count
        self._message_line = MessageLine(id="message")
        self._read_for: tuple[bool, bool] | None = None

    @property
    def state(self) -> AppState:
        """The application, with what all screens share."""
        return cast("AppState", self.app)

    # --- for the screens to fill in ----------------------------------------------------------------------------------

    def body(self) -> ComposeResult:
        """Yield the widgets between the frame's lines."""
        yield from ()

    def breadcrumb(self) -> str:
        """Where we are, for the first line."""
        return ""

    def heading(self) -> tuple[Line, Line]:
        """What stands in the rule above the body, left and right."""
        return [], []

    async def reload_content(self) -> None:
        """Read what is shown again and show it."""

    def on_inbox_changed(self) -> None:
        """There is something else to be resolved."""

    def screen_disabled_reason(self, name: str) -> str | None:
        """Return why a command cannot act now (besides past and read only), or None."""
        owner = self.command_owner(name)
        return owner.disabled_reason(name) if isinstance(owner, ScreenActions) else None

    @property
    def has_panes(self) -> bool:
        """Whether details stand beside the list."""
        # Not the screen's own size, which is not known yet when the first one reads what it shows.
        return self.app.size.width >= MIN_PANES_COLUMNS

    def heading_block(self) -> Lines:
        """The line over the body."""
        return Lines(lambda width, _height: [head_line(width, *self.heading())], id="heading")

    def content(self) -> ComposeResult:
        """Yield what stands between the tabs and the message."""
        yield self.heading_block()
        yield from self.body()

    # --- the frame ---------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        yield Lines(lambda width, _: too_small_lines(width, self.app.size.height), id="too-small", classes="to-read")
        yield BandLines(lambda width, _height: [status_line(self.state, width, self.breadcrumb())], id="first")
        yield TabLine(self.state, self.TAB, id="places")
        yield Lines(lambda _width, _height: [], id="frame-gap")
        yield from self.content()
        yield self._message_line
        yield FooterLine(self, id="keys")

    def redraw(self) -> None:
        """Draw the frame and every block of lines again."""
        for lines in self.query(Lines):
            lines.redraw()

    def show_message(self, text: str, attention: bool = False) -> None:
        self._message_line.show(text, "attention" if attention else "strong", self.state.options.message_s)

    # --- life --------------------------------------------------------------------------------------------------------

    def on_resize(self) -> None:
        """Give the focus back to what had no room, and read what there is room for."""
        self.call_after_refresh(self._restore_focus)
        if self._read_for not in (None, (self.has_panes, is_very_tall(self))):
            self.refresh_data()

    def _restore_focus(self) -> None:
        if self.AUTO_FOCUS and self.focused is None and self.is_current:
            for widget in self.query(self.AUTO_FOCUS):
                if widget.focusable:
                    widget.focus()
                    return

    def on_screen_resume(self) -> None:
        self.refresh_data()

    def refresh_data(self) -> None:
        """Read and show everything again: data has changed, or another time is looked at."""
        self.run_task(self._reload_when_ready, group=REFRESH_GROUP)

    async def _reload_when_ready(self) -> None:
        await self.state.loaded.wait()
        self._read_for = (self.has_panes, is_very_tall(self))
        await self.reload_content()
        self.redraw()

    # --- commands ----------------------------------------------------------------------------------------------------

    def available_commands(self) -> list[Command]:
        past = list(commands.commands_of("past")) if self.state.viewed_at_us is not None else []
        return past + [c for c in super().available_commands() if not past or "escape" not in c.keys]

    def disabled_reason(self, name: str) -> str | None:
        if (reason := write_refusal(self.state, commands.find_command((*self.SCOPES, "past"), name))) is not None:
            return reason
        return None if name == "now" else self.screen_disabled_reason(name)

    def action_command(self, name: str) -> None:
        if not self.state.loaded.is_set():
            self.run_task(partial(self._run_when_loaded, name))
            return
        if self.state.viewed_at_us is not None and "escape" in commands.find_command((*self.SCOPES, "past"), name).keys:
            name = "now"
        if self.disabled_reason(name) is not None or not self.state.defer_command(self, name):
            super().action_command(name)

    async def _run_when_loaded(self, name: str) -> None:
        """Carry out a command once all is loaded, also for keys typed ahead."""
        await self.state.loaded.wait()
        self.action_command(name)

    def open_dialog(self, screen: Screen[Answer], answered: Callable[[Answer | None], None] | None = None) -> None:
        """Show a screen over this one, unless somebody has gone on meanwhile."""
        if self.is_active:
            self.app.push_screen(screen, answered)

    def go_back(self) -> None:
        """Go back to the screen below; only once, if it is asked for twice."""
        if self.app.screen is self and len(self.app.screen_stack) > 1:
            self.app.pop_screen()

    def do_now(self) -> None:
        """Leave the past."""
        self.state.view_at(None)

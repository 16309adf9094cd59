"""What all screens share: the frame, commands from the registry, and reading anew when something was written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, ClassVar, cast

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.screen import Screen

from tui import commands
from tui.command_host import Answer, CommandHost, command_bindings
from tui.commands import Command
from tui.i18n.translate import _
from tui.layout import Line, line_width, rule_line, spread, wrap_text
from tui.terminal.key_sequencer import REFRESH_GROUP
from tui.view_models.breadcrumbs import shorten_breadcrumb
from tui.view_models.device_role import admission_hint, write_refusal
from tui.widgets.lines import Lines

if TYPE_CHECKING:
    from tui.app_state import AppState


MIN_COLUMNS, MIN_LINES = 80, 23
"""The smallest terminal in which every function has its place: of 24 lines tmux takes one for itself."""
MIN_READABLE_COLUMNS, MIN_READABLE_LINES = 40, 10
"""The smallest one in which a list can still be read: a phone, or a part of a window."""


def _too_small_lines(width: int, height: int) -> list[Line]:
    text = _("Fieldline needs {width} columns and {height} lines; here are {columns} and {lines}.").format(
        width=MIN_READABLE_COLUMNS, height=MIN_READABLE_LINES, columns=width, lines=height
    )
    more = _("Make the window larger, or its letters smaller: everything is still there.")
    return [[(line, "attention")] for line in wrap_text(text, width)] + [
        [(line, "plain")] for line in wrap_text(more, width)
    ]


class BaseScreen(CommandHost, Screen[None]):
    """A full screen in the frame: fleet and place above, the six places or a banner, a body, the keys below."""

    TAB: ClassVar[str] = ""
    BINDINGS = command_bindings("past")
    AUTO_FOCUS: ClassVar[str | None] = None
    HORIZONTAL_BREAKPOINTS = [(0, "-slim"), (MIN_READABLE_COLUMNS, "-narrow"), (MIN_COLUMNS, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (MIN_READABLE_LINES, "-short"), (MIN_LINES, "-low"), (30, "-tall")]

    def __init__(self) -> None:
        # Now, and not when it is shown: other classes mean that all styles are worked out once more.
        width, height = self.app.size
        fitting = self._get_breakpoint_classes(width, self.HORIZONTAL_BREAKPOINTS)
        fitting |= self._get_breakpoint_classes(height, self.VERTICAL_BREAKPOINTS)
        super().__init__(classes=" ".join(fitting))
        # Textual parses all styles anew for a screen that has another count; these are as they were.
        self._css_update_count = self.app._css_update_count
        self._message: Line = []
        self.failure = ""

    @property
    def state(self) -> AppState:
        """The application, with what all screens share."""
        return cast("AppState", self.app)

    # --- for the screens to fill in ----------------------------------------------------------------------------------

    def body(self) -> ComposeResult:
        """The widgets between the frame's lines."""
        yield from ()

    def breadcrumb(self) -> str:
        """Where we are, for the first line."""
        return ""

    def heading(self) -> tuple[Line, Line]:
        """What stands in the rule above the body, left and right."""
        return [], []

    async def reload_content(self) -> None:
        """Read what is shown anew and show it."""

    def admission_hint(self) -> str:
        """What to do with a device that waits to be admitted, to whom there is nothing to show; else empty."""
        desk = self.state
        return admission_hint(desk.workspace.identity.device) if desk.status.access == "waits" else ""

    def screen_disabled_reason(self, name: str) -> str | None:
        """Why a command of this screen cannot act now, besides the past and read only."""
        return None

    # --- the frame ---------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        yield Lines(_too_small_lines, id="too-small", classes="to-read")
        yield Lines(lambda width, _height: [self.status_line(width)], id="first")
        yield Lines(lambda width, _height: [self._tab_line(width)], id="places")
        yield Lines(lambda width, _height: [rule_line(width, *self.heading())], id="heading")
        yield from self.body()
        yield Lines(lambda width, _height: [rule_line(width, self._message or self._size_hint())], id="message")
        yield Lines(lambda width, _height: [self.footer_line(width)], id="keys")

    def _size_hint(self) -> Line:
        """What is missing on a terminal that is too small for all of it; it can be read all the same."""
        width, height = self.app.size
        if width >= MIN_COLUMNS and height >= MIN_LINES:
            return []
        text = _("Not all fits: {columns} × {lines} of {width} × {height}.")
        return [(text.format(columns=width, lines=height, width=MIN_COLUMNS, height=MIN_LINES), "attention")]

    def on_lines_clicked(self, event: Lines.Clicked) -> None:
        """A place above or a key below was clicked."""
        event.stop()
        if event.lines.id == "places" and not self.state.banner():
            self._open_tab_at(event.column)
        elif event.lines.id == "keys":
            self.press_footer_key(event)

    def _open_tab_at(self, column: int) -> None:
        for name, start, end in self._tab_spans():
            if start <= column < end:
                self.state.action_command(name)

    def redraw(self) -> None:
        """Draw the frame and every block of lines again."""
        for lines in self.query(Lines):
            lines.redraw()

    def show_message(self, text: str, attention: bool = False) -> None:
        line: Line = [(text, "attention" if attention else "strong")] if text else []
        if line != self._message:
            self._message = line
            if self.is_mounted:
                self.query_one("#message", Lines).redraw()

    def status_line(self, width: int) -> Line:
        """Fleet and device, where we are, and what wants a person."""
        desk = self.state
        left: Line = [(f" {desk.status.fleet} · {desk.status.device}" if desk.loaded.is_set() else " ", "plain")]
        here = self.breadcrumb()
        right = desk.status_items()
        while len(right) > 1 and line_width(left) + cell_len(here) + line_width(right) + 5 > width:
            right = right[:-2]
        if here:
            left.append(("   " + shorten_breadcrumb(here, width - line_width(left) - line_width(right) - 5), "strong"))
        return spread(width, left, [*right, (" ", "plain")])

    def _tab_line(self, width: int) -> Line:
        if banner := self.state.banner():
            return [(f" {banner} ".ljust(width), "banner")]
        line: Line = [(" ", "plain")]
        for digit, (name, label) in enumerate(self.state.screen_tabs(), start=1):
            if name == self.TAB:
                line.append((f" {digit} {label} ", "current"))
            else:
                line += [(f" {digit}", "strong"), (f" {label} ", "plain")]
        return line

    def _tab_spans(self) -> Iterator[tuple[str, int, int]]:
        """Where each place stands in the second line: its name, its first column and the one behind it."""
        end = 1
        for digit, (name, label) in enumerate(self.state.screen_tabs(), start=1):
            start, end = end, end + cell_len(f" {digit} {label} ")
            yield name, start, end

    # --- life --------------------------------------------------------------------------------------------------------

    def on_resize(self) -> None:
        """What had no room lost the focus."""
        self.call_after_refresh(self._restore_focus)

    def _restore_focus(self) -> None:
        if self.AUTO_FOCUS and self.focused is None and self.is_current:
            for widget in self.query(self.AUTO_FOCUS):
                if widget.focusable:
                    widget.focus()
                    return

    def on_screen_resume(self) -> None:
        self.refresh_data()

    def refresh_data(self) -> None:
        """Something was written, or we are looking at another moment: read anew."""
        self.run_task(self._reload_when_ready, group=REFRESH_GROUP)

    async def _reload_when_ready(self) -> None:
        await self.state.loaded.wait()
        await self.reload_content()
        self.redraw()

    def available_commands(self) -> list[Command]:
        past = list(commands.commands_of("past")) if self.state.viewed_at_us is not None else []
        return past + [c for c in super().available_commands() if not past or "escape" not in c.keys]

    def disabled_reason(self, name: str) -> str | None:
        command = commands.find_command((*self.SCOPES, "past"), name)
        if command.writes and self.state.viewed_at_us is not None:
            return _("This is the past and stays as it is: Esc goes back to now.")
        if command.writes and self.state.readonly:
            return _(self.state.READ_ONLY_REASON)
        if command.missing_reason:
            return _(command.missing_reason)
        if command.name == "now":
            return None
        return (write_refusal(self.state.status.access) if command.writes else None) or self.screen_disabled_reason(
            name
        )

    def action_command(self, name: str) -> None:
        if not self.state.loaded.is_set():
            self.run_task(partial(self._run_when_loaded, name))
            return
        if self.state.viewed_at_us is not None and "escape" in commands.find_command((*self.SCOPES, "past"), name).keys:
            name = "now"
        if self.disabled_reason(name) is not None or not self.state.defer_command(self, name):
            super().action_command(name)

    async def _run_when_loaded(self, name: str) -> None:
        """Who types ahead while Fieldline starts loses no key."""
        await self.state.loaded.wait()
        self.action_command(name)

    def open_dialog(self, screen: Screen[Answer], answered: Callable[[Answer | None], None] | None = None) -> None:
        """Show a dialog or page over this one, unless somebody has gone on meanwhile: a key pressed twice opens one."""
        if self.is_active:
            self.app.push_screen(screen, answered)

    def go_back(self) -> None:
        """Go back to the screen below; only once, if it is asked for twice."""
        if self.app.screen is self and len(self.app.screen_stack) > 1:
            self.app.pop_screen()

    def do_now(self) -> None:
        """Leave the past."""
        self.state.view_at(None)

"""What all screens share: the frame, commands from the registry, and reading anew when something was written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, ClassVar, cast

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.screen import Screen

from tui import commands
from tui.command_host import Answer, Offering, bindings
from tui.commands import Command
from tui.language.i18n import _
from tui.rows.lines import Line, rule, spread, width_of, wrapped
from tui.rows.naming import shortened
from tui.rows.permission import beginning, refusal
from tui.terminal.turns import NEWS
from tui.widgets.text import Lines

if TYPE_CHECKING:
    from tui.frame import AppState


LEAST_WIDTH, LEAST_HEIGHT = 80, 23
"""The smallest terminal in which every function has its place: of 24 lines tmux takes one for itself."""


def _too_small(width: int, height: int) -> list[Line]:
    text = _("Fieldline needs {width} columns and {height} lines; here are {columns} and {lines}.").format(
        width=LEAST_WIDTH, height=LEAST_HEIGHT, columns=width, lines=height
    )
    more = _("Make the window larger, or its letters smaller: everything is still there.")
    return [[(line, "attention")] for line in wrapped(text, width)] + [
        [(line, "plain")] for line in wrapped(more, width)
    ]


class Page(Offering, Screen[None]):
    """A full screen in the frame: fleet and place above, the six places or a banner, a body, the keys below."""

    PLACE: ClassVar[str] = ""
    BINDINGS = bindings("past")
    AUTO_FOCUS: ClassVar[str | None] = None
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (LEAST_WIDTH, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (LEAST_HEIGHT, "-low"), (30, "-tall")]

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
    def desk(self) -> AppState:
        """The application, with what all screens share."""
        return cast("AppState", self.app)

    # --- for the screens to fill in ----------------------------------------------------------------------------------

    def body(self) -> ComposeResult:
        """The widgets between the frame's lines."""
        yield from ()

    def where(self) -> str:
        """Where we are, for the first line."""
        return ""

    def heading(self) -> tuple[Line, Line]:
        """What stands in the rule above the body, left and right."""
        return [], []

    async def update(self) -> None:
        """Read what is shown anew and show it."""

    def beginning(self) -> str:
        """What to do with a device that waits to be admitted, to whom there is nothing to show; else empty."""
        desk = self.desk
        return beginning(desk.workspace.identity.device) if desk.status.standing == "waits" else ""

    def cannot(self, name: str) -> str | None:
        """Why a command of this screen cannot act now, besides the past and read only."""
        return None

    # --- the frame ---------------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        yield Lines(_too_small, id="too-small", classes="to-read")
        yield Lines(lambda width, _height: [self.first_line(width)], id="first")
        yield Lines(lambda width, _height: [self._second_line(width)], id="places")
        yield Lines(lambda width, _height: [rule(width, *self.heading())], id="heading")
        yield from self.body()
        yield Lines(lambda width, _height: [rule(width, self._message)], id="message")
        yield Lines(lambda width, _height: [self.keys_line(width)], id="keys")

    def on_lines_clicked(self, event: Lines.Clicked) -> None:
        """A place above or a key below was clicked."""
        event.stop()
        if event.lines.id == "places" and not self.desk.banner():
            self._place_clicked(event.column)
        elif event.lines.id == "keys":
            self.key_clicked(event)

    def _place_clicked(self, column: int) -> None:
        for name, start, end in self._places():
            if start <= column < end:
                self.desk.action_command(name)

    def redraw(self) -> None:
        """Draw the frame and every block of lines again."""
        for lines in self.query(Lines):
            lines.redraw()

    def message(self, text: str, attention: bool = False) -> None:
        line: Line = [(text, "attention" if attention else "strong")] if text else []
        if line != self._message:
            self._message = line
            if self.is_mounted:
                self.query_one("#message", Lines).redraw()

    def first_line(self, width: int) -> Line:
        """Fleet and device, where we are, and what wants a person."""
        desk = self.desk
        left: Line = [(f" {desk.status.fleet} · {desk.status.device}" if desk.loaded.is_set() else " ", "plain")]
        here = self.where()
        right = desk.attention()
        while len(right) > 1 and width_of(left) + cell_len(here) + width_of(right) + 5 > width:
            right = right[:-2]
        if here:
            left.append(("   " + shortened(here, width - width_of(left) - width_of(right) - 5), "strong"))
        return spread(width, left, [*right, (" ", "plain")])

    def _second_line(self, width: int) -> Line:
        if banner := self.desk.banner():
            return [(f" {banner} ".ljust(width), "banner")]
        line: Line = [(" ", "plain")]
        for digit, (name, label) in enumerate(self.desk.places(), start=1):
            if name == self.PLACE:
                line.append((f" {digit} {label} ", "current"))
            else:
                line += [(f" {digit}", "strong"), (f" {label} ", "plain")]
        return line

    def _places(self) -> Iterator[tuple[str, int, int]]:
        """Where each place stands in the second line: its name, its first column and the one behind it."""
        end = 1
        for digit, (name, label) in enumerate(self.desk.places(), start=1):
            start, end = end, end + cell_len(f" {digit} {label} ")
            yield name, start, end

    # --- life --------------------------------------------------------------------------------------------------------

    def on_resize(self) -> None:
        """What had no room lost the focus."""
        self.call_after_refresh(self._focus_again)

    def _focus_again(self) -> None:
        if self.AUTO_FOCUS and self.focused is None and self.is_current:
            for widget in self.query(self.AUTO_FOCUS):
                if widget.focusable:
                    widget.focus()
                    return

    def on_screen_resume(self) -> None:
        self.news()

    def news(self) -> None:
        """Something was written, or we are looking at another moment: read anew."""
        self.work(self._updated, group=NEWS)

    async def _updated(self) -> None:
        await self.desk.loaded.wait()
        await self.update()
        self.redraw()

    def offered(self) -> list[Command]:
        past = list(commands.of("past")) if self.desk.moment is not None else []
        return past + [c for c in super().offered() if not past or "escape" not in c.keys]

    def why_not(self, name: str) -> str | None:
        command = commands.find((*self.SCOPES, "past"), name)
        if command.writes and self.desk.moment is not None:
            return _("This is the past and stays as it is: Esc goes back to now.")
        if command.writes and self.desk.readonly:
            return _(self.desk.READ_ONLY)
        if command.awaits:
            return _(command.awaits)
        if command.name == "now":
            return None
        return (refusal(self.desk.status.standing) if command.writes else None) or self.cannot(name)

    def action_command(self, name: str) -> None:
        if not self.desk.loaded.is_set():
            self.work(partial(self._command_later, name))
            return
        if self.desk.moment is not None and "escape" in commands.find((*self.SCOPES, "past"), name).keys:
            name = "now"
        if self.why_not(name) is not None or not self.desk.held(self, name):
            super().action_command(name)

    async def _command_later(self, name: str) -> None:
        """Who types ahead while Fieldline starts loses no key."""
        await self.desk.loaded.wait()
        self.action_command(name)

    def ask(self, screen: Screen[Answer], answered: Callable[[Answer | None], None] | None = None) -> None:
        """Show a dialog or page over this one, unless somebody has gone on meanwhile: a key pressed twice opens one."""
        if self.is_active:
            self.app.push_screen(screen, answered)

    def leave(self) -> None:
        """Go back to the screen below; only once, if it is asked for twice."""
        if self.app.screen is self and len(self.app.screen_stack) > 1:
            self.app.pop_screen()

    def do_now(self) -> None:
        """Leave the past."""
        self.desk.look_at(None)

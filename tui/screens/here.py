"""Here: the place where this device is, chosen by hand and remembered here.

What is new there, and its form.
"""

from __future__ import annotations

from dataclasses import replace

from textual.app import ComposeResult

from core.records import Record
from tui import commands
from tui.command_host import command_bindings
from tui.commands import Command
from tui.i18n.translate import N_, _
from tui.layout import Line, rule_line
from tui.screens.base import TALL_LINES
from tui.screens.form import FormScreen
from tui.screens.no_place import NoPlace
from tui.screens.place_commands import PlaceCommands
from tui.screens.visit import Visit
from tui.view_models.equipment import equipment_heading
from tui.widgets.lines import Lines, StaticRows

MIN_CHANGE_LINES = 3
"""Lines for what is new on a small screen, so that the form stays in sight; a tall one shows three times as many."""
_NO_PLACE_REASON = N_("No place is chosen yet: c goes to Fleet to choose one.")


class Here(FormScreen):
    """The form of the place where this device is."""

    TAB = "here"
    SCOPES = ("form", "here", "listing")  # type: ignore[assignment]  # a longer tuple than the form's
    BINDINGS = command_bindings("here")
    CSS = """
    Here #nowhere { display: none; height: 1fr; padding: 1 0; }
    Here.-nowhere #nowhere { display: block; }
    Here.-nowhere #panes { display: none; }
    Here #news-title, Here #news { display: none; }
    Here.-news #news-title, Here.-news #news { display: block; }
    """

    def __init__(self) -> None:
        super().__init__(b"")
        self.visit = Visit(self.state)
        self._no_place = NoPlace(self)
        self.form.is_compared = True
        self.actions = (*self.actions, PlaceCommands(self, self.form, self.editor, self._show_rows))

    def body(self) -> ComposeResult:
        yield from super().body()
        yield Lines(lambda width, _height: [rule_line(width, [(self.visit.title(), "strong")])], id="news-title")
        yield Lines(self.visit.lines, id="news")

    def content(self) -> ComposeResult:
        yield Lines(self._no_place.lines, id="nowhere", classes="to-read")
        yield from super().content()

    def breadcrumb(self) -> str:
        return super().breadcrumb() or _("Here")

    def heading(self) -> tuple[Line, Line]:
        if not self.entity:
            return [], []
        left, right = equipment_heading(self.state.equipment_monitor.inspection, list(self.form.states.values()))
        return [*super().heading()[0], *left], right or self.visit.heading()

    async def reload_content(self) -> None:
        here = self.state.here
        self.set_class(here is None, "-nowhere")
        if here is None:
            self.form.entity, self.form.record, self.visit.changes = b"", Record(b""), []
            self.lines.show_rows(StaticRows())
            await self._no_place.read()
        else:
            if here != self.entity:
                if self.is_typing:
                    self.editor.stop_typing()
                self.form.entity = here
                await self.visit.begin(here)
            await super().reload_content()
            await self.visit.load_changes(self.form.record, self.form.names)
        self.set_class(bool(self.visit.changes), "-news")
        max_lines = MIN_CHANGE_LINES * 3 if self.size.height >= TALL_LINES else MIN_CHANGE_LINES
        self.query_one("#news", Lines).styles.height = min(len(self.visit.changes), max_lines)
        self.redraw()
        self.call_after_refresh(self._restore_focus)

    def _restore_focus(self) -> None:
        # Textual gives it to what is hidden, too.
        super()._restore_focus() if self.state.here is not None else self.set_focus(None)

    async def on_unmount(self) -> None:
        if self.entity:
            await self.visit.end(self.entity)

    # --- commands ----------------------------------------------------------------------------------------------------

    def available_commands(self) -> list[Command]:
        available = super().available_commands()
        if self.is_typing:
            return available
        if not self.entity:
            choose = replace(commands.find_command(("here",), "choose"), label=_("choose place"))
            available = [choose, *(command for command in available if command.name != "choose")]
        return [command for command in available if command.name != "back"]

    def screen_disabled_reason(self, name: str) -> str | None:
        if name in ("choose", "back", "find"):
            return None
        if not self.entity and name not in ("journal", "find_place"):
            return _(_NO_PLACE_REASON)
        return super().screen_disabled_reason(name)

    def do_back(self) -> None:
        """Leave the line that is typed into; there is nothing to go back to from here."""
        if self.is_typing:
            super().do_back()

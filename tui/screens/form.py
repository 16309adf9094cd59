"""The form of one entity: a line for each property.

Edits wait, marked, until they are applied together.
"""

from __future__ import annotations

from functools import partial

from textual.app import App
from textual.widgets import Input

from tui import commands
from tui.command_host import command_bindings
from tui.commands import Command
from tui.glyphs import GLYPHS
from tui.i18n.translate import _, language
from tui.layout import Line, fit
from tui.screens.actions.undo import UndoActions
from tui.screens.base import MIN_PANES_COLUMNS, BaseScreen
from tui.screens.form_commands import FormCommands
from tui.screens.form_editor import FormEditor
from tui.screens.form_state import FormState
from tui.screens.form_surroundings import FormSurroundings
from tui.screens.list_screen import ListScreen
from tui.view_models.form import FormRow


class FormScreen(ListScreen):
    """All properties of one entity."""

    TAB = "fleet"
    SCOPES = ("form", "listing")
    BINDINGS = command_bindings("form")

    def __init__(self, entity: bytes, focus: str | None = None, prefilled_count: int = 0) -> None:
        """`focus` is the property to begin at; `prefilled_count` as for `FormState`."""
        super().__init__()
        self.form = FormState(self.state, entity, prefilled_count)
        self.editor = FormEditor(self, self.form, self._show_rows)
        self.actions = (self.editor, FormCommands(self, self.form, self.editor), UndoActions(self))
        self._focus = focus
        self._surroundings = FormSurroundings(self, self.form)

    @property
    def entity(self) -> bytes:
        """What the form is about."""
        return self.form.entity

    @property
    def row(self) -> FormRow | None:
        """The property under the cursor; None on a heading."""
        return self.editor.row

    async def reload_content(self) -> None:
        await self.form.load()
        await self._surroundings.read_life()
        self._show_rows()
        self.run_task(self._surroundings.read_relatives, group="relatives")

    def _show_rows(self) -> None:
        source = self.form.lines()
        key, self._focus = self._focus or self.lines.key, None
        self.lines.show_rows(source, cursor=source.index(key))
        self.redraw()

    def breadcrumb(self) -> str:
        return self.form.path

    def heading(self) -> tuple[Line, Line]:
        left: Line = [(self.form.kind.label(language()), "plain")]
        if self.form.record.retired:
            left.append((f"  {GLYPHS['retired']} " + _("retired"), "attention"))
        if confirmed := self.form.confirmation_text():
            left.append((f"  {confirmed}", "dim"))
        columns = ((_("Set by"), 9), (_("When"), 9), (_("On"), 7))
        heads = " ".join(fit(text, width) for text, width in columns)
        return left, [(heads, "dim")] if self.size.width < MIN_PANES_COLUMNS else []

    def tail(self, width: int, height: int) -> list[Line]:
        return [[(" ", "plain"), *line] for line in self._surroundings.life_lines(width - 2, height)]

    def subject(self) -> Line:
        return [(self.row.prop.label(language()), "strong")] if self.row else []

    def details(self, width: int, height: int) -> list[Line]:
        return self._surroundings.details(self.row, self.editor, width, height) if self.row else []

    def clipboard_text(self) -> str:
        return "" if self.row is None else self.form.clipboard_text(self.row)

    # --- commands ----------------------------------------------------------------------------------------------------

    @property
    def is_typing(self) -> bool:
        return self.editor.typed_row is not None

    def available_commands(self) -> list[Command]:
        return list(commands.commands_of("typing")) if self.is_typing else super().available_commands()

    def disabled_reason(self, name: str) -> str | None:
        return None if self.is_typing else super().disabled_reason(name)

    def do_back(self) -> None:
        """Leave the form; the draft stays."""
        if self.is_typing:
            self.editor.stop_typing()
            return
        self.form.discard_untouched()
        self.go_back()

    def on_resize(self) -> None:
        super().on_resize()
        self.editor.on_resize()

    def on_input_changed(self, event: Input.Changed) -> None:
        self.editor.on_typed(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.run_task(partial(self.editor.keep_typed, event.value), group="keep")


def prepare_switch(app: App[None], place: str) -> None:
    """Leave the screen for a place.

    Nothing is said any more there, and its own list shows again; drafts stay.
    """
    if isinstance(app.screen, BaseScreen):
        app.screen.show_message("")
    while app.current_mode == place and isinstance(screen := app.screen, BaseScreen) and len(app.screen_stack) > 1:
        if isinstance(screen, FormScreen):
            if screen.is_typing:
                screen.editor.stop_typing()
            screen.form.discard_untouched()
        screen.go_back()

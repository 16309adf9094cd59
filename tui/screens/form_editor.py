"""Commands of a form that edit.

Type or pick a value, unset, discard, and choose among the values of a conflict.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from textual.widgets import Input

from core.errors import FieldlineError
from core.value_codec import Value
from tui.draft import newer_candidate
from tui.glyphs import GLYPHS
from tui.i18n.translate import _, language, ngettext
from tui.layout import Line, wrap_text
from tui.screens.base import ScreenActions
from tui.screens.form_state import FormState
from tui.screens.list_screen import ListScreen
from tui.terminal.key_sequencer import REFRESH_GROUP
from tui.view_models.form import FormRow, refusal_text
from tui.view_models.form_lines import FormLines, candidate_lines
from tui.view_models.save_warnings import clash_warnings, newer_value_text
from tui.view_models.value_text import editable_text, parse_value
from tui.widgets.field import Field
from tui.widgets.lines import Lines


class FormEditor(ScreenActions):
    """Edits the property under the cursor.

    The edits wait in the draft until they are applied.
    """

    screen: ListScreen

    def __init__(self, screen: ListScreen, form: FormState, show_rows: Callable[[], None]) -> None:
        """`show_rows` shows the rows again, after an edit."""
        super().__init__(screen)
        self._form = form
        self._show_rows = show_rows
        self.typed_row: FormRow | None = None
        """The row over which a field is open; None while nothing is typed."""
        self.error = ""
        """Why what is typed would be refused; empty if it would not."""
        self._untouched: tuple[str, Value] = ("", None)
        """What the field opened with, and its value, which stands although the schema may refuse it by now."""

    @property
    def row(self) -> FormRow | None:
        """The property under the cursor; None on a heading."""
        source = self.screen.lines.source
        return source.row(self.screen.lines.cursor) if isinstance(source, FormLines) else None

    def disabled_reason(self, name: str) -> str | None:
        row = self.row
        if name == "revert_all":
            return None if len(self._form.draft) else _("Nothing is edited: e edits the current line.")
        if row is None:
            return _("There is nothing on this line.")
        if name == "clear" and row.slot.state in ("absent", "cleared") and not row.edited:
            return _("{label} is not configured.").format(label=row.prop.label(language()))
        if name == "revert" and not row.edited:
            return _("You have not edited {label}.").format(label=row.prop.label(language()))
        if name == "settle" and row.slot.state != "conflict":
            return _("There is one value only, so there is nothing to resolve.")
        return None

    # --- a field over the value ---------------------------------------------------------------------------------------

    async def do_edit(self) -> None:
        """Open a field over the value, or what picks one."""
        from tui.dialogs.reference_picker import make_picker

        row = self.row
        if row is None or self.typed_row:
            return
        view, schema = self.state.view, self.state.schema
        value = row.wanted if row.edited else row.slot.value
        if dialog := make_picker(row.prop, value, view, schema):
            self.screen.open_dialog(dialog, partial(self._on_value_picked, row))
            return
        self._untouched = (await editable_text(row.prop, value, view, schema), value)
        field = Field(self._untouched[0])
        field.styles.layer = "above"
        self._align_field(field)
        self.typed_row = row
        await self.screen.mount(field)
        field.focus()
        self.screen.redraw()

    def on_resize(self) -> None:
        """Keep the field over its value."""
        for field in self.screen.query(Field):
            self.screen.call_after_refresh(self._align_field, field)

    def _align_field(self, field: Field) -> None:
        lines = self.screen.lines
        column = lines.source.value_column if isinstance(lines.source, FormLines) else 0
        field.styles.offset = (lines.region.x + column, lines.region.y + lines.cursor - round(lines.scroll_y))
        field.styles.width = max(1, lines.size.width - column - 1)

    def stop_typing(self) -> None:
        """Close the field; what stands in it is not kept."""
        self.typed_row, self.error = None, ""
        for field in self.screen.query(Input):
            field.remove()
        self.state.save_drafts()
        self.screen.lines.focus()
        self._show_rows()

    def on_typed(self, text: str) -> None:
        """Say what would be refused of what is typed so far.

        Keep what would not, should the line go dead.
        """
        if (row := self.typed_row) is None or row.prop.type == "reference":
            return
        refusal = ""
        try:
            if text.strip():
                self._form.save_typed(row, row.prop.parse(text))
        except FieldlineError as error:
            refusal = refusal_text(error, row.prop)
        if refusal != self.error:
            self._show_error(refusal)

    def _show_error(self, refusal: str) -> None:
        self.error = refusal
        self.screen.query_one("#details", Lines).redraw()

    async def keep_typed(self, text: str) -> bool:
        """Keep what was typed as an edit; return whether that is possible."""
        if (row := self.typed_row) is None:
            return True
        untouched, value = self._untouched
        if value is None or text != untouched:
            try:
                value = await parse_value(row.prop, text, self.state.view, self.state.schema)
            except FieldlineError as error:
                self._show_error(refusal_text(error, row.prop))
                return False
        self._edit(row, value)
        self.stop_typing()
        await self.screen.reload_content()
        return True

    def typing_lines(self, width: int) -> list[Line]:
        """What to know while a value is typed.

        Why it would be refused, and what others have set meanwhile.
        """
        lines: list[Line] = []
        if self.error:
            texts = wrap_text(self.error, width - 6)
            lines += [[(f"{GLYPHS['invalid']} {text}", "attention")] for text in texts]
        row, record = self.typed_row, self._form.record
        if row and (newer := newer_candidate(row.slot, record.slot(row.prop.name))):
            text = newer_value_text(row.prop, newer, self._form.names)
            lines += [[(line, "attention")] for line in wrap_text(text, width - 4)]
        return lines

    # --- other edits --------------------------------------------------------------------------------------------------

    def _on_value_picked(self, row: FormRow, answer: tuple[Value] | None) -> None:
        if answer is not None:
            self._edit(row, answer[0])
            self.screen.run_task(self.screen.reload_content, group=REFRESH_GROUP)

    def _edit(self, row: FormRow, value: Value) -> None:
        self._form.edit(row, value)
        self.screen.run_task(partial(self._warn_of_clash, row.prop.name), group="clash")

    async def _warn_of_clash(self, name: str) -> None:
        """Say at once if the value clashes with another entity's."""
        form, state = self._form, self.state
        if name in form.draft.wanted:
            together = (form.kind.key, form.kind.within)
            names = together if form.is_new and name in together else (name,)
            wanted = {each: value for each, value in form.draft.wanted.items() if each in names}
            warnings = await clash_warnings(state.view, state.schema, {form.entity: (form.record, wanted)})
            for warning in warnings[:1]:
                self.screen.show_message(warning, attention=True)

    def do_clear(self) -> None:
        """Want the property unset."""
        if (row := self.row) is None:
            return
        if refusal := row.prop.check(None):
            self.screen.show_message(refusal_text(refusal, row.prop), attention=True)
            return
        self._edit(row, None)
        self._show_rows()

    def do_revert(self) -> None:
        """Discard the edit."""
        if row := self.row:
            self._form.discard(row.prop.name)
            self._show_rows()

    def do_revert_all(self) -> None:
        """Ask, and discard all edits."""
        from tui.dialogs.base import ConfirmDialog

        count = len(self._form.draft)
        text = ngettext("{count} edit is forgotten.", "{count} edits are forgotten.", count)

        def answered(yes: bool | None) -> None:
            if yes:
                self._form.discard_all()
                if self._form.is_new:
                    self.screen.go_back()
                else:
                    self._show_rows()

        self.screen.open_dialog(ConfirmDialog(_("Discard all edits?"), text, _("discard")), answered)

    def do_settle(self) -> None:
        """Choose one of the values of a conflict."""
        from tui.dialogs.base import ChoiceDialog

        if row := self.row:
            lines = candidate_lines(row, 68, self._form.names, self.state.dates)
            rows = [(leaf.fact, line) for leaf, line in zip(row.slot.leaves, lines, strict=True)]
            dialog = ChoiceDialog(row.prop.label(language()), rows)
            self.screen.open_dialog(dialog, partial(self._on_candidate_chosen, row))

    def _on_candidate_chosen(self, row: FormRow, fact: object) -> None:
        if leaf := next((leaf for leaf in row.slot.leaves if leaf.fact == fact), None):
            self._edit(row, leaf.value)
            self._show_rows()

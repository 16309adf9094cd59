"""The form of one entity: a line for each property; edits wait, marked, until they are applied together."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from textual.widgets import Input

from core.changes import Value
from core.errors import FieldlineError
from core.records import Edit, Record
from core.schema import Kind
from tui import commands
from tui.command_host import command_bindings
from tui.commands import Command
from tui.dialogs.base import ChoiceDialog, ConfirmDialog, SaveDialog
from tui.dialogs.reference_picker import make_picker
from tui.dialogs.search import FoundSlot, SearchDialog
from tui.draft import Draft, newer_candidate
from tui.i18n.translate import _, language, ngettext
from tui.layout import Line, wrap_text
from tui.screens.actions.retire import ask_retire
from tui.screens.actions.undo import UndoActions
from tui.terminal.key_sequencer import REFRESH_GROUP
from tui.view_models.breadcrumbs import SEPARATOR
from tui.view_models.form import (
    NO_NAMES,
    STATE_GLYPHS,
    DisplayNames,
    FormRow,
    form_rows,
    format_value,
    referenced_entities,
    refusal_text,
    value_references,
)
from tui.view_models.form_lines import FormLines, apply_lines, candidate_lines, property_details
from tui.view_models.save_warnings import clash_warnings, inbox_notice, newer_value_text, newer_value_warnings
from tui.view_models.value_text import editable_text, parse_value
from tui.widgets.field import Field
from tui.widgets.lines import Lines


class FormScreen(UndoActions):
    """Everything that is said about one entity."""

    TAB = "fleet"
    SCOPES = ("form", "listing")
    BINDINGS = command_bindings("form")

    def __init__(self, entity: bytes, focus: str | None = None, prefilled: int = 0) -> None:
        """`given` is how many values of something new its author did not type: without more it is not kept."""
        super().__init__()
        self.entity = entity
        self._prefilled_count = prefilled
        self.record = Record(entity, None, None, False, {})
        self.names: DisplayNames = NO_NAMES
        self._path = ""
        self._focus = focus
        self._typed_row: FormRow | None = None
        self._typing_error = ""

    # --- what is shown -----------------------------------------------------------------------------------------------

    @property
    def kind(self) -> Kind:
        """The definition of the entity's kind."""
        return self.state.schema.kind(self.record.kind)

    @property
    def draft(self) -> Draft:
        """The edits of this entity that are not applied yet."""
        draft = self.state.drafts.get(self.entity)
        return draft if draft is not None and self.state.viewed_at_us is None else Draft(self.entity, self.record.kind)

    @property
    def row(self) -> FormRow | None:
        """The property under the cursor."""
        source = self.lines.source
        return source.row(self.lines.cursor) if isinstance(source, FormLines) else None

    async def reload_content(self) -> None:
        view, schema = self.state.view, self.state.schema
        record = await view.record(self.entity, schema)
        if record.kind is None and self.draft.kind is not None:
            record = Record(self.entity, self.draft.kind)
        wanted = [entity for value in self.draft.wanted.values() for entity in value_references(value)]
        called = await view.names({self.entity, *referenced_entities(record), *wanted}, schema)
        self.names = DisplayNames({e: name.title for e, name in called.items()}, self.state.names.devices)
        self.record = record
        self._path = await self.state.breadcrumb_of(self.entity) if record.slots else self._new_path()
        self._show_rows()

    def _show_rows(self) -> None:
        rows = form_rows(self.record, self.state.schema, self.draft)
        source = self.make_lines(rows)
        key, self._focus = self._focus or self.lines.key, None
        self.lines.show_rows(source, cursor=source.index(key))
        self.redraw()

    def make_lines(self, rows: list[FormRow]) -> FormLines:
        """The lines of the form."""
        return FormLines(rows, self.kind, self.names, self.state.dates)

    @property
    def is_new(self) -> bool:
        """Whether nobody ever said anything of the entity: it is being made here."""
        return self.record.kind is not None and not self.record.slots

    def _new_path(self) -> str:
        return _("New: {kind}").format(kind=self.kind.label(language())) if self.is_new else ""

    def breadcrumb(self) -> str:
        return self._path

    def heading(self) -> tuple[Line, Line]:
        left: Line = [(self.kind.label(language()), "plain")]
        if self.record.retired:
            left.append(("  – " + _("retired"), "attention"))
        return left, []

    def subject(self) -> Line:
        row = self.row
        return [(row.prop.label(language()), "strong")] if row else []

    def details(self, width: int, height: int) -> list[Line]:
        if self.row is None:
            return []
        lines: list[Line] = []
        if self._typing_error:
            lines += [
                [(f"{STATE_GLYPHS['invalid']} {text}", "attention")]
                for text in wrap_text(self._typing_error, width - 6)
            ]
        if self._typed_row and (
            news := newer_candidate(self._typed_row.slot, self.record.slot(self._typed_row.prop.name))
        ):
            text = newer_value_text(self._typed_row.prop, news, self.names)
            lines += [[(line, "attention")] for line in wrap_text(text, width - 4)]
        lines += property_details(self.row, width - 4, self.names, self.state.dates)
        return [[("   ", "plain"), *line] for line in lines[:height]]

    def clipboard_text(self) -> str:
        row = self.row
        if row is None or not (row.edited or row.slot.leaves):
            return ""
        value = row.wanted if row.edited else row.slot.value
        return (
            value if isinstance(value, str) else format_value(row.prop, value, self.names) if value is not None else ""
        )

    # --- commands ----------------------------------------------------------------------------------------------------

    @property
    def is_typing(self) -> bool:
        return self._typed_row is not None

    def available_commands(self) -> list[Command]:
        return list(commands.commands_of("typing")) if self._typed_row else super().available_commands()

    def disabled_reason(self, name: str) -> str | None:
        return None if self._typed_row else super().disabled_reason(name)

    def screen_disabled_reason(self, name: str) -> str | None:
        row = self.row
        if name == "apply":
            return self._apply_disabled_reason()
        if name == "revert_all":
            return None if len(self.draft) else _("Nothing is edited: e edits the current line.")
        if name in ("retire", "history_of") and self.is_new:
            return _("This is not saved yet: ^s applies it, z discards an edit.")
        if name in ("undo", "redo", "find", "retire"):
            return None
        if row is None:
            return None if name == "back" else _("There is nothing on this line.")
        if name == "whole" and not (row.edited or row.slot.leaves):
            return _("{label} is not configured.").format(label=row.prop.label(language()))
        if name == "clear" and row.slot.state in ("absent", "cleared") and not row.edited:
            return _("{label} is not configured.").format(label=row.prop.label(language()))
        if name == "revert" and not row.edited:
            return _("You have not edited {label}.").format(label=row.prop.label(language()))
        if name == "settle" and row.slot.state != "conflict":
            return _("There is one value only, so there is nothing to resolve.")
        return None

    def _apply_disabled_reason(self) -> str | None:
        if not len(self.draft):
            return _("Nothing is edited: e edits the current line.")
        lacking = self.kind.missing(self.draft.wanted) if self.is_new else []
        if self.is_new and self.draft.wanted.get(self.kind.key) is None:
            key = self.kind.property(self.kind.key)
            lacking = [key, *(prop for prop in lacking if prop.name != key.name)]
        if lacking:
            labels = ", ".join(prop.label(language()) for prop in lacking)
            return _("What is new needs these first: {labels}.").format(labels=labels)
        return None

    def do_back(self) -> None:
        """Leave the form; the draft stays."""
        if self._typed_row:
            self._stop_typing()
            return
        if self.is_new and len(self.draft) <= self._prefilled_count:
            self.state.drafts.pop(self.entity, None)
            self.state.save_drafts()
        self.go_back()

    async def do_edit(self) -> None:
        """Open the line to type into, over the value."""
        row = self.row
        if row is None or self._typed_row:
            return
        value = row.wanted if row.edited else row.slot.value
        if dialog := make_picker(row.prop, value, self.state.view, self.state.schema):
            self.open_dialog(dialog, partial(self._on_value_picked, row))
            return
        text = await editable_text(row.prop, value, self.state.view, self.state.schema)
        field = Field(text)
        field.styles.layer = "above"
        self._align_field(field)
        self._typed_row = row
        await self.mount(field)
        field.focus()
        self.redraw()

    def _align_field(self, field: Field) -> None:
        source = self.lines.source
        column = source.value_column if isinstance(source, FormLines) else 0
        field.styles.offset = (column, self.lines.region.y + self.lines.cursor - round(self.lines.scroll_y))
        field.styles.width = max(1, self.size.width - column - 1)

    def on_resize(self) -> None:
        """The line that is typed into stays over its value."""
        super().on_resize()
        for field in self.query(Field):
            self.call_after_refresh(self._align_field, field)

    def _stop_typing(self) -> None:
        self._typed_row = None
        self._typing_error = ""
        for field in self.query(Input):
            field.remove()
        self.state.save_drafts()
        self.lines.focus()
        self._show_rows()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Say while somebody types what would be refused; keep what would not, should the line go dead."""
        if (row := self._typed_row) is None or row.prop.type == "reference":
            return
        refusal = ""
        try:
            if event.value.strip():
                typed = row.prop.parse(event.value)
                self.state.save_drafts(self.draft.with_edit(row.prop.name, row.slot, typed))
        except FieldlineError as error:
            refusal = refusal_text(error, row.prop)
        if refusal != self._typing_error:
            self._typing_error = refusal
            self.query_one("#details", Lines).redraw()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.run_task(partial(self._keep_typed, event.value), group="keep")

    async def _keep_typed(self, text: str) -> None:
        if (row := self._typed_row) is None:
            return
        try:
            value = await parse_value(row.prop, text, self.state.view, self.state.schema)
        except FieldlineError as error:
            self._typing_error = refusal_text(error, row.prop)
            self.query_one("#details", Lines).redraw()
            return
        self._set_wanted(row, value)
        self._stop_typing()
        await self.reload_content()

    def _on_value_picked(self, row: FormRow, answer: tuple[Value] | None) -> None:
        if answer is not None:
            self._set_wanted(row, answer[0])
            self.run_task(self.reload_content, group=REFRESH_GROUP)

    def _set_wanted(self, row: FormRow, value: Value) -> None:
        """Want a value instead of what the row showed when its author began."""
        draft = self.state.drafts.setdefault(self.entity, Draft(self.entity, self.record.kind))
        draft.edit(row.prop.name, row.slot, value)
        self._drop_empty_draft()
        self.run_task(partial(self._warn_of_clash, row.prop.name), group="clash")

    async def _warn_of_clash(self, name: str) -> None:
        """Say at once if the value is somebody else's."""
        if name in self.draft.wanted:
            together = (self.kind.key, self.kind.within)
            names = together if self.is_new and name in together else (name,)
            wanted = {each: value for each, value in self.draft.wanted.items() if each in names}
            for remark in (await self._clash_warnings(wanted))[:1]:
                self.show_message(remark, attention=True)

    async def _clash_warnings(self, wanted: Mapping[str, Value]) -> list[str]:
        return await clash_warnings(self.state.view, self.state.schema, {self.entity: (self.record, dict(wanted))})

    def _drop_empty_draft(self) -> None:
        if not len(self.draft) and not self.is_new:
            self.state.drafts.pop(self.entity, None)
        self.state.save_drafts()

    def do_clear(self) -> None:
        """Want the property cleared."""
        if (row := self.row) is None:
            return
        if refusal := row.prop.check(None):
            self.show_message(refusal_text(refusal, row.prop), attention=True)
            return
        self._set_wanted(row, None)
        self._show_rows()

    def do_revert(self) -> None:
        """Forget the edit."""
        if row := self.row:
            self.draft.discard(row.prop.name)
            self._drop_empty_draft()
            self._show_rows()

    def do_revert_all(self) -> None:
        """Ask, and forget all edits."""
        count = len(self.draft)
        text = ngettext("{count} edit is forgotten.", "{count} edits are forgotten.", count)

        def answered(yes: bool | None) -> None:
            if yes:
                self.state.drafts.pop(self.entity, None)
                self.state.save_drafts()
                if self.is_new:
                    self.go_back()
                else:
                    self._show_rows()

        self.open_dialog(ConfirmDialog(_("Discard all edits?"), text, _("discard")), answered)

    def do_settle(self) -> None:
        """Choose one of the values that are in dispute."""
        if row := self.row:
            lines = candidate_lines(row, 68, self.names, self.state.dates)
            rows = [(leaf.fact, line) for leaf, line in zip(row.slot.leaves, lines, strict=True)]
            self.open_dialog(ChoiceDialog(row.prop.label(language()), rows), partial(self._on_candidate_chosen, row))

    def _on_candidate_chosen(self, row: FormRow, fact: object) -> None:
        if leaf := next((leaf for leaf in row.slot.leaves if leaf.fact == fact), None):
            self._set_wanted(row, leaf.value)
            self._show_rows()

    def do_whole(self) -> None:
        """Read what is said of the property in full."""
        from tui.dialogs.text_viewer import TextViewer, row_texts

        if row := self.row:
            title = f"{self._path}{SEPARATOR}{row.prop.label(language())}"
            self.app.push_screen(TextViewer(title, partial(row_texts, row, self.names, self.state.dates)))

    def do_history_of(self) -> None:
        """The changes of this property."""
        if row := self.row:
            of = f"{self._path}{SEPARATOR}{row.prop.label(language())}"
            self.state.show_history(self.entity, row.prop.name, of)

    def do_find(self) -> None:
        """Search everything, and go to what is chosen in Fleet."""
        self.open_dialog(SearchDialog(self.state.view, self.state.schema), self._on_search_done)

    def _on_search_done(self, hits: list[FoundSlot] | None) -> None:
        if hits:
            self.state.show_search_hits(hits)

    # --- apply -------------------------------------------------------------------------------------------------------

    async def do_apply(self) -> None:
        """Show old and new, then save them as one change; what is being typed is kept first."""
        if self._typed_row:
            await self._keep_typed(self.query_one(Input).value)
            if self._typing_error:
                return
            if reason := self._apply_disabled_reason():
                self.show_message(reason, attention=True)
                return
        draft = self.draft
        if self.is_new:
            from core.workspace.edit import check_key_is_free

            await check_key_is_free(self.state.view, self.kind, draft.wanted, self.state.schema)
        rows = [row for row in form_rows(self.record, self.state.schema, draft) if row.edited]
        clashing = await self._clash_warnings(draft.wanted)
        remarks = newer_value_warnings(rows, self.names) + clashing + inbox_notice(clashing)
        title = _("Apply to {title}").format(title=self._path)
        edits, lines = draft.edits(), apply_lines(rows, draft.base_slots, 68, self.names)

        def saved(note: str | None) -> None:
            if note is not None:
                self.run_task(partial(self._save_edits, edits, note), group="save")

        self.open_dialog(SaveDialog(title, lines, remarks), saved)

    async def _save_edits(self, edits: list[Edit], note: str) -> None:
        workspace, made = self.state.workspace, self.entity
        if self.is_new and self.record.kind:
            written = await workspace.create(self.record.kind, dict(self.draft.wanted), note or None)
            made = written.entity
        else:
            await workspace.save(edits, note or None)
        self.state.drafts.pop(self.entity, None)
        self.state.save_drafts()
        self.entity = made
        await self.reload_content()
        self.show_message(ngettext("Saved: {count} property.", "Saved: {count} properties.", len(edits)))

    # --- in and out of use -------------------------------------------------------------------------------------------

    async def do_retire(self) -> None:
        """Take the entity out of use, or into use again."""
        await ask_retire(self, self.record)

"""Commands of a form that do not edit.

Apply the edits, retire the entity, show more of a property, search.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from textual.widgets import Input

from core.records import Edit
from core.schema import Property
from tui.i18n.translate import _, language, ngettext
from tui.screens.actions.save import ask_save
from tui.screens.base import ScreenActions
from tui.screens.form_editor import FormEditor
from tui.screens.form_state import FormState
from tui.screens.list_screen import ListScreen
from tui.view_models.breadcrumbs import property_breadcrumb
from tui.view_models.form_lines import apply_lines
from tui.view_models.save_warnings import clash_warnings, inbox_notice, newer_value_warnings

if TYPE_CHECKING:
    from tui.dialogs.search import FoundSlot

_PREVIEW_COLUMNS = 68
"""Columns of a dialog's box on the smallest terminal."""


class FormCommands(ScreenActions):
    """Applies the edits of a form, and shows more of what it is about."""

    screen: ListScreen

    def __init__(self, screen: ListScreen, form: FormState, editor: FormEditor) -> None:
        super().__init__(screen)
        self._form = form
        self._editor = editor

    def disabled_reason(self, name: str) -> str | None:
        if name == "apply":
            return self._apply_disabled_reason()
        if name in ("retire", "history_of", "confirm") and self._form.is_new:
            return _("This is not saved yet: ^s applies it, z discards an edit.")
        if name == "confirm" and len(self._form.draft):
            return _("You have edits here that are not applied: ^s applies them, Z discards them.")
        if name in ("find", "retire", "confirm"):
            return None
        if (row := self._editor.row) is None:
            return _("There is nothing on this line.")
        if name == "whole" and not (row.edited or row.slot.leaves):
            return _("{label} is not configured.").format(label=row.prop.label(language()))
        return None

    def _apply_disabled_reason(self) -> str | None:
        form = self._form
        if not len(form.draft):
            return _("Nothing is edited: e edits the current line.")
        return None

    def _lead_to_missing(self, lacking: Sequence[Property]) -> None:
        """Put the cursor on what a new entity needs first, and say what it needs."""
        index = self._form.lines().index(lacking[0].name)
        if index is not None:
            self.screen.lines.move_to(index)
        labels = ", ".join(prop.label(language()) for prop in lacking)
        text = _("What is new needs these first: {labels}.").format(labels=labels)
        self.screen.show_message(text, attention=True)

    def _missing_properties(self) -> list[Property]:
        """What a new entity still needs, its key first."""
        form = self._form
        if not form.is_new:
            return []
        lacking = form.kind.missing(form.draft.wanted)
        if form.draft.wanted.get(form.kind.key) is None:
            key = form.kind.property(form.kind.key)
            lacking = [key, *(prop for prop in lacking if prop.name != key.name)]
        return lacking

    # --- apply --------------------------------------------------------------------------------------------------------

    async def do_apply(self) -> None:
        """Show old and new, then save them as one change.

        What is being typed is kept first.
        """
        if self._editor.typed_row:
            if not await self._editor.keep_typed(self.screen.query_one(Input).value):
                return
            if reason := self._apply_disabled_reason():
                self.screen.show_message(reason, attention=True)
                return
        if lacking := self._missing_properties():
            self._lead_to_missing(lacking)
            return
        form, state = self._form, self.state
        draft = form.draft
        if form.is_new:
            from core.device.edit_check import check_keys_are_free

            await check_keys_are_free(state.view, state.schema, [(form.kind, draft.wanted)])
        rows = [row for row in form.rows() if row.edited]
        clashing = await clash_warnings(state.view, state.schema, {form.entity: (form.record, dict(draft.wanted))})
        warnings = newer_value_warnings(rows, form.names) + clashing + inbox_notice(clashing)
        title = _("Apply to {title}").format(title=form.path)
        lines = apply_lines(rows, draft.base_slots, _PREVIEW_COLUMNS, form.names)
        ask_save(self.screen, title, lines, warnings, partial(self._save_edits, draft.edits()))

    async def _save_edits(self, edits: list[Edit], note: str) -> None:
        form, workspace = self._form, self.state.workspace
        entity = form.entity
        if form.is_new and form.record.kind:
            entity = (await workspace.create(form.record.kind, dict(form.draft.wanted), note or None)).entity
        else:
            await workspace.save(edits, note or None)
        form.discard_all()
        form.entity = entity
        await self.screen.reload_content()
        self.screen.show_message(ngettext("Saved: {count} property.", "Saved: {count} properties.", len(edits)))

    async def do_retire(self) -> None:
        """Retire the entity, or put it back in use."""
        from tui.screens.actions.retire import ask_retire

        await ask_retire(self.screen, self._form.record)

    async def do_confirm(self) -> None:
        """Confirm all values as they stand here."""
        from tui.screens.actions.confirm import confirm_record

        await confirm_record(self.screen, self._form.record)

    # --- show more ----------------------------------------------------------------------------------------------------

    def do_whole(self) -> None:
        """Show every value of the property in full."""
        from tui.dialogs.text_viewer import TextViewer, row_texts

        if row := self._editor.row:
            title = property_breadcrumb(self._form.path, row.prop.label(language()))
            self.screen.app.push_screen(TextViewer(title, partial(row_texts, row, self._form.names, self.state.dates)))

    def do_history_of(self) -> None:
        """Show the changes of this property."""
        if row := self._editor.row:
            title = property_breadcrumb(self._form.path, row.prop.label(language()))
            self.state.show_history(self._form.entity, row.prop.name, title)

    def do_find(self) -> None:
        """Search everything, and go to what is chosen in Fleet."""
        from tui.dialogs.search import SearchDialog

        self.screen.open_dialog(SearchDialog(self.state.view, self.state.schema), self._on_search_done)

    def _on_search_done(self, hits: list[FoundSlot] | None) -> None:
        if hits:
            self.state.show_search_hits(hits)

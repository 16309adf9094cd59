"""Mark several entities, and give all the same value in one change.

With every difference shown first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from core.records import Edit, Record, diff_edits
from core.schema import KIND, RETIRED, Kind, Property
from core.value_codec import MAX_FACTS, Value
from tui.i18n.translate import _, format_number, language, ngettext
from tui.screens.actions.save import ask_save
from tui.screens.base import BaseScreen, ScreenActions
from tui.view_models.form import with_label


class BulkEditActions(ScreenActions):
    """Give several entities the same value in one change."""

    def __init__(self, screen: BaseScreen, entities: dict[bytes, None], open_form: Callable[[], None]) -> None:
        """`entities` are those that are marked, in the order of marking.

        It is shared with the screen.

        `open_form` opens the form of the current line.
        """
        super().__init__(screen)
        self._entities = entities
        self._open_form = open_form

    async def do_edit_marked(self) -> None:
        """Ask for the property, then for the value, then show what would be written.

        Without a mark open the form.
        """
        if not self._entities:
            self._open_form()
            return
        schema, view = self.state.schema, self.state.view
        records = [await view.record(entity, schema) for entity in self._entities]
        kinds = {record.kind for record in records}
        if len(kinds) != 1:
            self.screen.show_message(_("Mark lines of one kind only: these have different properties."), attention=True)
        elif len(records) > MAX_FACTS:
            text = _("At most {count} can be edited at once: these are more.").format(count=format_number(MAX_FACTS))
            self.screen.show_message(text, attention=True)
        else:
            self._ask_property(records, schema.kind(kinds.pop()))

    def _ask_property(self, records: Sequence[Record], kind: Kind) -> None:
        from tui.dialogs.base import ChoiceDialog

        props = [prop for name, prop in kind.properties.items() if name not in (KIND, RETIRED, kind.key)]
        count = len(records)
        title = ngettext("Edit of {count} marked line", "Edit of {count} marked lines", count)
        rows = [(prop.name, [(prop.label(language()), "plain")]) for prop in props]

        def chosen(name: object) -> None:
            if isinstance(name, str):
                self._ask_value(records, kind.property(name))

        self.screen.open_dialog(ChoiceDialog(title, rows), chosen)

    def _ask_value(self, records: Sequence[Record], prop: Property) -> None:
        from tui.dialogs.base import PromptDialog
        from tui.dialogs.reference_picker import make_picker

        view, schema = self.state.view, self.state.schema

        def picked(answer: tuple[Value] | None) -> None:
            if answer is not None:
                self.screen.run_task(partial(self._propose_edits, records, prop, answer[0]), group="many")

        async def check(text: str) -> None:
            await self._parse_typed(prop, text)

        def typed(text: str | None) -> None:
            if text is not None:
                self.screen.run_task(partial(self._propose_typed, records, prop, text), group="many")

        if dialog := make_picker(prop, None, view, schema):
            self.screen.open_dialog(dialog, picked)
        else:
            help_text = prop.help_text(language()) + " " + _("Nothing typed: unset.")
            self.screen.open_dialog(
                PromptDialog(prop.label(language()), "", help_text.strip(), check, check_while_typing=True), typed
            )

    async def _parse_typed(self, prop: Property, text: str) -> Value:
        """The value typed; an empty text is no value, if the schema lets it."""
        from tui.view_models.value_text import parse_value

        if text.strip():
            return await parse_value(prop, text, self.state.view, self.state.schema)
        if refusal := prop.check(None):
            raise with_label(refusal, prop)
        return None

    async def _propose_typed(self, records: Sequence[Record], prop: Property, text: str) -> None:
        await self._propose_edits(records, prop, await self._parse_typed(prop, text))

    async def _propose_edits(self, records: Sequence[Record], prop: Property, value: Value) -> None:
        from tui.view_models.edit_preview import preview_edits
        from tui.view_models.save_warnings import clash_warnings, inbox_notice

        state = self.state
        # Read again: what is shown before it is saved is what it replaces.
        records = [await state.view.record(record.entity, state.schema) for record in records]
        edits = [edit for record in records for edit in diff_edits(record, {prop.name: value})]
        if not edits:
            self.screen.show_message(_("All of them have this value already."))
            return
        rows = await preview_edits(edits, state.view, state.schema, state.names, with_breadcrumbs=True)
        wanted = {record.entity: (record, {prop.name: value}) for record in records}
        clashing = await clash_warnings(state.view, state.schema, wanted)
        warnings = clashing + inbox_notice(clashing) + self._draft_warnings(edits)
        title = ngettext("Edit {count} property", "Edit {count} properties", len(edits)).format(
            count=format_number(len(edits))
        )
        ask_save(self.screen, title, rows, warnings, partial(self._save_edits, edits))

    def _draft_warnings(self, edits: Sequence[Edit]) -> list[str]:
        """That some of the marked lines have edits of the same property which stay."""
        drafts = self.state.drafts
        count = sum(edit.entity in drafts and edit.property in drafts[edit.entity].wanted for edit in edits)
        text = ngettext(
            "{count} of these has another edit of yours that is not applied: it stays.",
            "{count} of these have other edits of yours that are not applied: they stay.",
            count,
        )
        return [text] if count else []

    async def _save_edits(self, edits: list[Edit], note: str) -> None:
        await self.state.workspace.save(edits, note or None)
        self._entities.clear()
        await self.state.refresh_data()
        self.screen.show_message(ngettext("Saved: {count} property.", "Saved: {count} properties.", len(edits)))

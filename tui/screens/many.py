"""Mark several entities, and give all of them the same value in one change, with every difference shown first."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from core.changes import MAX_FACTS, Value
from core.records import Edit, Record, diff
from core.schema import KIND, RETIRED, Kind, Property
from tui.language.i18n import _, language, ngettext, number
from tui.rows.forms import labelled
from tui.rows.preview import preview
from tui.rows.remarks import clash_remarks, consequence
from tui.rows.values import read_value
from tui.screens.dialogs import Ask, Choose, Save
from tui.screens.turning import Turning


class Many(Turning):
    """A page on which entities are marked; `marked` are those, in the order in which they were."""

    def __init__(self) -> None:
        super().__init__()
        self.marked: dict[bytes, None] = {}

    async def do_edit_marked(self) -> None:
        """Ask for the property, then for the value, then show what would be written."""
        schema, view = self.desk.schema, self.desk.view
        records = [await view.record(entity, schema) for entity in self.marked]
        kinds = {record.kind for record in records}
        if len(kinds) != 1:
            self.message(_("Mark lines of one kind only: these have different properties."), attention=True)
        elif len(records) > MAX_FACTS:
            text = _("At most {count} can be edited at once: these are more.").format(count=number(MAX_FACTS))
            self.message(text, attention=True)
        else:
            self._ask_property(records, schema.kind(kinds.pop()))

    def _ask_property(self, records: Sequence[Record], kind: Kind) -> None:
        props = [prop for name, prop in kind.properties.items() if name not in (KIND, RETIRED, kind.key)]
        count = len(records)
        title = ngettext("Edit of {count} marked line", "Edit of {count} marked lines", count)
        rows = [(prop.name, [(prop.label(language()), "plain")]) for prop in props]

        def chosen(name: object) -> None:
            if isinstance(name, str):
                self._ask_value(records, kind.property(name))

        self.ask(Choose(title, rows), chosen)

    def _ask_value(self, records: Sequence[Record], prop: Property) -> None:
        from tui.screens.picking import picker

        view, schema = self.desk.view, self.desk.schema

        def picked(answer: tuple[Value] | None) -> None:
            if answer is not None:
                self.work(partial(self._propose, records, prop, answer[0]), group="many")

        async def check(text: str) -> None:
            await self._read(prop, text)

        def typed(text: str | None) -> None:
            if text is not None:
                self.work(partial(self._propose_text, records, prop, text), group="many")

        if dialog := picker(prop, None, view, schema):
            self.ask(dialog, picked)
        else:
            help_text = prop.help_text(language()) + " " + _("Nothing typed: no longer used.")
            self.ask(Ask(prop.label(language()), "", help_text.strip(), check, at_once=True), typed)

    async def _read(self, prop: Property, text: str) -> Value:
        """The value typed; an empty text clears, if the schema lets it."""
        if text.strip():
            return await read_value(prop, text, self.desk.view, self.desk.schema)
        if refusal := prop.check(None):
            raise labelled(refusal, prop)
        return None

    async def _propose_text(self, records: Sequence[Record], prop: Property, text: str) -> None:
        await self._propose(records, prop, await self._read(prop, text))

    async def _propose(self, records: Sequence[Record], prop: Property, value: Value) -> None:
        desk = self.desk
        # Read anew: what is shown before it is saved is what it replaces.
        records = [await desk.view.record(record.entity, desk.schema) for record in records]
        edits = [edit for record in records for edit in diff(record, {prop.name: value})]
        if not edits:
            self.message(_("All of them say so already."))
            return
        rows = await preview(edits, desk.view, desk.schema, desk.names, where=True)
        wanted = {record.entity: (record, {prop.name: value}) for record in records}
        clashing = await clash_remarks(desk.view, desk.schema, wanted)
        remarks = clashing + consequence(clashing) + self._edited_too(edits)
        title = ngettext("Edit {count} property", "Edit {count} properties", len(edits)).format(
            count=number(len(edits))
        )

        def answered(note: str | None) -> None:
            if note is not None:
                self.work(partial(self._save_many, edits, note), group="save")

        self.ask(Save(title, rows, remarks), answered)

    def _edited_too(self, edits: Sequence[Edit]) -> list[str]:
        """That some of the marked lines have edits of the same property which stay."""
        drafts = self.desk.drafts
        count = sum(edit.entity in drafts and edit.property in drafts[edit.entity].wanted for edit in edits)
        text = ngettext(
            "{count} of these has another edit of yours that is not applied: it stays.",
            "{count} of these have other edits of yours that are not applied: they stay.",
            count,
        )
        return [text] if count else []

    async def _save_many(self, edits: list[Edit], note: str) -> None:
        await self.desk.workspace.save(edits, note or None)
        self.marked.clear()
        await self.desk.news()
        self.message(ngettext("Saved: {count} property.", "Saved: {count} properties.", len(edits)))

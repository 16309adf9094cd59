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
from tui.command_host import bindings
from tui.commands import Command
from tui.drafts.draft import Draft, said_since
from tui.language.i18n import _, language, ngettext
from tui.rows.formlines import FormLines, apply_lines, candidate_lines, details_of
from tui.rows.forms import GLYPHS, NOBODY, FormRow, Names, references, referred, refusal_text, rows_of, shown
from tui.rows.lines import Line, wrapped
from tui.rows.naming import SEPARATOR
from tui.rows.remarks import clash_remarks, consequence, meanwhile, said_meanwhile
from tui.rows.values import read_value, typed_text
from tui.screens.dialogs import Choose, Confirm, Save
from tui.screens.picking import picker
from tui.screens.retiring import ask_retire
from tui.screens.search import Hit, Search
from tui.screens.turning import Turning
from tui.terminal.turns import NEWS
from tui.widgets.field import Field
from tui.widgets.text import Lines


class Form(Turning):
    """Everything that is said about one entity."""

    PLACE = "fleet"
    SCOPES = ("form", "listing")
    BINDINGS = bindings("form")

    def __init__(self, entity: bytes, focus: str | None = None, given: int = 0) -> None:
        """`given` is how many values of something new its author did not type: without more it is not kept."""
        super().__init__()
        self.entity = entity
        self._given_first = given
        self.record = Record(entity, None, None, False, {})
        self.names: Names = NOBODY
        self._path = ""
        self._focus = focus
        self._typing: FormRow | None = None
        self._refusal = ""

    # --- what is shown -----------------------------------------------------------------------------------------------

    @property
    def kind(self) -> Kind:
        """The definition of the entity's kind."""
        return self.desk.schema.kind(self.record.kind)

    @property
    def draft(self) -> Draft:
        """The edits of this entity that are not applied yet."""
        draft = self.desk.drafts.get(self.entity)
        return draft if draft is not None and self.desk.moment is None else Draft(self.entity, self.record.kind)

    @property
    def row(self) -> FormRow | None:
        """The property under the cursor."""
        source = self.lines.source
        return source.row(self.lines.cursor) if isinstance(source, FormLines) else None

    async def update(self) -> None:
        view, schema = self.desk.view, self.desk.schema
        record = await view.record(self.entity, schema)
        if record.kind is None and self.draft.kind is not None:
            record = Record(self.entity, self.draft.kind)
        wanted = [entity for value in self.draft.wanted.values() for entity in referred(value)]
        called = await view.names({self.entity, *references(record), *wanted}, schema)
        self.names = Names({e: name.title for e, name in called.items()}, self.desk.names.devices)
        self.record = record
        self._path = await self.desk.path(self.entity) if record.slots else self._new_path()
        self._show()

    def _show(self) -> None:
        rows = rows_of(self.record, self.desk.schema, self.draft)
        source = FormLines(rows, self.kind, self.names, self.desk.when)
        key, self._focus = self._focus or self.lines.key, None
        self.lines.show(source, cursor=source.index(key))
        self.redraw()

    @property
    def is_new(self) -> bool:
        """Whether nobody ever said anything of the entity: it is being made here."""
        return self.record.kind is not None and not self.record.slots

    def _new_path(self) -> str:
        return _("New: {kind}").format(kind=self.kind.label(language())) if self.is_new else ""

    def where(self) -> str:
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
        if self._refusal:
            lines += [[(f"{GLYPHS['invalid']} {text}", "attention")] for text in wrapped(self._refusal, width - 6)]
        if self._typing and (news := said_since(self._typing.slot, self.record.slot(self._typing.prop.name))):
            text = said_meanwhile(self._typing.prop, news, self.names)
            lines += [[(line, "attention")] for line in wrapped(text, width - 4)]
        lines += details_of(self.row, width - 4, self.names, self.desk.when)
        return [[("   ", "plain"), *line] for line in lines[:height]]

    def copied(self) -> str:
        row = self.row
        if row is None or not (row.edited or row.slot.leaves):
            return ""
        value = row.wanted if row.edited else row.slot.value
        return value if isinstance(value, str) else shown(row.prop, value, self.names) if value is not None else ""

    # --- commands ----------------------------------------------------------------------------------------------------

    @property
    def typing(self) -> bool:
        return self._typing is not None

    def offered(self) -> list[Command]:
        return list(commands.of("typing")) if self._typing else super().offered()

    def why_not(self, name: str) -> str | None:
        return None if self._typing else super().why_not(name)

    def cannot(self, name: str) -> str | None:
        row = self.row
        if name == "apply":
            return self._cannot_apply()
        if name == "revert_all":
            return None if len(self.draft) else _("Nothing is edited: e edits the current line.")
        if name in ("retire", "history_of") and self.is_new:
            return _("This is not saved yet: ^s applies it, z takes an edit back.")
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
            return _("There is one value only, so there is nothing to settle.")
        return None

    def _cannot_apply(self) -> str | None:
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
        if self._typing:
            self._stop_typing()
            return
        if self.is_new and len(self.draft) <= self._given_first:
            self.desk.drafts.pop(self.entity, None)
            self.desk.keep_drafts()
        self.leave()

    async def do_edit(self) -> None:
        """Open the line to type into, over the value."""
        row = self.row
        if row is None or self._typing:
            return
        value = row.wanted if row.edited else row.slot.value
        if dialog := picker(row.prop, value, self.desk.view, self.desk.schema):
            self.ask(dialog, partial(self._picked, row))
            return
        text = await typed_text(row.prop, value, self.desk.view, self.desk.schema)
        field = Field(text)
        field.styles.layer = "above"
        self._put_over_value(field)
        self._typing = row
        await self.mount(field)
        field.focus()
        self.redraw()

    def _put_over_value(self, field: Field) -> None:
        source = self.lines.source
        column = source.value_column if isinstance(source, FormLines) else 0
        field.styles.offset = (column, self.lines.region.y + self.lines.cursor - round(self.lines.scroll_y))
        field.styles.width = max(1, self.size.width - column - 1)

    def on_resize(self) -> None:
        """The line that is typed into stays over its value."""
        super().on_resize()
        for field in self.query(Field):
            self.call_after_refresh(self._put_over_value, field)

    def _stop_typing(self) -> None:
        self._typing = None
        self._refusal = ""
        for field in self.query(Input):
            field.remove()
        self.desk.keep_drafts()
        self.lines.focus()
        self._show()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Say while somebody types what would be refused; keep what would not, should the line go dead."""
        if (row := self._typing) is None or row.prop.type == "reference":
            return
        refusal = ""
        try:
            if event.value.strip():
                typed = row.prop.parse(event.value)
                self.desk.keep_drafts(self.draft.edited(row.prop.name, row.slot, typed))
        except FieldlineError as error:
            refusal = refusal_text(error, row.prop)
        if refusal != self._refusal:
            self._refusal = refusal
            self.query_one("#details", Lines).redraw()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.work(partial(self._keep, event.value), group="keep")

    async def _keep(self, text: str) -> None:
        if (row := self._typing) is None:
            return
        try:
            value = await read_value(row.prop, text, self.desk.view, self.desk.schema)
        except FieldlineError as error:
            self._refusal = refusal_text(error, row.prop)
            self.query_one("#details", Lines).redraw()
            return
        self._want(row, value)
        self._stop_typing()
        await self.update()

    def _picked(self, row: FormRow, answer: tuple[Value] | None) -> None:
        if answer is not None:
            self._want(row, answer[0])
            self.work(self.update, group=NEWS)

    def _want(self, row: FormRow, value: Value) -> None:
        """Want a value instead of what the row showed when its author began."""
        draft = self.desk.drafts.setdefault(self.entity, Draft(self.entity, self.record.kind))
        draft.edit(row.prop.name, row.slot, value)
        self._forget_empty_draft()
        self.work(partial(self._warn, row.prop.name), group="clash")

    async def _warn(self, name: str) -> None:
        """Say at once if the value is somebody else's."""
        if name in self.draft.wanted:
            together = (self.kind.key, self.kind.within)
            names = together if self.is_new and name in together else (name,)
            wanted = {each: value for each, value in self.draft.wanted.items() if each in names}
            for remark in (await self._clashing(wanted))[:1]:
                self.message(remark, attention=True)

    async def _clashing(self, wanted: Mapping[str, Value]) -> list[str]:
        return await clash_remarks(self.desk.view, self.desk.schema, {self.entity: (self.record, dict(wanted))})

    def _forget_empty_draft(self) -> None:
        if not len(self.draft) and not self.is_new:
            self.desk.drafts.pop(self.entity, None)
        self.desk.keep_drafts()

    def do_clear(self) -> None:
        """Want the property cleared."""
        if (row := self.row) is None:
            return
        if refusal := row.prop.check(None):
            self.message(refusal_text(refusal, row.prop), attention=True)
            return
        self._want(row, None)
        self._show()

    def do_revert(self) -> None:
        """Forget the edit."""
        if row := self.row:
            self.draft.revert(row.prop.name)
            self._forget_empty_draft()
            self._show()

    def do_revert_all(self) -> None:
        """Ask, and forget all edits."""
        count = len(self.draft)
        text = ngettext("{count} edit is forgotten.", "{count} edits are forgotten.", count)

        def answered(yes: bool | None) -> None:
            if yes:
                self.desk.drafts.pop(self.entity, None)
                self.desk.keep_drafts()
                if self.is_new:
                    self.leave()
                else:
                    self._show()

        self.ask(Confirm(_("Take back all edits?"), text, _("take back")), answered)

    def do_settle(self) -> None:
        """Choose one of the values that are in dispute."""
        if row := self.row:
            lines = candidate_lines(row, 68, self.names, self.desk.when)
            rows = [(leaf.fact, line) for leaf, line in zip(row.slot.leaves, lines, strict=True)]
            self.ask(Choose(row.prop.label(language()), rows), partial(self._settled, row))

    def _settled(self, row: FormRow, fact: object) -> None:
        if leaf := next((leaf for leaf in row.slot.leaves if leaf.fact == fact), None):
            self._want(row, leaf.value)
            self._show()

    def do_whole(self) -> None:
        """Read what is said of the property in full."""
        from tui.screens.reading import Reading, row_in_full

        if row := self.row:
            title = f"{self._path}{SEPARATOR}{row.prop.label(language())}"
            self.app.push_screen(Reading(title, partial(row_in_full, row, self.names, self.desk.when)))

    def do_history_of(self) -> None:
        """The changes of this property."""
        if row := self.row:
            of = f"{self._path}{SEPARATOR}{row.prop.label(language())}"
            self.desk.show_history(self.entity, row.prop.name, of)

    def do_find(self) -> None:
        """Search everything, and go to what is chosen in Fleet."""
        self.ask(Search(self.desk.view, self.desk.schema), self._found)

    def _found(self, hits: list[Hit] | None) -> None:
        if hits:
            self.desk.show_found(hits)

    # --- apply -------------------------------------------------------------------------------------------------------

    async def do_apply(self) -> None:
        """Show old and new, then save them as one change; what is being typed is kept first."""
        if self._typing:
            await self._keep(self.query_one(Input).value)
            if self._refusal:
                return
            if reason := self._cannot_apply():
                self.message(reason, attention=True)
                return
        draft = self.draft
        if self.is_new:
            from core.workspace.editing import check_key_is_free

            await check_key_is_free(self.desk.view, self.kind, draft.wanted, self.desk.schema)
        rows = [row for row in rows_of(self.record, self.desk.schema, draft) if row.edited]
        clashing = await self._clashing(draft.wanted)
        remarks = meanwhile(rows, self.names) + clashing + consequence(clashing)
        title = _("Apply to {title}").format(title=self._path)
        edits, lines = draft.edits(), apply_lines(rows, draft.began, 68, self.names)

        def saved(note: str | None) -> None:
            if note is not None:
                self.work(partial(self._save, edits, note), group="save")

        self.ask(Save(title, lines, remarks), saved)

    async def _save(self, edits: list[Edit], note: str) -> None:
        workspace, made = self.desk.workspace, self.entity
        if self.is_new and self.record.kind:
            written = await workspace.create(self.record.kind, dict(self.draft.wanted), note or None)
            made = written.entity
        else:
            await workspace.save(edits, note or None)
        self.desk.drafts.pop(self.entity, None)
        self.desk.keep_drafts()
        self.entity = made
        await self.update()
        self.message(ngettext("Saved: {count} property.", "Saved: {count} properties.", len(edits)))

    # --- in and out of use -------------------------------------------------------------------------------------------

    async def do_retire(self) -> None:
        """Take the entity out of use, or into use again."""
        await ask_retire(self, self.record)

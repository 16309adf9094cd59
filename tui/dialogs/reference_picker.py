"""Pick what a reference points at.

The entities of its kind, and a search among them.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.widgets import Input

from core.schema import Property, Schema
from core.store.view import View
from core.value_codec import Ref, Value
from tui import commands
from tui.command_host import command_bindings
from tui.commands import Command
from tui.dialogs.base import ChoiceDialog, Dialog
from tui.dialogs.list_editor import ListEditor
from tui.dialogs.search import found_text, search_values
from tui.glyphs import GLYPHS
from tui.i18n.translate import _, language
from tui.layout import Line
from tui.view_models.breadcrumbs import breadcrumbs
from tui.view_models.form import value_references
from tui.widgets.field import Field
from tui.widgets.lines import LineList, Lines, StaticRows

MAX_OFFERED = 100
"""Entities that are listed before anything is typed: a person types rather than look through more."""
MAX_PATH_COLUMNS = 48
"""Columns of the paths, so that keys stand below each other at 80 columns, too."""


class ReferencePicker(Dialog[tuple[Value]]):
    """Gives a reference, or a list of them, in a tuple of one: None is no answer."""

    SCOPES = ("dialog", "picking")  # type: ignore[assignment]  # a longer tuple than the dialog's
    BINDINGS = command_bindings("picking")

    def __init__(self, prop: Property, value: Value, view: View, schema: Schema) -> None:
        super().__init__(prop.label(language()))
        self._prop = prop
        self._view = view
        self._schema = schema
        self._marked_entities: list[bytes] = value_references(value)
        self._found_entities: list[bytes] = []
        self._has_more = False
        self._entity_texts: dict[bytes, tuple[str, str, bool]] = {}
        """What is shown of an entity: its path, its key if that says more, and whether it is retired."""

    def body(self) -> ComposeResult:
        yield Field("")
        yield Lines(self._hint_lines, id="gap")
        yield LineList(id="found", always=True)

    def on_mount(self) -> None:
        self._start_search("")

    def available_commands(self) -> list[Command]:
        return [
            c
            for c in super().available_commands()
            if self._prop.many or c not in tuple(commands.commands_of("picking"))
        ]

    def disabled_reason(self, name: str) -> str | None:
        return None if self._prop.many or name != "toggle" else _("There can be one only: Enter takes it.")

    def _hint_lines(self, width: int, height: int) -> list[Line]:
        count = len(self._found_entities)
        if not self.query_one(Field).value.strip():
            text = _("Type part of a name or of a value to search.")
            if self._has_more:
                text = _("The first {count}: type part of a name or of a value to find others.").format(
                    count=MAX_OFFERED
                )
        elif count:
            text = found_text(count, self._has_more)
        else:
            text = _("Nothing contains all of these words.")
        return [[(text, "dim")]]

    def on_input_changed(self, event: Input.Changed) -> None:
        self._start_search(event.value)

    def _start_search(self, text: str) -> None:
        self.run_task(partial(self._search, text), group="search")

    async def _search(self, text: str) -> None:
        self.show_message("")
        kind = self._prop.refers_to
        if text.strip():
            results = await search_values(text, self._view, self._schema, kind)
            found, more = list(dict.fromkeys(results.key(index)[0] for index in range(len(results)))), results.has_more
        else:
            kinds = [kind] if kind else list(self._schema.kinds)
            rows = [row for each in kinds for row in await self._view.page(each, self._schema, limit=MAX_OFFERED)]
            found, more = (
                list(dict.fromkeys([*self._marked_entities, *(row.entity for row in rows)])),
                len(rows) >= MAX_OFFERED,
            )
        await self._read_texts([entity for entity in found if entity not in self._entity_texts])
        self._found_entities, self._has_more = found, more
        self._show_rows(0)

    async def _read_texts(self, entities: list[bytes]) -> None:
        retired = await self._view.retired(entities)
        called = await self._view.names(entities, self._schema)
        for entity, path in (await breadcrumbs(entities, self._view, self._schema)).items():
            key = (called[entity].key or "").rsplit("/", 1)[-1]
            self._entity_texts[entity] = path, "" if path.endswith(key) else key, entity in retired

    def _show_rows(self, cursor: int | None) -> None:
        paths = [self._entity_texts[entity][0] for entity in self._found_entities]
        column = min(MAX_PATH_COLUMNS, max(map(cell_len, paths), default=0))
        rows = [(entity, self._entity_line(entity, column)) for entity in self._found_entities]
        self.query_one(LineList).show_rows(StaticRows(rows), cursor=cursor)
        self.query_one("#gap", Lines).redraw()

    def _entity_line(self, entity: bytes, column: int) -> Line:
        path, key, retired = self._entity_texts[entity]
        line: Line = [(f"{GLYPHS['marked']} " if entity in self._marked_entities else "  ", "strong")]
        if retired:
            line.append((f"{GLYPHS['retired']} " + _("retired") + "  ", "attention"))
        blanks = " " * (column - cell_len(path) - sum(cell_len(text) for text, _role in line[1:]))
        return [*line, (path + blanks, "plain"), (f"  {key}" if key else "", "dim")]

    def do_toggle(self) -> None:
        """Mark or unmark the current line."""
        if isinstance(entity := self.query_one(LineList).key, bytes):
            self._marked_entities = [e for e in self._marked_entities if e != entity] + [entity] * (
                entity not in self._marked_entities
            )
            self._show_rows(None)

    def accept(self) -> None:
        entity = self.query_one(LineList).key
        if self._prop.many:
            self.dismiss((tuple(map(Ref, self._marked_entities)) or None,))
        elif isinstance(entity, bytes):
            self.dismiss((Ref(entity),))
        else:
            self.show_message(_("Nothing contains all of these words."))


class ChoicePicker(ChoiceDialog):
    """One of the values that a property may have; gives it in a tuple of one."""

    def __init__(self, prop: Property, value: Value) -> None:
        values: tuple[Value, ...] = prop.choices or (True, False)
        rows = [(each, [(prop.show(each, language()), "plain")]) for each in values]
        super().__init__(prop.label(language()), rows, selected=value)

    def accept(self) -> None:
        self.dismiss((self.query_one(LineList).key,))


def make_picker(prop: Property, value: Value, view: View, schema: Schema) -> Dialog[Any] | None:
    """The dialog that picks a value of this property; None if it is typed.

    Args:
        prop: the definition of the property.
        value: the value to begin with.
        view: where entities are searched.
        schema: the definitions of kinds and properties.
    """
    if prop.type == "reference":
        return ReferencePicker(prop, value, view, schema)
    if prop.many:
        return ListEditor(prop, value)
    if prop.choices or prop.type == "boolean":
        return ChoicePicker(prop, value)
    return None

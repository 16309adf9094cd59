"""Pick what a reference points at: the entities of its kind, and a search among them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from textual.app import ComposeResult
from textual.widgets import Input

from core.changes import Ref, Value
from core.schema import Property, Schema
from core.store.view import View
from tui import commands
from tui.commands import Command
from tui.language.i18n import _, language
from tui.rows.forms import referred
from tui.rows.lines import Line
from tui.rows.naming import paths
from tui.screens.dialogs import Choose, Dialog
from tui.screens.page import bindings
from tui.screens.search import look_for
from tui.screens.several import EditList
from tui.widgets.field import Field
from tui.widgets.text import Fixed, LineList, Lines

MOST = 100


class Pick(Dialog[tuple[Value]]):
    """Gives a reference, or a list of them, in a tuple of one: None is no answer."""

    SCOPES = ("dialog", "picking")  # type: ignore[assignment]  # a longer tuple than the dialog's
    BINDINGS = bindings("picking")

    def __init__(self, prop: Property, value: Value, view: View, schema: Schema) -> None:
        super().__init__(prop.label(language()))
        self._prop = prop
        self._view = view
        self._schema = schema
        self._marked: list[bytes] = referred(value)
        self._paths: dict[bytes, str] = {}
        self._first = self._marked[0] if self._marked else None

    def body(self) -> ComposeResult:
        yield Field("")
        yield Lines(self._hint, id="gap")
        yield LineList(id="found", always=True)

    def on_mount(self) -> None:
        self._seek("")

    def offered(self) -> list[Command]:
        return [c for c in super().offered() if self._prop.many or c not in tuple(commands.of("picking"))]

    def why_not(self, name: str) -> str | None:
        return None if self._prop.many or name != "toggle" else _("There can be one only: Enter takes it.")

    def _hint(self, width: int, height: int) -> list[Line]:
        return [[(_("Type part of a name or of a value to search."), "dim")]]

    def on_input_changed(self, event: Input.Changed) -> None:
        self._seek(event.value)

    def _seek(self, text: str) -> None:
        self.work(partial(self._look, text), group="search")

    async def _look(self, text: str) -> None:
        self.message("")
        kind = self._prop.refers_to
        if text.strip():
            results = await look_for(text, self._view, self._schema, kind)
            found = list(dict.fromkeys(results.key(index)[0] for index in range(len(results))))[:MOST]
        else:
            kinds = [kind] if kind else list(self._schema.kinds)
            rows = [row for each in kinds for row in await self._view.page(each, self._schema, limit=MOST)]
            found = list(dict.fromkeys([*self._marked, *(row.entity for row in rows)]))
        self._paths.update(await paths([entity for entity in found if entity not in self._paths], *self._read))
        self._show(found)

    @property
    def _read(self) -> tuple[View, Schema]:
        return self._view, self._schema

    def _show(self, found: Sequence[bytes], cursor: int | None = 0) -> None:
        rows = [(entity, self._row(entity)) for entity in found]
        self.query_one(LineList).show(Fixed(rows), cursor=cursor)

    def _row(self, entity: bytes) -> Line:
        mark = "●" if entity in self._marked else " "
        return [(f"{mark} ", "strong"), (self._paths[entity], "plain")]

    def do_toggle(self) -> None:
        """Mark or unmark the current line."""
        lines = self.query_one(LineList)
        if isinstance(entity := lines.key, bytes):
            self._marked = [e for e in self._marked if e != entity] + [entity] * (entity not in self._marked)
            found = [lines.source.key(index) for index in range(len(lines.source))]
            self._show([each for each in found if isinstance(each, bytes)], cursor=None)

    def accept(self) -> None:
        entity = self.query_one(LineList).key
        if self._prop.many:
            self.dismiss((tuple(map(Ref, self._marked)) or None,))
        elif isinstance(entity, bytes):
            self.dismiss((Ref(entity),))
        else:
            self.message(_("Nothing contains all of these words."))


class PickChoice(Choose):
    """One of the values that a property may have; gives it in a tuple of one."""

    def __init__(self, prop: Property, value: Value) -> None:
        values: tuple[Value, ...] = prop.choices or (True, False)
        rows = [(each, [(prop.show(each, language()), "plain")]) for each in values]
        super().__init__(prop.label(language()), rows, at=value)

    def accept(self) -> None:
        self.dismiss((self.query_one(LineList).key,))


def picker(prop: Property, value: Value, view: View, schema: Schema) -> Dialog[Any] | None:
    """The dialog that picks a value of this property; None if it is typed."""
    if prop.type == "reference":
        return Pick(prop, value, view, schema)
    if prop.many:
        return EditList(prop, value)
    if prop.choices or prop.type == "boolean":
        return PickChoice(prop, value)
    return None

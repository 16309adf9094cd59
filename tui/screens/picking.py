"""Pick what a reference points at: the entities of its kind, and a search among them."""

from __future__ import annotations

from functools import partial
from typing import Any

from textual.app import ComposeResult
from textual.widgets import Input

from core.changes import Ref, Value
from core.schema import Property, Schema
from core.store.view import View
from tui import commands
from tui.command_host import bindings
from tui.commands import Command
from tui.language.i18n import _, language
from tui.rows.forms import referred
from tui.rows.lines import Line
from tui.rows.naming import paths
from tui.screens.dialogs import Choose, Dialog
from tui.screens.search import found_text, look_for
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
        self._found: list[bytes] = []
        self._more = False
        self._lines: dict[bytes, tuple[str, str, bool]] = {}
        """What is shown of an entity: its path, its key if that says more, and whether it is out of use."""

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
        count = len(self._found)
        if not self.query_one(Field).value.strip():
            text = _("Type part of a name or of a value to search.")
            if self._more:
                text = _("The first {count}: type part of a name or of a value to find others.").format(count=MOST)
        elif count:
            text = found_text(count, self._more)
        else:
            text = _("Nothing contains all of these words.")
        return [[(text, "dim")]]

    def on_input_changed(self, event: Input.Changed) -> None:
        self._seek(event.value)

    def _seek(self, text: str) -> None:
        self.work(partial(self._look, text), group="search")

    async def _look(self, text: str) -> None:
        self.message("")
        kind = self._prop.refers_to
        if text.strip():
            results = await look_for(text, self._view, self._schema, kind)
            found, more = list(dict.fromkeys(results.key(index)[0] for index in range(len(results)))), results.more
        else:
            kinds = [kind] if kind else list(self._schema.kinds)
            rows = [row for each in kinds for row in await self._view.page(each, self._schema, limit=MOST)]
            found, more = list(dict.fromkeys([*self._marked, *(row.entity for row in rows)])), len(rows) >= MOST
        await self._read([entity for entity in found if entity not in self._lines])
        self._found, self._more = found, more
        self._show(0)

    async def _read(self, entities: list[bytes]) -> None:
        retired = await self._view.retired(entities)
        called = await self._view.names(entities, self._schema)
        for entity, path in (await paths(entities, self._view, self._schema)).items():
            key = (called[entity].key or "").rsplit("/", 1)[-1]
            self._lines[entity] = path, "" if path.endswith(key) else key, entity in retired

    def _show(self, cursor: int | None) -> None:
        rows = [(entity, self._row(entity)) for entity in self._found]
        self.query_one(LineList).show(Fixed(rows), cursor=cursor)
        self.query_one("#gap", Lines).redraw()

    def _row(self, entity: bytes) -> Line:
        path, key, retired = self._lines[entity]
        line: Line = [("● " if entity in self._marked else "  ", "strong")]
        if retired:
            line.append(("– " + _("retired") + "  ", "attention"))
        return [*line, (path, "plain"), (f"  {key}" if key else "", "dim")]

    def do_toggle(self) -> None:
        """Mark or unmark the current line."""
        if isinstance(entity := self.query_one(LineList).key, bytes):
            self._marked = [e for e in self._marked if e != entity] + [entity] * (entity not in self._marked)
            self._show(None)

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

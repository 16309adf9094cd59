"""Search: everything that was said, as somebody types; a line for each value found, with where it is."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.widgets import Input

from core.schema import Schema
from core.store.search import Found
from core.store.seeking import ENOUGH
from core.store.view import View
from tui.language.i18n import _, language, number
from tui.rows.forms import Names, referred, shown
from tui.rows.lines import Column, Line, columns, wrapped
from tui.rows.naming import paths, shortened
from tui.screens.dialogs import Dialog
from tui.widgets.field import Field
from tui.widgets.text import Fixed, LineList, Lines

MOST = 100
"""Lines of a result; who seeks among more types another word."""

_CONTEXT = 6  # characters shown before what was found

Hit = tuple[bytes, str]
"""An entity, and the property whose value was found."""


class Results:
    """What was found, `more` if that may not be all; the paths of entities are read when their lines are seen."""

    def __init__(
        self, text: str, found: list[Found], more: bool, view: View, schema: Schema, kinds: dict[bytes, str | None]
    ) -> None:
        self.more = more
        self._words = text.casefold().split()
        self._found = found
        self._view = view
        self._schema = schema
        self._kinds = kinds
        self._paths: dict[bytes, str] = {}
        self._titles: dict[bytes, str] = {}
        self._retired: set[bytes] = set()

    def __len__(self) -> int:
        return len(self._found)

    def key(self, index: int) -> Hit:
        return self._found[index].entity, self._found[index].property

    def skip(self, index: int) -> bool:
        return False

    def line(self, index: int, width: int) -> Line:
        found = self._found[index]
        if found.entity not in self._paths:
            return []
        prop = self._schema.kind(self._kinds.get(found.entity)).property(found.property)
        value = shown(prop, found.value, Names(self._titles, {}))
        label, room = min(16, width // 4), width // 3
        path = width - label - room - 2
        state = "– " + _("retired") + "  " if found.entity in self._retired else ""
        return columns(
            width,
            [
                Column(state + shortened(self._paths[found.entity], path - cell_len(state)), path, "plain"),
                Column(prop.label(language()), label, "dim"),
                Column(self._from_match(value, room), None, "strong"),
            ],
        )

    def _from_match(self, value: str, room: int) -> str:
        """A value that is too long from a little before the first word that is in it, so that it can be seen."""
        told = value.casefold()
        at = min((place for word in self._words if (place := told.find(word)) >= 0), default=0)
        return value if len(value) <= room or at + _CONTEXT < room else "…" + value[max(0, at - _CONTEXT) :]

    def lacks(self, first: int, last: int) -> bool:
        return any(found.entity not in self._paths for found in self._found[first : last + 1])

    async def load(self, first: int, last: int) -> None:
        some = self._found[first : last + 1]
        refs = {entity for found in some for entity in referred(found.value)}
        self._titles.update({e: name.title for e, name in (await self._view.names(refs, self._schema)).items()})
        unknown = {found.entity for found in some} - self._paths.keys()
        self._retired |= await self._view.retired(unknown)
        self._paths.update(await paths(unknown, self._view, self._schema))


async def look_for(text: str, view: View, schema: Schema, kind: str | None = None) -> Results:
    """What was found of the kinds that the schema knows, or of one kind; raises Refused for a text too long."""
    found = await view.search(text, schema, limit=MOST, kind=kind) if text.strip() else []
    called = await view.names({each.entity for each in found}, schema)
    kinds = {entity: name.kind for entity, name in called.items()}
    wanted = schema.kinds.keys() if kind is None else {kind}
    of_kind = [each for each in found if kinds.get(each.entity) in wanted]
    more = len(found) >= (ENOUGH if len(text.split()) > 1 else MOST)
    return Results(text, list(_once(of_kind, schema)), more, view, schema, kinds)


def _once(found: list[Found], schema: Schema) -> Iterator[Found]:
    """Without what calls an entity once more: key and name are often the same."""
    called = {name for kind in schema.kinds.values() for name in (kind.key, kind.title)}
    seen: set[bytes] = set()
    for each in found:
        if each.property not in called or each.entity not in seen:
            yield each
        if each.property in called:
            seen.add(each.entity)


def found_text(count: int, more: bool) -> str:
    """How many were found, and whether there may be more."""
    return _("{count} found").format(count=number(count) + ("+" if more else ""))


class Search(Dialog[list[Hit]]):
    """Asks for words that must all occur in what is said of something; gives all hits, the chosen one first."""

    def __init__(self, view: View, schema: Schema) -> None:
        super().__init__(_("Search"))
        self._view = view
        self._schema = schema

    def body(self) -> ComposeResult:
        yield Field("")
        yield Lines(self._hint, id="gap")
        yield LineList(id="found", always=True)

    def _hint(self, width: int, height: int) -> list[Line]:
        if not self.query_one(Input).value.strip():
            text = _("Part of a name, an address, a number; several words must all occur.")
            return [[(line, "dim")] for line in wrapped(text, width)][:height]
        results = self.query_one(LineList).source
        if not isinstance(results, Results) or not (count := len(results)):
            return [[(_("Nothing contains all of these words."), "dim")]]
        return [[(found_text(count, results.more), "dim")]]

    def on_input_changed(self, event: Input.Changed) -> None:
        self.work(partial(self._look, event.value), group="search")

    async def _look(self, text: str) -> None:
        self.message("")
        results = await look_for(text, self._view, self._schema)
        lines = self.query_one(LineList)
        await results.load(0, lines.size.height)
        lines.show(results if len(results) else Fixed(), cursor=0)
        self.query_one("#gap", Lines).redraw()

    def accept(self) -> None:
        lines = self.query_one(LineList)
        hits = [lines.source.key(index) for index in range(len(lines.source))]
        if not hits:
            self.message(_("Nothing contains all of these words."))
        else:
            at = lines.cursor
            self.dismiss([hit for hit in hits[at:] + hits[:at] if isinstance(hit, tuple)])

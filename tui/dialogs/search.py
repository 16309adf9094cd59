"""Search all values as somebody types.

A line for each value found, with where it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.widgets import Input

from core.schema import Schema
from core.store.indexes.search_index import SearchHit
from core.store.queries.search import MAX_HITS_FOR_COMBINING
from core.store.view import View
from tui.dialogs.base import Dialog
from tui.i18n.translate import _, format_number, language
from tui.layout import Column, Line, layout_columns, wrap_text
from tui.view_models.breadcrumbs import breadcrumbs, shorten_breadcrumb
from tui.view_models.form import DisplayNames, format_value, value_references
from tui.widgets.field import Field
from tui.widgets.lines import LineList, Lines, StaticRows

MAX_RESULTS = 100
"""Lines of a result; who seeks among more types another word."""

_CONTEXT_CHARS = 6  # characters shown before what was found

FoundSlot = tuple[bytes, str]
"""An entity, and the property whose value was found."""


class SearchResults:
    """What was found, `more` if that may not be all.

    The paths of entities are read when their lines are seen.
    """

    def __init__(
        self, text: str, found: list[SearchHit], more: bool, view: View, schema: Schema, kinds: dict[bytes, str | None]
    ) -> None:
        self.has_more = more
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

    def key(self, index: int) -> FoundSlot:
        return self._found[index].entity, self._found[index].property

    def is_skipped(self, index: int) -> bool:
        return False

    def line(self, index: int, width: int) -> Line:
        found = self._found[index]
        if found.entity not in self._paths:
            return []
        prop = self._schema.kind(self._kinds.get(found.entity)).property(found.property)
        value = format_value(prop, found.value, DisplayNames(self._titles, {}))
        label, room = min(16, width // 4), width // 3
        path = width - label - room - 2
        state = "– " + _("retired") + "  " if found.entity in self._retired else ""
        return layout_columns(
            width,
            [
                Column(state + shorten_breadcrumb(self._paths[found.entity], path - cell_len(state)), path, "plain"),
                Column(prop.label(language()), label, "dim"),
                Column(self._from_match(value, room), None, "strong"),
            ],
        )

    def _from_match(self, value: str, room: int) -> str:
        """A value that is too long from a little before the first word that is in it.

        So that it can be seen.
        """
        text = value.casefold()
        at = min((position for word in self._words if (position := text.find(word)) >= 0), default=0)
        return value if len(value) <= room or at + _CONTEXT_CHARS < room else "…" + value[max(0, at - _CONTEXT_CHARS) :]

    def needs_load(self, first: int, last: int) -> bool:
        return any(found.entity not in self._paths for found in self._found[first : last + 1])

    async def load(self, first: int, last: int) -> None:
        some = self._found[first : last + 1]
        refs = {entity for found in some for entity in value_references(found.value)}
        self._titles.update({e: name.title for e, name in (await self._view.names(refs, self._schema)).items()})
        unknown = {found.entity for found in some} - self._paths.keys()
        self._retired |= await self._view.retired(unknown)
        self._paths.update(await breadcrumbs(unknown, self._view, self._schema))


async def search_values(text: str, view: View, schema: Schema, kind: str | None = None) -> SearchResults:
    """What was found of the kinds that the schema knows, or of one kind.

    Raises Refused for a text too long.

    Args:
        text: the words to look for.
        view: the present, or the time that is looked at.
        schema: the definitions of kinds and properties.
        kind: the only kind to search; None for all that the schema knows.
    """
    found = await view.search(text, schema, limit=MAX_RESULTS, kind=kind) if text.strip() else []
    called = await view.names({each.entity for each in found}, schema)
    kinds = {entity: name.kind for entity, name in called.items()}
    wanted = schema.kinds.keys() if kind is None else {kind}
    of_kind = [each for each in found if kinds.get(each.entity) in wanted]
    more = len(found) >= (MAX_HITS_FOR_COMBINING if len(text.split()) > 1 else MAX_RESULTS)
    return SearchResults(text, list(_without_duplicates(of_kind, schema)), more, view, schema, kinds)


def _without_duplicates(found: list[SearchHit], schema: Schema) -> Iterator[SearchHit]:
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
    return _("{count} found").format(count=format_number(count) + ("+" if more else ""))


class SearchDialog(Dialog[list[FoundSlot]]):
    """Asks for words that a value must mention.

    Answers with all hits, the chosen one first.
    """

    def __init__(self, view: View, schema: Schema) -> None:
        super().__init__(_("Search"))
        self._view = view
        self._schema = schema

    def body(self) -> ComposeResult:
        yield Field("")
        yield Lines(self._hint_lines, id="gap")
        yield LineList(id="found", always=True)

    def _hint_lines(self, width: int, height: int) -> list[Line]:
        if not self.query_one(Input).value.strip():
            text = _("Part of a name, an address, a number; several words must all occur.")
            return [[(line, "dim")] for line in wrap_text(text, width)][:height]
        results = self.query_one(LineList).source
        if not isinstance(results, SearchResults) or not (count := len(results)):
            return [[(_("Nothing contains all of these words."), "dim")]]
        return [[(found_text(count, results.has_more), "dim")]]

    def on_input_changed(self, event: Input.Changed) -> None:
        self.run_task(partial(self._search, event.value), group="search")

    async def _search(self, text: str) -> None:
        self.show_message("")
        results = await search_values(text, self._view, self._schema)
        lines = self.query_one(LineList)
        await results.load(0, lines.size.height)
        lines.show_rows(results if len(results) else StaticRows(), cursor=0)
        self.query_one("#gap", Lines).redraw()

    def accept(self) -> None:
        lines = self.query_one(LineList)
        hits = [lines.source.key(index) for index in range(len(lines.source))]
        if not hits:
            self.show_message(_("Nothing contains all of these words."))
        else:
            at = lines.cursor
            self.dismiss([hit for hit in hits[at:] + hits[:at] if isinstance(hit, tuple)])

"""The rows of a comparison.

Entities as headings, and below each the properties that differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from core.schema import Property, Schema
from core.value_codec import Value
from tui.glyphs import GLYPHS
from tui.i18n.translate import language
from tui.layout import Line, fit, fit_pair
from tui.view_models.form import DisplayNames, format_value, value_references
from tui.view_models.log import entity_labels

if TYPE_CHECKING:
    from tui.app_state import AppState

ValueDifference = tuple[bytes, str, Value, Value]
"""Entity, property, the value before and the value after; None is no value."""
_LABEL_COLUMNS = 24
"""Columns of a property's label: most are shorter, and the values need the rest."""


class DiffNames:
    """Names and kinds of the entities of a comparison, read as they are seen."""

    def __init__(self, state: AppState, timestamp_us: int | None) -> None:
        """`timestamp_us` is the time whose names are shown (microseconds since 1970 UTC).

        None for now.
        """
        self._state = state
        self._timestamp_us = timestamp_us
        self._kinds: dict[bytes, str | None] = {}
        self._titles: dict[bytes, str] = {}

    def is_known(self, entity: bytes) -> bool:
        """Whether the names of an entity were read."""
        return entity in self._kinds

    def title(self, entity: bytes) -> str:
        """What an entity is called, or the start of its id."""
        return self._titles.get(entity, entity.hex()[:8])

    def property_of(self, entity: bytes, name: str) -> Property:
        """The definition of an entity's property."""
        return self._state.schema.property(self._kinds.get(entity), name)

    def display_names(self) -> DisplayNames:
        """The names that were read."""
        return DisplayNames(self._titles, self._state.names.devices)

    async def load(self, rows: Sequence[bytes | ValueDifference]) -> None:
        """Read the names of the entities of these rows and in their values."""
        state, schema = self._state, self._state.schema
        entities = {row if isinstance(row, bytes) else row[0] for row in rows}
        refs = {e for row in rows if not isinstance(row, bytes) for value in row[2:] for e in value_references(value)}
        view = state.workspace.view(self._timestamp_us)
        names = await view.names((entities | refs) - self._kinds.keys(), schema)
        known = {entity: name.title for entity, name in names.items()}
        known |= await entity_labels({e: names[e] for e in entities & names.keys()}, view, schema, state.names)
        # All at once: this may be cancelled and begun anew at every await before.
        self._titles |= known
        self._kinds |= {entity: name.kind for entity, name in names.items()}


class DiffRows:
    """Entities as headings, and their properties with old and new value."""

    def __init__(self, found: Sequence[ValueDifference], names: DiffNames) -> None:
        self._names = names
        self._rows: list[bytes | ValueDifference] = []
        for each in found:
            if not self._rows or each[0] != self._entity_at(-1):
                self._rows.append(each[0])
            self._rows.append(each)

    def difference_at(self, index: int) -> ValueDifference | None:
        """The difference on a line, None for a heading."""
        row = self._rows[index] if 0 <= index < len(self._rows) else None
        return None if isinstance(row, bytes) else row

    def _entity_at(self, index: int) -> bytes:
        row = self._rows[index]
        return row if isinstance(row, bytes) else row[0]

    def __len__(self) -> int:
        return len(self._rows)

    def key(self, index: int) -> tuple[bytes, str]:
        row = self._rows[index]
        return (row, "") if isinstance(row, bytes) else (row[0], row[1])

    def is_skipped(self, index: int) -> bool:
        return isinstance(self._rows[index], bytes)

    def line(self, index: int, width: int) -> Line:
        row = self._rows[index]
        if isinstance(row, bytes):
            return [(self._names.title(row), "strong")]
        entity, name, old, new = row
        prop, names = self._names.property_of(entity, name), self._names.display_names()
        before = format_value(prop, old, names) if old is not None else GLYPHS["absent"]
        before, after = fit_pair(before, format_value(prop, new, names), width - _LABEL_COLUMNS - 7)
        label = "  " + fit(prop.label(language()), _LABEL_COLUMNS) + "  "
        return [(label, "dim"), (before, "dim"), (" → ", "dim"), (after, "value")]

    def needs_load(self, first: int, last: int) -> bool:
        return any(not self._names.is_known(self._entity_at(index)) for index in range(first, last + 1))

    async def load(self, first: int, last: int) -> None:
        await self._names.load([self._rows[index] for index in range(first, last + 1)])


def matching_differences(
    found: Sequence[ValueDifference],
    words: Sequence[str],
    schema: Schema,
    names: DisplayNames,
    kinds: Mapping[bytes, str | None],
) -> list[ValueDifference]:
    """Return the differences that mention all words.

    Args:
        found: the differences to look through.
        words: what is looked for, casefolded.
        schema: the definitions of their properties.
        names: the breadcrumbs of their entities.
        kinds: the kinds of their entities.
    """
    some = []
    for each in found:
        prop = schema.property(kinds.get(each[0]), each[1])
        values = [format_value(prop, value, names) for value in each[2:] if value is not None]
        title = names.entities.get(each[0], "")
        text = " ".join([title, prop.label(language()), each[1], *values]).casefold()
        if all(word in text for word in words):
            some.append(each)
    return some

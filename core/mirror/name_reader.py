"""Read what entities are called, the values of many in one query.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping

from core.changes import FLEET_ENTITY
from core.fleet_secrets import HIDDEN_TEXT, SECRET_PROPERTIES
from core.schema import KIND, Schema
from core.store.connection import load_value
from core.store.entities import EntityName, name_entities, read_values
from core.store.queries import mirror_source
from core.store.scope import NOW
from core.value_codec import Value

_KEPT_VALUES = 65_536


class NameReader:
    """The names of entities while the store stays as it is.

    It keeps what was read of those that others lie in.
    """

    def __init__(self, store: sqlite3.Connection, schema: Schema) -> None:
        self._store = store
        self._schema = schema
        numbers = {name: number for number, name in mirror_source.read_properties(store)}
        kinds = schema.kinds.values()
        named = {KIND, schema.kind("").key, *(name for kind in kinds for name in (kind.key, kind.title, kind.within))}
        self._properties = {numbers[name]: name for name in named if name in numbers}
        self._values: dict[str, dict[bytes, Value]] = {}
        self._known: set[bytes] = set()
        self._others: dict[tuple[bytes, str], Value] = {}
        """Values of other entities; None where there is none."""

    def read(self, ids: Mapping[int, bytes], others: Iterable[bytes]) -> dict[bytes, EntityName]:
        """Read the names of these entities, by their numbers, and of some others."""
        self._known = set(ids.values())
        by_property: dict[int, dict[bytes, Value]] = {of: {} for of in self._properties}
        for number, of, value in mirror_source.read_values_in_use(self._store, list(ids), self._properties):
            by_property[of][ids[number]] = load_value(value)
        self._values = {name: by_property[of] for of, name in self._properties.items()}
        for name in SECRET_PROPERTIES:
            if FLEET_ENTITY in self._values.get(name, ()):
                self._values[name][FLEET_ENTITY] = HIDDEN_TEXT
        if len(self._others) > _KEPT_VALUES:
            self._others.clear()
        return name_entities(self._read, {*self._known, *others}, self._schema)

    def _read(self, name: str, entities: list[bytes]) -> dict[bytes, Value]:
        unknown = [each for each in entities if each not in self._known and (each, name) not in self._others]
        if unknown:
            found = read_values(self._store, NOW, name, unknown)
            self._others.update(((each, name), found.get(each)) for each in unknown)
        known = self._values.get(name, {})
        values: dict[bytes, Value] = {}
        for entity in entities:
            value = known.get(entity) if entity in self._known else self._others.get((entity, name))
            if value is not None:
                values[entity] = value
        return values

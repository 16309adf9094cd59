"""Write what is current beside the facts.

The rows of `leaf_details` and `entities`, some hundred entities at a time.

All functions run on the store's thread with both plain connections, in a transaction on either side.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from tempfile import TemporaryFile
from typing import Any

from psycopg import sql

from core.locality_split import COMMON, NOWHERE, Placed, locality_of
from core.mirror import row_values
from core.mirror.copy_rows import (
    NULL,
    PackedRows,
    copy_packed,
    identifier,
    pack_detail,
    pack_entity,
    pack_json,
    pack_references,
)
from core.mirror.database import Connection, MirrorError
from core.mirror.name_reader import NameReader
from core.mirror.server_work import ServerWork
from core.schema import RETIRED, Kind, Property, Schema
from core.store.connection import chunks, load_value
from core.store.entities import EntityName
from core.store.queries import mirror_source
from core.store.queries.mirror_source import LeafRow

TABLES = "leaf_details", "entities"
ENTITIES_PER_STEP = 2000
"""Read at once, so that memory stays small."""
ENTITIES_PER_COPY = 10_000
_KEPT_VALUES = 16_384

EntityRow = tuple[int, bytes, bool, str | None, str | None, str, bytes | None]


@contextmanager
def _translate_file_errors() -> Iterator[None]:
    """Turn what is wrong with temporary files into a MirrorError with one sentence."""
    try:
        yield
    except OSError as error:
        raise MirrorError(
            "Temporary files cannot be written on this device ({why}): free some space, or name another folder in"
            " TMPDIR. The mirror stays as it was.",
            why=error.strerror or str(error),
        ) from None


class CurrentRows:
    """The rows of entities that a run of the mirror writes."""

    def __init__(self, store: sqlite3.Connection, mirror: Connection, schema: Schema) -> None:
        self._store = store
        self._mirror = mirror
        self._schema = schema
        self._kinds: dict[str | None, Kind] = {}
        self._properties = dict(mirror_source.read_properties(store))
        # Most values are said again and again.
        self._property = lru_cache(None)(lambda kind, of: self._kind(kind).property(self._properties[of]))
        self._meanings = lru_cache(None)(self._find_meanings)
        self._fits = lru_cache(_KEPT_VALUES)(self._check_fit)
        self._is_plain = lru_cache(_KEPT_VALUES)(self._check_plain)
        self._free = [of for of in self._properties if self._properties[of] != RETIRED and not self._meanings(of, True)]
        """The properties of which any short text fits everywhere."""
        self._is_collected = False
        """Whether the store was asked once which contents have details."""
        self._named: dict[bytes, tuple[bytes, bytes]] = {}
        """Values that refer to something, each with the fields of its details that follow from it."""
        self._names = NameReader(store, schema)
        self._entities: list[EntityRow] = []

    def write_all(self, work: ServerWork[Any] | None = None) -> None:
        """Write all entities, into tables that are empty.

        As long as the server is at work, the rows wait in files.
        """
        after = 0
        mirror_source.collect_details(self._store, self._free, self._check_plain)
        self._is_collected = True
        with _translate_file_errors(), ExitStack() as files:
            waiting = [PackedRows(table, files.enter_context(TemporaryFile())) for table in TABLES]
            while some := mirror_source.read_entity_ids(self._store, after, ENTITIES_PER_COPY):
                after = some[-1][0]
                for rows, packed in zip(waiting, self._pack(some), strict=True):
                    rows.add(packed)
                if work is None or work.is_done():
                    self._copy(waiting)
            if work is not None:
                work.wait()
            self._copy(waiting)

    def _copy(self, waiting: list[PackedRows]) -> None:
        for rows in waiting:
            rows.copy(self._mirror)

    def _pack(self, some: list[tuple[int, bytes]]) -> Iterator[Iterator[bytes]]:
        """Give the packed rows of these entities' leaves, and then those of the entities."""
        self._entities = []
        yield (row for step in chunks(some, ENTITIES_PER_STEP) for row in self._details_of(dict(step)))
        yield (pack_entity(*row) for row in self._entities)

    def write_some(self, numbers: list[int]) -> None:
        """Write these entities, and those that refer to what is called otherwise by it."""
        done: set[int] = set()
        while numbers:
            renamed: list[bytes] = []
            for some in chunks(numbers, ENTITIES_PER_STEP):
                renamed += self._rewrite(some)
            done.update(numbers)
            numbers = [each for each in self._referring_to(renamed) if each not in done] if renamed else []

    def _referring_to(self, renamed: list[bytes]) -> list[int]:
        rows = self._mirror.execute(
            "SELECT DISTINCT entity_id FROM fieldline.leaf_details WHERE refs && %s::bytea[]", (renamed,)
        )
        return sorted(number for (number,) in rows if isinstance(number, int))

    def _rewrite(self, some: list[int]) -> list[bytes]:
        """Write these entities in place of their rows.

        Give those that were called otherwise before, or nothing.
        """
        ids = mirror_source.read_ids(self._store, some)
        rows = self._mirror.execute(
            "SELECT entity_id, kind, key FROM fieldline.entities WHERE entity_id = ANY (%s)", (some,)
        )
        before = {number: tuple(name) for number, *name in rows}
        for table in TABLES:
            statement = sql.SQL("DELETE FROM {} WHERE entity_id = ANY (%s)").format(identifier(table))
            self._mirror.execute(statement, (some,))
        for table, packed in zip(TABLES, self._pack(list(ids.items())), strict=True):
            copy_packed(self._mirror, table, packed)
        now = {number: (entity, (kind, key)) for number, entity, _, kind, key, *_ in self._entities}
        return [entity for number, (entity, name) in now.items() if before.get(number) != name]

    def _details_of(self, ids: dict[int, bytes]) -> Iterator[bytes]:
        """Pack the details of these entities' leaves, and keep their own rows."""
        by_entity: dict[int, list[LeafRow]] = {number: [] for number in ids}
        rows = mirror_source.read_leaf_rows(
            self._store, list(ids), self._free, self._is_plain, is_collected=self._is_collected
        )
        for row in rows:
            by_entity[row[0]].append(row)
        if len(self._named) > _KEPT_VALUES:
            self._named.clear()
        values = {row[3] for leaves in by_entity.values() for row in leaves} - self._named.keys()
        unnamed = {value: load_value(value) for value in values if row_values.refers(value)}
        referred = {each for value in unnamed.values() for each in row_values.references(value)}
        names = self._names.read(ids, referred)
        for value, loaded in unnamed.items():
            refs = pack_references(row_values.references(loaded))
            self._named[value] = pack_json(row_values.json_text(loaded, names)), refs
        for number, leaves in by_entity.items():
            name = names[ids[number]]
            # What has nothing in use has facts nevertheless, which name it.
            self._put_aside(number, name, [row for row in leaves if row[4]])
            for _, of, fact, value, in_use, provisional in leaves:
                named, refs = self._named.get(value, (NULL, NULL))
                fits = self._fits(name.kind, of, value)
                if refs != NULL or provisional or not (fits and in_use):
                    yield pack_detail(fact, number, in_use, provisional, fits, value=named, refs=refs)

    def _put_aside(self, number: int, name: EntityName, rows: list[LeafRow]) -> None:
        values = {self._properties[row[1]]: row[3] for row in rows}
        kind = self._kind(name.kind)
        parent = row_values.references(load_value(values[kind.parent])) if kind.parent in values else ()
        locality = locality_of(name.entity, Placed(name.kind, parent[0] if parent else None), self._schema)
        is_retired = RETIRED in values and load_value(values[RETIRED]) is True
        self._entities.append(
            (
                number,
                name.entity,
                is_retired,
                *name_columns(name),
                row_values.text(name.title),
                None if locality in (COMMON, NOWHERE) else locality,
            )
        )

    def _kind(self, name: str | None) -> Kind:
        if name not in self._kinds:
            self._kinds[name] = self._schema.kind(name or "")
        return self._kinds[name]

    def _check_plain(self, of: int, value: bytes) -> bool:
        """Whether a value in use needs no details, of whatever kind its entity is."""
        if row_values.refers(value) or self._properties[of] == RETIRED:
            return False
        meanings = self._meanings(of, row_values.is_short_text(value))
        if not meanings:
            return True
        # What is cleared fits nothing, which its row says by itself.
        loaded = load_value(value)
        return loaded is None or all(row_values.fits_column(prop, loaded) for prop in meanings)

    def _find_meanings(self, of: int, is_short_text: bool) -> list[Property]:
        """What a property can be, by the kind of its entity, where that can matter."""
        props = [self._property(kind, of) for kind in (None, *self._schema.kinds)]
        # Labels and help make no difference.
        different = {(prop.is_known, prop.type, prop.many, prop.choices, prop.pattern): prop for prop in props}
        return [prop for prop in different.values() if not (is_short_text and row_values.takes_any_text(prop))]

    def _check_fit(self, kind: str | None, of: int, value: bytes) -> bool:
        return row_values.fits_column(self._property(kind, of), load_value(value))


def name_columns(name: EntityName) -> tuple[str | None, str | None]:
    """Kind and key as columns."""
    return (
        None if name.kind is None else row_values.text(name.kind),
        None if name.key is None else row_values.text(name.key),
    )

"""Pages of a list in the order of titles, without reading the list.

A fleet may have a hundred thousand entities.

The order of the titles of the present is kept with the clues (`core.store.indexes.conflict_index`). What somebody
spoke of since those were read is read itself and put into its place among them. Of the past nothing is kept: there
all are read.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Container, Iterator
from heapq import merge
from itertools import islice

from core.schema import RETIRED, Schema
from core.sort_order import natural_key
from core.store import entities
from core.store.entities import EntityName, EntityRow
from core.store.indexes import conflict_index
from core.store.indexes.conflict_index import NAME_ROW_SQL
from core.store.scope import Scope

_MAX_UNREAD_PER_PAGE = 300
"""Entities that are read for a page beside those on it; if there are more it is faster to read all titles."""
_ROWS_PER_FETCH = 100


def read_entity_page(
    connection: sqlite3.Connection,
    scope: Scope,
    kind: str,
    schema: Schema,
    parent: tuple[str, bytes] | None,
    after: EntityRow | None,
    limit: int | None,
    retired: bool,
) -> list[EntityRow]:
    """Read lines of a kind in the order of their titles.

    Going on behind the line `after`, only those below a parent if one is given.
    """
    lines = None
    if scope.kind == "now" and parent is None and limit is not None and not schema.kind(kind).within:
        lines = _names_from_index(connection, scope, kind, schema, after, retired)
    if lines is None:
        called = entities.read_names(
            connection, scope, entities.find_entities_of_kind(connection, scope, kind, parent), schema
        )
        lines = iter(sorted((name for name in called.values() if _is_after(name, after)), key=_title_sort_key))
    found: list[EntityName] = []
    gone: set[bytes] = set()
    while some := list(islice(lines, None if limit is None else limit - len(found))):
        values = entities.read_values(connection, scope, "retired", [name.entity for name in some])
        gone.update(entity for entity, value in values.items() if value is True)
        found += [name for name in some if retired or name.entity not in gone]
    contested = entities.count_conflicts(connection, scope, [name.entity for name in found])
    return [
        EntityRow(n.entity, kind, n.key or "", n.title, n.entity in gone, contested.get(n.entity, 0)) for n in found
    ]


def has_many_entities(connection: sqlite3.Connection, scope: Scope, kind: str, schema: Schema, count: int) -> bool:
    """Whether a kind is known to have so many entities in use, from the kept titles."""
    if scope.kind != "now" or not conflict_index.is_index_current(connection, schema):
        return False
    kept = connection.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM clues WHERE kind = {NAME_ROW_SQL} LIMIT ?)", (kind, count)
    )
    return bool(kept.fetchone()[0] == count)


def read_entities_of_kind(
    connection: sqlite3.Connection, scope: Scope, kind: str, schema: Schema, retired: bool
) -> list[bytes]:
    """Read all entities of a kind in the order of their titles."""
    if scope.kind == "now" and not schema.kind(kind).within:
        fresh = _read_fresh_names(connection, scope, schema, retired)
        if fresh is not None:
            return _merge_with_titles(connection, scope, kind, fresh, retired)
    found = entities.find_entities_of_kind(connection, scope, kind)
    return sort_by_title(connection, scope, found, schema, retired)


def sort_by_title(
    connection: sqlite3.Connection, scope: Scope, found: list[bytes], schema: Schema, retired: bool
) -> list[bytes]:
    """Sort entities by their titles, and leave those out that are retired.

    With `retired` none is left out.
    """
    if not retired:
        found = _without_retired(connection, scope, found)
    called = entities.read_names(connection, scope, found, schema)
    return [name.entity for name in sorted(called.values(), key=_title_sort_key)]


def _without_retired(connection: sqlite3.Connection, scope: Scope, found: list[bytes]) -> list[bytes]:
    values = entities.read_values(connection, scope, RETIRED, found)
    return [entity for entity in found if values.get(entity) is not True]


def _merge_with_titles(
    connection: sqlite3.Connection, scope: Scope, kind: str, fresh: dict[bytes, EntityName], retired: bool
) -> list[bytes]:
    """Put entities that were read among those of which the titles are kept."""
    kept = connection.execute(
        f"SELECT c.sort, e.entity FROM clues c INDEXED BY clues_order CROSS JOIN entities e ON e.id = c.entity"
        f" WHERE c.kind = {NAME_ROW_SQL} ORDER BY c.sort, e.entity",
        (kind,),
    )
    added = [entity for entity, name in fresh.items() if name.kind == kind]
    if not retired:
        added = _without_retired(connection, scope, added)
    together = merge(
        (row for row in kept if row[1] not in fresh), sorted(_title_sort_key(fresh[entity]) for entity in added)
    )
    return [entity for _sort, entity in together]


def _title_sort_key(name: EntityName) -> tuple[str, bytes]:
    return (natural_key(name.title), name.entity)


def _is_after(name: EntityName, after: EntityRow | None) -> bool:
    return after is None or _title_sort_key(name) > (natural_key(after.title), after.entity)


def _names_from_index(
    connection: sqlite3.Connection, scope: Scope, kind: str, schema: Schema, after: EntityRow | None, retired: bool
) -> Iterator[EntityName] | None:
    """The names behind a line in their order, from the titles that are kept.

    None if too much was said since, or they were kept under another schema or by another program.

    No titles are kept of what is retired: its names are read.
    """
    called = _read_fresh_names(connection, scope, schema, retired)
    if called is None:
        return None
    fresh = [name for name in called.values() if name.kind == kind and _is_after(name, after)]
    return merge(
        _indexed_names(connection, scope, kind, schema, after, called),
        sorted(fresh, key=_title_sort_key),
        key=_title_sort_key,
    )


def _read_fresh_names(
    connection: sqlite3.Connection, scope: Scope, schema: Schema, retired: bool
) -> dict[bytes, EntityName] | None:
    """Read the names of those whose titles as they are kept do not count.

    None if the kept ones are of no use.
    """
    is_kept = conflict_index.is_index_current(connection, schema)
    if not is_kept or conflict_index.count_unread(connection, schema) > _MAX_UNREAD_PER_PAGE:
        return None
    rows = connection.execute("SELECT e.entity FROM unread u JOIN entities e ON e.id = u.entity")
    unread = {entity for (entity,) in rows}
    if retired:
        unread.update(entities.find_entities_with_value(connection, scope, RETIRED, True))
    return entities.read_names(connection, scope, unread, schema)


def _indexed_names(
    connection: sqlite3.Connection,
    scope: Scope,
    kind: str,
    schema: Schema,
    after: EntityRow | None,
    unread: Container[bytes],
) -> Iterator[EntityName]:
    """Read the names whose title is up to date, of a kind.

    Those of whom no fact came since it was kept.
    """
    sort, entity = (natural_key(after.title), after.entity) if after else ("", b"")
    rows = connection.execute(
        "SELECT e.entity FROM clues c INDEXED BY clues_order CROSS JOIN entities e ON e.id = c.entity"
        f" WHERE c.kind = {NAME_ROW_SQL} AND c.sort >= ? AND (c.sort > ? OR e.entity > ?) ORDER BY c.sort, e.entity",
        (kind, sort, sort, entity),
    )
    while some := rows.fetchmany(_ROWS_PER_FETCH):
        wanted = [entity for (entity,) in some if entity not in unread]
        yield from sorted(entities.read_names(connection, scope, wanted, schema).values(), key=_title_sort_key)

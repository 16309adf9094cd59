"""Pages of a list in the order of titles, read without reading the list: a fleet may have a hundred thousand entities.

The titles of the present are kept with the clues (`core.store.clues`), in their order. What somebody spoke of since
those were read is read itself and put into its place among them. Of the past nothing is kept: there all are read.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from heapq import merge
from itertools import islice

from core.schema import RETIRED, Schema
from core.store import clues, reading
from core.store.reading import Name, Row
from core.store.scope import Scope

_MOST_UNREAD = 300
"""Entities that are read for a page beside those on it; if there are more it is faster to read all titles."""
_PORTION = 100


def page(
    connection: sqlite3.Connection,
    scope: Scope,
    kind: str,
    schema: Schema,
    parent: tuple[str, bytes] | None,
    after: Row | None,
    limit: int | None,
    retired: bool,
) -> list[Row]:
    """Lines of a kind in the order of their titles, going on behind the line `after`, only those below a parent if
    one is given.
    """
    lines = None
    if scope.kind == "now" and parent is None and limit is not None and not schema.kind(kind).within:
        lines = _kept(connection, scope, kind, schema, after, retired)
    if lines is None:
        called = reading.names(connection, scope, reading.of_kind(connection, scope, kind, parent), schema)
        lines = iter(sorted((name for name in called.values() if _behind(name, after)), key=_order))
    found: list[Name] = []
    gone: set[bytes] = set()
    while some := list(islice(lines, None if limit is None else limit - len(found))):
        values = reading.values_of(connection, scope, "retired", [name.entity for name in some])
        gone.update(entity for entity, value in values.items() if value is True)
        found += [name for name in some if retired or name.entity not in gone]
    contested = reading.conflicts_by_entity(connection, scope, [name.entity for name in found])
    return [Row(n.entity, kind, n.key or "", n.title, n.entity in gone, contested.get(n.entity, 0)) for n in found]


def _order(name: Name) -> tuple[str, bytes]:
    return (name.title.casefold(), name.entity)


def _behind(name: Name, after: Row | None) -> bool:
    return after is None or _order(name) > (after.title.casefold(), after.entity)


def _kept(
    connection: sqlite3.Connection, scope: Scope, kind: str, schema: Schema, after: Row | None, retired: bool
) -> Iterator[Name] | None:
    """The names behind a line in their order, from the titles that are kept; None if too much was said since.

    No titles are kept of what is retired: its names are read.
    """
    if clues.unread(connection, schema) > _MOST_UNREAD:
        return None
    rows = connection.execute("SELECT e.entity FROM unread u JOIN entities e ON e.id = u.entity")
    unread = {entity for (entity,) in rows}
    if retired:
        unread.update(reading.entities_where(connection, scope, RETIRED, True))
    called = reading.names(connection, scope, unread, schema)
    fresh = [name for name in called.values() if name.kind == kind and _behind(name, after)]
    return merge(_along(connection, scope, kind, schema, after, unread), sorted(fresh, key=_order), key=_order)


def _along(
    connection: sqlite3.Connection, scope: Scope, kind: str, schema: Schema, after: Row | None, unread: set[bytes]
) -> Iterator[Name]:
    """The names of those of a kind of whom nothing was said since their title was kept."""
    rows = connection.execute(
        "SELECT entity FROM titles WHERE kind = ? AND (title, entity) > (?, ?) ORDER BY title, entity",
        (kind, after.title.casefold() if after else "", after.entity if after else b""),
    )
    while some := rows.fetchmany(_PORTION):
        wanted = [entity for (entity,) in some if entity not in unread]
        yield from sorted(reading.names(connection, scope, wanted, schema).values(), key=_order)

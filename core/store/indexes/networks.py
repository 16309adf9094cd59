"""Find the networks that overlap others by their keys (core/conflict_index.py).

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.records import Record
from core.schema import Kind, Property, Schema
from core.store import entities
from core.store.connection import chunks, placeholders
from core.store.indexes.conflict_index import is_index_current
from core.store.scope import Scope

if TYPE_CHECKING:
    from core.conflict_index import IPNetwork

_MAX_UNREAD_FOR_NEIGHBOURS = 500
"""Entities that are read besides those whose networks are known to be near."""


def find_network_neighbours(
    connection: sqlite3.Connection,
    scope: Scope,
    kind: Kind,
    prop: Property,
    wished: Sequence[IPNetwork],
    schema: Schema,
) -> list[Record] | None:
    """Find what may have a network that overlaps one of these.

    Of a kind and a property, in use. None where that cannot be told without reading all of the kind: of the past, and
    before most has been read.
    """
    fresh = [
        number
        for (number,) in connection.execute("SELECT entity FROM unread LIMIT ?", (_MAX_UNREAD_FOR_NEIGHBOURS + 1,))
    ]
    if scope.kind != "now" or not is_index_current(connection, schema) or len(fresh) > _MAX_UNREAD_FOR_NEIGHBOURS:
        return None
    from core.conflict_index import network_key

    numbers = set(fresh)
    for network in wished:
        space, key = network_key(kind, prop, network)
        for (row,) in connection.execute("SELECT id FROM index_names WHERE name = ?", (space,)):
            numbers |= rows_with_overlap(connection, row, key)
    found = [
        entity
        for some in chunks(sorted(numbers))
        for (entity,) in connection.execute(f"SELECT entity FROM entities WHERE id IN ({placeholders(some)})", some)
    ]
    records = entities.read_records(connection, scope, found, schema)
    return [record for record in records if record.kind == kind.name and not record.retired]


def rows_with_overlap(connection: sqlite3.Connection, space: int, network: bytes) -> set[int]:
    """The rows of the entities with a network that overlaps one.

    That is given by the row of its space and by its key.
    """
    from core.conflict_index import keys_around, last_key_within

    # Two networks are nested or apart: one of both begins within the other.
    around = keys_around(network)
    rows = connection.execute(
        "SELECT entity FROM networks WHERE space = ? AND network BETWEEN ? AND ?"
        f" UNION SELECT entity FROM networks WHERE space = ? AND network IN ({placeholders(around)})",
        (space, network[:-1], last_key_within(network), space, *around),
    )
    return {row for (row,) in rows}

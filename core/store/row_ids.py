"""Row ids: how the tables refer to changes, devices, entities and the like.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import TypeVar

from core.store.connection import chunks, placeholders

T = TypeVar("T", bytes, str)


def row_ids_of(connection: sqlite3.Connection, hashes: list[bytes]) -> dict[bytes, int]:
    """The row ids of those of these changes that the store holds."""
    found: dict[bytes, int] = {}
    for some in chunks(hashes):
        found.update(connection.execute(f"SELECT hash, id FROM changes WHERE hash IN ({placeholders(some)})", some))
    return found


def intern_values(connection: sqlite3.Connection, table: str, column: str, values: Iterable[T]) -> dict[T, int]:
    """The row ids of these values, made where they are new."""
    wanted = list(dict.fromkeys(values))
    found: dict[T, int] = {}
    for some in chunks(wanted):
        found.update(
            connection.execute(f"SELECT {column}, id FROM {table} WHERE {column} IN ({placeholders(some)})", some)
        )
    new = [value for value in wanted if value not in found]
    if new:
        # Numbered here, as the table would do it itself: one statement for all.
        first = connection.execute(f"SELECT coalesce(max(id), 0) + 1 FROM {table}").fetchone()[0]
        rows = list(enumerate(new, first))
        connection.executemany(f"INSERT INTO {table} (id, {column}) VALUES (?, ?)", rows)
        found.update((value, row) for row, value in rows)
    return found

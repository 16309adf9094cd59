"""The Merkle tree over this store's change ids, kept in the table `branches`.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from core.sync import merkle


class Table:
    """The node table that core/sync/merkle.py works on, in SQLite."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def branch(self, prefix: str) -> merkle.Branch | None:
        query = "SELECT prefix, count, children FROM branches WHERE prefix = ?"
        row = self._connection.execute(query, (prefix,)).fetchone()
        return None if row is None else merkle.Branch(*row)

    def ids(self, prefix: str) -> Sequence[bytes]:
        query = "SELECT hash FROM changes WHERE hash BETWEEN ? AND ? ORDER BY hash"
        return [change for (change,) in self._connection.execute(query, merkle.bounds(prefix))]

    def put(self, branches: Iterable[merkle.Branch]) -> None:
        self._connection.executemany(
            "INSERT OR REPLACE INTO branches (prefix, count, children) VALUES (?, ?, ?)",
            [(b.prefix, b.count, b.children) for b in branches],
        )


def add_to_tree(connection: sqlite3.Connection, changes: Sequence[bytes]) -> None:
    """Bring the tree up to date with changes that were just inserted."""
    merkle.insert(Table(connection), changes)


def root(connection: sqlite3.Connection) -> bytes:
    """The fingerprint of the whole set of changes, 16 bytes."""
    return merkle.read(Table(connection), "").fingerprint


def nodes(connection: sqlite3.Connection, prefixes: Sequence[str]) -> list[merkle.Node]:
    """The nodes of these prefixes, in the order asked."""
    table = Table(connection)
    return [merkle.read(table, prefix) for prefix in prefixes]


def under(connection: sqlite3.Connection, prefixes: Sequence[str]) -> list[list[bytes]]:
    """The change ids below each of these prefixes, in ascending order."""
    table = Table(connection)
    return [list(table.ids(prefix)) for prefix in prefixes]

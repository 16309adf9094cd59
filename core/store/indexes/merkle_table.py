"""The Merkle tree over this store's change ids, kept in the table `branches`.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from core.sync.reconcile import merkle


class MerkleTable:
    """The node table that core/sync/reconcile/merkle.py works on, in SQLite."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def read_branch(self, prefix: str) -> merkle.BranchNode | None:
        query = "SELECT prefix, count, children FROM branches WHERE prefix = ?"
        row = self._connection.execute(query, (prefix,)).fetchone()
        return None if row is None else merkle.BranchNode(*row)

    def read_ids(self, prefix: str) -> Sequence[bytes]:
        query = "SELECT hash FROM changes WHERE hash BETWEEN ? AND ? ORDER BY hash"
        return [change for (change,) in self._connection.execute(query, merkle.prefix_bounds(prefix))]

    def write_branches(self, branches: Iterable[merkle.BranchNode]) -> None:
        self._connection.executemany(
            "INSERT OR REPLACE INTO branches (prefix, count, children) VALUES (?, ?, ?)",
            [(b.prefix, b.count, b.children) for b in branches],
        )


def add_to_merkle_tree(connection: sqlite3.Connection, changes: Sequence[bytes]) -> None:
    """Bring the tree up to date with changes that were just inserted."""
    merkle.insert_ids(MerkleTable(connection), changes)


def read_root(connection: sqlite3.Connection) -> bytes:
    """The fingerprint of the whole set of changes, 16 bytes."""
    return merkle.read_node(MerkleTable(connection), "").fingerprint


def read_nodes(connection: sqlite3.Connection, prefixes: Sequence[str]) -> list[merkle.MerkleNode]:
    """The nodes of these prefixes, in the order asked."""
    table = MerkleTable(connection)
    return [merkle.read_node(table, prefix) for prefix in prefixes]


def read_hashes_under(connection: sqlite3.Connection, prefixes: Sequence[str]) -> list[list[bytes]]:
    """The change ids below each of these prefixes, in ascending order."""
    table = MerkleTable(connection)
    return [list(table.read_ids(prefix)) for prefix in prefixes]

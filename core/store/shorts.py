"""Short ids of this store's changes and the cells over them (core/sync/cells.py), for the sketch mode of sync.

The short ids are keyed with a secret that the genesis holds, so there are none before the genesis has come. The cells
lag behind: they hold the changes up to a row, and take in the newer ones when a sync begins.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from core.changes import FLEET_ENTITY, Block, fleet_id
from core.store.database import transaction
from core.sync.cells import Cells, short_id, short_key
from core.sync.prefixes import Prefix

SECRET = "secret"  # noqa: S105 (a property's name)
"""The property of the fleet's entity in the genesis that holds the secret, in hex."""
_SECRET, _CELLS, _ROW = "secret", "cells", "cells_row"


def add_shorts(connection: sqlite3.Connection, blocks: Sequence[Block], rows: dict[bytes, int], fleet: bytes) -> None:
    """Give new changes their short ids; when the genesis comes, all that came before it get theirs, too."""
    for block in blocks:
        if fleet_id(block.id) == fleet:
            _found(connection, block)
            pairs = connection.execute("SELECT hash, id FROM changes").fetchall()
            break
    else:
        pairs = [(block.id, rows[block.id]) for block in blocks]
    key = key_of(connection)
    if key is not None:
        _insert(connection, key, pairs)


def key_of(connection: sqlite3.Connection) -> bytes | None:
    """The key of the short ids; None before the genesis has come, or if it holds no secret."""
    found = secret(connection)
    return None if found is None else short_key(found)


def secret(connection: sqlite3.Connection) -> bytes | None:
    """The fleet's secret as the genesis has it; None before that has come."""
    return _meta(connection, _SECRET)


def cells(connection: sqlite3.Connection) -> Cells | None:
    """The cells of all changes, brought up to date and kept so; None without a key."""
    key = key_of(connection)
    if key is None:
        return None
    kept = _meta(connection, _CELLS)
    row = int.from_bytes(_meta(connection, _ROW) or b"", "big")
    found = Cells() if kept is None else Cells.from_bytes(kept)
    new = connection.execute("SELECT hash, id FROM changes WHERE id > ? ORDER BY id", (row,)).fetchall()
    if new:
        found.fold(short_id(key, change) for change, _ in new)
        transaction(connection, _keep, found.to_bytes(), row, new[-1][1])
    return found


def under(connection: sqlite3.Connection, prefixes: Sequence[Prefix]) -> list[list[tuple[int, bytes]]]:
    """The short ids and change ids that begin with each of these prefixes."""
    query = "SELECT s.short, c.hash FROM shorts s JOIN changes c ON c.id = s.change WHERE s.short BETWEEN ? AND ?"
    return [connection.execute(query, (prefix.first, prefix.last)).fetchall() for prefix in prefixes]


def every(connection: sqlite3.Connection) -> list[int]:
    """All short ids in ascending order."""
    return [short for (short,) in connection.execute("SELECT short FROM shorts ORDER BY short")]


def check(connection: sqlite3.Connection) -> list[str]:
    """What is wrong with the kept cells, by the short ids of the changes that they are said to hold."""
    key, kept = key_of(connection), _meta(connection, _CELLS)
    if key is None or kept is None:
        return []
    row = int.from_bytes(_meta(connection, _ROW) or b"", "big")
    held = connection.execute("SELECT hash FROM changes WHERE id <= ?", (row,))
    if Cells.of(short_id(key, change) for (change,) in held).to_bytes() == kept:
        return []
    return ["cells: they are not those of the changes that they are kept for"]


def forget(connection: sqlite3.Connection) -> None:
    """Drop the kept cells; the next sync makes them anew."""
    connection.execute("DELETE FROM meta WHERE key IN (?, ?)", (_CELLS, _ROW))


def _found(connection: sqlite3.Connection, genesis: Block) -> None:
    for fact in genesis.change.facts:
        if fact.entity == FLEET_ENTITY and fact.property == SECRET and isinstance(fact.value, str):
            _put(connection, _SECRET, fact.value.encode())


def _insert(connection: sqlite3.Connection, key: bytes, pairs: Iterable[tuple[bytes, int]]) -> None:
    connection.executemany(
        "INSERT OR IGNORE INTO shorts (short, change) VALUES (?, ?)",
        [(short_id(key, change), row) for change, row in pairs],
    )


def _keep(connection: sqlite3.Connection, data: bytes, before: int, row: int) -> None:
    """Keep the cells, unless another process has brought them up to date meanwhile."""
    if int.from_bytes(_meta(connection, _ROW) or b"", "big") == before:
        _put(connection, _CELLS, data)
        _put(connection, _ROW, row.to_bytes(8, "big"))


def _meta(connection: sqlite3.Connection, key: str) -> bytes | None:
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else row[0]


def _put(connection: sqlite3.Connection, key: str, value: bytes) -> None:
    connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))

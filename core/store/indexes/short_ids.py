"""Keep the short ids of changes and the cells over them, for sync.

See core/sync/reconcile/set_sketch.py.

The short ids are keyed with a secret that the genesis holds, so there are none before the genesis has come. The cells
lag behind: they hold the changes up to a row, and take in the newer ones when a sync begins.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections.abc import Iterable, Sequence
from operator import itemgetter

from core.changes import FLEET_ENTITY, Block
from core.errors import FieldlineError
from core.fleet_secrets import SECRET_PROPERTY
from core.header import fleet_id
from core.store.connection import read_meta, transaction, write_meta
from core.sync.reconcile.prefix_coding import ShortIdPrefix
from core.sync.reconcile.set_sketch import SetSketch, short_id, short_key

_SECRET_META_KEY, _CELLS_META_KEY, _CELLS_ROW_META_KEY = "secret", "cells", "cells_row"


def add_short_ids(
    connection: sqlite3.Connection, blocks: Sequence[Block], rows: dict[bytes, int], fleet: bytes
) -> None:
    """Give new changes their short ids.

    When the genesis comes, all that came before it get theirs, too.
    """
    for block in blocks:
        if fleet_id(block.id) == fleet:
            _store_secret(connection, block)
            pairs = connection.execute("SELECT hash, id FROM changes").fetchall()
            break
    else:
        pairs = [(block.id, rows[block.id]) for block in blocks]
    key = read_short_id_key(connection)
    if key is not None:
        _insert_short_ids(connection, key, pairs)


def read_short_id_key(connection: sqlite3.Connection) -> bytes | None:
    """The key of the short ids.

    None before the genesis has come, or if it holds no secret.
    """
    found = read_secret(connection)
    return None if found is None else short_key(found)


def read_secret(connection: sqlite3.Connection) -> bytes | None:
    """The fleet's secret as the genesis has it; None before that has come."""
    return read_meta(connection, _SECRET_META_KEY)


def read_sketch(connection: sqlite3.Connection) -> SetSketch | None:
    """The cells of all changes, brought up to date and kept so; None without a key."""
    key = read_short_id_key(connection)
    if key is None:
        return None
    kept = read_meta(connection, _CELLS_META_KEY)
    row = int.from_bytes(read_meta(connection, _CELLS_ROW_META_KEY) or b"", "big")
    found = SetSketch() if kept is None else SetSketch.from_bytes(kept)
    new = connection.execute("SELECT hash, id FROM changes WHERE id > ? ORDER BY id", (row,)).fetchall()
    if new:
        found.add_short_ids(short_id(key, change) for change, _ in new)
        transaction(connection, _store_cells, found.to_bytes(), row, new[-1][1])
    return found


def find_by_prefixes(
    connection: sqlite3.Connection, prefixes: Sequence[ShortIdPrefix]
) -> list[list[tuple[int, bytes]]]:
    """The short ids and change ids that begin with each of these prefixes."""
    query = "SELECT s.short, c.hash FROM shorts s JOIN changes c ON c.id = s.change WHERE s.short BETWEEN ? AND ?"
    return [connection.execute(query, (prefix.first_short_id, prefix.last_short_id)).fetchall() for prefix in prefixes]


def read_all_short_ids(connection: sqlite3.Connection) -> array[int]:
    """All short ids in ascending order, 8 bytes each."""
    return array("Q", map(itemgetter(0), connection.execute("SELECT short FROM shorts ORDER BY short")))


def find_problems(connection: sqlite3.Connection) -> list[FieldlineError]:
    """Find what is wrong with the kept cells.

    By the short ids of the changes that they are said to hold.
    """
    key, kept = read_short_id_key(connection), read_meta(connection, _CELLS_META_KEY)
    if key is None or kept is None:
        return []
    row = int.from_bytes(read_meta(connection, _CELLS_ROW_META_KEY) or b"", "big")
    held = connection.execute("SELECT hash FROM changes WHERE id <= ?", (row,))
    if SetSketch.from_short_ids(short_id(key, change) for (change,) in held).to_bytes() == kept:
        return []
    return [FieldlineError("cells: they are not those of the changes that they are kept for.")]


def _store_secret(connection: sqlite3.Connection, genesis: Block) -> None:
    for fact in genesis.facts:
        if fact.entity == FLEET_ENTITY and fact.property == SECRET_PROPERTY and isinstance(fact.value, str):
            write_meta(connection, _SECRET_META_KEY, fact.value.encode())


def _insert_short_ids(connection: sqlite3.Connection, key: bytes, pairs: Iterable[tuple[bytes, int]]) -> None:
    connection.executemany(
        "INSERT OR IGNORE INTO shorts (short, change) VALUES (?, ?)",
        [(short_id(key, change), row) for change, row in pairs],
    )


def _store_cells(connection: sqlite3.Connection, data: bytes, before: int, row: int) -> None:
    """Keep the cells, unless another process has brought them up to date meanwhile."""
    if int.from_bytes(read_meta(connection, _CELLS_ROW_META_KEY) or b"", "big") == before:
        write_meta(connection, _CELLS_META_KEY, data)
        write_meta(connection, _CELLS_ROW_META_KEY, row.to_bytes(8, "big"))

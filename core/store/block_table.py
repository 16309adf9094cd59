"""Keep the exact bytes of changes by their rows.

The latest lie in `blocks` as they came, older ones in `packs` (core/store/packs.py). Each is in one of the two, and
whoever reads does not see in which.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from core.store.connection import chunks, placeholders
from core.store.packs import MIN_PACK_BYTES, is_whole, pack_blocks, unpack_blocks

MAX_LOOSE_BYTES = 128 << 10
"""So many bytes of blocks wait to be packed."""

_LOOK_EVERY = 16
"""After so many changes is looked how much waits: each look reads all that does."""

Row = tuple[int, bytes]
"""A change's row id and the exact bytes of its block."""


def add_blocks(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    """Keep the blocks of new changes, in the caller's transaction."""
    added = list(rows)
    connection.executemany("INSERT INTO blocks (change, data) VALUES (?, ?)", added)
    if not any(row % _LOOK_EVERY == 0 for row, _ in added):
        return
    (loose,) = connection.execute("SELECT sum(length(data)) FROM blocks").fetchone()
    if loose is not None and loose >= MAX_LOOSE_BYTES:
        pack_loose(connection)


def pack_loose(
    connection: sqlite3.Connection,
    on_row: Callable[[int], object] = lambda row: None,
    min_bytes: int = MIN_PACK_BYTES,
) -> None:
    """Pack what is loose, but for the end that fills no pack.

    `on_row` is called with the first row of each pack; `min_bytes` of blocks fill one.
    """
    after = 0
    while group := _next_group(connection, after, min_bytes):
        after = group[-1][0]
        on_row(group[0][0])
        _replace_by_pack(connection, group)


def repack(connection: sqlite3.Connection, on_row: Callable[[int], object] = lambda row: None) -> None:
    """Put small packs that follow each other together, but for damaged ones.

    `on_row` is called with the first row of each pack.
    """
    group: list[Row] = []
    firsts = [first for (first,) in connection.execute("SELECT first FROM packs ORDER BY first")]
    for first in firsts:
        on_row(first)
        (data,) = connection.execute("SELECT data FROM packs WHERE first = ?", (first,)).fetchone()
        follows = bool(group) and group[-1][0] + 1 == first
        if group and not follows:
            _replace_packs(connection, group)
            group = []
        if is_whole(data):
            group += enumerate(unpack_blocks(data), first)
        if sum(len(block) for _, block in group) >= MIN_PACK_BYTES:
            _replace_packs(connection, group)
            group = []
    if group:
        _replace_packs(connection, group)


def _replace_packs(connection: sqlite3.Connection, group: list[Row]) -> None:
    """Put one pack in the place of those that hold these blocks."""
    blocks = tuple(data for _, data in group)
    packed = pack_blocks(blocks)
    if unpack_blocks(packed) == blocks:
        first, last = group[0][0], group[-1][0]
        connection.execute("DELETE FROM packs WHERE first BETWEEN ? AND ?", (first, last))
        connection.execute("INSERT INTO packs (first, data) VALUES (?, ?)", (first, packed))


def _next_group(connection: sqlite3.Connection, after: int, min_bytes: int) -> list[Row]:
    """The loose blocks behind a row that fill a pack, or end before a gap.

    None if there are too few.
    """
    group: list[Row] = []
    size = 0
    for row, data in connection.execute("SELECT change, data FROM blocks WHERE change > ? ORDER BY change", (after,)):
        if group and row != group[-1][0] + 1:
            return group
        group.append((row, data))
        size += len(data)
        if size >= min_bytes:
            return group
    return []


def _replace_by_pack(connection: sqlite3.Connection, group: list[Row]) -> None:
    blocks = tuple(data for _, data in group)
    packed = pack_blocks(blocks)
    if unpack_blocks(packed) != blocks:
        return  # Better loose than lost.
    first, last = group[0][0], group[-1][0]
    connection.execute("INSERT INTO packs (first, data) VALUES (?, ?)", (first, packed))
    connection.execute("DELETE FROM blocks WHERE change BETWEEN ? AND ?", (first, last))


def read_block(connection: sqlite3.Connection, row: int) -> bytes | None:
    """The bytes of one change's block; None if they are not there."""
    return read_blocks(connection, (row,)).get(row)


def read_blocks(connection: sqlite3.Connection, rows: Collection[int]) -> dict[int, bytes]:
    """The bytes of the blocks of these changes that are there, by row."""
    found: dict[int, bytes] = {}
    for some in chunks(list(rows)):
        query = f"SELECT change, data FROM blocks WHERE change IN ({placeholders(some)})"
        found.update(connection.execute(query, some))
    first, blocks = 0, tuple[bytes, ...]()
    for row in sorted(set(rows) - found.keys()):
        if not first <= row < first + len(blocks):
            first, blocks = _read_pack_around(connection, row)
        if first <= row < first + len(blocks):
            found[row] = blocks[row - first]
    return found


def _read_pack_around(connection: sqlite3.Connection, row: int) -> tuple[int, tuple[bytes, ...]]:
    query = "SELECT first, data FROM packs WHERE first <= ? ORDER BY first DESC LIMIT 1"
    found = connection.execute(query, (row,)).fetchone()
    return (0, ()) if found is None else (found[0], unpack_blocks(found[1]))


def iterate_blocks(connection: sqlite3.Connection, schema: str = "main") -> Iterator[Row]:
    """Give all blocks with their rows, in ascending order.

    `schema` is the name that the file is attached under.
    """
    packs = connection.execute(f"SELECT first, data FROM {schema}.packs ORDER BY first")
    loose = connection.execute(f"SELECT change, data FROM {schema}.blocks ORDER BY change")
    waiting = loose.fetchone()
    for first, data in packs:
        while waiting is not None and waiting[0] < first:
            yield waiting
            waiting = loose.fetchone()
        yield from enumerate(unpack_blocks(data), first)
    while waiting is not None:
        yield waiting
        waiting = loose.fetchone()


def iterate_with_blocks(connection: sqlite3.Connection, query: str) -> Iterator[tuple[tuple[Any, ...], bytes | None]]:
    """Give rows of changes with their blocks, in ascending order; None for no block.

    `query` selects the row id first, which is not given, and has no order yet.
    """
    blocks = iterate_blocks(connection)
    found = next(blocks, None)
    for row, *values in connection.execute(f"{query} ORDER BY 1"):
        while found is not None and found[0] < row:
            found = next(blocks, None)
        yield tuple(values), found[1] if found is not None and found[0] == row else None

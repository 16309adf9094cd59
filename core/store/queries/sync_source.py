"""Blocks by their ids, and the set of them in figures: what this store offers a peer.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_right

from core.changes import ID_BYTES, MAX_FACTS, SCHEMA_ENTITY
from core.store.connection import chunks, placeholders
from core.store.indexes import merkle_table, short_ids
from core.store.indexes.member_facts import FIRST_MEMBER_PROPERTY, LAST_MEMBER_PROPERTY
from core.store.row_ids import row_ids_of
from core.sync.reconcile.set_sketch import SetSketch

_GENESIS, _MEMBERSHIP, _SCHEMA, _NEARBY, _CURRENT, _HISTORY = range(6)
"""The parts of an order."""


def read_summary(connection: sqlite3.Connection) -> tuple[int, bytes]:
    """How many changes, and the root. Rows are numbered from 1 and never deleted, so the last number is the count."""
    count = connection.execute("SELECT coalesce(max(id), 0) FROM changes").fetchone()[0]
    return count, merkle_table.read_root(connection)


def read_summary_and_cells(connection: sqlite3.Connection) -> tuple[int, bytes, SetSketch | None]:
    """The summary and the cells of the same set, though other processes may write meanwhile."""
    while True:
        count, root = read_summary(connection)
        cells = short_ids.read_sketch(connection)
        if cells is None or cells.count == count:
            return count, root, cells


def read_hashes(connection: sqlite3.Connection) -> list[bytes]:
    """All change ids in ascending order."""
    return [change for (change,) in connection.execute("SELECT hash FROM changes ORDER BY hash")]


def filter_missing(connection: sqlite3.Connection, wanted: list[bytes]) -> list[bytes]:
    """Those of these changes that are not here, in the order given."""
    known = row_ids_of(connection, wanted)
    return [change for change in wanted if change not in known]


def read_blocks(connection: sqlite3.Connection, wanted: list[bytes]) -> list[bytes]:
    """The exact bytes of those of these changes that are here, in the order given."""
    found: dict[bytes, bytes] = {}
    for some in chunks(wanted):
        listed = placeholders(some)
        query = f"SELECT c.hash, b.data FROM changes c JOIN blocks b ON b.change = c.id WHERE c.hash IN ({listed})"
        found.update(connection.execute(query, some))
    return [found[change] for change in wanted if change in found]


def order_for_sending(
    connection: sqlite3.Connection, wanted: list[bytes], fleet: bytes, near: list[bytes]
) -> tuple[list[bytes], int, int, int]:
    """These changes as a peer needs them: genesis, membership, schema, what is current of the entities that are near to
    it, what else is current, history, each newest first.

    Also how many of them, from the start, are the genesis and changes of membership, how many make up what is current
    near the peer, and how many all that is current.
    """
    local = _changes_of_entities(connection, near)
    founding = connection.execute("SELECT id FROM entities WHERE entity = ?", (SCHEMA_ENTITY,)).fetchone() or (0,)
    span = f"BETWEEN c.id * {MAX_FACTS} AND c.id * {MAX_FACTS} + {MAX_FACTS - 1}"
    found: list[tuple[int, int, bytes]] = []
    for some in chunks(wanted):
        rows = connection.execute(
            f"""SELECT CASE
                  WHEN substr(c.hash, 1, {ID_BYTES}) = ? THEN {_GENESIS}
                  WHEN EXISTS (SELECT 1 FROM facts WHERE id {span}
                               AND property BETWEEN {FIRST_MEMBER_PROPERTY} AND {LAST_MEMBER_PROPERTY})
                    THEN {_MEMBERSHIP}
                  WHEN EXISTS (SELECT 1 FROM facts WHERE id {span} AND entity = ?) THEN {_SCHEMA}
                  WHEN EXISTS (SELECT 1 FROM facts WHERE id {span} AND current) THEN {_CURRENT}
                  ELSE {_HISTORY} END, -c.effective, c.hash
                FROM changes c WHERE c.hash IN ({placeholders(some)})""",
            [fleet, *founding, *some],
        )
        found.extend(rows)
    ordered = sorted(
        (_NEARBY if part == _CURRENT and change in local else part, at, change) for part, at, change in found
    )
    parts = [part for part, _, _ in ordered]
    return (
        [change for _, _, change in ordered],
        bisect_right(parts, _MEMBERSHIP),
        bisect_right(parts, _NEARBY) if near else 0,
        bisect_right(parts, _CURRENT),
    )


def _changes_of_entities(connection: sqlite3.Connection, entities: list[bytes]) -> set[bytes]:
    """The changes that hold something current about these entities."""
    found: set[bytes] = set()
    for some in chunks(entities):
        found.update(
            change
            for (change,) in connection.execute(
                f"""SELECT c.hash FROM entities e JOIN facts f ON f.entity = e.id AND f.current = 1
                    JOIN changes c ON c.id = f.id / {MAX_FACTS} WHERE e.entity IN ({placeholders(some)})""",
                some,
            )
        )
    return found

"""Blocks by their ids, and the set of them in figures: what this store offers a peer.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3

from core.changes import ID_SIZE, MAX_FACTS, SCHEMA_ENTITY
from core.store import shorts, tree
from core.store.adding import rows_of
from core.store.database import chunks, marks
from core.store.membership import FIRST, LAST
from core.sync.cells import Cells

Connection = sqlite3.Connection


def summary(connection: Connection) -> tuple[int, bytes]:
    """How many changes, and the root. Rows are numbered from 1 and never deleted, so the last number is the count."""
    count = connection.execute("SELECT coalesce(max(id), 0) FROM changes").fetchone()[0]
    return count, tree.root(connection)


def summary_and_cells(connection: Connection) -> tuple[int, bytes, Cells | None]:
    """The summary and the cells of the same set, though other processes may write meanwhile."""
    while True:
        count, root = summary(connection)
        cells = shorts.cells(connection)
        if cells is None or cells.count == count:
            return count, root, cells


def hashes(connection: Connection) -> list[bytes]:
    """All change ids in ascending order."""
    return [change for (change,) in connection.execute("SELECT hash FROM changes ORDER BY hash")]


def missing(connection: Connection, wanted: list[bytes]) -> list[bytes]:
    """Those of these changes that are not here, in the order given."""
    known = rows_of(connection, wanted)
    return [change for change in wanted if change not in known]


def blocks(connection: Connection, wanted: list[bytes]) -> list[bytes]:
    """The exact bytes of those of these changes that are here, in the order given."""
    found: dict[bytes, bytes] = {}
    for some in chunks(wanted):
        query = f"SELECT c.hash, b.data FROM changes c JOIN blocks b ON b.change = c.id WHERE c.hash IN ({marks(some)})"
        found.update(connection.execute(query, some))
    return [found[change] for change in wanted if change in found]


def order(connection: Connection, wanted: list[bytes], fleet: bytes) -> tuple[list[bytes], int]:
    """These changes as a peer needs them: genesis, membership, schema, what is current, history, each newest first.

    Also how many of them, from the start, are the genesis and changes of membership.
    """
    founding = connection.execute("SELECT id FROM entities WHERE entity = ?", (SCHEMA_ENTITY,)).fetchone() or (0,)
    span = f"BETWEEN c.id * {MAX_FACTS} AND c.id * {MAX_FACTS} + {MAX_FACTS - 1}"
    found: list[tuple[int, int, bytes]] = []
    for some in chunks(wanted):
        rows = connection.execute(
            f"""SELECT CASE
                  WHEN substr(c.hash, 1, {ID_SIZE}) = ? THEN 0
                  WHEN EXISTS (SELECT 1 FROM facts WHERE id {span} AND property BETWEEN {FIRST} AND {LAST}) THEN 1
                  WHEN EXISTS (SELECT 1 FROM facts WHERE id {span} AND entity = ?) THEN 2
                  WHEN EXISTS (SELECT 1 FROM facts WHERE id {span} AND current) THEN 3
                  ELSE 4 END, -c.effective, c.hash
                FROM changes c WHERE c.hash IN ({marks(some)})""",
            [fleet, *founding, *some],
        )
        found.extend(rows)
    found.sort()
    return [change for _, _, change in found], sum(1 for place, _, _ in found if place < 2)

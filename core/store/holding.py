"""What the store holds: blocks by their ids, counts, and this device's own notes.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from typing import TypeVar

from core.changes import ID_SIZE, MAX_FACTS, SCHEMA_ENTITY
from core.store import shorts, tree
from core.store.adding import rows_of
from core.store.database import chunks, marks
from core.store.membership import FIRST, LAST
from core.store.reading import contested_slots
from core.store.scope import NOW
from core.sync.cells import Cells

Connection = sqlite3.Connection
T = TypeVar("T")


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


def meetings(connection: Connection) -> list[tuple[bytes | None, str, int, int]]:
    """(device, link, last receipt, changes) for each device and link that changes came from, the latest first."""
    return connection.execute(
        "SELECT d.device, c.link, max(c.received_at), count(*) FROM changes c LEFT JOIN devices d ON d.id = c.source"
        " WHERE c.link NOT IN ('own', 'import') GROUP BY c.source, c.link ORDER BY 3 DESC"
    ).fetchall()


def counts(connection: Connection) -> tuple[int, int, int, int, int]:
    """Changes, facts, entities, slots with different leaves, changes without effect."""
    changes, facts, entities, quarantined = connection.execute(
        "SELECT (SELECT count(*) FROM changes), (SELECT count(*) FROM facts), (SELECT count(*) FROM entities),"
        " (SELECT count(*) FROM changes WHERE accepted = 0)"
    ).fetchone()
    return changes, facts, entities, len(contested_slots(connection, NOW)), quarantined


def effective(connection: Connection, change: bytes) -> int | None:
    """The moment from which a change counts; None if it is not here."""
    row = connection.execute("SELECT effective FROM changes WHERE hash = ?", (change,)).fetchone()
    return None if row is None else row[0]


def data_version(connection: Connection) -> int:
    """A number that is another one after any process has written: SQLite's for the others, the write count for this
    one.
    """
    others = connection.execute("PRAGMA data_version").fetchone()[0]
    return int(others) << 32 | connection.total_changes


def meta(connection: Connection, key: str) -> bytes | None:
    """One of this device's own notes."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else row[0]


def put_meta(connection: Connection, key: str, value: bytes) -> None:
    """Keep one of this device's own notes."""
    connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))

"""How much the store holds and where it came from, and this device's own notes.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3

from core.store.entities import read_conflicting_slots
from core.store.scope import NOW

Connection = sqlite3.Connection


def read_source_stats(connection: Connection) -> list[tuple[bytes | None, str, int, int]]:
    """(device, link, last receipt, changes) for each device and link that changes came from, the latest first."""
    return connection.execute(
        "SELECT d.device, c.link, max(c.received_at), count(*) FROM changes c LEFT JOIN devices d ON d.id = c.source"
        " WHERE c.link NOT IN ('own', 'import') GROUP BY c.source, c.link ORDER BY 3 DESC"
    ).fetchall()


def read_last_received_at(connection: Connection) -> int | None:
    """The last receipt of a change from elsewhere; row ids are the order of receipt, so that the last row has it."""
    row = connection.execute(
        "SELECT received_at FROM changes WHERE link NOT IN ('own', 'import') ORDER BY id DESC LIMIT 1"
    ).fetchone()
    return None if row is None else row[0]


def read_counts(connection: Connection) -> tuple[int, int, int, int, int]:
    """Changes, facts, entities, slots with different leaves, changes without effect."""
    changes, facts, entities, quarantined = connection.execute(
        "SELECT (SELECT count(*) FROM changes), (SELECT count(*) FROM facts), (SELECT count(*) FROM entities),"
        " (SELECT count(*) FROM changes WHERE accepted = 0)"
    ).fetchone()
    return changes, facts, entities, len(read_conflicting_slots(connection, NOW)), quarantined


def read_users(connection: Connection) -> list[str]:
    """The names of all users."""
    return [name for (name,) in connection.execute("SELECT name FROM users ORDER BY name COLLATE NOCASE, name")]


def read_effective_time(connection: Connection, change: bytes) -> int | None:
    """The moment from which a change counts; None if it is not here."""
    row = connection.execute("SELECT effective FROM changes WHERE hash = ?", (change,)).fetchone()
    return None if row is None else row[0]


def read_data_version(connection: Connection) -> int:
    """A number that is another one after any process has written: SQLite's for the others, the write count for this
    one.
    """
    others = connection.execute("PRAGMA data_version").fetchone()[0]
    return int(others) << 32 | connection.total_changes


def checkpoint_log(connection: sqlite3.Connection) -> None:
    """Bring the log beside the file into it; closing the file would do so, too, but not say if it failed."""
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

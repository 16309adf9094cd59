"""How much the store holds and where it came from, and this device's own notes.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3

from core.store.connection import chunks, placeholders
from core.store.entities import read_conflicting_slots
from core.store.scope import NOW
from core.value_codec import MAX_FACTS

Connection = sqlite3.Connection


def read_source_stats(connection: Connection) -> list[tuple[bytes | None, str, int, int]]:
    """Read from which devices and links changes came, the latest first.

    (device, link, last receipt, changes).
    """
    return connection.execute(
        "SELECT d.device, c.link, max(c.received_at), count(*) FROM changes c LEFT JOIN devices d ON d.id = c.source"
        " WHERE c.link NOT IN ('own', 'import') GROUP BY c.source, c.link ORDER BY 3 DESC"
    ).fetchall()


def read_last_received_at(connection: Connection) -> int | None:
    """The last receipt of a change from elsewhere.

    Row ids are the order of receipt, so that the last row has it.
    """
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
    """The names of all who ever wrote something."""
    rows = connection.execute(
        "SELECT DISTINCT name FROM persons WHERE entity IN (SELECT author FROM changes)"
        " ORDER BY name COLLATE NOCASE, name"
    )
    return [name for (name,) in rows]


def read_users_of(connection: Connection, changes: list[bytes]) -> dict[bytes, str]:
    """What those who wrote these changes are called."""
    found: dict[bytes, str] = {}
    for some in chunks(changes):
        query = (
            "SELECT c.hash, u.name FROM changes c JOIN persons u ON u.entity = c.author"
            f" WHERE c.hash IN ({placeholders(some)})"
        )
        found.update(connection.execute(query, some))
    return found


def read_effective_time(connection: Connection, change: bytes) -> int | None:
    """Read the moment from which all of a change counts; None if not here.

    And of what was saved at once with it.
    """
    row = connection.execute(
        f"""SELECT max(p.at + f.later) FROM changes c
            JOIN changes p ON p.id = c.lead OR (p.lead = c.lead AND p.lead <> p.id)
            JOIN facts f ON f.id BETWEEN p.id * {MAX_FACTS} AND p.id * {MAX_FACTS} + {MAX_FACTS - 1}
            WHERE c.hash = ?""",
        (change,),
    ).fetchone()
    return None if row is None else row[0]


def read_data_version(connection: Connection) -> int:
    """Read a number that differs after any process has written.

    SQLite's for the others, the write count for this one.
    """
    others = connection.execute("PRAGMA data_version").fetchone()[0]
    return int(others) << 32 | connection.total_changes


def checkpoint_log(connection: sqlite3.Connection) -> None:
    """Bring the log beside the file into it.

    Closing the file would do so, too, but not say if it failed.
    """
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

"""Keep which facts a peer calls obsolete before it sends by what.

What is current goes first, history later.

Such a fact is no leaf meanwhile, or a device with half of the history would show a conflict wherever something was
edited after it was founded. It is only a claim, though, so when a session has come to its end, and with it all that the
peer has, the claims are dropped: from then on the facts alone say what is a leaf.

All functions run on the store's thread with the plain connection, all but `drop` in the caller's transaction.
"""

from __future__ import annotations

import sqlite3

from core.store.connection import chunks, placeholders, transaction
from core.store.indexes.leaves import NO_LEAF_SQL, SlotRow, refresh_contested, refresh_current
from core.store.row_ids import row_ids_of
from core.sync.replica import ObsoleteHints
from core.value_codec import MAX_FACTS


def create_tables(connection: sqlite3.Connection) -> None:
    """Make the table."""
    connection.execute("CREATE TABLE hearsay (fact INTEGER PRIMARY KEY) STRICT")


def read_obsolete_hints(connection: sqlite3.Connection, wanted: list[bytes]) -> dict[bytes, list[int]]:
    """Read which facts of these changes only history makes no leaves.

    They would be leaves if nothing were known but what is current here.
    """
    found: dict[bytes, list[int]] = {}
    for some in chunks(wanted):
        rows = connection.execute(
            f"""SELECT c.hash, f.id % {MAX_FACTS} FROM changes c
                JOIN facts f ON f.id BETWEEN c.id * {MAX_FACTS} AND c.id * {MAX_FACTS} + {MAX_FACTS - 1}
                WHERE c.hash IN ({placeholders(some)}) AND c.accepted AND f.current = 0 ORDER BY f.id""",
            some,
        )
        for change, place in rows:
            found.setdefault(change, []).append(place)
    return found


def apply_hints(connection: sqlite3.Connection, claims: ObsoleteHints) -> None:
    """Take facts that a peer calls overtaken for that, as far as they are leaves."""
    rows = row_ids_of(connection, list(claims))
    places: set[SlotRow] = set()
    for change, row in rows.items():
        facts = [row * MAX_FACTS + place for place in claims[change] if 0 <= place < MAX_FACTS]
        for some in chunks(facts):
            query = f"UPDATE facts SET {NO_LEAF_SQL} WHERE id IN ({placeholders(some)}) AND current = 1"
            hidden = connection.execute(f"{query} RETURNING id, entity, property", some).fetchall()
            connection.executemany("INSERT OR IGNORE INTO hearsay VALUES (?)", [(fact,) for fact, _, _ in hidden])
            places.update((entity, name) for _, entity, name in hidden)
    refresh_contested(connection, places)


def clear_hints(connection: sqlite3.Connection) -> None:
    """Drop all claims: what nothing here overtakes is a leaf again."""
    facts = [fact for (fact,) in connection.execute("SELECT fact FROM hearsay")]
    if facts:
        connection.execute("DELETE FROM hearsay")
        refresh_current(connection, facts)


def clear_hints_in_transaction(connection: sqlite3.Connection) -> None:
    """Forget in a transaction of its own; nothing is locked where nothing is claimed."""
    if connection.execute("SELECT 1 FROM hearsay LIMIT 1").fetchone():
        transaction(connection, clear_hints)

"""Keep what each person is called: the pick of the property `person.name`.

All functions run on the store's thread with the plain connection, in the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from core.slots import Candidate, slot_of
from core.store.connection import VALUE_SQL, load_value
from core.value_codec import MAX_FACTS

PERSON_NAME_PROPERTY = 7
"""Row id of the property (schema.sql)."""


def add_persons(connection: sqlite3.Connection, entities: Iterable[int]) -> None:
    """Have a name for each of these entities, who wrote something."""
    connection.executemany(
        "INSERT OR IGNORE INTO persons (entity, name)"
        " SELECT id, substr(lower(hex(entity)), 1, 8) FROM entities WHERE id = ?",
        [(entity,) for entity in entities],
    )


def refresh_names(connection: sqlite3.Connection, entities: Iterable[int]) -> None:
    """Work out anew what these entities are called.

    After facts about their names came.
    """
    for entity in entities:
        rows = connection.execute(
            f"SELECT c.hash, {VALUE_SQL}, c.at + f.later, f.id % {MAX_FACTS} FROM facts f"
            f" JOIN changes c ON c.id = f.id / {MAX_FACTS} WHERE f.entity = ? AND f.property = ? AND f.current = 1",
            (entity, PERSON_NAME_PROPERTY),
        ).fetchall()
        name = slot_of(
            Candidate(change + place.to_bytes(2, "big"), load_value(value), "", b"", moment, None)
            for change, value, moment, place in rows
        ).value
        connection.execute(
            "INSERT OR REPLACE INTO persons (entity, name)"
            " SELECT id, coalesce(?, substr(lower(hex(entity)), 1, 8)) FROM entities WHERE id = ?",
            (name if isinstance(name, str) and name else None, entity),
        )

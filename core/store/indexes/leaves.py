"""Keep which facts are leaves: current flags, and contested slots.

The flag is 1 for a leaf, 2 for a withdrawal in force that nobody has edited in knowledge of, else 0. In the bits of
`state` these are 0, 2 and 1, so that the state of most facts is 0.

All functions run on the store's thread with the plain connection, in the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Container, Iterable

from core.store.connection import MAX_SQL_VARIABLES, chunks, placeholders
from core.store.indexes.person_names import PERSON_NAME_PROPERTY, refresh_names
from core.store.scope import void_condition

SlotRow = tuple[int, int]
"""(entity, property) by their row ids: a slot"""
NO_LEAF_SQL = "state = (state & ~3) | 1"


def refresh_contested(
    connection: sqlite3.Connection, places: Iterable[SlotRow], new: Container[SlotRow] = frozenset()
) -> None:
    """Note which of these slots have more than one leaf.

    And that all their entities are to be read again. The caller knows that those that are `new` had no leaf before
    and have one at most: with many new things they are nearly all, and are not looked at.
    """
    places = list(set(places))
    refresh_names(connection, {entity for entity, name in places if name == PERSON_NAME_PROPERTY})
    connection.executemany("INSERT OR IGNORE INTO unread (entity) VALUES (?)", {(entity,) for entity, _ in places})
    places = [place for place in places if place not in new]
    more: set[SlotRow] = set()
    for some in chunks(places, MAX_SQL_VARIABLES // 2):
        query = (
            f"WITH slot (entity, property) AS (VALUES {','.join(['(?, ?)'] * len(some))})"
            " SELECT slot.entity, slot.property FROM slot CROSS JOIN facts f INDEXED BY facts_slot"
            " ON f.entity = slot.entity AND f.property = slot.property WHERE f.current = 1"
            " GROUP BY slot.entity, slot.property HAVING count(*) > 1"
        )
        more.update(connection.execute(query, [number for place in some for number in place]))
    connection.executemany("INSERT OR IGNORE INTO contested (entity, property) VALUES (?, ?)", more)
    fewer = [place for place in places if place not in more]
    connection.executemany("DELETE FROM contested WHERE entity = ? AND property = ?", fewer)


def refresh_current(connection: sqlite3.Connection, facts: Iterable[int]) -> None:
    """Work out anew which of these facts are leaves.

    After it changed whether a change counts.
    """
    places: set[SlotRow] = set()
    for some in chunks(list(facts)):
        connection.execute(
            f"""UPDATE facts SET state = (state & ~3) | CASE
                  WHEN accepted AND NOT EXISTS (SELECT 1 FROM obsoletes o JOIN facts g ON g.id = o.fact
                                                WHERE o.target = facts.id AND g.accepted
                                                  AND NOT {void_condition("g.id")})
                    AND id NOT IN (SELECT fact FROM hearsay)
                  THEN 2 * (id IN (SELECT fact FROM withdrawals)) ELSE 1 END
                WHERE id IN ({placeholders(some)})""",
            some,
        )
        places.update(
            connection.execute(f"SELECT entity, property FROM facts WHERE id IN ({placeholders(some)})", some)
        )
    refresh_contested(connection, places)

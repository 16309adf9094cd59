"""Note when facts that were here gained or lost their effect.

In the order of what arrives in this store. That is how the feed tells what comes into use or goes out of it by a
revocation, once and for whoever reads it when. Like receipts it is a record of this store, and follows from no change:
`verify` does not compare it.

All functions run on the store's thread with the plain connection, in the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

from core.store.connection import chunks, placeholders
from core.value_codec import MAX_FACTS

NEVER = 2**62
"""A step that no store comes to: facts before it have the effect that they have now."""

# A step is what one transaction made of it. Behind the change `anchor` the feed tells it, in the order of `number`.
_TABLES_SQL = """
CREATE TABLE standings (
  fact INTEGER NOT NULL,
  step INTEGER NOT NULL,
  PRIMARY KEY (fact, step)
) STRICT, WITHOUT ROWID;
CREATE TABLE turns (
  anchor INTEGER NOT NULL,
  number INTEGER NOT NULL,
  step INTEGER NOT NULL,
  entity INTEGER NOT NULL,
  property INTEGER NOT NULL,
  PRIMARY KEY (anchor, number)
) STRICT, WITHOUT ROWID
"""


def accepted_then(fact: str) -> str:
    """The condition that a fact had effect before `:step`.

    `fact` is the alias of its table in the query.
    """
    flips = f"SELECT count(*) FROM standings s WHERE s.fact = {fact}.id AND s.step >= :step"
    return f"({fact}.accepted + ({flips})) % 2"


def create_tables(connection: sqlite3.Connection) -> None:
    """Make the tables."""
    for statement in _TABLES_SQL.split(";"):
        connection.execute(statement)


def note_standings(connection: sqlite3.Connection, facts: Collection[int], first_new: int, anchor: int) -> None:
    """Note that these facts gained or lost their effect.

    But for those of changes from row `first_new` on: they arrived with it. `anchor` is the row of the change that
    brought it about.
    """
    older = sorted(fact for fact in facts if fact < first_new * MAX_FACTS)
    if not older:
        return
    (step,) = connection.execute("SELECT coalesce(max(step), 0) + 1 FROM turns").fetchone()
    connection.executemany("INSERT INTO standings (fact, step) VALUES (?, ?)", [(fact, step) for fact in older])
    slots: set[tuple[int, int]] = set()
    for some in chunks(older):
        query = f"SELECT entity, property FROM facts WHERE id IN ({placeholders(some)})"
        slots.update(connection.execute(query, some).fetchall())
    start = count_turns(connection, anchor)
    connection.executemany(
        "INSERT INTO turns (anchor, number, step, entity, property) VALUES (?, ?, ?, ?, ?)",
        [(anchor, number, step, *slot) for number, slot in enumerate(sorted(slots), start)],
    )


def count_turns(connection: sqlite3.Connection, anchor: int) -> int:
    """How many properties the feed has to look at behind a change."""
    return int(connection.execute("SELECT count(*) FROM turns WHERE anchor = ?", (anchor,)).fetchone()[0])


def find_step(connection: sqlite3.Connection, anchor: int) -> int:
    """The first step at a change or behind it; NEVER if there is none."""
    row = connection.execute(
        "SELECT step FROM turns WHERE anchor >= ? ORDER BY anchor, number LIMIT 1", (anchor,)
    ).fetchone()
    return int(row[0]) if row else NEVER

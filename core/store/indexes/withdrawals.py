"""Keep which facts withdraw others, and when those are void.

See `core.withdrawal`.

Void is kept for both times by which the past is read: from when facts count, and when this device received them. All
functions run on the store's thread with the plain connection, in the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from core.store.connection import MAX_SQL_VARIABLES, chunks, placeholders
from core.store.scope import EFFECTIVE, RECEIVED
from core.value_codec import MAX_FACTS
from core.withdrawal import Stated, void_spans

SlotRow = tuple[int, int]

# `entity` and `property` are those of the fact, so that the withdrawals of a slot are found without reading its facts.
_TABLES_SQL = """
CREATE TABLE withdrawals (fact INTEGER PRIMARY KEY, entity INTEGER NOT NULL, property INTEGER NOT NULL) STRICT;
CREATE INDEX withdrawals_slot ON withdrawals (entity, property);
CREATE TABLE void (
  fact INTEGER NOT NULL,
  timeline INTEGER NOT NULL,
  since INTEGER NOT NULL,
  until INTEGER NOT NULL,
  PRIMARY KEY (fact, timeline, since)
) STRICT, WITHOUT ROWID
"""


def create_tables(connection: sqlite3.Connection) -> None:
    """Make the tables."""
    for statement in _TABLES_SQL.split(";"):
        connection.execute(statement)


def add_withdrawals(connection: sqlite3.Connection, facts: Iterable[tuple[int, SlotRow]]) -> None:
    """Note these new facts as withdrawals."""
    rows = [(fact, *place) for fact, place in facts]
    connection.executemany("INSERT INTO withdrawals (fact, entity, property) VALUES (?, ?, ?)", rows)


def refresh_void(connection: sqlite3.Connection, places: Iterable[SlotRow]) -> set[int]:
    """Work out anew when facts of these slots are void.

    Give the facts that may be leaves, or not, by that.
    """
    touched: set[int] = set()
    for place in _with_withdrawals(connection, places):
        rows = connection.execute("SELECT fact FROM withdrawals WHERE entity = ? AND property = ?", place)
        withdrawals = {fact for (fact,) in rows}
        targets = {target for _, target in _edges(connection, "fact", withdrawals)}
        named = [(fact, target) for fact, target in _edges(connection, "target", targets)]
        _write_void(connection, withdrawals, targets, named)
        touched |= withdrawals | targets | {target for _, target in _edges(connection, "fact", targets)}
    return touched


def _with_withdrawals(connection: sqlite3.Connection, places: Iterable[SlotRow]) -> list[SlotRow]:
    if connection.execute("SELECT 1 FROM withdrawals LIMIT 1").fetchone() is None:
        return []
    found: list[SlotRow] = []
    for some in chunks(list(places), MAX_SQL_VARIABLES // 2):
        query = (
            f"WITH slot (entity, property) AS (VALUES {','.join(['(?, ?)'] * len(some))})"
            " SELECT entity, property FROM slot WHERE EXISTS (SELECT 1 FROM withdrawals w"
            " WHERE w.entity = slot.entity AND w.property = slot.property)"
        )
        found += connection.execute(query, [number for place in some for number in place]).fetchall()
    return found


def _edges(connection: sqlite3.Connection, column: str, facts: set[int]) -> list[tuple[int, int]]:
    """The edges (fact, target) of which one end is among these."""
    found: list[tuple[int, int]] = []
    for some in chunks(sorted(facts)):
        query = f"SELECT fact, target FROM obsoletes WHERE {column} IN ({placeholders(some)})"
        found += connection.execute(query, some).fetchall()
    return found


def _write_void(
    connection: sqlite3.Connection, withdrawals: set[int], targets: set[int], named: list[tuple[int, int]]
) -> None:
    names: dict[int, list[int]] = {}
    for fact, target in named:
        names.setdefault(fact, []).append(target)
    times: dict[int, tuple[int, int]] = {}
    for some in chunks(sorted(targets | names.keys())):
        rows = connection.execute(
            f"SELECT f.id, c.at + f.later, c.received_at FROM facts f JOIN changes c ON c.id = f.id / {MAX_FACTS}"
            f" WHERE f.accepted AND f.id IN ({placeholders(some)})",
            some,
        )
        times.update((fact, (effective, received)) for fact, effective, received in rows)
    connection.executemany("DELETE FROM void WHERE fact = ?", [(target,) for target in targets])
    for timeline in (EFFECTIVE, RECEIVED):
        stated = {
            fact: Stated(moments[timeline], tuple(names.get(fact, ())), fact in withdrawals)
            for fact, moments in times.items()
        }
        connection.executemany(
            "INSERT INTO void (fact, timeline, since, until) VALUES (?, ?, ?, ?)",
            [(fact, timeline, *span) for fact, spans in void_spans(stated).items() for span in spans],
        )

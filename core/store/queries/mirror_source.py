"""What a mirror elsewhere has to be told: rows of changes, facts and edges, since a row or all.

All functions run on the store's thread with the plain connection; who calls several of them for one answer does it in
one transaction. Rows of facts are given for whole slots, since what arrives late may change the effective times in one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from core.store.scope import EFFECTIVE
from core.value_codec import MAX_FACTS

ChangeRow = tuple[bytes, bytes, int, bytes, str | None, int, int, int]
"""(change, device, position, person, note, at, received at, accepted)"""
FactRow = tuple[bytes, int, bytes, str, bytes, int, int, bytes, bytes, int]
"""(change, index, entity, property, encoded value, effective, at, device, person, accepted)"""
EdgeRow = tuple[bytes, int, bytes, int]
"""(change and index of the fact that is obsolete, change and index of the one that obsoletes it)"""


def read_past_state(connection: sqlite3.Connection, row: int) -> str:
    """What the store holds up to a row of `changes`: other text if other changes are there, or others have effect."""
    last = connection.execute("SELECT hex(hash) FROM changes WHERE id = ?", (row,)).fetchone()
    end = (row + 1) * MAX_FACTS
    void = connection.execute(
        "SELECT count(*), coalesce(sum((id * 2654435761) % 4294967291), 0) FROM facts WHERE accepted = 0 AND id < ?",
        (end,),
    ).fetchone()
    hidden = connection.execute(
        "SELECT count(*), coalesce(sum(fact), 0) FROM hearsay WHERE fact < ?", (end,)
    ).fetchone()
    return f"{last[0] if last else ''} {void} {hidden}"


def read_changes(connection: sqlite3.Connection, after_row: int) -> Iterator[ChangeRow]:
    """The changes behind a row, in the order in which they were received."""
    return connection.execute(
        "SELECT c.hash, d.device, c.position, a.entity, l.note, c.at, c.received_at, c.accepted FROM changes c"
        " JOIN devices d ON d.id = c.device JOIN entities a ON a.id = c.author LEFT JOIN changes l ON l.id = c.lead"
        " WHERE c.id > ? ORDER BY c.id",
        (after_row,),
    )


def read_facts(connection: sqlite3.Connection, after_row: int) -> Iterator[FactRow]:
    """All facts of the slots of which changes behind a row say something."""
    touched = (
        ""
        if after_row == 0
        else "WHERE (f.entity, f.property) IN (SELECT entity, property FROM facts WHERE id >= :first)"
    )
    return connection.execute(
        f"SELECT c.hash, f.id % {MAX_FACTS}, e.entity, p.name, f.value, f.effective, c.at, d.device, a.entity,"
        " f.accepted"
        f" FROM facts f JOIN changes c ON c.id = f.id / {MAX_FACTS} JOIN entities e ON e.id = f.entity"
        " JOIN properties p ON p.id = f.property JOIN devices d ON d.id = c.device JOIN entities a ON a.id = c.author"
        f" {touched}",
        {"first": (after_row + 1) * MAX_FACTS},
    )


def read_void(connection: sqlite3.Connection, after_row: int) -> Iterator[tuple[bytes, int, int, int]]:
    """When facts of the slots of which changes behind a row say something are void: (change, index, since, until)."""
    return connection.execute(
        f"SELECT c.hash, f.id % {MAX_FACTS}, v.since, v.until FROM void v JOIN facts f ON f.id = v.fact"
        f" JOIN changes c ON c.id = f.id / {MAX_FACTS} WHERE v.timeline = {EFFECTIVE}"
        " AND (f.entity, f.property) IN (SELECT entity, property FROM facts WHERE id >= ?)",
        ((after_row + 1) * MAX_FACTS if after_row else 0,),
    )


def read_edges(connection: sqlite3.Connection, after_row: int) -> Iterator[EdgeRow]:
    """The edges of which one end is a fact of a change behind a row."""
    return connection.execute(
        f"SELECT t.hash, o.target % {MAX_FACTS}, c.hash, o.fact % {MAX_FACTS} FROM obsoletes o"
        f" JOIN changes t ON t.id = o.target / {MAX_FACTS} JOIN changes c ON c.id = o.fact / {MAX_FACTS}"
        " WHERE o.fact >= :first OR o.target >= :first",
        {"first": (after_row + 1) * MAX_FACTS},
    )


def read_entities(connection: sqlite3.Connection, after_row: int) -> list[bytes]:
    """The entities of which changes behind a row say something."""
    return [
        entity
        for (entity,) in connection.execute(
            "SELECT e.entity FROM entities e WHERE e.id IN (SELECT entity FROM facts WHERE id >= ?) ORDER BY e.id",
            ((after_row + 1) * MAX_FACTS,),
        )
    ]


def read_persons(connection: sqlite3.Connection) -> Iterator[tuple[bytes, str]]:
    """What each person who wrote something is called."""
    return connection.execute("SELECT e.entity, p.name FROM persons p JOIN entities e ON e.id = p.entity")

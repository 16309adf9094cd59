"""Bring the facts about members from the tables to `core.membership`, which decides what they mean.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from functools import cache

from core.changes import CHANGE_ID_SIZE, ID_SIZE, MAX_FACTS, decode_value, fact_id
from core.membership import MemberFact, Membership, evaluate

FIRST, LAST = 4, 6
"""Row ids of the properties of members (schema.sql)."""


def load(connection: sqlite3.Connection, fleet: bytes) -> Membership:
    """The membership that the store's changes make."""
    founder = connection.execute(
        "SELECT d.device FROM changes c JOIN devices d ON d.id = c.device WHERE substr(c.hash, 1, ?) = ?"
        " AND c.hash BETWEEN ? AND ?",
        (ID_SIZE, fleet, fleet, fleet + b"\xff" * (CHANGE_ID_SIZE - ID_SIZE)),
    ).fetchone()

    @cache
    def chain(head: bytes) -> frozenset[bytes]:
        rows = connection.execute(
            "WITH RECURSIVE chain (hash) AS (SELECT ? UNION SELECT c.previous FROM changes c"
            " JOIN chain ON c.hash = chain.hash WHERE c.previous IS NOT NULL) SELECT hash FROM chain",
            (head,),
        )
        return frozenset(change for (change,) in rows)

    return evaluate(founder[0] if founder else None, _facts(connection), chain)


def _facts(connection: sqlite3.Connection) -> list[MemberFact]:
    rows = connection.execute(
        f"""SELECT f.id, c.hash, d.device, e.entity, p.name, f.value, c.at
            FROM facts f JOIN changes c ON c.id = f.id / {MAX_FACTS} JOIN devices d ON d.id = c.device
            JOIN entities e ON e.id = f.entity JOIN properties p ON p.id = f.property
            WHERE f.property BETWEEN ? AND ?""",
        (FIRST, LAST),
    ).fetchall()
    ids = {row[0]: fact_id(row[1], row[0] % MAX_FACTS) for row in rows}
    gone: dict[int, list[bytes]] = {}
    edges = "SELECT o.fact, o.target FROM obsoletes o JOIN facts f ON f.id = o.fact WHERE f.property BETWEEN ? AND ?"
    for fact, target in connection.execute(edges, (FIRST, LAST)):
        gone.setdefault(fact, []).append(ids[target])
    return [
        MemberFact(ids[row], device, member, name, decode_value(value), at, tuple(sorted(gone.get(row, ()))))
        for row, _, device, member, name, value, at in rows
    ]

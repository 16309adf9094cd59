"""Bring the facts about members from the tables to `core.membership`, which decides what they mean, and the chain of a
device's changes: each names the one before it, so no clock decides their order.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from functools import cache

from core.changes import fact_id
from core.membership import MemberFact, Membership, evaluate_membership
from core.value_codec import CHANGE_ID_BYTES, ID_BYTES, MAX_FACTS, decode_value

FIRST_MEMBER_PROPERTY, LAST_MEMBER_PROPERTY = 4, 6
"""Row ids of the properties of members (schema.sql)."""


def load_membership(connection: sqlite3.Connection, fleet: bytes) -> Membership:
    """The membership that the store's changes make."""
    founder = connection.execute(
        "SELECT d.device FROM changes c JOIN devices d ON d.id = c.device WHERE substr(c.hash, 1, ?) = ?"
        " AND c.hash BETWEEN ? AND ?",
        (ID_BYTES, fleet, fleet, fleet + b"\xff" * (CHANGE_ID_BYTES - ID_BYTES)),
    ).fetchone()

    @cache
    def chain(head: bytes) -> frozenset[bytes]:
        rows = connection.execute(
            "WITH RECURSIVE chain (hash) AS (SELECT ? UNION SELECT c.previous FROM changes c"
            " JOIN chain ON c.hash = chain.hash WHERE c.previous IS NOT NULL) SELECT hash FROM chain",
            (head,),
        )
        return frozenset(change for (change,) in rows)

    return evaluate_membership(founder[0] if founder else None, _read_member_facts(connection), chain)


def _read_member_facts(connection: sqlite3.Connection) -> list[MemberFact]:
    rows = connection.execute(
        f"""SELECT f.id, c.hash, d.device, e.entity, p.name, f.value, c.at
            FROM facts f JOIN changes c ON c.id = f.id / {MAX_FACTS} JOIN devices d ON d.id = c.device
            JOIN entities e ON e.id = f.entity JOIN properties p ON p.id = f.property
            WHERE f.property BETWEEN ? AND ?""",
        (FIRST_MEMBER_PROPERTY, LAST_MEMBER_PROPERTY),
    ).fetchall()
    ids = {row[0]: fact_id(row[1], row[0] % MAX_FACTS) for row in rows}
    gone: dict[int, list[bytes]] = {}
    edges = "SELECT o.fact, o.target FROM obsoletes o JOIN facts f ON f.id = o.fact WHERE f.property BETWEEN ? AND ?"
    for fact, target in connection.execute(edges, (FIRST_MEMBER_PROPERTY, LAST_MEMBER_PROPERTY)):
        gone.setdefault(fact, []).append(ids[target])
    return [
        MemberFact(ids[row], device, member, name, decode_value(value), at, tuple(sorted(gone.get(row, ()))))
        for row, _, device, member, name, value, at in rows
    ]


@dataclass(frozen=True, slots=True)
class ChainEntry:
    """A change of a device. `kept` is how many of its changes are in effect if this is the last accepted one: itself
    and those before it, as far as they are here. `at` is microseconds since 1970 UTC.
    """

    change: bytes
    at_us: int
    user: str
    note: str | None
    kept_count: int


def read_chain(connection: sqlite3.Connection, device: bytes) -> list[ChainEntry]:
    """The changes of a device, the latest in its chain first."""
    rows = connection.execute(
        "SELECT c.hash, c.previous, c.at, u.name, c.note FROM changes c JOIN users u ON u.id = c.user"
        " WHERE c.device = (SELECT id FROM devices WHERE device = ?)",
        (device,),
    ).fetchall()
    previous = {row[0]: row[1] for row in rows}
    kept: dict[bytes, int] = {}
    for change in previous:
        path = []
        at: bytes | None = change
        while at is not None and at in previous and at not in kept:
            path.append(at)
            at = previous[at]
        depth = kept.get(at, 0) if at is not None else 0
        for each in reversed(path):
            depth += 1
            kept[each] = depth
    found = [ChainEntry(change, at, user, note, kept[change]) for change, _, at, user, note in rows]
    return sorted(found, key=lambda each: (-each.kept_count, -each.at_us, each.change))

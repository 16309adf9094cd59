"""Bring the facts about members from the tables to `core.membership`, which decides what they mean, and the chain of a
device's changes: each has its position in it, so no clock decides their order.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache

from core.chain import Side
from core.chain_links import State
from core.changes import fact_id
from core.membership import Cut, MemberFact, Membership, evaluate_membership
from core.store.connection import load_value
from core.store.indexes.chain_table import read_ids_below
from core.value_codec import CHANGE_ID_BYTES, ID_BYTES, MAX_FACTS

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
    def within(device: bytes, cut: Cut) -> AbstractSet[bytes]:
        return read_within(connection, device, cut)

    def side(device: bytes, cut: Cut, position: int, change: bytes) -> Side:
        if change in within(device, cut):
            return Side.WITHIN
        return Side.BEYOND if position >= cut.position else Side.WAITING

    return evaluate_membership(founder[0] if founder else None, _read_member_facts(connection), side)


def read_within(connection: sqlite3.Connection, device: bytes, cut: Cut) -> AbstractSet[bytes]:
    """The changes of a device that are known to lie up to a cut, the one at the cut itself among them.

    Those below it are known once the chain up to it is here and right; until then they wait.
    """
    head = connection.execute(
        "SELECT c.position FROM changes c JOIN devices d ON d.id = c.device"
        " WHERE c.hash = ? AND d.device = ? AND c.linked = 1",
        (cut.change, device),
    ).fetchone()
    below = read_ids_below(connection, cut.change)[: cut.position] if head is not None else []
    return {cut.change, *below}


def _read_member_facts(connection: sqlite3.Connection) -> list[MemberFact]:
    rows = connection.execute(
        f"""SELECT f.id, c.hash, d.device, e.entity, p.name, f.value, f.effective, c.position
            FROM facts f JOIN changes c ON c.id = f.id / {MAX_FACTS} JOIN devices d ON d.id = c.device
            JOIN entities e ON e.id = f.entity JOIN properties p ON p.id = f.property
            WHERE f.property BETWEEN ? AND ? AND c.linked <> {int(State.FAULTY)}""",
        (FIRST_MEMBER_PROPERTY, LAST_MEMBER_PROPERTY),
    ).fetchall()
    ids = {row[0]: fact_id(row[1], row[0] % MAX_FACTS) for row in rows}
    gone: dict[int, list[bytes]] = {}
    edges = "SELECT o.fact, o.target FROM obsoletes o JOIN facts f ON f.id = o.fact WHERE f.property BETWEEN ? AND ?"
    for fact, target in connection.execute(edges, (FIRST_MEMBER_PROPERTY, LAST_MEMBER_PROPERTY)):
        if target in ids:
            gone.setdefault(fact, []).append(ids[target])
    return [
        MemberFact(
            ids[row],
            device,
            member,
            name,
            load_value(value),
            moment,
            tuple(sorted(gone.get(row, ()))),
            position,
        )
        for row, _, device, member, name, value, moment, position in rows
    ]


@dataclass(frozen=True, slots=True)
class ChainEntry:
    """A change of a device at its position in the chain. `kept_count` is how many of its changes are in effect if this
    is the last accepted one: itself and those before it. `at_us` is microseconds since 1970 UTC.
    """

    change: bytes
    at_us: int
    user: str
    note: str | None
    position: int

    @property
    def kept_count(self) -> int:
        return self.position + 1


def read_chain(connection: sqlite3.Connection, device: bytes) -> list[ChainEntry]:
    """The changes of a device, the latest in its chain first."""
    rows = connection.execute(
        "SELECT c.hash, c.at, u.name, c.note, c.position FROM changes c JOIN persons u ON u.entity = c.author"
        " WHERE c.device = (SELECT id FROM devices WHERE device = ?) ORDER BY c.position DESC, c.hash",
        (device,),
    )
    return [ChainEntry(*row) for row in rows]

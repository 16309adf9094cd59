"""Bring the facts about members from the tables to `core.membership`.

That decides what they mean. And the chain of a device's changes: each has its position in it, so no clock decides
their order.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from core.authority import evaluate_membership, ever_admins, ever_admitted
from core.chain_links import State
from core.changes import FLEET_ENTITY, Block, fact_id
from core.header import device_id
from core.member_values import (
    MAX_HEADS,
    MEMBER_PROPERTIES,
    RECOVERY_PROPERTY,
    ROLE_PROPERTY,
    Cut,
    Mark,
    parse_recovery,
)
from core.membership import MemberFact, Membership
from core.store.connection import VALUE_SQL, load_value
from core.store.indexes.chain_sides import StoredChains
from core.store.indexes.chain_table import read_heads
from core.succession import SUCCESSION_CHARS, SUCCESSION_PREFIX, is_succession
from core.value_codec import CHANGE_ID_BYTES, ID_BYTES, MAX_FACTS, Value, encode_value

KIND_PROPERTY_ROW = 1
FIRST_MEMBER_PROPERTY, ROLE_PROPERTY_ROW, LAST_MEMBER_PROPERTY = 4, 5, 6
"""Row ids of the properties of members (schema.sql)."""
_OF_MEMBERS = f"v.property BETWEEN {FIRST_MEMBER_PROPERTY} AND {LAST_MEMBER_PROPERTY}"
OF_ROLES = f"{_OF_MEMBERS} AND v.property = {ROLE_PROPERTY_ROW}"
"""Contents `v` of them; in the words of the index `contents_members`, or SQLite would not take it."""
_NAMES = frozenset(MEMBER_PROPERTIES)


def _read_founder(connection: sqlite3.Connection, fleet: bytes) -> bytes | None:
    """The device that wrote the genesis; None while that is not here."""
    row = connection.execute(
        "SELECT d.device FROM changes c JOIN devices d ON d.id = c.device WHERE substr(c.hash, 1, ?) = ?"
        " AND c.hash BETWEEN ? AND ?",
        (ID_BYTES, fleet, fleet, fleet + b"\xff" * (CHANGE_ID_BYTES - ID_BYTES)),
    ).fetchone()
    return None if row is None else row[0]


def read_recovery_key(connection: sqlite3.Connection, fleet: bytes) -> bytes | None:
    """The public recovery key that the genesis names; None if it names none."""
    row = connection.execute(
        f"SELECT {VALUE_SQL} FROM changes c JOIN facts f ON f.id BETWEEN c.id * {MAX_FACTS} AND c.id * {MAX_FACTS} + ?"
        " WHERE c.hash BETWEEN ? AND ? AND f.entity = (SELECT id FROM entities WHERE entity = ?)"
        " AND f.property = (SELECT id FROM properties WHERE name = ?)",
        (MAX_FACTS - 1, fleet, fleet + b"\xff" * (CHANGE_ID_BYTES - ID_BYTES), FLEET_ENTITY, RECOVERY_PROPERTY),
    ).fetchone()
    return None if row is None else parse_recovery(load_value(row[0]))


def _read_recovery(connection: sqlite3.Connection, fleet: bytes) -> bytes | None:
    """The id of the recovery key that the genesis names; None if it names none."""
    key = read_recovery_key(connection, fleet)
    return None if key is None else device_id(key)


def load_membership(connection: sqlite3.Connection, fleet: bytes) -> Membership:
    """The membership that the store's changes make."""
    founder, recovery = _read_founder(connection, fleet), _read_recovery(connection, fleet)
    facts = _read_member_facts(connection, read_ever_admins(connection, fleet))
    return evaluate_membership(founder, facts, StoredChains(connection), recovery)


def _read_founders(connection: sqlite3.Connection, fleet: bytes) -> list[bytes]:
    """The device and the recovery key of the genesis; none before that is here."""
    found = (_read_founder(connection, fleet), _read_recovery(connection, fleet))
    return [each for each in found if each is not None]


def read_ever_admitted(connection: sqlite3.Connection, fleet: bytes) -> set[bytes]:
    """The devices of which changes are kept; none before the genesis is here."""
    founders = _read_founders(connection, fleet)
    return ever_admitted(founders, _read_roles(connection)) if founders else set()


def read_ever_admins(connection: sqlite3.Connection, fleet: bytes) -> set[bytes]:
    """The devices that ever were admins, whether that counts or not.

    None before the genesis is here.
    """
    founders = _read_founders(connection, fleet)
    return ever_admins(founders, _read_roles(connection)) if founders else set()


def read_successions(connection: sqlite3.Connection) -> list[tuple[bytes, bytes, int]]:
    """The devices, their new keys' devices.

    And where in their chains they named them; what counts and what does not.

    Nothing of it is verified.
    """
    # A text's head gives its length, which is the same for all of these.
    least = encode_value(SUCCESSION_PREFIX + "0" * (SUCCESSION_CHARS - len(SUCCESSION_PREFIX)))
    begin = least[: -SUCCESSION_CHARS + len(SUCCESSION_PREFIX)]
    return connection.execute(
        "SELECT d.device, e.entity, c.position FROM contents v CROSS JOIN facts f ON f.content = v.id"
        f" CROSS JOIN changes c ON c.id = f.id / {MAX_FACTS} JOIN devices d ON d.id = c.device"
        f" JOIN entities e ON e.id = f.entity WHERE {OF_ROLES} AND v.value BETWEEN ? AND ?",
        (begin, begin + b"\xff"),
    ).fetchall()


def _read_roles(connection: sqlite3.Connection) -> Iterator[tuple[bytes, bytes, Value]]:
    rows = connection.execute(
        "SELECT d.device, e.entity, v.value FROM contents v CROSS JOIN facts f ON f.content = v.id"
        f" JOIN changes c ON c.id = f.id / {MAX_FACTS} JOIN devices d ON d.id = c.device"
        f" JOIN entities e ON e.id = f.entity WHERE {OF_ROLES}"
    )
    return ((author, member, load_value(value)) for author, member, value in rows)


def _read_member_facts(connection: sqlite3.Connection, admins: AbstractSet[bytes]) -> list[MemberFact]:
    """The facts about members that may count.

    Those that `admins` ever wrote, and what stands with a new key: what others say is passed over before it costs
    anything. None of them can be withdrawn, or a revocation would give authority back.
    """
    named = {(device, position) for device, _successor, position in read_successions(connection)}
    every = connection.execute(
        f"""SELECT f.id, c.hash, d.device, e.entity, p.name, v.value, c.at + f.later, c.position
            FROM contents v CROSS JOIN facts f ON f.content = v.id
            JOIN changes c ON c.id = f.id / {MAX_FACTS} JOIN devices d ON d.id = c.device
            JOIN entities e ON e.id = f.entity JOIN properties p ON p.id = f.property
            WHERE {_OF_MEMBERS} AND c.linked <> {int(State.FAULTY)}
              AND f.id NOT IN (SELECT fact FROM withdrawals)"""
    )
    rows = [row for row in every if row[2] in admins or (row[2], row[7]) in named]
    ids = {row[0]: fact_id(row[1], row[0] % MAX_FACTS) for row in rows}
    gone: dict[int, list[bytes]] = {}
    edges = (
        "SELECT o.fact, o.target FROM contents v CROSS JOIN facts f ON f.content = v.id"
        f" CROSS JOIN obsoletes o ON o.fact = f.id WHERE {_OF_MEMBERS}"
    )
    for fact, target in connection.execute(edges):
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
            name == ROLE_PROPERTY and is_succession(load_value(value), device, member),
        )
        for row, _, device, member, name, value, moment, position in rows
    ]


def speaks_of_members(block: Block) -> bool:
    """Whether a change says something about members."""
    return not _NAMES.isdisjoint([fact.property for fact in block.facts])


@dataclass(frozen=True, slots=True)
class ChainEntry:
    """A change of a device at its position in the chain.

    With the id of the one before it. `kept_count` is how many of its changes are in effect if this is the last
    accepted one: itself and those before it. `at_us` is microseconds since 1970 UTC.
    """

    change: bytes
    at_us: int
    user: str
    note: str | None
    position: int
    previous: bytes | None

    @property
    def kept_count(self) -> int:
        return self.position + 1


def read_chain(connection: sqlite3.Connection, device: bytes) -> list[ChainEntry]:
    """The changes of a device, the latest in its chain first."""
    rows = connection.execute(
        "SELECT c.hash, c.at, u.name, c.note, c.position, c.previous FROM changes c"
        " JOIN persons u ON u.entity = c.author"
        " WHERE c.device = (SELECT id FROM devices WHERE device = ?) ORDER BY c.position DESC, c.hash",
        (device,),
    )
    return [ChainEntry(*row) for row in rows]


def read_mark(connection: sqlite3.Connection, device: bytes) -> Mark:
    """Read the place behind all that is here of a device's chain.

    On all its branches.
    """
    return tuple(Cut(position, change) for position, change in read_heads(connection, device)[:MAX_HEADS])


def kept_changes(chain: list[ChainEntry], mark: Mark) -> set[bytes]:
    """Those of a device's changes that lie before a place in its chain."""
    previous = {each.change: each.previous for each in chain}
    kept: set[bytes] = set()
    for cut in mark:
        at: bytes | None = cut.change
        while at in previous and at not in kept:
            kept.add(at)
            at = previous[at]
    return kept

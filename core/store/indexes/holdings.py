"""Keep how far other devices hold whose changes.

A session has shown it, or another device reported it.

A session that ends with equal roots shows that the peer holds, of each chain that is whole here, all up to its end.
That is noted as a position, for positions mean the same changes on both sides as long as the chain is one: nothing is
said of a chain that has two ends, a fault, or a change that waits for the one before it at a place that is taken.

This is local to the device: no fact is written, and `verify` leaves it alone. A repair drops it, sessions bring it
back.

All functions run on the store's thread with the plain connection; those that write in the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from core.store.connection import chunks, placeholders
from core.store.row_ids import intern_values
from core.sync.holdings import Holding

MIN_CONTACT_INTERVAL_US = 60_000_000
"""A session that shows nothing new is noted only so long after the last one, for it costs a write."""

_WHOLE_CHAINS_SQL = """
  SELECT device, max(position) AS position FROM tips t GROUP BY device HAVING count(*) = 1
    AND device NOT IN (SELECT c.device FROM faults f CROSS JOIN changes c ON c.id = f.change)
    AND device NOT IN (SELECT c.device FROM changes c JOIN tips o ON o.device = c.device
                       WHERE c.linked = 0 AND c.position <= o.position)
"""
"""The devices of whose changes a position names exactly one, each with the end of what is here of its chain."""


@dataclass(frozen=True, slots=True)
class Contact:
    """The last session with a device that ended with equal roots.

    When (microseconds since 1970 UTC), and over what link.
    """

    device: bytes
    at_us: int
    link: str


@dataclass(frozen=True, slots=True)
class Holder:
    """A device that holds a change.

    `reported_by` is the device that says so, None if a session has shown it.
    """

    device: bytes
    reported_by: bytes | None


def create_tables(connection: sqlite3.Connection) -> None:
    """Make the tables; `reporter` is who told it, null if a session has shown it."""
    connection.execute(
        "CREATE TABLE holdings (holder INTEGER NOT NULL REFERENCES devices, chain INTEGER NOT NULL REFERENCES devices,"
        " position INTEGER NOT NULL, reporter INTEGER REFERENCES devices, PRIMARY KEY (holder, chain))"
        " STRICT, WITHOUT ROWID"
    )
    connection.execute(
        "CREATE TABLE contacts (device INTEGER PRIMARY KEY REFERENCES devices, at INTEGER NOT NULL, link TEXT NOT NULL)"
        " STRICT"
    )


def is_noted(connection: sqlite3.Connection, peer: bytes, now_us: int) -> bool:
    """Whether a session with equal roots shows nothing that is not noted yet."""
    row = connection.execute(
        "SELECT c.at FROM contacts c JOIN devices d ON d.id = c.device WHERE d.device = ?", (peer,)
    ).fetchone()
    if row is None or not 0 <= now_us - row[0] < MIN_CONTACT_INTERVAL_US:
        return False
    unknown = connection.execute(
        f"SELECT 1 FROM ({_WHOLE_CHAINS_SQL}) w JOIN devices d ON d.device = :peer WHERE w.device <> d.id"
        " AND NOT EXISTS (SELECT 1 FROM holdings h WHERE h.holder = d.id AND h.chain = w.device"
        " AND h.position >= w.position AND h.reporter IS NULL) LIMIT 1",
        {"peer": peer},
    )
    return unknown.fetchone() is None


def note_equal_sets(connection: sqlite3.Connection, peer: bytes, link: str, now_us: int) -> None:
    """Note that a peer holds all that is here."""
    row = _device_row(connection, peer)
    connection.execute(
        "INSERT INTO contacts (device, at, link) VALUES (?, ?, ?)"
        " ON CONFLICT (device) DO UPDATE SET at = excluded.at, link = excluded.link",
        (row, now_us, link),
    )
    connection.execute(
        f"INSERT INTO holdings (holder, chain, position) SELECT :holder, device, position FROM ({_WHOLE_CHAINS_SQL})"
        " WHERE device <> :holder ON CONFLICT (holder, chain)"
        " DO UPDATE SET position = excluded.position, reporter = NULL"
        " WHERE excluded.position > position OR (excluded.position = position AND reporter IS NOT NULL)",
        {"holder": row},
    )


def find_unknown(connection: sqlite3.Connection, reported: Iterable[Holding]) -> list[Holding]:
    """Those of the holdings that a peer told which say more than is known, and can be."""
    known = {(each.holder, each.chain): each.position for each in read_holdings(connection)}
    ends = read_ends(connection)
    return [
        each
        for each in reported
        if known.get((each.holder, each.chain), -1) < each.position <= ends.get(each.chain, -1)
    ]


def note_reported(connection: sqlite3.Connection, reporter: bytes, found: Iterable[Holding]) -> None:
    """Note what a peer told; only `find_unknown` says what of it may be."""
    reporter_row = _device_row(connection, reporter)
    connection.executemany(
        "INSERT INTO holdings (holder, chain, position, reporter) VALUES (?, ?, ?, ?) ON CONFLICT (holder, chain)"
        " DO UPDATE SET position = excluded.position, reporter = excluded.reporter WHERE excluded.position > position",
        [
            (_device_row(connection, each.holder), _device_row(connection, each.chain), each.position, reporter_row)
            for each in found
        ],
    )


def _device_row(connection: sqlite3.Connection, device: bytes) -> int:
    return intern_values(connection, "devices", "device", [device])[device]


def read_ends(connection: sqlite3.Connection) -> dict[bytes, int]:
    """The position of the last change of each chain that is one."""
    return dict(
        connection.execute(
            f"SELECT d.device, w.position FROM ({_WHOLE_CHAINS_SQL}) w JOIN devices d ON d.id = w.device"
        )
    )


def read_holdings(connection: sqlite3.Connection) -> list[Holding]:
    """All that is known of chains of which a position names one change."""
    rows = connection.execute(
        "SELECT c.device, h.device, x.position FROM holdings x JOIN devices c ON c.id = x.chain"
        f" JOIN devices h ON h.id = x.holder WHERE x.chain IN (SELECT device FROM ({_WHOLE_CHAINS_SQL}))"
    )
    return [Holding(*row) for row in rows]


def read_contacts(connection: sqlite3.Connection) -> list[Contact]:
    """The last session with each device that ended with equal roots, the latest first."""
    rows = connection.execute(
        "SELECT d.device, c.at, c.link FROM contacts c JOIN devices d ON d.id = c.device ORDER BY c.at DESC"
    )
    return [Contact(*row) for row in rows]


def read_holders(connection: sqlite3.Connection, changes: Sequence[bytes]) -> Mapping[bytes, Sequence[Holder]]:
    """Who is known to hold these changes, besides those who made them.

    All that was saved at once with each of them, that is.
    """
    found: dict[bytes, list[Holder]] = {}
    for some in chunks(list(changes)):
        rows = connection.execute(
            f"""SELECT c.hash, h.device, t.device FROM changes c
                JOIN holdings x ON x.chain = c.device
                JOIN devices h ON h.id = x.holder LEFT JOIN devices t ON t.id = x.reporter
                WHERE c.hash IN ({placeholders(some)}) AND c.device IN (SELECT device FROM ({_WHOLE_CHAINS_SQL}))
                AND NOT EXISTS (SELECT 1 FROM changes p WHERE (p.id = c.lead OR (p.lead = c.lead AND p.lead <> p.id))
                                AND (p.device <> c.device OR p.position > x.position OR p.linked <> 1))
                ORDER BY h.device""",
            some,
        )
        for change, device, reporter in rows:
            found.setdefault(change, []).append(Holder(device, reporter))
    return found

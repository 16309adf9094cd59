"""Which changes have effect: those of devices in good standing. The others are kept and relayed, and that is all.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from blake3 import blake3

from core.chain_links import State
from core.changes import Block
from core.membership import AcceptedUpTo, Cut, Membership
from core.store.connection import chunks, placeholders
from core.store.indexes.leaves import refresh_current
from core.store.indexes.member_facts import load_membership, read_within
from core.value_codec import MAX_FACTS

_VERSION_META_KEY = "membership"


class MembershipCache:
    """Works out the membership of a store when it is asked, anew only if facts about members came since."""

    def __init__(self) -> None:
        self._version: bytes | None = None
        self._membership: Membership | None = None

    def read_membership(self, connection: sqlite3.Connection, fleet: bytes) -> Membership:
        """The membership that holds for what the connection sees now."""
        row = connection.execute("SELECT value FROM meta WHERE key = ?", (_VERSION_META_KEY,)).fetchone()
        version = row[0] if row else b""
        if self._membership is None or version != self._version:
            self._membership, self._version = load_membership(connection, fleet), version
        return self._membership


def update_acceptance(
    connection: sqlite3.Connection,
    before: Membership,
    blocks: Sequence[Block],
    settled: Sequence[bytes],
    faulty: Sequence[bytes],
    fleet: bytes,
) -> None:
    """Settle which changes have effect after these blocks were added under the membership that held before them.

    `settled` are the changes that were found to follow from their chains meanwhile, `faulty` those that do not.
    """
    new = {block.id for block in blocks}
    # What had counted until its late previous one came counts no more, members' facts among it.
    voided = _refuse_changes(connection, [change for change in faulty if change not in new])
    spoken = [block.id for block in blocks if any(fact.property.startswith("member.") for fact in block.facts)]
    after = before
    if spoken or voided or (settled and any(isinstance(limit, Cut) for limit in before.limits.values())):
        row = connection.execute("SELECT value FROM meta WHERE key = ?", (_VERSION_META_KEY,)).fetchone()
        version = blake3((row[0] if row else b"") + b"".join([*spoken, *faulty])).digest()
        connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (_VERSION_META_KEY, version))
        after = load_membership(connection, fleet)
    moved = {d for d in before.limits.keys() | after.limits.keys() if before.limit(d) != after.limit(d)}
    # Of a device whose changes count up to a certain one the gap below that may just have been closed.
    arrived = {block.device for block in blocks} | _devices_of(connection, settled)
    moved |= {device for device in arrived if isinstance(after.limit(device), Cut)}
    for device in moved:
        _apply_limit(connection, device, after.limit(device))


def _devices_of(connection: sqlite3.Connection, changes: Sequence[bytes]) -> set[bytes]:
    found: set[bytes] = set()
    for some in chunks(list(changes)):
        query = (
            f"SELECT device FROM devices WHERE id IN (SELECT device FROM changes WHERE hash IN ({placeholders(some)}))"
        )
        found.update(device for (device,) in connection.execute(query, some))
    return found


def _refuse_changes(connection: sqlite3.Connection, changes: Sequence[bytes]) -> bool:
    """Take the effect from changes that turn out to be at fault; says whether any had one."""
    gone: list[int] = []
    for change in changes:
        query = "UPDATE changes SET accepted = 0 WHERE hash = ? AND accepted RETURNING id"
        gone += [row for (row,) in connection.execute(query, (change,)).fetchall()]
    _refresh_facts(connection, gone, accepted=False)
    return bool(gone)


def _apply_limit(connection: sqlite3.Connection, device: bytes, limit: AcceptedUpTo) -> None:
    """Let a device's changes count as far as the limit says, and work out anew what depends on it."""
    within = read_within(connection, device, limit) if isinstance(limit, Cut) else frozenset()
    rows = connection.execute(
        "SELECT id, hash, linked, accepted FROM changes WHERE device = (SELECT id FROM devices WHERE device = ?)",
        (device,),
    ).fetchall()
    flipped: dict[bool, list[int]] = {True: [], False: []}
    for row, change, linked, accepted in rows:
        wanted = linked != State.FAULTY and (limit is None or change in within)
        if wanted != bool(accepted):
            flipped[wanted].append(row)
    for wanted, changed in flipped.items():
        connection.executemany("UPDATE changes SET accepted = ? WHERE id = ?", [(wanted, row) for row in changed])
        _refresh_facts(connection, changed, accepted=wanted)


def _refresh_facts(connection: sqlite3.Connection, rows: Sequence[int], *, accepted: bool) -> None:
    """Give the facts of these changes the standing of their changes, and work out which facts are leaves now."""
    touched: set[int] = set()
    for row in rows:
        span = (row * MAX_FACTS, row * MAX_FACTS + MAX_FACTS - 1)
        query = "UPDATE facts SET accepted = ? WHERE id BETWEEN ? AND ? RETURNING id"
        touched.update(f for (f,) in connection.execute(query, (accepted, *span)).fetchall())
        touched.update(
            t for (t,) in connection.execute("SELECT target FROM obsoletes WHERE fact BETWEEN ? AND ?", span)
        )
    refresh_current(connection, touched)

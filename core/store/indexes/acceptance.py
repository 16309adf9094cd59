"""Which changes have effect: those of devices in good standing. The others are kept and relayed, and that is all.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from blake3 import blake3

from core.changes import Block
from core.membership import AcceptedUpTo, Membership
from core.store.indexes.leaves import refresh_current
from core.store.indexes.member_facts import load_membership
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
    connection: sqlite3.Connection, before: Membership, blocks: Sequence[Block], rows: dict[bytes, int], fleet: bytes
) -> None:
    """Settle which changes have effect after these blocks were added under the membership that held before them."""
    spoken = [block.id for block in blocks if any(fact.property.startswith("member.") for fact in block.change.facts)]
    after = before
    if spoken:
        row = connection.execute("SELECT value FROM meta WHERE key = ?", (_VERSION_META_KEY,)).fetchone()
        version = blake3((row[0] if row else b"") + b"".join(spoken)).digest()
        connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (_VERSION_META_KEY, version))
        after = load_membership(connection, fleet)
    moved = {d for d in before.limits.keys() | after.limits.keys() if before.limit(d) != after.limit(d)}
    # A device whose changes count up to a certain one may just have had a gap in its chain closed.
    moved |= {b.change.device for b in blocks if isinstance(after.limit(b.change.device), bytes)}
    for device in moved:
        _apply_limit(connection, device, after.limit(device))


def _apply_limit(connection: sqlite3.Connection, device: bytes, limit: AcceptedUpTo) -> None:
    """Let a device's changes count as far as the limit says, and work out anew what depends on it."""
    accepted = "1" if limit is None else "0"
    if isinstance(limit, bytes):
        accepted = "hash IN chain"
    flipped = [
        row
        for (row,) in connection.execute(
            f"""WITH RECURSIVE chain (hash) AS (
                  SELECT ? UNION SELECT c.previous FROM changes c JOIN chain ON c.hash = chain.hash
                  WHERE c.previous IS NOT NULL)
                UPDATE changes SET accepted = {accepted}
                WHERE device = (SELECT id FROM devices WHERE device = ?) AND accepted <> ({accepted}) RETURNING id""",
            (limit if isinstance(limit, bytes) else None, device),
        ).fetchall()
    ]
    touched: set[int] = set()
    for row in flipped:
        span = (row * MAX_FACTS, row * MAX_FACTS + MAX_FACTS - 1)
        touched.update(f for (f,) in connection.execute("SELECT id FROM facts WHERE id BETWEEN ? AND ?", span))
        touched.update(
            t for (t,) in connection.execute("SELECT target FROM obsoletes WHERE fact BETWEEN ? AND ?", span)
        )
    refresh_current(connection, touched)

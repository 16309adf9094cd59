"""The chain of one device's changes: each names the one before it, so no clock decides their order.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chained:
    """A change of a device. `kept` is how many of its changes are in effect if this is the last accepted one: itself
    and those before it, as far as they are here. `at` is microseconds since 1970 UTC.
    """

    change: bytes
    at: int
    user: str
    note: str | None
    kept: int


def chain(connection: sqlite3.Connection, device: bytes) -> list[Chained]:
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
    found = [Chained(change, at, user, note, kept[change]) for change, _, at, user, note in rows]
    return sorted(found, key=lambda each: (-each.kept, -each.at, each.change))

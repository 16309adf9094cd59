"""How busy devices and people were.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from core.store.entities import OWN_LINKS

DAY_US = 86_400_000_000
_MINUTE_US = 60_000_000
_MAX_READ_RECEIPTS = 5_000
"""Changes of which the receipts are read for what came lately: what came at once may be many."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """Changes that came at about the same time, from a device (None: from a file)."""

    device: bytes | None
    link: str
    at_us: int
    count: int


def read_arrivals(connection: sqlite3.Connection, limit: int) -> list[Arrival]:
    """Read what came from elsewhere lately, the latest first."""
    rows = connection.execute(
        f"""SELECT d.device, c.link, max(c.received_at), count(*)
            FROM (SELECT * FROM changes ORDER BY id DESC LIMIT {_MAX_READ_RECEIPTS}) c
            LEFT JOIN devices d ON d.id = c.source WHERE c.link NOT IN {OWN_LINKS}
            GROUP BY c.source, c.link, c.received_at / {_MINUTE_US} ORDER BY 3 DESC LIMIT ?""",
        (limit,),
    )
    return [Arrival(*row) for row in rows]


def read_daily_counts(connection: sqlite3.Connection, until_us: int, days: int) -> dict[bytes, list[int]]:
    """Count the changes of each device in each of the last days, the latest last.

    A day is 24 hours up to `until_us` (microseconds since 1970 UTC); devices without any are left out.
    """
    start = until_us - days * DAY_US
    rows = connection.execute(
        f"""SELECT d.device, (c.at - :start) / {DAY_US}, count(*) FROM changes c JOIN devices d ON d.id = c.device
            WHERE c.ordered_at >= :start AND c.at >= :start AND c.at < :until GROUP BY 1, 2""",
        {"start": start, "until": until_us},
    )
    found: dict[bytes, list[int]] = {}
    for device, day, count in rows:
        found.setdefault(device, [0] * days)[day] = count
    return found


def read_author_counts(connection: sqlite3.Connection) -> list[tuple[str, int]]:
    """Count the changes of each person by name, those with the most first."""
    return connection.execute(
        "SELECT p.name, sum(c.number) FROM (SELECT author, count(*) AS number FROM changes GROUP BY author) c"
        " JOIN persons p ON p.entity = c.author GROUP BY p.name ORDER BY 2 DESC, 1"
    ).fetchall()

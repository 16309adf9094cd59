"""Read the feed: which values in use each change changed.

In the order of the changes' arrival here.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from core.changes import fact_id
from core.slots import Candidate, slot_of
from core.store.connection import load_value
from core.store.queries.slot_leaves import read_value_before
from core.value_codec import CHANGE_ID_BYTES, MAX_FACTS, Value, encode_value

FACTS_PER_PAGE = 200
"""Facts that are looked at in one unit of work: others who read need not wait, and memory stays small."""


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """A value in use that a change changed.

    `fact` is the first fact of the change about it, `at_us` its clock.
    """

    fact: bytes
    entity: bytes
    property: str
    before: Value
    after: Value
    at_us: int
    user: str
    device: bytes


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Entries, the row of the last fact looked at, and whether there were more."""

    entries: tuple[FeedEntry, ...]
    cursor: int
    is_last: bool


def read_feed_end(connection: sqlite3.Connection) -> int:
    """The row of the last fact; 0 if there is none."""
    return int(connection.execute("SELECT coalesce(max(id), 0) FROM facts").fetchone()[0])


def find_feed_cursor(connection: sqlite3.Connection, position: bytes) -> int | None:
    """The row behind which the feed goes on after a fact, or after all of a change.

    None if that is not here.
    """
    row = connection.execute("SELECT id FROM changes WHERE hash = ?", (position[:CHANGE_ID_BYTES],)).fetchone()
    if row is None:
        return None
    index = position[CHANGE_ID_BYTES:]
    return int(row[0]) * MAX_FACTS + (min(int.from_bytes(index, "big"), MAX_FACTS - 1) if index else MAX_FACTS - 1)


def read_feed_position(connection: sqlite3.Connection, cursor: int) -> bytes:
    """The fact at a row, by which the feed can go on in another process.

    Empty before the first.
    """
    row = connection.execute("SELECT hash FROM changes WHERE id = ?", (cursor // MAX_FACTS,)).fetchone()
    return b"" if row is None else fact_id(row[0], cursor % MAX_FACTS)


def read_feed_page(connection: sqlite3.Connection, cursor: int, entity: bytes | None) -> FeedPage:
    """The entries of the next facts behind a row, of one entity if one is given."""
    index = of_entity = ""
    if entity is not None:
        index, of_entity = "INDEXED BY facts_slot", " AND f.entity = (SELECT id FROM entities WHERE entity = :entity)"
    # CROSS JOIN keeps SQLite to this order: it is the facts behind the cursor that are walked.
    rows = connection.execute(
        f"""SELECT f.id, f.entity, f.property, e.entity, p.name, c.hash, c.at, u.name, d.device
            FROM facts f {index} CROSS JOIN entities e ON e.id = f.entity JOIN properties p ON p.id = f.property
            JOIN changes c ON c.id = f.id / {MAX_FACTS} JOIN persons u ON u.entity = c.author
            JOIN devices d ON d.id = c.device
            WHERE f.id > :cursor{of_entity} ORDER BY f.id LIMIT :limit""",
        {"cursor": cursor, "entity": entity, "limit": FACTS_PER_PAGE},
    ).fetchall()
    entries = []
    for row, entity_row, property_row, of, name, change, at_us, user, device in rows:
        found = _change_of_slot(connection, entity_row, property_row, row)
        if found is not None:
            fact = fact_id(change, row % MAX_FACTS)
            entries.append(FeedEntry(fact, of, name, *found, at_us, user, device))
    return FeedPage(tuple(entries), rows[-1][0] if rows else cursor, len(rows) < FACTS_PER_PAGE)


def _change_of_slot(connection: sqlite3.Connection, entity: int, name: int, fact: int) -> tuple[Value, Value] | None:
    """The value in use before and after the change of a fact arrived.

    None if that is the same one, or if an earlier fact of the change is of this slot, too.
    """
    first = fact - fact % MAX_FACTS
    end = first + MAX_FACTS
    earlier = "SELECT 1 FROM facts WHERE entity = ? AND property = ? AND id >= ? AND id < ? LIMIT 1"
    if connection.execute(earlier, (entity, name, first, fact)).fetchone():
        return None
    if connection.execute("SELECT 1 FROM withdrawals WHERE entity = ? AND property = ?", (entity, name)).fetchone():
        old, new = (read_value_before(connection, entity, name, until) for until in (first, end))
        return None if encode_value(old) == encode_value(new) else (old, new)
    rows = connection.execute(
        f"""SELECT id, hash, value, effective, ended FROM (
              SELECT f.id AS id, c.hash AS hash, f.value AS value, f.effective AS effective,
                (SELECT min(g.id) FROM obsoletes o JOIN facts g ON g.id = o.fact
                 WHERE o.target = f.id AND g.accepted) AS ended
              FROM facts f JOIN changes c ON c.id = f.id / {MAX_FACTS}
              WHERE f.entity = ? AND f.property = ? AND f.id < ? AND f.accepted
                AND f.id NOT IN (SELECT fact FROM hearsay))
            WHERE ended IS NULL OR ended >= ?""",
        (entity, name, end, first),
    ).fetchall()
    before, after = [], []
    for row, change, value, effective, ended in rows:
        leaf = Candidate(fact_id(change, row % MAX_FACTS), load_value(value), "", b"", effective, None)
        if row < first:
            before.append(leaf)
        if ended is None or ended >= end:
            after.append(leaf)
    old, new = slot_of(before).value, slot_of(after).value
    return None if encode_value(old) == encode_value(new) else (old, new)

"""Read the feed: which values in use each change changed.

Also what came or went as facts gained or lost their effect. In the order of the changes' arrival here. A fact has in it
the effect that it had then, so that the feed stays what it was when a device is revoked: what that takes out of use is
told behind the change that revoked it.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from core.changes import fact_id
from core.slots import Candidate, slot_of
from core.store.connection import VALUE_SQL, load_value
from core.store.indexes.standings import NEVER, accepted_then, count_turns, find_step
from core.store.queries.slot_leaves import read_value_before
from core.value_codec import CHANGE_ID_BYTES, MAX_FACTS, Value, encode_value

CHANGE, EFFECT = "change", "effect"
"""Why a value in use became another one: somebody changed it, or facts gained or lost their effect."""
FACTS_PER_PAGE = 200
"""Facts that are looked at in one unit of work: others who read need not wait, and memory stays small."""
TURN_BYTES = 4
"""Of the place of what is no fact, behind the id of its change; that of a fact has 2."""
_SPAN = 1 << 8 * TURN_BYTES
"""A cursor is the row of a change times this, plus a place in it: that of a fact, or a turn's number and MAX_FACTS."""


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """A value in use that became another one.

    `position` is the first fact of the change about it, or a place behind its facts; `reason` is CHANGE or EFFECT;
    `at_us` is the clock of the change.
    """

    position: bytes
    reason: str
    entity: bytes
    property: str
    before: Value
    after: Value
    at_us: int
    user: str
    device: bytes


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Entries, the cursor behind what was looked at, and whether there was more."""

    entries: tuple[FeedEntry, ...]
    cursor: int
    is_last: bool


def cursor_behind(change: int) -> int:
    """The cursor behind the facts of a change, by its row."""
    return change * _SPAN + MAX_FACTS - 1


def read_feed_end(connection: sqlite3.Connection) -> int:
    """The cursor behind all that is here; 0 if there is nothing."""
    fact = int(connection.execute("SELECT coalesce(max(id), 0) FROM facts").fetchone()[0])
    change = int(connection.execute("SELECT coalesce(max(id), 0) FROM changes").fetchone()[0])
    turns = count_turns(connection, change)
    place = MAX_FACTS - 1 + turns if turns or fact // MAX_FACTS != change else fact % MAX_FACTS
    return change * _SPAN + place if change else 0


def find_feed_cursor(connection: sqlite3.Connection, position: bytes) -> int | None:
    """The cursor behind a position, or behind all that a change brought.

    None if that is not here.
    """
    row = connection.execute("SELECT id FROM changes WHERE hash = ?", (position[:CHANGE_ID_BYTES],)).fetchone()
    if row is None:
        return None
    place = int.from_bytes(position[CHANGE_ID_BYTES:])
    if len(position) == CHANGE_ID_BYTES:
        place = MAX_FACTS - 1 + count_turns(connection, row[0])
    elif len(position) < CHANGE_ID_BYTES + TURN_BYTES:
        place = min(place, MAX_FACTS - 1)
    return int(row[0]) * _SPAN + place


def read_feed_position(connection: sqlite3.Connection, cursor: int) -> bytes:
    """What `find_feed_cursor` finds a cursor by, in any process.

    Empty before the first.
    """
    change, place = divmod(cursor, _SPAN)
    row = connection.execute("SELECT hash FROM changes WHERE id = ?", (change,)).fetchone()
    return b"" if row is None else _position(row[0], place)


def _position(change: bytes, place: int) -> bytes:
    return fact_id(change, place) if place < MAX_FACTS else change + place.to_bytes(TURN_BYTES, "big")


def read_feed_page(connection: sqlite3.Connection, cursor: int, entity: bytes | None) -> FeedPage:
    """Read the next entries behind a cursor, of one entity if one is given."""
    change, place = divmod(cursor, _SPAN)
    found = connection.execute(
        "SELECT anchor FROM turns WHERE (anchor, number) > (?, ?) ORDER BY anchor, number LIMIT 1",
        (change, place - MAX_FACTS),
    ).fetchone()
    anchor = int(found[0]) if found else None
    page = _read_fact_page(connection, cursor, entity, anchor)
    if anchor is None or not page.is_last:
        return page
    turns = _read_turns(connection, anchor, place - MAX_FACTS if anchor == change else -1, entity)
    return FeedPage(page.entries + turns.entries, turns.cursor, False)


def read_fact_page(connection: sqlite3.Connection, cursor: int) -> FeedPage:
    """Read the entries of the next facts, with the effect that facts have now."""
    return _read_fact_page(connection, cursor, None, None, step=NEVER)


def _read_fact_page(
    connection: sqlite3.Connection, cursor: int, entity: bytes | None, last: int | None, step: int | None = None
) -> FeedPage:
    """The entries of the next facts, those of changes up to a row if one is given.

    `step`: see `_change_of_slot`.
    """
    index = of_entity = ""
    if entity is not None:
        index, of_entity = "INDEXED BY facts_slot", " AND f.entity = (SELECT id FROM entities WHERE entity = :entity)"
    change, place = divmod(cursor, _SPAN)
    # CROSS JOIN keeps SQLite to this order: it is the facts behind the cursor that are walked.
    rows = connection.execute(
        f"""SELECT f.id, f.entity, f.property, e.entity, p.name, c.hash, c.at, u.name, d.device
            FROM facts f {index} CROSS JOIN entities e ON e.id = f.entity JOIN properties p ON p.id = f.property
            JOIN changes c ON c.id = f.id / {MAX_FACTS} JOIN persons u ON u.entity = c.author
            JOIN devices d ON d.id = c.device
            WHERE f.id > :cursor AND f.id < :end{of_entity} ORDER BY f.id LIMIT :limit""",
        {
            "cursor": change * MAX_FACTS + min(place, MAX_FACTS - 1),
            "end": NEVER if last is None else (last + 1) * MAX_FACTS,
            "entity": entity,
            "limit": FACTS_PER_PAGE,
        },
    ).fetchall()
    entries = []
    for row, entity_row, property_row, of, name, hashed, at_us, user, device in rows:
        then = find_step(connection, row // MAX_FACTS) if step is None else step
        found = _change_of_slot(connection, entity_row, property_row, row, then)
        if found is not None:
            entries.append(FeedEntry(fact_id(hashed, row % MAX_FACTS), CHANGE, of, name, *found, at_us, user, device))
    if rows:
        cursor = rows[-1][0] // MAX_FACTS * _SPAN + rows[-1][0] % MAX_FACTS
    return FeedPage(tuple(entries), cursor, len(rows) < FACTS_PER_PAGE)


def _read_turns(connection: sqlite3.Connection, anchor: int, after: int, entity: bytes | None) -> FeedPage:
    """What came or went behind a change, from a number on."""
    rows = connection.execute(
        """SELECT t.number, t.step, t.entity, t.property, e.entity, p.name, c.hash, c.at, u.name, d.device
           FROM turns t JOIN entities e ON e.id = t.entity JOIN properties p ON p.id = t.property
           JOIN changes c ON c.id = t.anchor JOIN persons u ON u.entity = c.author JOIN devices d ON d.id = c.device
           WHERE t.anchor = :anchor AND t.number > :after ORDER BY t.number LIMIT :limit""",
        {"anchor": anchor, "after": after, "limit": FACTS_PER_PAGE},
    ).fetchall()
    entries = []
    for number, step, entity_row, property_row, of, name, change, at_us, user, device in rows:
        if entity is None or entity == of:
            end = (anchor + 1) * MAX_FACTS
            old, new = (read_value_before(connection, entity_row, property_row, end, each) for each in (step, step + 1))
            if encode_value(old) != encode_value(new):
                position = _position(change, MAX_FACTS + number)
                entries.append(FeedEntry(position, EFFECT, of, name, old, new, at_us, user, device))
    return FeedPage(tuple(entries), anchor * _SPAN + MAX_FACTS + rows[-1][0], False)


def _change_of_slot(
    connection: sqlite3.Connection, entity: int, name: int, fact: int, step: int
) -> tuple[Value, Value] | None:
    """The value in use before and after the change of a fact arrived.

    With the effect that facts had before a step. None if that is the same one, or if an earlier fact of the change is
    of this slot, too.
    """
    first = fact - fact % MAX_FACTS
    end = first + MAX_FACTS
    earlier = "SELECT 1 FROM facts WHERE entity = ? AND property = ? AND id >= ? AND id < ? LIMIT 1"
    if connection.execute(earlier, (entity, name, first, fact)).fetchone():
        return None
    if connection.execute("SELECT 1 FROM withdrawals WHERE entity = ? AND property = ?", (entity, name)).fetchone():
        old, new = (read_value_before(connection, entity, name, until, step) for until in (first, end))
        return None if encode_value(old) == encode_value(new) else (old, new)
    rows = connection.execute(
        f"""SELECT id, hash, value, effective, ended FROM (
              SELECT f.id AS id, c.hash AS hash, {VALUE_SQL} AS value, c.at + f.later AS effective,
                (SELECT min(g.id) FROM obsoletes o JOIN facts g ON g.id = o.fact
                 WHERE o.target = f.id AND {accepted_then("g")}) AS ended
              FROM facts f JOIN changes c ON c.id = f.id / {MAX_FACTS}
              WHERE f.entity = :entity AND f.property = :name AND f.id < :end AND {accepted_then("f")}
                AND f.id NOT IN (SELECT fact FROM hearsay))
            WHERE ended IS NULL OR ended >= :first""",
        {"entity": entity, "name": name, "end": end, "first": first, "step": step},
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

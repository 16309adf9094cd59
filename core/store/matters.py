"""Keep what the inbox of the present is, so that opening it costs nothing, and little to go on after a change.

Kept is which matters there are, in their order, and of which state of the store; the few that somebody sees are worked
out from the records that they are about. When a little was said since, only what that can have to do with is worked out
anew: those who share a claim, a span of addresses or a matter with what somebody spoke of, and, if that is called
something else now, those who refer to it.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from core.changes import ID_SIZE
from core.inbox import TYPES, Matter, matters
from core.schema import Schema
from core.store import clues, tree
from core.store.database import chunks, marks
from core.store.scope import NOW

_FOUND_AT = "matters"
"""The note that tells of which state of the store the matters are."""
_MOST_SAID, _MOST_NEAR = 200, 2000
"""Entities that were spoken of, and those that have to do with them, of which it is faster to look at everything."""
_DEEPEST = 8

_TABLES = """
CREATE TABLE matters (
  type INTEGER, kind TEXT, key TEXT, property TEXT, entities BLOB, again INTEGER,
  PRIMARY KEY (type, kind, key, property, entities, again)
) STRICT, WITHOUT ROWID;
CREATE INDEX mentions_target ON mentions (target);
"""


@dataclass(frozen=True, slots=True)
class Mention:
    """Which matter: the place of its type, its kind, key and property, as they are sorted, and the 16-byte ids of the
    entities that it is about, one after another. `again` counts those that are the same in all this: two items of one
    list may be claimed by the same entities.
    """

    rank: int
    kind: str
    key: str
    name: str
    ids: bytes
    again: int = 0

    @property
    def type(self) -> str:
        """One of `core.inbox.TYPES`."""
        return TYPES[self.rank]

    @property
    def entity(self) -> bytes:
        """The entity where a person would begin."""
        return self.ids[:ID_SIZE]

    @property
    def entities(self) -> tuple[bytes, ...]:
        """All of them."""
        return tuple(self.ids[at : at + ID_SIZE] for at in range(0, len(self.ids), ID_SIZE))


def mentions(found: Iterable[Matter]) -> list[Mention]:
    """What is kept of matters, in the order in which it is kept."""
    count: dict[tuple[int, str, str, str, bytes], int] = {}
    made = []
    for matter in found:
        ids = b"".join(matter.entities)
        said = (TYPES.index(matter.type), matter.kind or "", matter.key or "", matter.property, ids)
        count[said] = count.get(said, -1) + 1
        made.append(Mention(*said, count[said]))
    return sorted(made, key=_row)


def _row(each: Mention) -> tuple[int, str, str, str, bytes, int]:
    return (each.rank, each.kind, each.key, each.name, each.ids, each.again)


def create(connection: sqlite3.Connection) -> None:
    """Make the tables; nothing is known yet."""
    for statement in _TABLES.split(";"):
        connection.execute(statement)


def state(connection: sqlite3.Connection, schema: Schema) -> bytes | None:
    """What the matters depend on: another one if they may be others, None while clues have to be read first."""
    return None if clues.unread(connection, schema) else tree.root(connection) + _read_so_far(connection, schema)


def _read_so_far(connection: sqlite3.Connection, schema: Schema) -> bytes:
    """What the clues are: another one whenever some were read."""
    (number,) = connection.execute("SELECT number FROM readings").fetchone()
    # With gaps, what comes may tell that somebody knew more than it seems: see `update`.
    (gaps,) = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM awaited) OR EXISTS (SELECT 1 FROM awaited_previous)"
    ).fetchone()
    return int(number).to_bytes(8, "big") + clues.version(schema) + bytes([gaps])


def kept(connection: sqlite3.Connection, schema: Schema) -> list[Mention] | None:
    """The matters of the present in their order, None if something was said since they were looked for."""
    note = _note(connection)
    return _kept(connection) if note is not None and note == state(connection, schema) else None


def _note(connection: sqlite3.Connection) -> bytes | None:
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (_FOUND_AT,)).fetchone()
    return None if row is None else row[0]


def _kept(connection: sqlite3.Connection) -> list[Mention]:
    query = "SELECT type, kind, key, property, entities, again FROM matters ORDER BY 1, 2, 3, 4, 5, 6"
    same: dict[str, str] = {}  # kinds and properties are few: each text is held once
    return [
        Mention(rank, same.setdefault(kind, kind), key, same.setdefault(name, name), ids, again)
        for rank, kind, key, name, ids, again in connection.execute(query)
    ]


def keep(connection: sqlite3.Connection, schema: Schema, at: bytes, found: Sequence[Mention]) -> None:
    """Keep the matters that were found in a state, if that is still the state, in the caller's transaction."""
    if state(connection, schema) == at:
        connection.execute("DELETE FROM matters")
        _insert(connection, found)
        _put_note(connection, at)


def _insert(connection: sqlite3.Connection, some: Iterable[Mention]) -> None:
    query = "INSERT INTO matters (type, kind, key, property, entities, again) VALUES (?, ?, ?, ?, ?, ?)"
    connection.executemany(query, map(_row, some))


def _put_note(connection: sqlite3.Connection, at: bytes) -> None:
    connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (_FOUND_AT, at))


def update(connection: sqlite3.Connection, schema: Schema) -> bool:
    """Read what was said since, and bring the matters up to date with it, in the caller's transaction.

    False if there is nothing to go on from, or too much was said: then everything has to be looked at.
    """
    note, before = _note(connection), _read_so_far(connection, schema)
    if note is None or not note[:-1].endswith(before[:-1]) or clues.unread(connection, schema) > _MOST_SAID:
        return False
    rows = connection.execute("SELECT e.entity FROM unread u JOIN entities e ON e.id = u.entity")
    said = {entity for (entity,) in rows}
    had = _kept(connection)
    near = _sharing(connection, said) | said
    called = _called(connection, said)
    if said:
        clues.read(connection, schema, _MOST_SAID)
    near |= _sharing(connection, said)
    now = _called(connection, said)
    near |= _referring(connection, {entity for entity in said if called.get(entity) != now.get(entity)})
    gaps = note[-1]
    for each in had:
        # What an author knew may turn out to be more when a gap is closed, though nobody spoke of the entity.
        if (gaps and each.type == "retired-edit") or not said.isdisjoint(each.entities):
            near.update(each.entities)
    # A network that lies within another one shares nothing with a third that does, too.
    around = near | _sharing(connection, near)
    around |= _sharing(connection, around)
    if len(around) > _MOST_NEAR:
        return False
    gone = [each for each in had if not near.isdisjoint(each.entities)]
    query = (
        "DELETE FROM matters WHERE type = ? AND kind = ? AND key = ? AND property = ? AND entities = ? AND again = ?"
    )
    connection.executemany(query, map(_row, gone))
    found = _worked_out(connection, schema, sorted(around))
    _insert(connection, mentions(matter for matter in found if not near.isdisjoint(matter.entities)))
    _put_note(connection, tree.root(connection) + _read_so_far(connection, schema))
    return True


def problems(connection: sqlite3.Connection, schema: Schema) -> list[str]:
    """What is wrong with the matters that are kept: a sentence, or none."""
    had = kept(connection, schema)
    if had is None:
        return []
    found = clues.suspects(connection, NOW, schema)
    right = mentions(matters(found.records, schema, _Knowledge(connection).knew, found.find))
    wrong = len(set(had) ^ set(right))
    return [f"matters: {wrong} of the inbox are wrong or missing, by what the changes say"] if wrong else []


def _sharing(connection: sqlite3.Connection, entities: set[bytes]) -> set[bytes]:
    """Those that have a claim, or a span of addresses, in common with one of these."""
    found: set[bytes] = set()
    for some in chunks(sorted(entities)):
        mine = f"SELECT id FROM entities WHERE entity IN ({marks(some)})"
        for others in (
            "claims a JOIN claims b ON b.claim = a.claim",
            "spans a JOIN spans b ON b.space = a.space AND b.first <= a.last AND b.last >= a.first",
        ):
            query = f"SELECT e.entity FROM {others} JOIN entities e ON e.id = b.entity WHERE a.entity IN ({mine})"
            found.update(entity for (entity,) in connection.execute(query, some))
    return found


def _called(connection: sqlite3.Connection, entities: set[bytes]) -> dict[bytes, set[object]]:
    """What decides what others make of these entities: their kinds, and what they claim, their keys among it."""
    found: dict[bytes, set[object]] = {}
    for some in chunks(sorted(entities)):
        rows = connection.execute(
            "SELECT e.entity, c.kind FROM entities e JOIN clues c ON c.entity = e.id"
            f" WHERE e.entity IN ({marks(some)}) UNION ALL"
            " SELECT e.entity, c.claim FROM entities e JOIN claims c ON c.entity = e.id"
            f" WHERE e.entity IN ({marks(some)})",
            [*some, *some],
        )
        for entity, text in rows:
            found.setdefault(entity, set()).add(text)
    return found


def _referring(connection: sqlite3.Connection, entities: set[bytes]) -> set[bytes]:
    """Those that refer to one of these, and those that refer to them: what they are called may be a path."""
    found: set[bytes] = set()
    wave = entities
    for _ in range(_DEEPEST):
        fresh: set[bytes] = set()
        for some in chunks(sorted(wave)):
            query = (
                f"SELECT e.entity FROM mentions m JOIN entities e ON e.id = m.entity WHERE m.target IN ({marks(some)})"
            )
            fresh.update(entity for (entity,) in connection.execute(query, some))
        wave = fresh - found
        found |= wave
        if not wave or len(found) > _MOST_NEAR:
            break
    return found


def whole(connection: sqlite3.Connection, schema: Schema, some: Sequence[Mention]) -> list[Matter | None]:
    """These matters, worked out from what is said now; None for one that is none any more."""
    entities = list(dict.fromkeys(entity for each in some for entity in each.entities))
    found = _worked_out(connection, schema, entities)
    counted: dict[Mention, int] = {}
    by_mention: dict[Mention, Matter] = {}
    for matter in found:
        (first,) = mentions([matter])
        counted[first] = counted.get(first, -1) + 1
        by_mention[replace(first, again=counted[first])] = matter
    return [by_mention.get(each) for each in some]


def _worked_out(connection: sqlite3.Connection, schema: Schema, entities: Sequence[bytes]) -> list[Matter]:
    found = clues.around(connection, NOW, entities, schema)
    return matters(found.records, schema, _Knowledge(connection).knew, found.find)


class _Knowledge:
    """Which changes the author of a change had."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._parents = clues.Parents(connection)

    def knew(self, change: bytes, other: bytes) -> bool:
        """Whether the author of a change had another one: it can be reached over what the changes name."""
        reached, wave = {change}, deque([change])
        while wave and other not in reached:
            fresh = set(self._parents.of(wave.popleft())) - reached
            reached |= fresh
            wave.extend(fresh)
        return other in reached

"""Keep what the inbox of the present is.

So that opening it costs nothing, and little to go on after a change.

Kept is which matters there are, in their order, and of which state of the store; the few that somebody sees are worked
out from the records that they are about. When a little was said since, only what that can have to do with is worked out
anew: those who share a claim, a span of addresses or a matter with what somebody spoke of, and, if that is called
something else now, those who refer to it.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from core.errors import FieldlineError
from core.inbox import ITEM_TYPES, InboxItem, find_inbox_items
from core.schema import KEY, KIND, RETIRED, Schema, is_acceptance
from core.sort_order import natural_key
from core.store.connection import chunks, placeholders
from core.store.indexes import conflict_index, merkle_table
from core.store.indexes.ancestry import Ancestry
from core.store.scope import NOW
from core.value_codec import ID_BYTES

_CACHED_AT_META_KEY = "matters"
"""The note that tells of which state of the store the matters are."""
_MAX_CHANGED_ENTITIES, _MAX_AFFECTED_ENTITIES = 200, 2000
"""Entities that were spoken of, and those that have to do with them, of which it is faster to look at everything."""
_MAX_REFERENCE_DEPTH = 8

_ITEMS_SQL = """
CREATE TABLE matters (
  type INTEGER, kind TEXT, sort TEXT, key TEXT, property TEXT, entities BLOB, again INTEGER, accepted INTEGER NOT NULL,
  PRIMARY KEY (type, kind, sort, key, property, entities, again)
) STRICT, WITHOUT ROWID;
"""
_REFERENCES_INDEX_SQL = "CREATE INDEX mentions_target ON mentions (target)"


@dataclass(frozen=True, slots=True)
class ItemKey:
    """The key of an inbox item, in the order of the inbox.

    The place of its type, its kind, key and property, as they are sorted, and the 16-byte ids of the entities that it
    is about, one after another. `again` counts those that are the same in all this: two items of one list may be
    claimed by the same entities. `is_accepted` if somebody accepts it as it is.
    """

    type_rank: int
    kind: str
    key: str
    property_name: str
    entity_ids: bytes
    ordinal: int = 0
    is_accepted: bool = False

    @property
    def type(self) -> str:
        """One of `core.inbox.ITEM_TYPES`."""
        return ITEM_TYPES[self.type_rank]

    @property
    def entity(self) -> bytes:
        """The entity where a person would begin."""
        return self.entity_ids[:ID_BYTES]

    @property
    def entities(self) -> tuple[bytes, ...]:
        """All of them."""
        return tuple(self.entity_ids[at : at + ID_BYTES] for at in range(0, len(self.entity_ids), ID_BYTES))


def item_keys(found: Iterable[InboxItem]) -> list[ItemKey]:
    """What is kept of matters, in the order in which it is kept."""
    return sorted(_keys_in_order(found), key=_sort_key)


def _keys_in_order(found: Iterable[InboxItem]) -> Iterator[ItemKey]:
    """Give the key of each of these items."""
    count: dict[tuple[int, str, str, str, bytes], int] = {}
    for item in found:
        ids = b"".join(item.entities)
        shown = (ITEM_TYPES.index(item.type), item.kind or "", item.key or "", item.property, ids)
        count[shown] = count.get(shown, -1) + 1
        yield ItemKey(*shown, count[shown], item.acceptance is not None)


def _sort_key(each: ItemKey) -> tuple[int, str, str, str, str, bytes, int]:
    sort = natural_key(each.key)
    return (each.type_rank, each.kind, sort, each.key, each.property_name, each.entity_ids, each.ordinal)


def create_tables(connection: sqlite3.Connection) -> None:
    """Make the tables; nothing is known yet."""
    create_items_table(connection)
    connection.execute(_REFERENCES_INDEX_SQL)


def create_items_table(connection: sqlite3.Connection) -> None:
    """Make the table of inbox items, which is filled when they are looked for."""
    connection.execute(_ITEMS_SQL)


def inbox_version(connection: sqlite3.Connection, schema: Schema) -> bytes | None:
    """Give the version of what the inbox depends on.

    Another one if its items may be others, None while clues have to be read first.
    """
    return (
        None
        if conflict_index.count_unread(connection, schema)
        else merkle_table.read_root(connection) + _index_state(connection, schema)
    )


def _index_state(connection: sqlite3.Connection, schema: Schema) -> bytes:
    """What the clues are: another one whenever some were read."""
    (number,) = connection.execute("SELECT number FROM readings").fetchone()
    # With gaps, what comes may tell that somebody knew more than it seems: see `update`.
    (gaps,) = connection.execute("SELECT EXISTS (SELECT 1 FROM awaited)").fetchone()
    return int(number).to_bytes(8, "big") + conflict_index.index_version(schema) + bytes([gaps])


def read_cached_keys(connection: sqlite3.Connection, schema: Schema) -> list[ItemKey] | None:
    """Read the inbox items of the present in their order.

    None if facts were added since they were looked for.
    """
    note = _cached_version(connection)
    return _all_cached_keys(connection) if note is not None and note == inbox_version(connection, schema) else None


def _cached_version(connection: sqlite3.Connection) -> bytes | None:
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (_CACHED_AT_META_KEY,)).fetchone()
    return None if row is None else row[0]


def _all_cached_keys(connection: sqlite3.Connection) -> list[ItemKey]:
    query = (
        "SELECT type, kind, key, property, entities, again, accepted FROM matters"
        " ORDER BY type, kind, sort, key, property, entities, again"
    )
    same: dict[str, str] = {}  # kinds and properties are few: each text is held once
    return [
        ItemKey(rank, same.setdefault(kind, kind), key, same.setdefault(name, name), ids, again, bool(accepted))
        for rank, kind, key, name, ids, again, accepted in connection.execute(query)
    ]


def write_cached_keys(connection: sqlite3.Connection, schema: Schema, at: bytes, found: Sequence[ItemKey]) -> None:
    """Keep the inbox items that were found in a state.

    If that is still the state, in the caller's transaction.
    """
    if inbox_version(connection, schema) == at:
        connection.execute("DELETE FROM matters")
        _insert_keys(connection, found)
        _write_cached_version(connection, at)


def _insert_keys(connection: sqlite3.Connection, some: Iterable[ItemKey]) -> None:
    query = (
        "INSERT INTO matters (type, kind, sort, key, property, entities, again, accepted)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    )
    connection.executemany(query, ((*_sort_key(each), each.is_accepted) for each in some))


def _write_cached_version(connection: sqlite3.Connection, at: bytes) -> None:
    connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (_CACHED_AT_META_KEY, at))


def update_cache(connection: sqlite3.Connection, schema: Schema) -> bool:
    """Read what was added since, and bring the inbox items up to date.

    In the caller's transaction.

    False if there is nothing to go on from, or too much was said: then everything has to be looked at.
    """
    note, before = _cached_version(connection), _index_state(connection, schema)
    if (
        note is None
        or not note[:-1].endswith(before[:-1])
        or conflict_index.count_unread(connection, schema) > _MAX_CHANGED_ENTITIES
    ):
        return False
    rows = connection.execute("SELECT e.entity FROM unread u JOIN entities e ON e.id = u.entity")
    changed = {entity for (entity,) in rows}
    had = _all_cached_keys(connection)
    near = _entities_sharing_keys(connection, changed) | changed
    called = _names_of(connection, changed)
    if changed:
        conflict_index.index_unread(connection, schema, _MAX_CHANGED_ENTITIES)
    near |= _entities_sharing_keys(connection, changed)
    now = _names_of(connection, changed)
    near |= _referring_entities(connection, {entity for entity in changed if called.get(entity) != now.get(entity)})
    gaps = note[-1]
    for each in had:
        # What an author knew may turn out to be more when a gap is closed, though nobody spoke of the entity.
        if (gaps and each.type == "retired-edit") or not changed.isdisjoint(each.entities):
            near.update(each.entities)
    # A network that lies within another one shares nothing with a third that does, too.
    around = near | _entities_sharing_keys(connection, near)
    around |= _entities_sharing_keys(connection, around)
    if len(around) > _MAX_AFFECTED_ENTITIES:
        return False
    gone = [each for each in had if not near.isdisjoint(each.entities)]
    query = (
        "DELETE FROM matters WHERE type = ? AND kind = ? AND sort = ? AND key = ? AND property = ? AND entities = ?"
        " AND again = ?"
    )
    connection.executemany(query, map(_sort_key, gone))
    found = _compute_items(connection, schema, sorted(around))
    _insert_keys(connection, item_keys(item for item in found if not near.isdisjoint(item.entities)))
    _write_cached_version(connection, merkle_table.read_root(connection) + _index_state(connection, schema))
    return True


def find_problems(connection: sqlite3.Connection, schema: Schema) -> list[FieldlineError]:
    """What is wrong with the matters that are kept: a sentence, or none."""
    had = read_cached_keys(connection, schema)
    if had is None:
        return []
    found = conflict_index.read_suspects(connection, NOW, schema)
    right = item_keys(find_inbox_items(found.records, schema, Ancestry(connection).descends_from, found.find_record))
    wrong = len(set(had) ^ set(right))
    if not wrong:
        return []
    return [FieldlineError("The inbox: {count} items are wrong or missing, by what the changes say.", count=wrong)]


def _entities_sharing_keys(connection: sqlite3.Connection, entities: set[bytes]) -> set[bytes]:
    """Those that have a claim, or a span of addresses, in common with one of these."""
    from core.store.indexes import networks

    found: set[bytes] = set()
    numbers = _rows_of(connection, entities)
    claims = {claim for _, claims in conflict_index.read_claims(connection, numbers) for claim in claims}
    sharing: set[int] = set()
    for some in chunks(list(claims)):
        query = f"SELECT entity FROM claims WHERE claim IN ({placeholders(some)})"
        sharing.update(number for (number,) in connection.execute(query, some))
    for mine in chunks(numbers):
        query = f"SELECT DISTINCT space, network FROM networks WHERE entity IN ({placeholders(mine)})"
        for space, network in connection.execute(query, mine).fetchall():
            sharing |= networks.rows_with_overlap(connection, space, network)
    for each in chunks(list(sharing)):
        query = f"SELECT entity FROM entities WHERE id IN ({placeholders(each)})"
        found.update(entity for (entity,) in connection.execute(query, each))
    return found


def _rows_of(connection: sqlite3.Connection, entities: set[bytes]) -> list[int]:
    found: list[int] = []
    for some in chunks(sorted(entities)):
        query = f"SELECT id FROM entities WHERE entity IN ({placeholders(some)})"
        found += (row for (row,) in connection.execute(query, some))
    return found


def _names_of(connection: sqlite3.Connection, entities: set[bytes]) -> dict[bytes, set[object]]:
    """Give what decides what others make of these entities.

    Their kinds, and what they claim, their keys among it.
    """
    found: dict[bytes, set[object]] = {}
    for some in chunks(sorted(entities)):
        rows = connection.execute(
            "SELECT e.entity, c.kind, c.claims FROM entities e JOIN clues c ON c.entity = e.id"
            f" WHERE e.entity IN ({placeholders(some)})",
            some,
        )
        for entity, kind, claims in rows:
            found[entity] = {kind, *conflict_index.split_claims(claims)}
    return found


def _referring_entities(connection: sqlite3.Connection, entities: set[bytes]) -> set[bytes]:
    """Find those that refer to one of these, and those that refer to them.

    What they are called may be a path.
    """
    found: set[bytes] = set()
    wave = entities
    for _ in range(_MAX_REFERENCE_DEPTH):
        fresh: set[bytes] = set()
        for some in chunks(sorted(wave)):
            # By its id where no fact of it was here when what refers to it was read.
            query = (
                "SELECT e.entity FROM mentions m JOIN entities e ON e.id = m.entity WHERE m.target IN"
                f" (SELECT id FROM entities WHERE entity IN ({placeholders(some)}) UNION ALL VALUES"
                f" {','.join(['(?)'] * len(some))})"
            )
            fresh.update(entity for (entity,) in connection.execute(query, [*some, *some]))
        wave = fresh - found
        found |= wave
        if not wave or len(found) > _MAX_AFFECTED_ENTITIES:
            break
    return found


def load_items(connection: sqlite3.Connection, schema: Schema, some: Sequence[ItemKey]) -> list[InboxItem | None]:
    """These matters, worked out from what is said now.

    None for one that is none any more.
    """
    entities = list(dict.fromkeys(entity for each in some for entity in each.entities))
    found = _compute_items(
        connection, schema, entities, {each.type for each in some}, _needed_rows(connection, schema, some)
    )
    by_key = dict(zip(_keys_in_order(found), found, strict=True))
    return [by_key.get(each) for each in some]


def _needed_rows(connection: sqlite3.Connection, schema: Schema, some: Sequence[ItemKey]) -> set[int] | None:
    """The rows of the properties that items are made of, None for all.

    What they are about, what entities are called by, and by what items are accepted.
    """
    if any(each.type == "retired-edit" for each in some):  # that is about whatever was edited
        return None
    names = {KIND, KEY, RETIRED, *(each.property_name for each in some)}
    names.update(name for kind in schema.kinds.values() for name in (kind.key, kind.within) if name)
    rows = connection.execute("SELECT id, name FROM properties")
    return {row for row, name in rows if name in names or is_acceptance(name)}


def _compute_items(
    connection: sqlite3.Connection,
    schema: Schema,
    entities: Sequence[bytes],
    types: Iterable[str] = ITEM_TYPES,
    properties: Collection[int] | None = None,
) -> list[InboxItem]:
    found = conflict_index.read_with_related(connection, NOW, entities, schema, properties)
    return find_inbox_items(found.records, schema, Ancestry(connection).descends_from, found.find_record, types)

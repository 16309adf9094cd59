"""Keep the clues of every entity (core/conflict_index.py).

So that the inbox is read without reading the whole fleet.

Whoever adds facts notes the entities that they are about as `unread`, in the same transaction; whoever wants the inbox
reads those first, a few in each transaction. Clues depend on the schema: under another one everything is read again.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blake3 import blake3

from core.errors import FieldlineError
from core.records import Record, record_of_values
from core.schema import RETIRED, Schema
from core.store import entities
from core.store.connection import chunks, placeholders
from core.store.indexes.ancestry import Ancestry
from core.store.row_ids import intern_values
from core.store.scope import NOW, Scope
from core.value_codec import Ref

if TYPE_CHECKING:
    from core.conflict_index import ConflictIndexEntry

CONFLICT_INDEX_VERSION = 3
"""Of what `core.conflict_index` makes of an entity: another one makes every store look at everything again."""
_INDEXED_UNDER_META_KEY = "clues"
"""The note that tells by which schema and which program the clues were made."""
_MAX_REFERENCE_DEPTH = 8

_TABLES_SQL = """
CREATE TABLE readings (number INTEGER NOT NULL) STRICT;
INSERT INTO readings VALUES (0);
CREATE TABLE unread (entity INTEGER PRIMARY KEY) STRICT;
CREATE TABLE index_names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE clues (
  entity INTEGER PRIMARY KEY, kind INTEGER, odd INTEGER NOT NULL, reading INTEGER NOT NULL, sort TEXT,
  claims BLOB NOT NULL
) STRICT;
CREATE INDEX clues_order ON clues (kind, sort) WHERE kind IS NOT NULL;
CREATE TABLE claims (claim BLOB, entity INTEGER, PRIMARY KEY (claim, entity)) STRICT, WITHOUT ROWID;
CREATE TABLE networks (
  space INTEGER, network BLOB, entity INTEGER, PRIMARY KEY (space, network, entity)
) STRICT, WITHOUT ROWID;
CREATE INDEX networks_entity ON networks (entity);
CREATE TABLE mentions (
  entity INTEGER, target ANY, kind INTEGER, PRIMARY KEY (entity, target, kind)
) STRICT, WITHOUT ROWID;
"""
"""Kinds and spaces are rows of `index_names`; 0 is any kind. A target of which no fact is here has no row of its own:
it is there with its id, until the entity that refers to it is read again. `clues.claims` are those of an entity in a
row: with an index by entity `claims` would hold all twice."""
_ANY_KIND = 0
NAME_ROW_SQL = "(SELECT id FROM index_names WHERE name = ?)"
_HAS_CLAIM_SQL = "SELECT 1 FROM claims WHERE claim = ? AND entity = ?"
_COUNT_CLAIMS_SQL = "SELECT (SELECT count(*) FROM claims), (SELECT coalesce(sum(length(claims)), 0) / ? FROM clues)"
_TARGET_SQL = (
    "CASE typeof(t.target) WHEN 'blob' THEN t.target ELSE (SELECT entity FROM entities WHERE id = t.target) END"
)
_TARGET_ROW_SQL = (
    "CASE typeof(m.target) WHEN 'blob' THEN (SELECT id FROM entities WHERE entity = m.target) ELSE m.target END"
)
"""The row of what a mention `m` refers to, NULL while no fact of it is here."""

# Two networks are nested or apart: one overlaps another if it begins before an earlier one ends, or the next begins
# before it ends itself. A key of a network is less than the last within another if it begins there.
_SUSPECTS_SQL = f"""
SELECT entity FROM contested
UNION SELECT entity FROM clues WHERE odd
UNION SELECT entity FROM claims WHERE claim IN (SELECT claim FROM claims GROUP BY claim HAVING count(*) > 1)
UNION SELECT entity FROM (
  SELECT entity, network, last, lead(network) OVER run AS next,
    max(last) OVER (run ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached
  FROM (SELECT space, network, entity, last_key_within(network) AS last FROM networks)
  WINDOW run AS (PARTITION BY space ORDER BY network, entity)
) WHERE next <= last OR network <= reached
UNION SELECT m.entity FROM mentions m
  LEFT JOIN clues c ON c.entity = {_TARGET_ROW_SQL}
  WHERE c.kind IS NULL OR (m.kind <> 0 AND m.kind <> c.kind)
"""


@dataclass(frozen=True, slots=True)
class Suspects:
    """Records that may be in the inbox.

    `near` also holds those that they refer to and that their keys are made of.
    """

    records: list[Record]
    related: Mapping[bytes, Record]

    def find_record(self, entity: bytes) -> Record | None:
        """One of all these records."""
        return self.related.get(entity)


def create_tables(connection: sqlite3.Connection) -> None:
    """Make the tables; everything is unread."""
    for statement in _TABLES_SQL.split(";"):
        connection.execute(statement)
    connection.execute("INSERT INTO unread (entity) SELECT id FROM entities")


def reset_index(connection: sqlite3.Connection) -> None:
    """Let everything be read again."""
    for table in ("unread", "clues", "claims", "networks", "mentions", "index_names", "matters"):
        connection.execute(f"DELETE FROM {table}")
    connection.execute("UPDATE readings SET number = number + 1")
    connection.execute("INSERT INTO unread (entity) SELECT id FROM entities")


def is_index_current(connection: sqlite3.Connection, schema: Schema) -> bool:
    """Whether what is kept was made by this schema and this program.

    If not, `unread` says nothing.
    """
    note = connection.execute("SELECT value FROM meta WHERE key = ?", (_INDEXED_UNDER_META_KEY,)).fetchone()
    return note is not None and note[0] == index_version(schema)


def count_unread(connection: sqlite3.Connection, schema: Schema) -> int:
    """How many entities have to be read before the suspects are known."""
    table = "unread" if is_index_current(connection, schema) else "entities"
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def index_unread(connection: sqlite3.Connection, schema: Schema, limit: int) -> int:
    """Read some of what is unread, in the caller's transaction.

    Gives how many are left.
    """
    if not is_index_current(connection, schema):
        reset_index(connection)
        connection.execute(
            "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (_INDEXED_UNDER_META_KEY, index_version(schema))
        )
    rows = connection.execute(
        "SELECT e.entity, e.id FROM unread u JOIN entities e ON e.id = u.entity LIMIT ?", (limit,)
    ).fetchall()
    from core.conflict_index import build_index_entry

    ids = dict(rows)
    known = Ancestry(connection)
    this = int(connection.execute("UPDATE readings SET number = number + 1 RETURNING number").fetchone()[0])
    _store_entries(
        connection,
        [
            (ids[record.entity], build_index_entry(record, schema, known.named_by))
            for record in _records_to_index(connection, list(ids), schema)
        ],
        this,
    )
    connection.executemany("DELETE FROM unread WHERE entity = ?", [(number,) for number in ids.values()])
    return int(connection.execute("SELECT count(*) FROM unread").fetchone()[0])


def read_suspects(connection: sqlite3.Connection, scope: Scope, schema: Schema) -> Suspects:
    """All that a matter may be about.

    Of the past nothing is kept: there it is every entity.
    """
    if scope.kind == "now":
        from core.conflict_index import last_key_within

        connection.create_function("last_key_within", 1, last_key_within, deterministic=True)
        query = f"SELECT e.entity FROM ({_SUSPECTS_SQL}) s JOIN entities e ON e.id = s.entity ORDER BY e.entity"
    else:
        query = (
            f"SELECT DISTINCT e.entity FROM {scope.facts_source} JOIN entities e ON e.id = f.entity"
            f" WHERE {scope.leaves_condition} ORDER BY e.entity"
        )
    wanted = [entity for (entity,) in connection.execute(query, {"moment": scope.at_us})]
    return read_with_related(connection, scope, wanted, schema)


def read_with_related(
    connection: sqlite3.Connection,
    scope: Scope,
    wanted: Sequence[bytes],
    schema: Schema,
    properties: Collection[int] | None = None,
) -> Suspects:
    """Read the records of these entities and of those around them.

    Those that they refer to, and that their keys are made of. With the slots of some properties only, by their rows,
    if any are given.
    """
    near: dict[bytes, Record] = {}
    lacking = list(wanted)
    for _ in range(_MAX_REFERENCE_DEPTH + 2):
        if not lacking:
            break
        fresh = entities.read_records(connection, scope, lacking, schema, properties)
        near.update((record.entity, record) for record in fresh)
        lacking = sorted({entity for record in fresh for entity in _referenced_entities(record)} - near.keys())
    return Suspects([near[entity] for entity in wanted], near)


def find_problems(connection: sqlite3.Connection, schema: Schema) -> list[FieldlineError]:
    """What is wrong with the clues that are kept: a sentence, or none."""
    if count_unread(connection, schema):
        return []
    from core.conflict_index import UNIQUE_KEY_BYTES, build_index_entry

    known = Ancestry(connection)
    held, stated = connection.execute(_COUNT_CLAIMS_SQL, (UNIQUE_KEY_BYTES,)).fetchone()
    wrong = abs(held - stated)
    numbers = connection.execute("SELECT entity, id FROM entities").fetchall()
    for some in chunks(numbers):
        ids = dict(some)
        kept = _stored_rows(connection, ids)
        for record in _records_to_index(connection, list(ids), schema):
            wrong += kept[record.entity] != _entry_rows(build_index_entry(record, schema, known.named_by))
    if not wrong:
        return []
    return [FieldlineError("clues: those of {count} entities are wrong, by what the changes say.", count=wrong)]


def index_version(schema: Schema) -> bytes:
    """Another one where the same facts may give other clues."""
    texts = sorted(schema.texts().items())
    return blake3(repr((CONFLICT_INDEX_VERSION, texts)).encode("utf-8", "surrogatepass")).digest(16)


def _referenced_entities(record: Record) -> Iterable[bytes]:
    from core.inbox import scalars_of

    for slot in record.slots.values():
        for item in scalars_of(slot.value):
            if isinstance(item, Ref):
                yield item.entity


def _entry_rows(clues: ConflictIndexEntry) -> tuple[object, ...]:
    return (
        clues.kind,
        clues.has_own_item,
        clues.sort_key if clues.kind is not None else None,
        set(clues.unique_keys),
        set(clues.networks),
        set(clues.references),
    )


def _stored_rows(connection: sqlite3.Connection, ids: Mapping[bytes, int]) -> dict[bytes, tuple[object, ...]]:
    """What is kept of these entities, by row ids, in the shape of `_entry_rows`."""
    numbers = list(ids.values())
    listed = placeholders(numbers)
    query = (
        "SELECT c.entity, n.name, c.odd, c.sort, c.claims FROM clues c LEFT JOIN index_names n ON n.id = c.kind"
        f" WHERE c.entity IN ({listed})"
    )
    own: dict[object, tuple[object, ...]] = {}
    sets: list[dict[object, set[object]]] = [{}, {}, {}]
    for number, kind, odd, sort, claims in connection.execute(query, numbers):
        own[number] = kind, bool(odd), sort
        for claim in split_claims(claims):
            if connection.execute(_HAS_CLAIM_SQL, (claim, number)).fetchone():
                sets[0].setdefault(number, set()).add(claim)
    queries = (
        "SELECT t.entity, n.name, t.network FROM networks t JOIN index_names n ON n.id = t.space",
        f"SELECT t.entity, {_TARGET_SQL}, ifnull(n.name, '') FROM mentions t LEFT JOIN index_names n ON n.id = t.kind",
    )
    for found, query in zip(sets[1:], queries, strict=True):
        for entity, *columns in connection.execute(f"{query} WHERE t.entity IN ({listed})", numbers):
            found.setdefault(entity, set()).add(tuple(columns))
    return {
        entity: (*own.get(number, (None, False, None)), *(each.get(number, set()) for each in sets))
        for entity, number in ids.items()
    }


def _records_to_index(connection: sqlite3.Connection, ids: list[bytes], schema: Schema) -> Iterator[Record]:
    """Read what the clues of these entities are made of.

    Who said it matters of those only that are retired.
    """
    stated = entities.read_entity_values(connection, NOW, ids)
    retired = [entity for entity in ids if stated[entity].values.get(RETIRED) is True]
    yield from entities.read_records(connection, NOW, retired, schema)
    gone = set(retired)
    for entity in ids:
        if entity not in gone:
            yield record_of_values(entity, stated[entity].values, schema)


def _store_entries(connection: sqlite3.Connection, clues: Sequence[tuple[int, ConflictIndexEntry]], this: int) -> None:
    """Keep the clues of these entities, by their rows, in place of what was kept."""
    numbers = [number for number, _ in clues]
    for table in ("networks", "mentions"):
        connection.executemany(f"DELETE FROM {table} WHERE entity = ?", [(number,) for number in numbers])
    before = [(claim, number) for number, claims in read_claims(connection, numbers) for claim in claims]
    connection.executemany("DELETE FROM claims WHERE claim = ? AND entity = ?", before)
    names = intern_values(connection, "index_names", "name", _names_of_entries(each for _, each in clues))
    rows = _rows_of_entities(connection, {target for _, each in clues for target, _ in each.references})
    connection.executemany(
        "INSERT OR REPLACE INTO clues (entity, kind, odd, reading, sort, claims) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (
                number,
                None if each.kind is None else names[each.kind],
                each.has_own_item,
                this,
                None if each.kind is None else each.sort_key,
                b"".join(sorted(each.unique_keys)),
            )
            for number, each in clues
        ],
    )
    connection.executemany(
        "INSERT INTO claims (claim, entity) VALUES (?, ?)",
        [(claim, number) for number, each in clues for claim in each.unique_keys],
    )
    connection.executemany(
        "INSERT INTO networks (space, network, entity) VALUES (?, ?, ?)",
        [(names[space], network, number) for number, each in clues for space, network in each.networks],
    )
    connection.executemany(
        "INSERT INTO mentions (entity, target, kind) VALUES (?, ?, ?)",
        [
            (number, rows.get(target, target), names[kind] if kind else _ANY_KIND)
            for number, each in clues
            for target, kind in each.references
        ],
    )


def read_claims(connection: sqlite3.Connection, numbers: list[int]) -> Iterator[tuple[int, list[bytes]]]:
    """Give the claims that are kept of these entities, by their rows."""
    for some in chunks(numbers):
        query = f"SELECT entity, claims FROM clues WHERE entity IN ({placeholders(some)})"
        for number, claims in connection.execute(query, some):
            yield number, split_claims(claims)


def split_claims(claims: bytes) -> list[bytes]:
    """The claims that are kept in a row."""
    from core.conflict_index import UNIQUE_KEY_BYTES

    return [claims[at : at + UNIQUE_KEY_BYTES] for at in range(0, len(claims), UNIQUE_KEY_BYTES)]


def _names_of_entries(clues: Iterable[ConflictIndexEntry]) -> Iterator[str]:
    """Give the names that stand in the tables as numbers."""
    for each in clues:
        if each.kind is not None:
            yield each.kind
        yield from (space for space, _ in each.networks)
        yield from (kind for _, kind in each.references if kind)


def _rows_of_entities(connection: sqlite3.Connection, entities: Collection[bytes]) -> dict[bytes, int]:
    """The rows of those of these entities that have one."""
    found: dict[bytes, int] = {}
    for some in chunks(list(entities)):
        found.update(
            connection.execute(f"SELECT entity, id FROM entities WHERE entity IN ({placeholders(some)})", some)
        )
    return found

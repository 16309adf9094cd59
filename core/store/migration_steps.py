"""What brings the tables of a store from one version to the next.

A step never touches what `changes` and `blocks` say. All functions run on the store's thread with the plain
connection, in the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from core.sort_order import natural_key
from core.store import migration_to_23
from core.store.connection import execute_all
from core.store.types import OnProgress
from core.value_codec import MAX_FACTS


def short_steps() -> dict[int, Callable[[sqlite3.Connection], None]]:
    """What brings a store from version N to N + 1, from the first version on."""
    from core.store.indexes import holdings, proven_positions, standings, withdrawals

    return {
        8: withdrawals.create_tables,
        9: _order_names_naturally,
        10: proven_positions.create_tables,
        11: holdings.create_tables,
        12: standings.create_tables,
        13: _let_texts_wait,
        16: _shorten_keys,
        18: _intern_names,
        19: lambda connection: None,  # the next step does all that this one did
    }


def _pack_blocks(connection: sqlite3.Connection, on_row: OnProgress) -> int:
    """Compress the blocks.

    Like other long steps it calls back with the row of the change that it is at, and the last; it gives the last.
    """
    from core.store import block_table

    connection.execute("CREATE TABLE packs (first INTEGER PRIMARY KEY REFERENCES changes, data BLOB NOT NULL) STRICT")
    last = _last_row(connection)
    block_table.pack_loose(connection, lambda row: on_row(row, last))
    return last


def _last_row(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT coalesce(max(id), 0) FROM changes").fetchone()[0])


def _intern_values(connection: sqlite3.Connection, on_row: OnProgress) -> int:
    """Keep each value once, and no index of facts that another one covers."""
    last = _last_row(connection)
    execute_all(connection, _INTERN_VALUES_SQL)
    connection.execute(_FACTS_SQL.format(time="effective"))
    for row in range(0, last + 1, _CHANGES_PER_STEP):
        on_row(row, last)
        connection.execute(_COPY_FACTS_SQL, (row * MAX_FACTS, (row + _CHANGES_PER_STEP) * MAX_FACTS - 1))
    execute_all(connection, _FACTS_INDEXES_SQL)
    return last


_CHANGES_PER_STEP = 500
_COPY_FACTS_SQL = """
INSERT INTO facts (id, entity, property, content, effective, accepted, current)
  SELECT f.id, f.entity, f.property, v.id, f.effective, f.accepted, f.current
  FROM facts_before f CROSS JOIN contents v ON v.value = f.value WHERE f.id BETWEEN ? AND ? ORDER BY f.id
"""
_FACTS_SQL = """
CREATE TABLE facts (
  id INTEGER PRIMARY KEY,
  entity INTEGER NOT NULL REFERENCES entities,
  property INTEGER NOT NULL REFERENCES properties,
  content INTEGER NOT NULL REFERENCES contents,
  {time} INTEGER NOT NULL,
  accepted INTEGER NOT NULL,
  current INTEGER NOT NULL
) STRICT
"""
_INTERN_VALUES_SQL = """
CREATE TABLE contents (id INTEGER PRIMARY KEY, value BLOB NOT NULL UNIQUE) STRICT;
INSERT INTO contents (value) SELECT value FROM facts GROUP BY value ORDER BY min(id);
ALTER TABLE facts RENAME TO facts_before
"""
_FACTS_INDEXES_SQL = """
DROP TABLE facts_before;
CREATE INDEX facts_slot ON facts (entity, property, current);
CREATE INDEX facts_content ON facts (property, content)
"""


def _date_by_changes(connection: sqlite3.Connection, on_row: OnProgress) -> int:
    """Keep of when a fact counts from how much later that is than its change."""
    last = _last_row(connection)
    connection.execute("ALTER TABLE facts RENAME TO facts_before")
    connection.execute(_FACTS_SQL.format(time="later"))
    for row in range(0, last + 1, _CHANGES_PER_STEP):
        on_row(row, last)
        connection.execute(_COPY_LATER_SQL, (row * MAX_FACTS, (row + _CHANGES_PER_STEP) * MAX_FACTS - 1))
    execute_all(connection, _FACTS_INDEXES_SQL)
    return last


_COPY_LATER_SQL = f"""
INSERT INTO facts (id, entity, property, content, later, accepted, current)
  SELECT f.id, f.entity, f.property, f.content, f.effective - c.at, f.accepted, f.current
  FROM facts_before f CROSS JOIN changes c ON c.id = f.id / {MAX_FACTS} WHERE f.id BETWEEN ? AND ? ORDER BY f.id
"""


def _order_names_naturally(connection: sqlite3.Connection) -> None:
    """Keep titles and inbox items in natural order, and which are accepted.

    The order in which people sort.

    Both tables are derived, and are filled when the inbox is read the next time.
    """
    from core.store.indexes import inbox_cache

    connection.execute("DROP TABLE titles")
    connection.execute("DROP TABLE matters")
    connection.execute(
        "CREATE TABLE titles (kind TEXT, sort TEXT, entity BLOB, PRIMARY KEY (kind, sort, entity))"
        " STRICT, WITHOUT ROWID"
    )
    inbox_cache.create_items_table(connection)


def _shorten_keys(connection: sqlite3.Connection) -> None:
    """Find titles by the clues, and keep the first half of what only one may have."""
    connection.execute("ALTER TABLE clues ADD COLUMN sort TEXT")
    execute_all(connection, _SHORTER_KEYS_SQL)


_SHORTER_KEYS_SQL = """
UPDATE clues SET sort = (SELECT t.sort FROM entities e JOIN titles t ON t.entity = e.entity WHERE e.id = clues.entity);
DROP INDEX IF EXISTS titles_entity;
ALTER TABLE claims RENAME TO claims_before;
CREATE TABLE claims (claim BLOB, entity INTEGER, PRIMARY KEY (claim, entity)) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO claims (claim, entity) SELECT substr(claim, 1, 8), entity FROM claims_before;
DROP TABLE claims_before;
CREATE INDEX claims_entity ON claims (entity)
"""


def _intern_names(connection: sqlite3.Connection) -> None:
    """Let clues name things by rows, and sort by keys that say nothing twice."""
    connection.create_function("without_repeat", 1, _without_repeat, deterministic=True)
    execute_all(connection, _INTERNED_NAMES_SQL)


def _without_repeat(sort: str | None) -> str | None:
    """Give the key of today for one that had the text behind it in any case."""
    if sort is None:
        return None
    parts = sort.split("\0")  # as many in the text as in the key before it
    return natural_key("\0".join(parts[len(parts) // 2 :]))


_INTERNED_NAMES_SQL = """
CREATE TABLE index_names (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
INSERT INTO index_names (name) SELECT kind FROM clues WHERE kind IS NOT NULL UNION SELECT space FROM spans
  UNION SELECT kind FROM mentions WHERE kind <> '';
DROP TABLE titles;
ALTER TABLE clues RENAME TO clues_before;
CREATE TABLE clues (
  entity INTEGER PRIMARY KEY, kind INTEGER, odd INTEGER NOT NULL, reading INTEGER NOT NULL, sort TEXT
) STRICT;
INSERT INTO clues (entity, kind, odd, reading, sort)
  SELECT entity, (SELECT id FROM index_names WHERE name = kind), odd, reading, without_repeat(sort) FROM clues_before;
DROP TABLE clues_before;
CREATE INDEX clues_order ON clues (kind, sort) WHERE kind IS NOT NULL;
ALTER TABLE claims RENAME TO claims_before;
CREATE TABLE claims (claim BLOB, entity INTEGER, PRIMARY KEY (claim, entity)) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO claims (claim, entity) SELECT substr(claim, 1, 5), entity FROM claims_before;
DROP TABLE claims_before;
CREATE INDEX claims_entity ON claims (entity);
ALTER TABLE spans RENAME TO spans_before;
CREATE TABLE spans (
  space INTEGER, first BLOB, last BLOB, entity INTEGER, PRIMARY KEY (space, first, last, entity)
) STRICT, WITHOUT ROWID;
INSERT INTO spans (space, first, last, entity)
  SELECT n.id, s.first, s.last, s.entity FROM spans_before s JOIN index_names n ON n.name = s.space ORDER BY 1, 2, 3, 4;
DROP TABLE spans_before;
CREATE INDEX spans_entity ON spans (entity);
ALTER TABLE mentions RENAME TO mentions_before;
CREATE TABLE mentions (
  entity INTEGER, target ANY, kind INTEGER, PRIMARY KEY (entity, target, kind)
) STRICT, WITHOUT ROWID;
INSERT INTO mentions (entity, target, kind)
  SELECT m.entity, coalesce(e.id, m.target), coalesce(n.id, 0) FROM mentions_before m
  LEFT JOIN entities e ON e.entity = m.target LEFT JOIN index_names n ON n.name = m.kind;
DROP TABLE mentions_before;
CREATE INDEX mentions_target ON mentions (target);
ALTER TABLE matters RENAME TO matters_before;
CREATE TABLE matters (
  type INTEGER, kind TEXT, sort TEXT, key TEXT, property TEXT, entities BLOB, again INTEGER, accepted INTEGER NOT NULL,
  PRIMARY KEY (type, kind, sort, key, property, entities, again)
) STRICT, WITHOUT ROWID;
INSERT INTO matters (type, kind, sort, key, property, entities, again, accepted)
  SELECT type, kind, without_repeat(sort), key, property, entities, again, accepted FROM matters_before;
DROP TABLE matters_before
"""


def _intern_by_property(connection: sqlite3.Connection, on_row: OnProgress) -> int:
    """Keep each value once for each property, find it by a digest, and search by it.

    From version 19 as from version 20: that was none for long.
    """
    from core.store import content_table
    from core.store.indexes import search_index

    last = _last_row(connection)
    content_table.define_functions(connection)
    (kind,) = connection.execute("SELECT type FROM sqlite_master WHERE name = 'said'").fetchone()
    connection.execute(f"DROP {kind} said")
    execute_all(connection, _CONTENTS_SQL)
    for row in range(0, last + 1, _CHANGES_PER_STEP):
        on_row(row, last)
        connection.execute(_COPY_CONTENT_SQL, (row * MAX_FACTS, (row + _CHANGES_PER_STEP) * MAX_FACTS - 1))
    execute_all(connection, _FACTS_INDEXES_SQL)
    connection.execute("DROP TABLE contents_before")
    connection.execute("DROP TABLE temp.content_rows")
    search_index.create_tables(connection)
    search_index.rebuild_index(connection)
    return last


_CONTENTS_SQL = """
DROP TABLE said_index;
DROP TABLE said_new;
DROP TABLE IF EXISTS said_facts;
DROP TABLE IF EXISTS content_digests;
CREATE TEMP TABLE content_rows (
  property INTEGER, value INTEGER, content INTEGER, PRIMARY KEY (property, value)
) WITHOUT ROWID;
INSERT INTO temp.content_rows (property, value, content)
  SELECT property, content, row_number() OVER (ORDER BY min(id)) FROM facts GROUP BY property, content;
ALTER TABLE contents RENAME TO contents_before;
CREATE TABLE contents (
  id INTEGER PRIMARY KEY,
  property INTEGER NOT NULL REFERENCES properties,
  value BLOB NOT NULL
) STRICT;
INSERT INTO contents (id, property, value)
  SELECT r.content, r.property, v.value FROM temp.content_rows r JOIN contents_before v ON v.id = r.value ORDER BY 1;
CREATE TABLE content_digests (
  digest INTEGER NOT NULL,
  content INTEGER NOT NULL REFERENCES contents,
  PRIMARY KEY (digest, content)
) STRICT, WITHOUT ROWID;
INSERT INTO content_digests (digest, content) SELECT value_digest(property, value), id FROM contents ORDER BY 1, 2;
ALTER TABLE facts RENAME TO facts_before;
CREATE TABLE facts (
  id INTEGER PRIMARY KEY,
  entity INTEGER NOT NULL REFERENCES entities,
  property INTEGER NOT NULL REFERENCES properties,
  content INTEGER NOT NULL REFERENCES contents,
  effect INTEGER NOT NULL,
  current INTEGER NOT NULL,
  later INTEGER AS (effect >> 1),
  accepted INTEGER AS (1 - (effect & 1))
) STRICT
"""
_COPY_CONTENT_SQL = """
INSERT INTO facts (id, entity, property, content, effect, current)
  SELECT f.id, f.entity, f.property, r.content, 2 * f.later + 1 - f.accepted, f.current
  FROM facts_before f CROSS JOIN temp.content_rows r ON r.property = f.property AND r.value = f.content
  WHERE f.id BETWEEN ? AND ? ORDER BY f.id
"""


def _leave_ids_out(connection: sqlite3.Connection, on_row: OnProgress) -> int:
    """Make the packs anew, without ids that follow from them."""
    from core.store import block_table

    last = _last_row(connection)
    block_table.repack(connection, lambda row: on_row(row, last))
    return last


def _let_texts_wait(connection: sqlite3.Connection) -> None:
    """Make the table of the texts that wait to be indexed."""
    connection.execute("CREATE TABLE said_new (fact INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT")


LONG_STEPS: dict[int, Callable[[sqlite3.Connection, OnProgress], int]] = {
    14: _pack_blocks,
    15: _intern_values,
    17: _date_by_changes,
    20: _intern_by_property,
    21: _leave_ids_out,
    22: migration_to_23.drop_repeats,
}
"""What brings a store of version N to N + 1 and takes long: they call back with how far they are."""

"""Stores as earlier versions of the program left them."""

from __future__ import annotations

import ipaddress
import re
import sqlite3
import zlib
from collections.abc import Iterable

from core.store.indexes.search_index import define_functions
from core.store.packs import PACK_PREFIX, unpack_blocks
from tests.support.damaged_store import loosen

_WITH_TEXTS_SQL = """
CREATE TABLE said_before (fact INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
INSERT INTO said_before SELECT fact, text FROM said;
DROP VIEW said;
DROP TABLE said_facts;
ALTER TABLE said_before RENAME TO said;
"""
_VERSION_22_SQL = """
ALTER TABLE facts RENAME TO facts_after;
CREATE TABLE facts (
  id INTEGER PRIMARY KEY,
  entity INTEGER NOT NULL REFERENCES entities,
  property INTEGER NOT NULL REFERENCES properties,
  content INTEGER NOT NULL REFERENCES contents,
  effect INTEGER NOT NULL,
  current INTEGER NOT NULL,
  later INTEGER AS (effect >> 1),
  accepted INTEGER AS (1 - (effect & 1))
) STRICT;
INSERT INTO facts (id, entity, property, content, effect, current)
  SELECT id, entity, property, content, 2 * later + 1 - accepted, current FROM facts_after;
DROP TABLE facts_after;
DROP INDEX contents_members;
CREATE INDEX facts_slot ON facts (entity, property, current);
CREATE INDEX facts_content ON facts (property, content);
DROP INDEX changes_ordered;
ALTER TABLE changes DROP COLUMN ordered_at;
ALTER TABLE changes RENAME COLUMN ordered_later TO ordered_at;
UPDATE changes SET ordered_at = ordered_at + at;
CREATE INDEX changes_ordered ON changes (ordered_at);
CREATE TABLE spans (
  space INTEGER, first BLOB, last BLOB, entity INTEGER, PRIMARY KEY (space, first, last, entity)
) STRICT, WITHOUT ROWID;
INSERT INTO spans SELECT space, address_of(network, 0), address_of(network, 1), entity FROM networks;
DROP TABLE networks;
CREATE INDEX spans_entity ON spans (entity);
ALTER TABLE clues DROP COLUMN claims;
CREATE INDEX claims_entity ON claims (entity);
PRAGMA user_version = 22;
"""
_VERSION_19_SQL = """
DROP VIEW said;
DROP TABLE said_index;
DROP TABLE said_new;
DROP TABLE content_digests;
ALTER TABLE contents RENAME TO contents_after;
CREATE TABLE contents (id INTEGER PRIMARY KEY, value BLOB NOT NULL UNIQUE) STRICT;
INSERT INTO contents (value) SELECT value FROM contents_after GROUP BY value ORDER BY min(id);
ALTER TABLE facts RENAME TO facts_after;
CREATE TABLE facts (
  id INTEGER PRIMARY KEY,
  entity INTEGER NOT NULL REFERENCES entities,
  property INTEGER NOT NULL REFERENCES properties,
  content INTEGER NOT NULL REFERENCES contents,
  later INTEGER NOT NULL,
  accepted INTEGER NOT NULL,
  current INTEGER NOT NULL
) STRICT;
INSERT INTO facts SELECT f.id, f.entity, f.property, v.id, f.later, f.accepted, f.current
  FROM facts_after f JOIN contents_after a ON a.id = f.content JOIN contents v ON v.value = a.value;
DROP TABLE facts_after;
DROP TABLE contents_after;
CREATE INDEX facts_slot ON facts (entity, property, current);
CREATE INDEX facts_content ON facts (property, content);
CREATE TABLE said_new (fact INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
CREATE TABLE said_facts (fact INTEGER PRIMARY KEY) STRICT;
INSERT INTO said_facts SELECT min(f.id) FROM facts f JOIN properties p ON p.id = f.property
  JOIN contents v ON v.id = f.content WHERE indexed_text(p.name, v.value) <> '' GROUP BY f.property, f.content;
CREATE VIEW said (fact, text) AS SELECT s.fact, indexed_text(p.name, v.value) FROM said_facts s
  CROSS JOIN facts f ON f.id = s.fact CROSS JOIN properties p ON p.id = f.property
  CROSS JOIN contents v ON v.id = f.content;
CREATE VIRTUAL TABLE said_index USING fts5(
  text, content = 'said', content_rowid = 'fact', tokenize = 'trigram case_sensitive 1', detail = 'none', columnsize = 0
);
INSERT INTO said_index (said_index) VALUES ('rebuild');
PRAGMA user_version = 19;
"""
_VERSION_18_SQL = """
CREATE TABLE titles (kind TEXT, sort TEXT, entity BLOB, PRIMARY KEY (kind, sort, entity)) STRICT, WITHOUT ROWID;
ALTER TABLE clues RENAME TO clues_after;
CREATE TABLE clues (
  entity INTEGER PRIMARY KEY, kind TEXT, odd INTEGER NOT NULL, reading INTEGER NOT NULL, sort TEXT
) STRICT;
INSERT INTO clues SELECT c.entity, n.name, c.odd, c.reading, with_repeat(c.sort)
  FROM clues_after c LEFT JOIN index_names n ON n.id = c.kind;
INSERT INTO titles SELECT c.kind, c.sort, e.entity FROM clues c JOIN entities e ON e.id = c.entity
  WHERE c.kind IS NOT NULL;
DROP TABLE clues_after;
ALTER TABLE claims RENAME TO claims_after;
CREATE TABLE claims (claim BLOB, entity INTEGER, PRIMARY KEY (claim, entity)) STRICT, WITHOUT ROWID;
INSERT INTO claims SELECT CAST(claim || x'000000' AS BLOB), entity FROM claims_after;
DROP TABLE claims_after;
CREATE INDEX claims_entity ON claims (entity);
ALTER TABLE spans RENAME TO spans_after;
CREATE TABLE spans (
  space TEXT, first BLOB, last BLOB, entity INTEGER, PRIMARY KEY (space, first, last, entity)
) STRICT, WITHOUT ROWID;
INSERT INTO spans SELECT n.name, s.first, s.last, s.entity FROM spans_after s JOIN index_names n ON n.id = s.space;
DROP TABLE spans_after;
CREATE INDEX spans_entity ON spans (entity);
ALTER TABLE mentions RENAME TO mentions_after;
CREATE TABLE mentions (
  entity INTEGER, target BLOB, kind TEXT, PRIMARY KEY (entity, target, kind)
) STRICT, WITHOUT ROWID;
INSERT INTO mentions SELECT m.entity, coalesce(e.entity, m.target), coalesce(n.name, '')
  FROM mentions_after m LEFT JOIN entities e ON e.id = m.target LEFT JOIN index_names n ON n.id = m.kind;
DROP TABLE mentions_after;
CREATE INDEX mentions_target ON mentions (target);
UPDATE matters SET sort = with_repeat(sort);
DROP TABLE index_names;
PRAGMA user_version = 18;
"""
_VERSION_14_SQL = f"""
{_WITH_TEXTS_SQL}
DROP TABLE packs;
ALTER TABLE facts RENAME TO facts_after;
CREATE TABLE facts (
  id INTEGER PRIMARY KEY,
  entity INTEGER NOT NULL REFERENCES entities,
  property INTEGER NOT NULL REFERENCES properties,
  value BLOB NOT NULL,
  effective INTEGER NOT NULL,
  accepted INTEGER NOT NULL,
  current INTEGER NOT NULL
) STRICT;
INSERT INTO facts SELECT f.id, f.entity, f.property, v.value, c.at + f.later, f.accepted, f.current
  FROM facts_after f JOIN contents v ON v.id = f.content JOIN changes c ON c.id = f.id / 512;
DROP TABLE facts_after;
DROP TABLE contents;
CREATE INDEX facts_slot ON facts (entity, property);
CREATE INDEX facts_value ON facts (property, value);
CREATE INDEX facts_current ON facts (entity, property) WHERE current = 1;
DROP TABLE said_index;
CREATE VIRTUAL TABLE said_index USING fts5(
  text, content = 'said', content_rowid = 'fact', tokenize = 'trigram case_sensitive 1', detail = 'none'
);
INSERT INTO said_index (said_index) VALUES ('rebuild');
CREATE INDEX titles_entity ON titles (entity);
ALTER TABLE clues DROP COLUMN sort;
PRAGMA user_version = 14;
"""


_VERSION_17_SQL = f"""
{_WITH_TEXTS_SQL}
ALTER TABLE facts RENAME TO facts_after;
CREATE TABLE facts (
  id INTEGER PRIMARY KEY,
  entity INTEGER NOT NULL REFERENCES entities,
  property INTEGER NOT NULL REFERENCES properties,
  content INTEGER NOT NULL REFERENCES contents,
  effective INTEGER NOT NULL,
  accepted INTEGER NOT NULL,
  current INTEGER NOT NULL
) STRICT;
INSERT INTO facts SELECT f.id, f.entity, f.property, f.content, c.at + f.later, f.accepted, f.current
  FROM facts_after f JOIN changes c ON c.id = f.id / 512;
DROP TABLE facts_after;
CREATE INDEX facts_slot ON facts (entity, property, current);
CREATE INDEX facts_content ON facts (property, content);
PRAGMA user_version = 17;
"""


def make_version_22(connection: sqlite3.Connection) -> None:
    """Bring the tables of a store back to those of version 22."""
    connection.create_function("address_of", 2, _address_of)
    connection.executescript(_VERSION_22_SQL)


def _address_of(network: bytes, is_last: int) -> bytes:
    """Give the first or the last address of a network in 16 bytes."""
    found = ipaddress.ip_network((network[:-1], network[-1]))
    return int(found[-1] if is_last else found[0]).to_bytes(16, "big")


def make_version_21(connection: sqlite3.Connection) -> None:
    """Bring the tables of a store back to those of version 21."""
    make_version_22(connection)
    for first, data in connection.execute("SELECT first, data FROM packs").fetchall():
        older = pack_as_before(unpack_blocks(data))
        connection.execute("UPDATE packs SET data = ? WHERE first = ?", (older, first))
    connection.execute("PRAGMA user_version = 21")
    connection.commit()


def pack_as_before(blocks: Iterable[bytes]) -> bytes:
    """Compress blocks to a pack that has all ids."""
    plain = b"".join(len(block).to_bytes(4, "big") + block for block in blocks)
    return PACK_PREFIX + b"\x01\x00" + zlib.compress(plain, 6)


def make_version_19(connection: sqlite3.Connection) -> None:
    """Bring the tables of a store back to those of version 19."""
    make_version_21(connection)
    define_functions(connection)
    connection.executescript(_VERSION_19_SQL)


def make_version_18(connection: sqlite3.Connection) -> None:
    """Bring the tables of a store back to those of version 18."""
    make_version_19(connection)
    connection.create_function("with_repeat", 1, _with_repeat)
    connection.executescript(_VERSION_18_SQL)


def _with_repeat(sort: str | None) -> str | None:
    """Give a sort key with the text behind it, of numbers of less than nine digits."""
    if sort is None or "\0" in sort:
        return sort
    return f"{sort}\0{re.sub('[0-9]+', lambda digits: digits.group()[1:], sort)}"


def make_version_17(connection: sqlite3.Connection) -> None:
    """Bring the tables of a store back to those of version 17."""
    make_version_18(connection)
    define_functions(connection)
    connection.executescript(_VERSION_17_SQL)


def make_version_14(connection: sqlite3.Connection) -> None:
    """Bring the tables of a store back to those of version 14."""
    make_version_18(connection)
    loosen(connection)
    connection.commit()
    define_functions(connection)
    connection.executescript(_VERSION_14_SQL)

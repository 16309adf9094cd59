"""Stores as earlier versions of the program left them."""

from __future__ import annotations

import sqlite3

from core.store.indexes.search_index import define_functions
from tests.support.damaged_store import loosen

_WITH_TEXTS_SQL = """
CREATE TABLE said_before (fact INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
INSERT INTO said_before SELECT fact, text FROM said;
DROP VIEW said;
DROP TABLE said_facts;
ALTER TABLE said_before RENAME TO said;
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


def make_version_17(connection: sqlite3.Connection) -> None:
    """Bring the tables of a store back to those of version 17."""
    connection.commit()
    define_functions(connection)
    connection.executescript(_VERSION_17_SQL)


def make_version_14(connection: sqlite3.Connection) -> None:
    """Bring the tables of a store back to those of version 14."""
    loosen(connection)
    connection.commit()
    define_functions(connection)
    connection.executescript(_VERSION_14_SQL)

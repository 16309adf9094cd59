"""What brings the tables of a store from version 22 to 23.

Runs on the store's thread with the plain connection, in the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from itertools import groupby
from operator import itemgetter

from core.store.connection import execute_all
from core.store.types import OnProgress
from core.value_codec import MAX_FACTS

_CHANGES_PER_STEP = 500


def drop_repeats(connection: sqlite3.Connection, on_row: OnProgress) -> int:
    """Keep the flags of a fact in one number, and in indexes nothing that others hold.

    Calls back as other long steps do.
    """
    last = int(connection.execute("SELECT coalesce(max(id), 0) FROM changes").fetchone()[0])
    execute_all(connection, _FACTS_BY_STATE_SQL)
    for row in range(0, last + 1, _CHANGES_PER_STEP):
        on_row(row, last)
        connection.execute(_COPY_STATE_SQL, (row * MAX_FACTS, (row + _CHANGES_PER_STEP) * MAX_FACTS - 1))
    connection.create_function("network_key", 3, _network_key, deterministic=True)
    execute_all(connection, _LESS_TWICE_SQL)
    claims = connection.execute("SELECT entity, claim FROM claims ORDER BY entity, claim")
    joined = [(b"".join(claim for _, claim in some), entity) for entity, some in groupby(claims, itemgetter(0))]
    connection.executemany("UPDATE clues SET claims = ? WHERE entity = ?", joined)
    return last


def _network_key(space: str, first: bytes, last: bytes) -> bytes:
    """Give a network's address and prefix length, of its first and last address."""
    address = first[-4:] if space.endswith(" 4") else first
    free = (int.from_bytes(first, "big") ^ int.from_bytes(last, "big")).bit_length()
    return address + bytes([8 * len(address) - free])


_FACTS_BY_STATE_SQL = """
ALTER TABLE facts RENAME TO facts_before;
CREATE TABLE facts (
  id INTEGER PRIMARY KEY,
  entity INTEGER NOT NULL REFERENCES entities,
  property INTEGER NOT NULL REFERENCES properties,
  content INTEGER NOT NULL REFERENCES contents,
  state INTEGER NOT NULL,
  later INTEGER AS (state >> 3),
  accepted INTEGER AS (1 - (state >> 2 & 1)),
  current INTEGER AS (CASE state & 3 WHEN 0 THEN 1 WHEN 1 THEN 0 ELSE 2 END)
) STRICT
"""
_COPY_STATE_SQL = """
INSERT INTO facts (id, entity, property, content, state)
  SELECT id, entity, property, content, 8 * later + 4 * (1 - accepted)
    + CASE current WHEN 1 THEN 0 WHEN 0 THEN 1 ELSE 2 END
  FROM facts_before WHERE id BETWEEN ? AND ? ORDER BY id
"""
_LESS_TWICE_SQL = """
DROP TABLE facts_before;
CREATE INDEX facts_slot ON facts (entity, property, current);
CREATE INDEX facts_content ON facts (content);
CREATE INDEX contents_members ON contents (property) WHERE property BETWEEN 4 AND 6;
CREATE TABLE changes_after (
  id INTEGER PRIMARY KEY,
  hash BLOB NOT NULL UNIQUE,
  device INTEGER NOT NULL REFERENCES devices,
  position INTEGER NOT NULL,
  previous BLOB,
  author INTEGER NOT NULL REFERENCES entities,
  batch BLOB,
  lead INTEGER NOT NULL,
  at INTEGER NOT NULL,
  ordered_later INTEGER NOT NULL,
  linked INTEGER NOT NULL,
  accepted INTEGER NOT NULL,
  note TEXT,
  received_at INTEGER NOT NULL,
  source INTEGER REFERENCES devices,
  link TEXT NOT NULL,
  ordered_at INTEGER AS (at + ordered_later)
) STRICT;
INSERT INTO changes_after (id, hash, device, position, previous, author, batch, lead, at, ordered_later, linked,
    accepted, note, received_at, source, link)
  SELECT id, hash, device, position, previous, author, batch, lead, at, ordered_at - at, linked,
    accepted, note, received_at, source, link FROM changes ORDER BY id;
DROP TABLE changes;
ALTER TABLE changes_after RENAME TO changes;
CREATE INDEX changes_ordered ON changes (ordered_at);
CREATE INDEX changes_chain ON changes (device, position);
CREATE INDEX changes_author ON changes (author);
CREATE INDEX changes_batch ON changes (batch) WHERE batch IS NOT NULL;
CREATE INDEX changes_parts ON changes (lead) WHERE lead <> id;
CREATE INDEX changes_waiting ON changes (previous) WHERE linked = 0;
CREATE TABLE networks (
  space INTEGER, network BLOB, entity INTEGER, PRIMARY KEY (space, network, entity)
) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO networks (space, network, entity)
  SELECT s.space, network_key(n.name, s.first, s.last), s.entity FROM spans s
  JOIN index_names n ON n.id = s.space ORDER BY 1, 2, 3;
DROP TABLE spans;
CREATE INDEX networks_entity ON networks (entity);
ALTER TABLE clues RENAME TO clues_before;
CREATE TABLE clues (
  entity INTEGER PRIMARY KEY, kind INTEGER, odd INTEGER NOT NULL, reading INTEGER NOT NULL, sort TEXT,
  claims BLOB NOT NULL
) STRICT;
INSERT INTO clues (entity, kind, odd, reading, sort, claims) SELECT entity, kind, odd, reading, sort, x''
  FROM clues_before;
DROP TABLE clues_before;
CREATE INDEX clues_order ON clues (kind, sort) WHERE kind IS NOT NULL;
DROP INDEX claims_entity
"""

-- The store of one device. `changes`, `blocks` and the receipts in `changes` are the record; everything else is derived from
-- the blocks, is written in the same transaction, and can be rebuilt by `verify`.

CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE devices (id INTEGER PRIMARY KEY, device BLOB NOT NULL UNIQUE) STRICT;
CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE entities (id INTEGER PRIMARY KEY, entity BLOB NOT NULL UNIQUE) STRICT;
CREATE TABLE properties (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

-- Row ids are the order in which this device received the changes. Times are microseconds since 1970 UTC.
CREATE TABLE changes (
  id INTEGER PRIMARY KEY,
  hash BLOB NOT NULL UNIQUE,
  device INTEGER NOT NULL REFERENCES devices,
  previous BLOB,
  user INTEGER NOT NULL REFERENCES users,
  at INTEGER NOT NULL,
  effective INTEGER NOT NULL,
  accepted INTEGER NOT NULL,
  note TEXT,
  received_at INTEGER NOT NULL,
  source INTEGER REFERENCES devices,
  link TEXT NOT NULL
) STRICT;
CREATE INDEX changes_effective ON changes (effective);
CREATE INDEX changes_device ON changes (device);

-- Kept apart, so that a walk over the changes does not read the bytes.
CREATE TABLE blocks (change INTEGER PRIMARY KEY REFERENCES changes, data BLOB NOT NULL) STRICT;

-- A fact's row id is its change's row id times 512 plus its place in the change.
CREATE TABLE facts (
  id INTEGER PRIMARY KEY,
  entity INTEGER NOT NULL REFERENCES entities,
  property INTEGER NOT NULL REFERENCES properties,
  value BLOB NOT NULL,
  current INTEGER NOT NULL
) STRICT;
CREATE INDEX facts_slot ON facts (entity, property);
CREATE INDEX facts_current ON facts (entity, property) WHERE current = 1;
CREATE INDEX facts_value ON facts (property, value);

-- Which facts obsolete which, within one slot, whatever the standing of their authors.
CREATE TABLE obsoletes (
  target INTEGER NOT NULL,
  fact INTEGER NOT NULL,
  PRIMARY KEY (target, fact)
) STRICT, WITHOUT ROWID;
CREATE INDEX obsoletes_fact ON obsoletes (fact);

-- Edges to facts that have not arrived yet: they count the moment the target comes.
CREATE TABLE awaited (
  target BLOB NOT NULL,
  fact INTEGER NOT NULL,
  PRIMARY KEY (target, fact)
) STRICT, WITHOUT ROWID;

-- Slots with more than one leaf.
CREATE TABLE contested (
  entity INTEGER NOT NULL,
  property INTEGER NOT NULL,
  PRIMARY KEY (entity, property)
) STRICT, WITHOUT ROWID;

-- The last changes of each device's chain; more than one only if its key was copied or a gap has not closed yet.
CREATE TABLE heads (
  hash BLOB PRIMARY KEY,
  device INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE awaited_previous (hash BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;

-- The branches of the Merkle tree over the change ids (core/sync/merkle.py).
CREATE TABLE branches (
  prefix TEXT PRIMARY KEY,
  count INTEGER NOT NULL,
  children BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- The changes by their short ids (core/sync/cells.py).
CREATE TABLE shorts (
  short INTEGER NOT NULL,
  change INTEGER NOT NULL,
  PRIMARY KEY (short, change)
) STRICT, WITHOUT ROWID;

-- The properties that the store itself asks for have fixed numbers.
INSERT INTO properties (id, name) VALUES
  (1, 'kind'), (2, 'retired'), (3, 'key'), (4, 'member.name'), (5, 'member.role'), (6, 'member.revoked');

-- The store of one device. `changes`, `blocks`, `packs` and the receipts in `changes` are the record; everything else is derived from
-- the blocks, is written in the same transaction, and can be rebuilt by `verify`.

CREATE TABLE meta (
  key TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE devices (id INTEGER PRIMARY KEY, device BLOB NOT NULL UNIQUE) STRICT;
CREATE TABLE entities (id INTEGER PRIMARY KEY, entity BLOB NOT NULL UNIQUE) STRICT;
CREATE TABLE properties (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

-- What each person is called: the pick of `person.name`, or the start of the entity's id while nobody has said it.
CREATE TABLE persons (entity INTEGER PRIMARY KEY REFERENCES entities, name TEXT NOT NULL) STRICT;
CREATE INDEX persons_name ON persons (name);

-- Row ids are the order in which this device received the changes. Times are microseconds since 1970 UTC.
-- `lead` is the row that stands in the log for all that was saved at once: the one at the lowest position that is here.
-- `ordered_at` is the place in the log: not before what the change was made in knowledge of. It is shown nowhere.
-- `ordered_later` is by how many microseconds that is later than `at`, which is 0 for most.
-- `linked` is core.chain_links.State: 0 not known yet, 1 all below in the chain is here and right, 2 at fault.
CREATE TABLE changes (
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
CREATE INDEX changes_ordered ON changes (ordered_at);
CREATE INDEX changes_chain ON changes (device, position);
CREATE INDEX changes_author ON changes (author);
CREATE INDEX changes_batch ON changes (batch) WHERE batch IS NOT NULL;
CREATE INDEX changes_parts ON changes (lead) WHERE lead <> id;
CREATE INDEX changes_waiting ON changes (previous) WHERE linked = 0;

-- The exact bytes, kept apart, so that a walk over the changes does not read them. The latest lie in `blocks`; older ones in
-- `packs`, compressed with those of the changes that follow (core/store/packs.py), under the row of the first.
CREATE TABLE blocks (change INTEGER PRIMARY KEY REFERENCES changes, data BLOB NOT NULL) STRICT;
CREATE TABLE packs (first INTEGER PRIMARY KEY REFERENCES changes, data BLOB NOT NULL) STRICT;

-- Each value that any fact states of a property, once, and by what it is found (core/store/content_table.py). Facts of a
-- property are found by its values; those about members are read at every start.
CREATE TABLE contents (
  id INTEGER PRIMARY KEY,
  property INTEGER NOT NULL REFERENCES properties,
  value BLOB NOT NULL
) STRICT;
CREATE INDEX contents_members ON contents (property) WHERE property BETWEEN 4 AND 6;
CREATE TABLE content_digests (
  digest INTEGER NOT NULL,
  content INTEGER NOT NULL REFERENCES contents,
  PRIMARY KEY (digest, content)
) STRICT, WITHOUT ROWID;

-- A fact's row id is its change's row id times 512 plus its place in the change. References to parents are kept like any
-- other. `later`: by how many microseconds it counts from later than its change's time: never before what it obsoletes,
-- which is 0 for most. `accepted`: its change's, but of the fleet, its schema and its members only what admins say is.
-- `current`: see indexes/leaves.py. `state` holds all three in one number, which takes no byte for most facts.
CREATE TABLE facts (
  id INTEGER PRIMARY KEY,
  entity INTEGER NOT NULL REFERENCES entities,
  property INTEGER NOT NULL REFERENCES properties,
  content INTEGER NOT NULL REFERENCES contents,
  state INTEGER NOT NULL,
  later INTEGER AS (state >> 3),
  accepted INTEGER AS (1 - (state >> 2 & 1)),
  current INTEGER AS (CASE state & 3 WHEN 0 THEN 1 WHEN 1 THEN 0 ELSE 2 END)
) STRICT;
CREATE INDEX facts_slot ON facts (entity, property, current);
CREATE INDEX facts_content ON facts (content);

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

-- The ends of each device's chain as far as it is linked, with the peaks of the range up to there (core/mountain_range.py);
-- more than one only if its key was copied.
CREATE TABLE tips (
  hash BLOB PRIMARY KEY,
  device INTEGER NOT NULL,
  position INTEGER NOT NULL,
  peaks BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX tips_device ON tips (device);

-- Changes that do not follow from the one that they name; the peaks below that one, if `past` is what is wrong. With both
-- headers that is evidence (core/chain.py).
CREATE TABLE faults (
  change INTEGER PRIMARY KEY REFERENCES changes,
  fault TEXT NOT NULL,
  peaks BLOB NOT NULL
) STRICT;

-- The branches of the Merkle tree over the change ids (core/sync/reconcile/merkle.py).
CREATE TABLE branches (
  prefix TEXT PRIMARY KEY,
  count INTEGER NOT NULL,
  children BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- The changes by their short ids (core/sync/reconcile/set_sketch.py).
CREATE TABLE shorts (
  short INTEGER NOT NULL,
  change INTEGER NOT NULL,
  PRIMARY KEY (short, change)
) STRICT, WITHOUT ROWID;

-- The properties that the store itself asks for have fixed numbers.
INSERT INTO properties (id, name) VALUES
  (1, 'kind'), (2, 'retired'), (3, 'key'), (4, 'member.name'), (5, 'member.role'), (6, 'member.revoked'),
  (7, 'person.name');

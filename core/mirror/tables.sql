-- The schema of a mirror. All of it is derived from one store: a mirror that is lost is made again.

CREATE TABLE fieldline.watermark (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  version integer NOT NULL,
  fleet bytea NOT NULL,
  changes bigint NOT NULL,
  root bytea NOT NULL,
  at timestamptz NOT NULL,
  source_row bigint NOT NULL,
  source_order bytea NOT NULL,
  source_flags text NOT NULL,
  schema_state bytea NOT NULL
);
COMMENT ON TABLE fieldline.watermark IS 'How far this mirror is: one row, written in the transaction of the rows it speaks of';
COMMENT ON COLUMN fieldline.watermark.only_row IS 'Keeps the table at one row';
COMMENT ON COLUMN fieldline.watermark.version IS 'Version of the tables';
COMMENT ON COLUMN fieldline.watermark.fleet IS 'Id of the fleet';
COMMENT ON COLUMN fieldline.watermark.changes IS 'How many changes are here';
COMMENT ON COLUMN fieldline.watermark.root IS 'Root over the ids of these changes, as `fieldline status` gives it';
COMMENT ON COLUMN fieldline.watermark.at IS 'When the mirror was brought to this root';
COMMENT ON COLUMN fieldline.watermark.source_row IS 'Last row of the store that was read; means something to the mirror alone';
COMMENT ON COLUMN fieldline.watermark.source_order IS 'Digest of the order of the changes up to that row; if it is other, all is read again';
COMMENT ON COLUMN fieldline.watermark.source_flags IS 'Which facts have no effect; if it is other, what they are about is read again';
COMMENT ON COLUMN fieldline.watermark.schema_state IS 'Digest of the fleet''s schema from which the views were made';

CREATE TABLE fieldline.changes (
  change_id bigint PRIMARY KEY,
  position bigint NOT NULL,
  at timestamptz NOT NULL,
  received_at timestamptz NOT NULL,
  device_id integer NOT NULL,
  person_id integer NOT NULL,
  accepted boolean NOT NULL,
  change bytea NOT NULL,
  note text
);
CREATE UNIQUE INDEX changes_change ON fieldline.changes (change);
COMMENT ON TABLE fieldline.changes IS 'What one person saved at once on one device, in one locality';
COMMENT ON COLUMN fieldline.changes.change_id IS 'Number of the change here, in the order in which the mirroring device received them';
COMMENT ON COLUMN fieldline.changes.position IS 'Position in the chain of its device';
COMMENT ON COLUMN fieldline.changes.at IS 'The author''s clock';
COMMENT ON COLUMN fieldline.changes.received_at IS 'When the mirroring device received it';
COMMENT ON COLUMN fieldline.changes.device_id IS 'Device that it was saved on; see devices';
COMMENT ON COLUMN fieldline.changes.person_id IS 'Who saved it; see persons';
COMMENT ON COLUMN fieldline.changes.accepted IS 'Whether the author was in good standing; else it has no effect';
COMMENT ON COLUMN fieldline.changes.change IS 'Id of the change, 32 bytes';
COMMENT ON COLUMN fieldline.changes.note IS 'Why, as the author put it';

-- The wide columns stand first and the value last, so that nothing is lost to alignment. A month's partition is made when
-- the first fact of it comes (core/mirror/partitions.py); facts_other takes times that nobody can have meant.
CREATE TABLE fieldline.facts (
  fact_id bigint NOT NULL,
  effective_at timestamptz NOT NULL,
  ended_at timestamptz,
  entity_id integer NOT NULL,
  property_id integer NOT NULL,
  device_id integer NOT NULL,
  accepted boolean NOT NULL,
  value jsonb
) PARTITION BY RANGE (effective_at);
-- Of an entity alone: what is said at once of one shares an entry, and there are few facts of each.
CREATE INDEX facts_slot ON fieldline.facts (entity_id);
CREATE INDEX facts_in_use ON fieldline.facts (property_id) WHERE accepted AND ended_at IS NULL;
COMMENT ON TABLE fieldline.facts IS 'All statements that were ever made: a property of an entity has a value; history shows them with names';
COMMENT ON COLUMN fieldline.facts.fact_id IS 'Number of the fact here: its change_id times 512, and its place in that change';
COMMENT ON COLUMN fieldline.facts.effective_at IS 'From when it counts: its author''s clock, or what it obsoletes if that is later';
COMMENT ON COLUMN fieldline.facts.ended_at IS 'From when another one counts that obsoletes it, effective_at if it never was in use; NULL if none does; see gaps';
COMMENT ON COLUMN fieldline.facts.entity_id IS 'What it is about; see entities';
COMMENT ON COLUMN fieldline.facts.property_id IS 'Which property; see properties';
COMMENT ON COLUMN fieldline.facts.device_id IS 'Device that it was saved on; see devices; who stated it says the change';
COMMENT ON COLUMN fieldline.facts.accepted IS 'Whether it has effect';
COMMENT ON COLUMN fieldline.facts.value IS 'The value; NULL clears. A reference is {"ref": id in hex}; as_of gives it by its name';
CREATE TABLE fieldline.facts_other (LIKE fieldline.facts INCLUDING ALL);
ALTER TABLE fieldline.facts ATTACH PARTITION fieldline.facts_other DEFAULT;
COMMENT ON TABLE fieldline.facts_other IS 'Facts of months that have no partition of their own';

CREATE TABLE fieldline.obsoletes (
  target_id bigint NOT NULL,
  fact_id bigint NOT NULL,
  CONSTRAINT obsoletes_pkey PRIMARY KEY (target_id, fact_id)
);
COMMENT ON TABLE fieldline.obsoletes IS 'Which facts obsolete which, within one property of one entity';
COMMENT ON COLUMN fieldline.obsoletes.target_id IS 'The fact that is obsolete; see facts';
COMMENT ON COLUMN fieldline.obsoletes.fact_id IS 'The fact whose author had seen it; counts only if accepted and not withdrawn';

CREATE TABLE fieldline.gaps (
  fact_id bigint NOT NULL,
  since timestamptz NOT NULL,
  until timestamptz NOT NULL,
  CONSTRAINT gaps_pkey PRIMARY KEY (fact_id, since)
);
COMMENT ON TABLE fieldline.gaps IS 'When a fact was out of use before its ended_at, because what obsoleted it was withdrawn later';
COMMENT ON COLUMN fieldline.gaps.fact_id IS 'The fact; see facts';
COMMENT ON COLUMN fieldline.gaps.since IS 'First moment of it';
COMMENT ON COLUMN fieldline.gaps.until IS 'First moment after it';

CREATE TABLE fieldline.leaf_details (
  fact_id bigint NOT NULL,
  entity_id integer NOT NULL,
  in_use boolean NOT NULL,
  provisional boolean NOT NULL,
  fits boolean NOT NULL,
  value jsonb,
  refs bytea[],
  CONSTRAINT leaf_details_pkey PRIMARY KEY (entity_id, fact_id)
);
CREATE INDEX leaf_details_refs ON fieldline.leaf_details USING gin (refs) WHERE refs IS NOT NULL;
COMMENT ON TABLE fieldline.leaf_details IS 'What the rows of facts do not say of the leaves: names in references, conflicts, and what the schema refuses; most leaves need no row here; slots shows all of it';
COMMENT ON COLUMN fieldline.leaf_details.fact_id IS 'The fact; see facts';
COMMENT ON COLUMN fieldline.leaf_details.entity_id IS 'Its entity; see entities';
COMMENT ON COLUMN fieldline.leaf_details.in_use IS 'Whether it is the one in use of its property; else another one is, or its author''s device knows of one';
COMMENT ON COLUMN fieldline.leaf_details.provisional IS 'Whether it is the pick of a conflict, in use until somebody decides';
COMMENT ON COLUMN fieldline.leaf_details.fits IS 'Whether the value is as the schema wants it';
COMMENT ON COLUMN fieldline.leaf_details.value IS 'The value with names in place of ids; NULL if it refers to nothing: then facts has it';
COMMENT ON COLUMN fieldline.leaf_details.refs IS 'Ids of the entities that the value refers to; NULL if it refers to none';

CREATE VIEW fieldline.slots AS
  SELECT f.fact_id, f.entity_id, f.property_id, coalesce(x.provisional, false) AS provisional,
    coalesce(x.fits, f.value IS NOT NULL) AS fits, coalesce(x.value, f.value) AS value, x.refs
  FROM fieldline.facts f
  LEFT JOIN fieldline.leaf_details x ON x.entity_id = f.entity_id AND x.fact_id = f.fact_id
  WHERE f.accepted AND f.ended_at IS NULL AND coalesce(x.in_use, true);
COMMENT ON VIEW fieldline.slots IS 'What is configured now, by numbers: a row for each property of each entity that was ever stated; current shows it with names';
COMMENT ON COLUMN fieldline.slots.fact_id IS 'Fact that the value in use comes from; its change_id is this divided by 512';
COMMENT ON COLUMN fieldline.slots.entity_id IS 'See entities';
COMMENT ON COLUMN fieldline.slots.property_id IS 'See properties';
COMMENT ON COLUMN fieldline.slots.provisional IS 'Whether the value is the pick of a conflict, in use until somebody decides';
COMMENT ON COLUMN fieldline.slots.fits IS 'Whether the value is as the schema wants it; the views of kinds show only such';
COMMENT ON COLUMN fieldline.slots.value IS 'The value in use as `fieldline show --json` gives it; NULL if cleared';
COMMENT ON COLUMN fieldline.slots.refs IS 'Ids of the entities that the value refers to; NULL if it refers to none';

CREATE TABLE fieldline.inbox (
  item bytea PRIMARY KEY,
  type text NOT NULL,
  entity bytea NOT NULL,
  kind text,
  key text,
  property text NOT NULL,
  message text NOT NULL,
  entities bytea[] NOT NULL,
  candidates bytea[] NOT NULL,
  since timestamptz
);
CREATE INDEX ON fieldline.inbox (entity);
COMMENT ON TABLE fieldline.inbox IS 'What needs a decision';
COMMENT ON COLUMN fieldline.inbox.item IS 'Digest of its type, entity, property and facts';
COMMENT ON COLUMN fieldline.inbox.type IS 'conflict, duplicate, overlap, dangling, retired-edit or invalid';
COMMENT ON COLUMN fieldline.inbox.entity IS 'Entity where a person would begin';
COMMENT ON COLUMN fieldline.inbox.kind IS 'Kind of that entity';
COMMENT ON COLUMN fieldline.inbox.key IS 'Key of that entity';
COMMENT ON COLUMN fieldline.inbox.property IS 'Property where a person would begin';
COMMENT ON COLUMN fieldline.inbox.message IS 'What is wrong, in English';
COMMENT ON COLUMN fieldline.inbox.entities IS 'All entities that it is about';
COMMENT ON COLUMN fieldline.inbox.candidates IS 'Ids of the facts that clash; see history';
COMMENT ON COLUMN fieldline.inbox.since IS 'Author''s clock of the latest of these facts';

CREATE TABLE fieldline.devices (
  device bytea PRIMARY KEY,
  device_id integer UNIQUE,
  name text NOT NULL,
  role text NOT NULL,
  state text NOT NULL
);
COMMENT ON TABLE fieldline.devices IS 'The devices of the fleet';
COMMENT ON COLUMN fieldline.devices.device IS 'Id of the device: its public key';
COMMENT ON COLUMN fieldline.devices.device_id IS 'Number of the device here; NULL if it has written nothing';
COMMENT ON COLUMN fieldline.devices.name IS 'What the device is called';
COMMENT ON COLUMN fieldline.devices.role IS 'admin, technician or reader';
COMMENT ON COLUMN fieldline.devices.state IS 'active, pending or revoked; unknown if nobody admitted it';

CREATE TABLE fieldline.persons (
  person_id integer PRIMARY KEY,
  person bytea NOT NULL UNIQUE,
  name text NOT NULL
);
COMMENT ON TABLE fieldline.persons IS 'The people who stated something';
COMMENT ON COLUMN fieldline.persons.person_id IS 'Number of the person here';
COMMENT ON COLUMN fieldline.persons.person IS 'Id of the person, 16 bytes';
COMMENT ON COLUMN fieldline.persons.name IS 'What the person is called, or the start of the id';

CREATE TABLE fieldline.properties (
  property_id integer PRIMARY KEY,
  property text NOT NULL UNIQUE
);
COMMENT ON TABLE fieldline.properties IS 'The properties of which something was stated';
COMMENT ON COLUMN fieldline.properties.property_id IS 'Number of the property here';
COMMENT ON COLUMN fieldline.properties.property IS 'Name of the property';

CREATE TABLE fieldline.entities (
  entity_id integer PRIMARY KEY,
  entity bytea NOT NULL UNIQUE,
  retired boolean NOT NULL,
  kind text,
  key text,
  title text NOT NULL,
  lies_in bytea
);
CREATE INDEX entities_key ON fieldline.entities (kind, key);
COMMENT ON TABLE fieldline.entities IS 'What is configured: localities, places and so on, as they are called now';
COMMENT ON COLUMN fieldline.entities.entity_id IS 'Number of the entity here';
COMMENT ON COLUMN fieldline.entities.entity IS 'Id of the entity, 16 bytes';
COMMENT ON COLUMN fieldline.entities.retired IS 'Whether it is out of use';
COMMENT ON COLUMN fieldline.entities.kind IS 'Its kind';
COMMENT ON COLUMN fieldline.entities.key IS 'Its key within the kind; with that of what it lies in where the schema wants that';
COMMENT ON COLUMN fieldline.entities.title IS 'Its name for people';
COMMENT ON COLUMN fieldline.entities.lies_in IS 'Id of the entity that it lies in, or its own if others lie in it; NULL if it lies nowhere';

CREATE TABLE fieldline.kinds (
  kind text PRIMARY KEY,
  key_property text NOT NULL,
  within_property text
);
COMMENT ON TABLE fieldline.kinds IS 'The kinds of the fleet''s schema; each has a view kind_KIND';
COMMENT ON COLUMN fieldline.kinds.kind IS 'Name of the kind';
COMMENT ON COLUMN fieldline.kinds.key_property IS 'Property that is its key';
COMMENT ON COLUMN fieldline.kinds.within_property IS 'Reference to what the key is unique in; NULL if it is unique by itself';

CREATE TABLE fieldline.source_flags (
  id bigint NOT NULL,
  flag smallint NOT NULL,
  CONSTRAINT source_flags_pkey PRIMARY KEY (id, flag)
);
COMMENT ON TABLE fieldline.source_flags IS 'What has no effect, as the mirror last saw it; means something to the mirror alone';
COMMENT ON COLUMN fieldline.source_flags.id IS 'Number of the fact or change';
COMMENT ON COLUMN fieldline.source_flags.flag IS '0 a fact without effect, 1 a fact that another device calls obsolete, 2 a change without effect';

CREATE TABLE fieldline.events (
  event bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  reason text NOT NULL,
  fact bytea,
  change bytea,
  entity bytea NOT NULL,
  kind text,
  key text,
  property text NOT NULL,
  before jsonb,
  after jsonb,
  at timestamptz,
  user_name text,
  device_name text
);
COMMENT ON TABLE fieldline.events IS 'Each value in use that changed since the mirror was made, in order, exactly once; the mirror only adds to it';
COMMENT ON COLUMN fieldline.events.event IS 'Number of the event: later ones have larger numbers, some of which are missing';
COMMENT ON COLUMN fieldline.events.reason IS 'change: somebody changed it; effect: facts lost or regained their effect; store: the mirroring store is another one';
COMMENT ON COLUMN fieldline.events.fact IS 'Id of the fact that is in use now, or of the one that changed it';
COMMENT ON COLUMN fieldline.events.change IS 'Change that this fact is part of';
COMMENT ON COLUMN fieldline.events.entity IS 'Id of the entity, 16 bytes';
COMMENT ON COLUMN fieldline.events.kind IS 'Kind of the entity, as it was called then';
COMMENT ON COLUMN fieldline.events.key IS 'Key of the entity within its kind, as it was called then';
COMMENT ON COLUMN fieldline.events.property IS 'Name of the property';
COMMENT ON COLUMN fieldline.events.before IS 'The value in use before; NULL if there was none';
COMMENT ON COLUMN fieldline.events.after IS 'The value in use from then on; NULL if there is none';
COMMENT ON COLUMN fieldline.events.at IS 'The author''s clock';
COMMENT ON COLUMN fieldline.events.user_name IS 'Name of the person who stated it';
COMMENT ON COLUMN fieldline.events.device_name IS 'Name of the device that it was stated on';

CREATE VIEW fieldline.current AS
  SELECT e.entity, e.kind, e.key, p.property, s.value,
    CASE WHEN s.provisional THEN 'conflict' WHEN s.value IS NULL THEN 'cleared' ELSE 'good' END AS state,
    s.provisional, c.change, u.person, u.name AS user_name, d.device,
    coalesce(nullif(d.name, ''), left(encode(d.device, 'hex'), 8)) AS device_name, c.at, s.refs, s.fits
  FROM fieldline.slots s
  JOIN fieldline.entities e USING (entity_id)
  JOIN fieldline.properties p USING (property_id)
  JOIN fieldline.changes c ON c.change_id = s.fact_id >> 9
  JOIN fieldline.persons u USING (person_id)
  JOIN fieldline.devices d USING (device_id);
COMMENT ON VIEW fieldline.current IS 'What is configured now: a row for each property of each entity that was ever stated';
COMMENT ON COLUMN fieldline.current.entity IS 'Id of the entity, 16 bytes';
COMMENT ON COLUMN fieldline.current.kind IS 'Kind of the entity';
COMMENT ON COLUMN fieldline.current.key IS 'Key of the entity within its kind, such as 241/Lane 1';
COMMENT ON COLUMN fieldline.current.property IS 'Name of the property';
COMMENT ON COLUMN fieldline.current.value IS 'The value in use as `fieldline show --json` gives it; NULL if cleared';
COMMENT ON COLUMN fieldline.current.state IS 'good, cleared or conflict';
COMMENT ON COLUMN fieldline.current.provisional IS 'Whether the value is the pick of a conflict, in use until somebody decides';
COMMENT ON COLUMN fieldline.current.change IS 'Change that the value in use comes from';
COMMENT ON COLUMN fieldline.current.person IS 'Who stated it; see persons';
COMMENT ON COLUMN fieldline.current.user_name IS 'Name of that person';
COMMENT ON COLUMN fieldline.current.device IS 'Device that it was stated on; see devices';
COMMENT ON COLUMN fieldline.current.device_name IS 'Name of that device';
COMMENT ON COLUMN fieldline.current.at IS 'When, by the author''s clock';
COMMENT ON COLUMN fieldline.current.refs IS 'Ids of the entities that the value refers to; NULL if it refers to none';
COMMENT ON COLUMN fieldline.current.fits IS 'Whether the value is as the schema wants it; the views of kinds show only such';

CREATE VIEW fieldline.history AS
  SELECT c.change || decode(lpad(to_hex(f.fact_id & 511), 4, '0'), 'hex') AS fact, c.change, e.entity, e.kind, e.key,
    p.property, f.value, f.effective_at, f.ended_at, c.at, d.device,
    coalesce(nullif(d.name, ''), left(encode(d.device, 'hex'), 8)) AS device_name, u.person, u.name AS user_name, c.note,
    f.accepted
  FROM fieldline.facts f
  JOIN fieldline.entities e USING (entity_id)
  JOIN fieldline.properties p USING (property_id)
  JOIN fieldline.changes c ON c.change_id = f.fact_id >> 9
  JOIN fieldline.persons u USING (person_id)
  JOIN fieldline.devices d ON d.device_id = f.device_id;
COMMENT ON VIEW fieldline.history IS 'All facts, with names: who stated what when, where and why';
COMMENT ON COLUMN fieldline.history.fact IS 'Id of the fact: the change''s and its index in it, 34 bytes';
COMMENT ON COLUMN fieldline.history.change IS 'Change that it is part of';
COMMENT ON COLUMN fieldline.history.entity IS 'Id of the entity, 16 bytes';
COMMENT ON COLUMN fieldline.history.kind IS 'Kind of the entity, as of today';
COMMENT ON COLUMN fieldline.history.key IS 'Key of the entity within its kind, as of today';
COMMENT ON COLUMN fieldline.history.property IS 'Name of the property';
COMMENT ON COLUMN fieldline.history.value IS 'The value; NULL clears. A reference is {"ref": id in hex}';
COMMENT ON COLUMN fieldline.history.effective_at IS 'From when it counts: its author''s clock, or what it obsoletes if that is later';
COMMENT ON COLUMN fieldline.history.ended_at IS 'From when another one counts that obsoletes it, effective_at if it never was in use; NULL if none does; see gaps';
COMMENT ON COLUMN fieldline.history.at IS 'The author''s clock';
COMMENT ON COLUMN fieldline.history.device IS 'Device that it was saved on; see devices';
COMMENT ON COLUMN fieldline.history.device_name IS 'Name of that device';
COMMENT ON COLUMN fieldline.history.person IS 'Who stated it; see persons';
COMMENT ON COLUMN fieldline.history.user_name IS 'Name of that person';
COMMENT ON COLUMN fieldline.history.note IS 'Why, as the author put it';
COMMENT ON COLUMN fieldline.history.accepted IS 'Whether it has effect';

CREATE FUNCTION fieldline.slots_at(t timestamptz, only_entities integer[] DEFAULT NULL)
RETURNS TABLE (entity_id integer, property_id integer, value jsonb, provisional boolean, change bytea, person_id integer,
  device_id integer, at timestamptz)
LANGUAGE sql STABLE AS $$
  SELECT DISTINCT ON (l.entity_id, l.property_id) l.entity_id, l.property_id, l.value,
    min(coalesce(l.value::text, '') COLLATE "C") OVER slot <> max(coalesce(l.value::text, '') COLLATE "C") OVER slot,
    c.change, c.person_id, l.device_id, c.at
  FROM fieldline.facts l
  JOIN fieldline.changes c ON c.change_id = l.fact_id >> 9
  WHERE l.accepted AND l.effective_at <= t AND (l.ended_at IS NULL OR l.ended_at > t)
    AND NOT EXISTS (SELECT 1 FROM fieldline.gaps g WHERE g.fact_id = l.fact_id AND g.since <= t AND g.until > t)
    AND (only_entities IS NULL OR l.entity_id = ANY (only_entities))
  WINDOW slot AS (PARTITION BY l.entity_id, l.property_id)
  ORDER BY l.entity_id, l.property_id, (l.value IS NOT NULL) DESC, l.effective_at DESC, c.change DESC, l.fact_id DESC
$$;
COMMENT ON FUNCTION fieldline.slots_at IS 'The value in use of each property at a time, references by ids; of all entities, or of these only';

CREATE FUNCTION fieldline.as_of(t timestamptz)
RETURNS TABLE (entity bytea, kind text, key text, property text, value jsonb, state text, provisional boolean,
  change bytea, user_name text, device_name text, at timestamptz)
LANGUAGE sql STABLE AS $$
  WITH RECURSIVE slot AS MATERIALIZED (SELECT * FROM fieldline.slots_at(t)),
  prop AS MATERIALIZED (SELECT * FROM fieldline.properties),
  definition AS MATERIALIZED (
    SELECT k.kind, n.property_id AS key_id, w.property_id AS within_id FROM fieldline.kinds k
    LEFT JOIN prop n ON n.property = k.key_property LEFT JOIN prop w ON w.property = k.within_property
  ),
  own AS MATERIALIZED (
    SELECT k.entity_id, k.value #>> '{}' AS kind, n.value #>> '{}' AS own_key, i.entity_id AS within
    FROM slot k
    LEFT JOIN definition d ON d.kind = k.value #>> '{}'
    LEFT JOIN slot n ON n.entity_id = k.entity_id
      AND n.property_id = coalesce(d.key_id, (SELECT property_id FROM prop WHERE property = 'key'))
    LEFT JOIN slot w ON w.entity_id = k.entity_id AND w.property_id = d.within_id
    LEFT JOIN fieldline.entities i ON i.entity = decode(w.value ->> 'ref', 'hex')
    WHERE k.property_id = (SELECT property_id FROM prop WHERE property = 'kind') AND jsonb_typeof(k.value) = 'string'
  ),
  path AS (
    SELECT o.entity_id, o.kind, o.own_key AS key, o.within, 0 AS depth FROM own o
    UNION ALL
    SELECT p.entity_id, p.kind, o.own_key || '/' || p.key, o.within, p.depth + 1
    FROM path p JOIN own o ON o.entity_id = p.within
    WHERE p.key IS NOT NULL AND o.own_key IS NOT NULL AND p.depth < 4
  ),
  name AS MATERIALIZED (
    SELECT DISTINCT ON (n.entity_id) n.entity_id, e.entity, n.kind, n.key FROM (
      SELECT p.entity_id, p.kind, p.key, p.depth FROM path p
      UNION ALL
      SELECT e.entity_id, e.kind, e.key, -1 FROM fieldline.entities e
    ) n JOIN fieldline.entities e USING (entity_id) ORDER BY n.entity_id, n.depth DESC
  ),
  referring AS (
    SELECT s.entity_id, s.property_id, jsonb_agg(
      CASE WHEN i.item ->> 'ref' IS NULL THEN i.item
        ELSE jsonb_build_object('ref', coalesce(n.kind || ':' || n.key, i.item ->> 'ref')) END ORDER BY i.place) AS items
    FROM slot s
    CROSS JOIN LATERAL jsonb_array_elements(
      CASE WHEN jsonb_typeof(s.value) = 'array' THEN s.value ELSE jsonb_build_array(s.value) END
    ) WITH ORDINALITY AS i (item, place)
    LEFT JOIN name n ON n.entity = decode(i.item ->> 'ref', 'hex')
    WHERE s.value @? '$[*].ref'
    GROUP BY s.entity_id, s.property_id
  )
  SELECT n.entity, n.kind, n.key, q.property,
    CASE WHEN r.items IS NULL THEN s.value WHEN jsonb_typeof(s.value) = 'array' THEN r.items ELSE r.items -> 0 END,
    CASE WHEN s.provisional THEN 'conflict' WHEN s.value IS NULL THEN 'cleared' ELSE 'good' END,
    s.provisional, s.change, p.name, coalesce(nullif(d.name, ''), left(encode(d.device, 'hex'), 8)), s.at
  FROM slot s
  JOIN prop q ON q.property_id = s.property_id
  LEFT JOIN referring r ON r.entity_id = s.entity_id AND r.property_id = s.property_id
  LEFT JOIN name n ON n.entity_id = s.entity_id
  LEFT JOIN fieldline.persons p ON p.person_id = s.person_id
  LEFT JOIN fieldline.devices d ON d.device_id = s.device_id
$$;
COMMENT ON FUNCTION fieldline.as_of IS 'What was configured at a time, in the columns of current; names of people and devices are those of today';

CREATE FUNCTION fieldline.name_at(id integer, t timestamptz, depth integer DEFAULT 4, OUT kind text, OUT key text)
LANGUAGE plpgsql STABLE AS $$
DECLARE
  definition fieldline.kinds;
  outer_key text;
  within integer;
BEGIN
  SELECT s.value #>> '{}' INTO kind FROM fieldline.slots_at(t, ARRAY[id]) s JOIN fieldline.properties p USING (property_id)
    WHERE p.property = 'kind' AND jsonb_typeof(s.value) = 'string';
  IF kind IS NULL THEN
    SELECT e.kind, e.key INTO kind, key FROM fieldline.entities e WHERE e.entity_id = id;
    RETURN;
  END IF;
  SELECT * INTO definition FROM fieldline.kinds k WHERE k.kind = name_at.kind;
  SELECT s.value #>> '{}' INTO key FROM fieldline.slots_at(t, ARRAY[id]) s JOIN fieldline.properties p USING (property_id)
    WHERE p.property = coalesce(definition.key_property, 'key');
  IF key IS NULL OR definition.within_property IS NULL OR depth = 0 THEN
    RETURN;
  END IF;
  SELECT e.entity_id INTO within FROM fieldline.slots_at(t, ARRAY[id]) s JOIN fieldline.properties p USING (property_id)
    JOIN fieldline.entities e ON e.entity = decode(s.value ->> 'ref', 'hex')
    WHERE p.property = definition.within_property;
  IF within IS NOT NULL AND EXISTS (
    SELECT 1 FROM fieldline.slots_at(t, ARRAY[within]) s JOIN fieldline.properties p USING (property_id)
      WHERE p.property = 'kind'
  ) THEN
    SELECT n.key INTO outer_key FROM fieldline.name_at(within, t, depth - 1) n;
    key := coalesce(outer_key || '/', '') || key;
  END IF;
END
$$;
COMMENT ON FUNCTION fieldline.name_at IS 'Kind and key of an entity at a time; those of today if it had none then';

CREATE FUNCTION fieldline.value_at(entity bytea, property text, t timestamptz) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
  id integer;
  wanted integer;
  found jsonb;
  named jsonb;
BEGIN
  SELECT e.entity_id INTO id FROM fieldline.entities e WHERE e.entity = value_at.entity;
  SELECT p.property_id INTO wanted FROM fieldline.properties p WHERE p.property = value_at.property;
  SELECT s.value INTO found FROM fieldline.slots_at(t, ARRAY[id]) s WHERE s.property_id = wanted;
  IF found IS NULL OR NOT found @? '$[*].ref' THEN
    RETURN found;
  END IF;
  SELECT jsonb_agg(
    CASE WHEN i.item ->> 'ref' IS NULL THEN i.item
      ELSE jsonb_build_object('ref', coalesce(n.kind || ':' || n.key, i.item ->> 'ref')) END ORDER BY i.place)
  INTO named
  FROM jsonb_array_elements(CASE WHEN jsonb_typeof(found) = 'array' THEN found ELSE jsonb_build_array(found) END)
    WITH ORDINALITY AS i (item, place)
  LEFT JOIN fieldline.entities e ON e.entity = decode(i.item ->> 'ref', 'hex')
  LEFT JOIN LATERAL fieldline.name_at(e.entity_id, t) n ON e.entity_id IS NOT NULL;
  RETURN CASE WHEN jsonb_typeof(found) = 'array' THEN named ELSE named -> 0 END;
END
$$;
COMMENT ON FUNCTION fieldline.value_at IS 'The value in use of one property at a time; NULL if there was none';

-- The schema of a mirror. All of it is derived from one store: a mirror that is lost is made again.

CREATE TABLE fieldline.watermark (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  version integer NOT NULL,
  fleet bytea NOT NULL,
  changes bigint NOT NULL,
  root bytea NOT NULL,
  at timestamptz NOT NULL,
  source_row bigint NOT NULL,
  source_state text NOT NULL,
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
COMMENT ON COLUMN fieldline.watermark.source_state IS 'What the store held up to that row; if that is other, all is read again';
COMMENT ON COLUMN fieldline.watermark.schema_state IS 'Digest of the fleet''s schema from which the views were made';

CREATE TABLE fieldline.changes (
  change bytea PRIMARY KEY,
  device bytea NOT NULL,
  position bigint NOT NULL,
  person bytea NOT NULL,
  note text,
  at timestamptz NOT NULL,
  received_at timestamptz NOT NULL,
  accepted boolean NOT NULL
);
CREATE INDEX ON fieldline.changes (at);
COMMENT ON TABLE fieldline.changes IS 'What one person saved at once on one device, in one locality';
COMMENT ON COLUMN fieldline.changes.change IS 'Id of the change, 32 bytes';
COMMENT ON COLUMN fieldline.changes.device IS 'Device that it was saved on; see devices';
COMMENT ON COLUMN fieldline.changes.position IS 'Position in the chain of that device';
COMMENT ON COLUMN fieldline.changes.person IS 'Who saved it; see persons';
COMMENT ON COLUMN fieldline.changes.note IS 'Why, as the author put it';
COMMENT ON COLUMN fieldline.changes.at IS 'The author''s clock';
COMMENT ON COLUMN fieldline.changes.received_at IS 'When the mirroring device received it';
COMMENT ON COLUMN fieldline.changes.accepted IS 'Whether the author was in good standing; else it has no effect';

CREATE TABLE fieldline.facts (
  fact bytea PRIMARY KEY,
  change bytea NOT NULL,
  entity bytea NOT NULL,
  property text NOT NULL,
  value jsonb,
  refs bytea[] NOT NULL,
  effective_at timestamptz NOT NULL,
  at timestamptz NOT NULL,
  device bytea NOT NULL,
  person bytea NOT NULL,
  accepted boolean NOT NULL,
  withdraws boolean NOT NULL
);
CREATE INDEX facts_slot ON fieldline.facts (entity, property, effective_at);
CREATE INDEX facts_time ON fieldline.facts (effective_at);
COMMENT ON TABLE fieldline.facts IS 'All statements that were ever made: a property of an entity has a value';
COMMENT ON COLUMN fieldline.facts.fact IS 'Id of the fact: the change''s and its index in it, 34 bytes';
COMMENT ON COLUMN fieldline.facts.change IS 'Change that it is part of';
COMMENT ON COLUMN fieldline.facts.entity IS 'Id of the entity, 16 bytes';
COMMENT ON COLUMN fieldline.facts.property IS 'Name of the property';
COMMENT ON COLUMN fieldline.facts.value IS 'The value; NULL clears. A reference is {"ref": id in hex}; as_of gives it by its name';
COMMENT ON COLUMN fieldline.facts.refs IS 'Ids of the entities that the value refers to';
COMMENT ON COLUMN fieldline.facts.effective_at IS 'From when it counts: its author''s clock, or what it obsoletes if that is later';
COMMENT ON COLUMN fieldline.facts.at IS 'The author''s clock';
COMMENT ON COLUMN fieldline.facts.device IS 'Device that it was saved on; see devices';
COMMENT ON COLUMN fieldline.facts.person IS 'Who stated it; see persons';
COMMENT ON COLUMN fieldline.facts.accepted IS 'Whether it has effect';
COMMENT ON COLUMN fieldline.facts.withdraws IS 'Whether it states nothing, but withdraws the facts that it obsoletes';

CREATE TABLE fieldline.void (
  fact bytea NOT NULL,
  since timestamptz NOT NULL,
  until timestamptz,
  PRIMARY KEY (fact, since)
);
COMMENT ON TABLE fieldline.void IS 'When a fact that was withdrawn has no effect, so that what it obsoletes counts again';
COMMENT ON COLUMN fieldline.void.fact IS 'The fact';
COMMENT ON COLUMN fieldline.void.since IS 'First moment of it';
COMMENT ON COLUMN fieldline.void.until IS 'First moment after it; NULL: it is still so';

CREATE TABLE fieldline.obsoletes (
  target bytea NOT NULL,
  fact bytea NOT NULL,
  PRIMARY KEY (target, fact)
);
CREATE INDEX ON fieldline.obsoletes (fact);
COMMENT ON TABLE fieldline.obsoletes IS 'Which facts obsolete which, within one property of one entity';
COMMENT ON COLUMN fieldline.obsoletes.target IS 'The fact that is obsolete';
COMMENT ON COLUMN fieldline.obsoletes.fact IS 'The fact whose author had seen it; counts only if accepted and not void';

CREATE TABLE fieldline.current (
  entity bytea NOT NULL,
  kind text,
  key text,
  property text NOT NULL,
  value jsonb,
  state text NOT NULL,
  provisional boolean NOT NULL,
  change bytea NOT NULL,
  person bytea NOT NULL,
  user_name text NOT NULL,
  device bytea NOT NULL,
  device_name text NOT NULL,
  at timestamptz NOT NULL,
  refs bytea[] NOT NULL,
  fits boolean NOT NULL,
  PRIMARY KEY (entity, property)
);
CREATE INDEX current_value ON fieldline.current (kind, property);
CREATE INDEX current_key ON fieldline.current (kind, key);
CREATE INDEX current_refs ON fieldline.current USING gin (refs);
COMMENT ON TABLE fieldline.current IS 'What is configured now: a row for each property of each entity that was ever stated';
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
COMMENT ON COLUMN fieldline.current.refs IS 'Ids of the entities that the value refers to';
COMMENT ON COLUMN fieldline.current.fits IS 'Whether the value is as the schema wants it; the views of kinds show only such';

CREATE TABLE fieldline.inbox (
  type text NOT NULL,
  entity bytea NOT NULL,
  kind text,
  key text,
  property text NOT NULL,
  message text NOT NULL,
  entities bytea[] NOT NULL,
  candidates bytea[] NOT NULL
);
CREATE INDEX ON fieldline.inbox (entity);
COMMENT ON TABLE fieldline.inbox IS 'What needs a decision';
COMMENT ON COLUMN fieldline.inbox.type IS 'conflict, duplicate, overlap, dangling, retired-edit or invalid';
COMMENT ON COLUMN fieldline.inbox.entity IS 'Entity where a person would begin';
COMMENT ON COLUMN fieldline.inbox.kind IS 'Kind of that entity';
COMMENT ON COLUMN fieldline.inbox.key IS 'Key of that entity';
COMMENT ON COLUMN fieldline.inbox.property IS 'Property where a person would begin';
COMMENT ON COLUMN fieldline.inbox.message IS 'What is wrong, in English';
COMMENT ON COLUMN fieldline.inbox.entities IS 'All entities that it is about';
COMMENT ON COLUMN fieldline.inbox.candidates IS 'Facts that clash; see facts';

CREATE TABLE fieldline.devices (
  device bytea PRIMARY KEY,
  name text NOT NULL,
  role text NOT NULL,
  state text NOT NULL
);
COMMENT ON TABLE fieldline.devices IS 'The devices of the fleet';
COMMENT ON COLUMN fieldline.devices.device IS 'Id of the device: its public key';
COMMENT ON COLUMN fieldline.devices.name IS 'What the device is called';
COMMENT ON COLUMN fieldline.devices.role IS 'admin, technician or reader';
COMMENT ON COLUMN fieldline.devices.state IS 'active, pending or revoked';

CREATE TABLE fieldline.persons (
  person bytea PRIMARY KEY,
  name text NOT NULL
);
COMMENT ON TABLE fieldline.persons IS 'The people who stated something';
COMMENT ON COLUMN fieldline.persons.person IS 'Id of the person, 16 bytes';
COMMENT ON COLUMN fieldline.persons.name IS 'What the person is called, or the start of the id';

CREATE TABLE fieldline.entities (
  entity bytea PRIMARY KEY,
  kind text,
  key text,
  title text NOT NULL,
  retired boolean NOT NULL
);
CREATE INDEX ON fieldline.entities (kind, key);
COMMENT ON TABLE fieldline.entities IS 'What is configured: localities, places and so on, as they are called now';
COMMENT ON COLUMN fieldline.entities.entity IS 'Id of the entity, 16 bytes';
COMMENT ON COLUMN fieldline.entities.kind IS 'Its kind';
COMMENT ON COLUMN fieldline.entities.key IS 'Its key within the kind; with that of what it lies in where the schema wants that';
COMMENT ON COLUMN fieldline.entities.title IS 'Its name for people';
COMMENT ON COLUMN fieldline.entities.retired IS 'Whether it is out of use';

CREATE TABLE fieldline.kinds (
  kind text PRIMARY KEY,
  key_property text NOT NULL,
  within_property text
);
COMMENT ON TABLE fieldline.kinds IS 'The kinds of the fleet''s schema; each has a view kind_KIND';
COMMENT ON COLUMN fieldline.kinds.kind IS 'Name of the kind';
COMMENT ON COLUMN fieldline.kinds.key_property IS 'Property that is its key';
COMMENT ON COLUMN fieldline.kinds.within_property IS 'Reference to what the key is unique in; NULL if it is unique by itself';

CREATE FUNCTION fieldline.slots_at(t timestamptz, only_entities bytea[] DEFAULT NULL)
RETURNS TABLE (entity bytea, property text, value jsonb, refs bytea[], provisional boolean, change bytea, person bytea,
  device bytea, at timestamptz)
LANGUAGE sql STABLE AS $$
  SELECT DISTINCT ON (l.entity, l.property) l.entity, l.property, l.value, l.refs,
    min(coalesce(l.value::text, '') COLLATE "C") OVER slot <> max(coalesce(l.value::text, '') COLLATE "C") OVER slot,
    l.change, l.person, l.device, l.at
  FROM fieldline.facts l
  WHERE l.accepted AND NOT l.withdraws AND l.effective_at <= t AND (only_entities IS NULL OR l.entity = ANY (only_entities))
    AND NOT EXISTS (
      SELECT 1 FROM fieldline.obsoletes o JOIN fieldline.facts g ON g.fact = o.fact
      WHERE o.target = l.fact AND g.accepted AND g.effective_at <= t AND NOT EXISTS (
        SELECT 1 FROM fieldline.void v
        WHERE v.fact = g.fact AND v.since <= t AND (v.until IS NULL OR v.until > t)))
  WINDOW slot AS (PARTITION BY l.entity, l.property)
  ORDER BY l.entity, l.property, (l.value IS NOT NULL) DESC, l.effective_at DESC, l.fact DESC
$$;
COMMENT ON FUNCTION fieldline.slots_at IS 'The value in use of each property at a time, references by ids; of all entities, or of these only';

CREATE FUNCTION fieldline.as_of(t timestamptz)
RETURNS TABLE (entity bytea, kind text, key text, property text, value jsonb, state text, provisional boolean,
  change bytea, user_name text, device_name text, at timestamptz)
LANGUAGE sql STABLE AS $$
  WITH RECURSIVE slot AS MATERIALIZED (SELECT * FROM fieldline.slots_at(t)),
  own AS MATERIALIZED (
    SELECT k.entity, k.value #>> '{}' AS kind, n.value #>> '{}' AS own_key, w.refs[1] AS within
    FROM slot k
    LEFT JOIN fieldline.kinds d ON d.kind = k.value #>> '{}'
    LEFT JOIN slot n ON n.entity = k.entity AND n.property = coalesce(d.key_property, 'key')
    LEFT JOIN slot w ON w.entity = k.entity AND w.property = d.within_property
    WHERE k.property = 'kind' AND jsonb_typeof(k.value) = 'string'
  ),
  path AS (
    SELECT o.entity, o.kind, o.own_key AS key, o.within, 0 AS depth FROM own o
    UNION ALL
    SELECT p.entity, p.kind, o.own_key || '/' || p.key, o.within, p.depth + 1
    FROM path p JOIN own o ON o.entity = p.within
    WHERE p.key IS NOT NULL AND o.own_key IS NOT NULL AND p.depth < 4
  ),
  name AS MATERIALIZED (
    SELECT DISTINCT ON (entity) entity, kind, key FROM (
      SELECT p.entity, p.kind, p.key, p.depth FROM path p
      UNION ALL
      SELECT e.entity, e.kind, e.key, -1 FROM fieldline.entities e
    ) n ORDER BY entity, depth DESC
  ),
  referring AS (
    SELECT s.entity, s.property, jsonb_agg(
      CASE WHEN i.item ->> 'ref' IS NULL THEN i.item
        ELSE jsonb_build_object('ref', coalesce(n.kind || ':' || n.key, i.item ->> 'ref')) END ORDER BY i.place) AS items
    FROM slot s
    CROSS JOIN LATERAL jsonb_array_elements(
      CASE WHEN jsonb_typeof(s.value) = 'array' THEN s.value ELSE jsonb_build_array(s.value) END
    ) WITH ORDINALITY AS i (item, place)
    LEFT JOIN name n ON n.entity = decode(i.item ->> 'ref', 'hex')
    WHERE s.refs <> '{}'
    GROUP BY s.entity, s.property
  )
  SELECT s.entity, n.kind, n.key, s.property,
    CASE WHEN r.items IS NULL THEN s.value WHEN jsonb_typeof(s.value) = 'array' THEN r.items ELSE r.items -> 0 END,
    CASE WHEN s.provisional THEN 'conflict' WHEN s.value IS NULL THEN 'cleared' ELSE 'good' END,
    s.provisional, s.change, p.name, coalesce(nullif(d.name, ''), left(encode(s.device, 'hex'), 8)), s.at
  FROM slot s
  LEFT JOIN referring r ON r.entity = s.entity AND r.property = s.property
  LEFT JOIN name n ON n.entity = s.entity
  LEFT JOIN fieldline.persons p ON p.person = s.person
  LEFT JOIN fieldline.devices d ON d.device = s.device
$$;
COMMENT ON FUNCTION fieldline.as_of IS 'What was configured at a time, in the columns of current; names of people and devices are those of today';

CREATE FUNCTION fieldline.name_at(id bytea, t timestamptz, depth integer DEFAULT 4, OUT kind text, OUT key text)
LANGUAGE plpgsql STABLE AS $$
DECLARE
  definition fieldline.kinds;
  outer_key text;
  within bytea;
BEGIN
  SELECT s.value #>> '{}' INTO kind FROM fieldline.slots_at(t, ARRAY[id]) s
    WHERE s.property = 'kind' AND jsonb_typeof(s.value) = 'string';
  IF kind IS NULL THEN
    SELECT e.kind, e.key INTO kind, key FROM fieldline.entities e WHERE e.entity = id;
    RETURN;
  END IF;
  SELECT * INTO definition FROM fieldline.kinds k WHERE k.kind = name_at.kind;
  SELECT s.value #>> '{}' INTO key FROM fieldline.slots_at(t, ARRAY[id]) s
    WHERE s.property = coalesce(definition.key_property, 'key');
  IF key IS NULL OR definition.within_property IS NULL OR depth = 0 THEN
    RETURN;
  END IF;
  SELECT s.refs[1] INTO within FROM fieldline.slots_at(t, ARRAY[id]) s WHERE s.property = definition.within_property;
  IF within IS NOT NULL AND EXISTS (
    SELECT 1 FROM fieldline.slots_at(t, ARRAY[within]) s WHERE s.property = 'kind'
  ) THEN
    SELECT n.key INTO outer_key FROM fieldline.name_at(within, t, depth - 1) n;
    key := coalesce(outer_key || '/', '') || key;
  END IF;
END
$$;
COMMENT ON FUNCTION fieldline.name_at IS 'Kind and key of an entity at a time; those of today if it had none then';

CREATE FUNCTION fieldline.value_at(entity bytea, property text, t timestamptz) RETURNS jsonb
LANGUAGE sql STABLE AS $$
  SELECT CASE
    WHEN s.refs = '{}' THEN s.value
    WHEN jsonb_typeof(s.value) = 'array' THEN r.items
    ELSE r.items -> 0 END
  FROM fieldline.slots_at(t, ARRAY[value_at.entity]) s
  CROSS JOIN LATERAL (
    SELECT jsonb_agg(
      CASE WHEN i.item ->> 'ref' IS NULL THEN i.item
        ELSE jsonb_build_object('ref', coalesce(n.kind || ':' || n.key, i.item ->> 'ref')) END ORDER BY i.place) AS items
    FROM jsonb_array_elements(
      CASE WHEN jsonb_typeof(s.value) = 'array' THEN s.value ELSE jsonb_build_array(s.value) END
    ) WITH ORDINALITY AS i (item, place)
    LEFT JOIN LATERAL fieldline.name_at(decode(i.item ->> 'ref', 'hex'), t) n ON i.item ->> 'ref' IS NOT NULL
  ) r
  WHERE s.property = value_at.property
$$;
COMMENT ON FUNCTION fieldline.value_at IS 'The value in use of one property at a time; NULL if there was none';

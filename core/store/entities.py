"""Read entities, slots and names from the tables.

In the present and in the past alike.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from core.changes import FLEET_ENTITY, fact_id
from core.effective_time import clock_error
from core.fleet_secrets import HIDDEN_TEXT, is_secret
from core.records import Record, kind_of, record_of
from core.schema import KIND, Schema
from core.slots import Candidate, Slot, slot_of
from core.store.connection import VALUE_SQL, chunks, load_value, placeholders
from core.store.content_table import content_with
from core.store.scope import Scope
from core.value_codec import MAX_FACTS, Ref, Value, encode_value, normalized_value

MAX_KEY_DEPTH = 4
OWN_LINKS = ("own", "import")
"""The links of what this device wrote itself."""


@dataclass(frozen=True, slots=True)
class EntityName:
    """What people call an entity: kind and key, and the title that the schema chooses."""

    entity: bytes
    kind: str | None
    key: str | None
    title: str


@dataclass(frozen=True, slots=True)
class EntityRow:
    """One line of a list or a tree.

    `conflicts` counts the entity's slots with different leaves.
    """

    entity: bytes
    kind: str
    key: str
    title: str
    retired: bool
    conflict_count: int


@dataclass(frozen=True, slots=True)
class EntityValues:
    """The values in use of an entity, by property, and which of them are provisional."""

    values: dict[str, Value] = field(default_factory=dict)
    provisional: set[str] = field(default_factory=set)


LEAF_SQL = f"""
SELECT e.entity, p.name, c.hash, f.id % {MAX_FACTS}, {VALUE_SQL}, u.name, d.device, c.at, l.note, c.at + f.later,
  a.entity, c.received_at, c.link
FROM facts f
JOIN changes c ON c.id = f.id / {MAX_FACTS}
JOIN changes l ON l.id = c.lead
JOIN persons u ON u.entity = c.author
JOIN entities a ON a.id = c.author
JOIN devices d ON d.id = c.device
JOIN properties p ON p.id = f.property
JOIN entities e ON e.id = f.entity
"""

LeafRow = tuple[bytes, str, bytes, int, bytes, str, bytes, int, str | None, int, bytes, int, str]


def candidate_from_row(row: LeafRow) -> Candidate:
    """The leaf of one row of a leaf query; of a secret the value is not given."""
    entity, name, change, index, data, user, device, at, note, effective, person, received_at, link = row
    clock = clock_error(at, effective, received_at, is_own=link in OWN_LINKS)
    value = HIDDEN_TEXT if is_secret(entity, name) else load_value(data)
    return Candidate(fact_id(change, index), value, user, device, at, note, effective, person, clock)


def read_leaves(
    connection: sqlite3.Connection, scope: Scope, entities: list[bytes], properties: Collection[int] | None = None
) -> dict[bytes, dict[str, list[Candidate]]]:
    """The leaves of every slot of these entities.

    Only those of some properties, by their rows, if any are given.
    """
    # The plus keeps SQLite from looking up each property of each entity.
    of_some = "" if properties is None else f" AND +f.property IN ({','.join(map(str, sorted(properties)))})"
    found: dict[bytes, dict[str, list[Candidate]]] = {entity: {} for entity in entities}
    for some in chunks(entities):
        names = {f"e{place}": entity for place, entity in enumerate(some)}
        query = (
            f"{LEAF_SQL} WHERE f.entity IN"
            f" (SELECT id FROM entities WHERE entity IN ({','.join(f':{n}' for n in names)}))"
            f"{of_some} AND {scope.leaves_condition}"
        )
        for row in connection.execute(query, {**names, "moment": scope.at_us}):
            found[row[0]].setdefault(row[1], []).append(candidate_from_row(row))
    return found


def read_slot(connection: sqlite3.Connection, scope: Scope, entity: bytes, name: str) -> Slot:
    """One slot of one entity."""
    query = f"{LEAF_SQL} WHERE e.entity = :entity AND p.name = :name AND {scope.leaves_condition}"
    rows = connection.execute(query, {"entity": entity, "name": name, "moment": scope.at_us})
    return slot_of(candidate_from_row(row) for row in rows)


def read_pick(connection: sqlite3.Connection, scope: Scope, entity: int, name: int) -> bytes:
    """The value in use of a slot with several leaves, as it is encoded.

    By the rows of its entity and its property.
    """
    query = f"{LEAF_SQL} WHERE f.entity = :entity AND f.property = :name AND {scope.leaves_condition}"
    rows = connection.execute(query, {"entity": entity, "name": name, "moment": scope.at_us})
    return encode_value(slot_of(candidate_from_row(row) for row in rows).value)


def read_entity_values(
    connection: sqlite3.Connection, scope: Scope, entities: list[bytes]
) -> dict[bytes, EntityValues]:
    """Read all values in use of these entities."""
    found = {entity: EntityValues() for entity in entities}
    several: set[tuple[bytes, str]] = set()
    properties: dict[int, str] = dict(connection.execute("SELECT id, name FROM properties"))
    for some in chunks(entities):
        listed = ",".join(f":e{place}" for place in range(len(some)))
        parameters: dict[str, object] = {f"e{place}": entity for place, entity in enumerate(some)}
        numbers: dict[int, bytes] = dict(
            connection.execute(f"SELECT id, entity FROM entities WHERE entity IN ({listed})", parameters)
        )
        query = (
            f"SELECT f.entity, f.property, {VALUE_SQL} FROM entities e CROSS JOIN {scope.facts_source}"
            f" WHERE e.entity IN ({listed}) AND f.entity = e.id AND {scope.leaves_condition}"
        )
        stated: dict[int, dict[int, bytes]] = {number: {} for number in numbers}
        for number, name, value in connection.execute(query, {**parameters, "moment": scope.at_us}):
            if stated[number].setdefault(name, value) != value and name in properties:
                several.add((numbers[number], properties[name]))
        for number, values in stated.items():
            entity = numbers[number]
            found[entity].values.update(
                (name, HIDDEN_TEXT if is_secret(entity, name) else load_value(value))
                for name, value in ((properties.get(row), value) for row, value in values.items())
                if name is not None  # of a damaged row
            )
    for entity, name in several:
        slot = read_slot(connection, scope, entity, name)
        found[entity].values[name] = slot.value
        if slot.provisional:
            found[entity].provisional.add(name)
    return found


def read_slot_facts(connection: sqlite3.Connection, entity: bytes, name: str) -> dict[bytes, Value]:
    """Read the ids and values of all facts of one slot.

    Whatever obsoletes them.
    """
    rows = connection.execute(
        f"SELECT c.hash, f.id % {MAX_FACTS}, {VALUE_SQL} FROM facts f JOIN changes c ON c.id = f.id / {MAX_FACTS}"
        " WHERE f.entity = (SELECT id FROM entities WHERE entity = ?)"
        " AND f.property = (SELECT id FROM properties WHERE name = ?) AND f.id NOT IN (SELECT fact FROM withdrawals)",
        (entity, name),
    )
    return {fact_id(change, index): load_value(value) for change, index, value in rows}


def read_records(
    connection: sqlite3.Connection,
    scope: Scope,
    entities: list[bytes],
    schema: Schema,
    properties: Collection[int] | None = None,
) -> list[Record]:
    """The typed view of each of these entities, in the order given.

    With the leaves of some properties only, by their rows, if any are given.
    """
    found = read_leaves(connection, scope, entities, properties)
    taken = read_withdrawals(connection, entities) if scope.kind == "now" else {}
    return [
        record_of(entity, found[entity], schema.kind(kind_of(found[entity]) or ""), taken.get(entity))
        for entity in entities
    ]


def read_withdrawals(
    connection: sqlite3.Connection, entities: list[bytes]
) -> dict[bytes, dict[str, tuple[bytes, ...]]]:
    """Read the withdrawals in force that nobody has edited knowing of them.

    In the slots of these entities.
    """
    found: dict[bytes, dict[str, tuple[bytes, ...]]] = {}
    if connection.execute("SELECT 1 FROM withdrawals LIMIT 1").fetchone() is None:
        return found
    for some in chunks(entities):
        rows = connection.execute(
            f"SELECT e.entity, p.name, c.hash, f.id % {MAX_FACTS} FROM entities e"
            " CROSS JOIN withdrawals w ON w.entity = e.id JOIN facts f ON f.id = w.fact AND f.current = 2"
            f" JOIN changes c ON c.id = f.id / {MAX_FACTS} JOIN properties p ON p.id = f.property"
            f" WHERE e.entity IN ({placeholders(some)}) ORDER BY f.id",
            some,
        )
        for entity, name, change, index in rows:
            slots = found.setdefault(entity, {})
            slots[name] = (*slots.get(name, ()), fact_id(change, index))
    return found


def find_entities_with_value(connection: sqlite3.Connection, scope: Scope, name: str, value: Value) -> list[bytes]:
    """The entities of which some leaf of this property has this value."""
    prop = "(SELECT id FROM properties WHERE name = :name)"
    query = (
        f"SELECT DISTINCT e.entity FROM {scope.facts_source} JOIN entities e ON e.id = f.entity"
        f" WHERE f.content = {content_with(prop, ':value')}"
        f" AND {scope.leaves_condition}"
    )
    rows = connection.execute(
        query, {"name": name, "value": encode_value(normalized_value(value)), "moment": scope.at_us}
    )
    return [entity for (entity,) in rows]


def read_values(connection: sqlite3.Connection, scope: Scope, name: str, entities: list[bytes]) -> dict[bytes, Value]:
    """The value in use of one property for each of these entities.

    Entities without one are left out.
    """
    stated: dict[bytes, bytes] = {}
    several: set[bytes] = set()
    for some in chunks(entities):
        # Who said it matters only where there are several leaves, and to find it out takes most of the time.
        names = {f"e{place}": entity for place, entity in enumerate(some)}
        query = (
            f"SELECT e.entity, {VALUE_SQL} FROM entities e CROSS JOIN {scope.facts_source}"
            f" WHERE e.entity IN ({','.join(f':{n}' for n in names)}) AND f.entity = e.id"
            f" AND f.property = (SELECT id FROM properties WHERE name = :name) AND {scope.leaves_condition}"
        )
        for entity, value in connection.execute(query, {**names, "name": name, "moment": scope.at_us}):
            if stated.setdefault(entity, value) != value:
                several.add(entity)
    values = {entity: HIDDEN_TEXT if is_secret(entity, name) else load_value(value) for entity, value in stated.items()}
    return values | _read_picks(connection, scope, name, sorted(several))


def _read_picks(connection: sqlite3.Connection, scope: Scope, name: str, entities: list[bytes]) -> dict[bytes, Value]:
    """The value in use of a property with several leaves, for each of these entities."""
    leaves: dict[bytes, list[Candidate]] = {}
    for some in chunks(entities):
        names = {f"e{place}": entity for place, entity in enumerate(some)}
        query = (
            f"{LEAF_SQL} WHERE f.entity IN"
            f" (SELECT id FROM entities WHERE entity IN ({','.join(f':{n}' for n in names)}))"
            f" AND f.property = (SELECT id FROM properties WHERE name = :name) AND {scope.leaves_condition}"
        )
        for row in connection.execute(query, {**names, "name": name, "moment": scope.at_us}):
            leaves.setdefault(row[0], []).append(candidate_from_row(row))
    return {entity: slot_of(found).value for entity, found in leaves.items()}


def find_entities_of_kind(
    connection: sqlite3.Connection,
    scope: Scope,
    kind: str,
    parent: tuple[str, bytes] | None = None,
    conditions: Mapping[str, Value] | None = None,
) -> list[bytes]:
    """All entities whose kind in use is this one, the retired ones too.

    Only those below a parent if one is given, and whose values in use are as in `conditions`.
    """
    stated = [(name, value) for name, value in (conditions or {}).items() if value is not None]
    # What is in use is one of the leaves, and these have an index.
    name, value = (parent[0], Ref(parent[1])) if parent else next(iter(stated), (KIND, kind))
    found = find_entities_with_value(connection, scope, name, value)
    kinds = read_values(connection, scope, KIND, found)
    return filter_entities(
        connection, scope, [entity for entity in found if kinds.get(entity) == kind], conditions or {}
    )


ReadValues = Callable[[str, list[bytes]], dict[bytes, Value]]
"""Reads the value in use of one property for each of some entities; those without one are left out."""


def read_names(
    connection: sqlite3.Connection, scope: Scope, entities: Iterable[bytes], schema: Schema
) -> dict[bytes, EntityName]:
    """What people call these entities.

    The parent's key is part of the key where the schema says so.
    """
    return name_entities(lambda name, some: read_values(connection, scope, name, some), entities, schema)


def name_entities(
    read: ReadValues, entities: Iterable[bytes], schema: Schema, depth: int = MAX_KEY_DEPTH
) -> dict[bytes, EntityName]:
    """What people call these entities, by their values.

    `depth` bounds how many parents a key is made of, since nothing keeps people from stating a circle.
    """
    wanted = list(dict.fromkeys(entities))
    kinds = read(KIND, wanted)
    found: dict[bytes, EntityName] = {}
    by_kind: dict[str | None, list[bytes]] = {}
    for entity in wanted:
        kind = kinds.get(entity)
        by_kind.setdefault(kind if isinstance(kind, str) else None, []).append(entity)
    for kind_name, members in by_kind.items():
        if kind_name is None:
            found.update((entity, EntityName(entity, None, None, entity.hex()[:8])) for entity in members)
            continue
        definition = schema.kind(kind_name)
        keys = read(definition.key, members)
        same = definition.title == definition.key
        titles = keys if same else read(definition.title, members)
        outer: dict[bytes, str] = {}
        if definition.within and depth:
            parents = read(definition.within, members)
            refs = {entity: value.entity for entity, value in parents.items() if isinstance(value, Ref)}
            outer_names = name_entities(read, refs.values(), schema, depth - 1)
            outer = {e: outer_names[r].key or "" for e, r in refs.items() if r in outer_names}
        for entity in members:
            own = keys.get(entity)
            key = None if own is None else str(own)
            if key is not None and outer.get(entity):
                key = f"{outer[entity]}/{key}"
            title = titles.get(entity)
            found[entity] = EntityName(
                entity, kind_name, key, str(title) if title is not None else key or entity.hex()[:8]
            )
    return found


def count_conflicts(connection: sqlite3.Connection, scope: Scope, entities: list[bytes]) -> dict[bytes, int]:
    """How many slots with different leaves each of these entities has.

    Those with none are left out.
    """
    found: dict[bytes, int] = {}
    if scope.kind == "now":
        for some in chunks([entity for entity in entities if entity != FLEET_ENTITY]):
            query = (
                "SELECT entity, count(*) FROM ("
                " SELECT e.entity, g.property FROM entities e JOIN contested g ON g.entity = e.id"
                " JOIN facts f ON f.entity = g.entity AND f.property = g.property AND f.current = 1"
                f" WHERE e.entity IN ({placeholders(some)}) GROUP BY g.entity, g.property"
                " HAVING count(DISTINCT f.content) > 1)"
                " GROUP BY entity"
            )
            found.update(connection.execute(query, some))
        # Of the fleet some slots are secret, and in no conflict that a person could resolve.
        entities = [entity for entity in entities if entity == FLEET_ENTITY]
    for entity, stated in read_entity_values(connection, scope, entities).items():
        if stated.provisional:
            found[entity] = len(stated.provisional)
    return found


def read_conflicting_slots(connection: sqlite3.Connection, scope: Scope) -> list[tuple[bytes, str]]:
    """Read the slots (entity, property) in conflict.

    Those whose leaves have different values, the newest leaf first.
    """
    if scope.kind == "now":
        # CROSS JOIN keeps SQLite from going through all leaves for the few that are contested.
        source = "contested g CROSS JOIN facts f ON f.entity = g.entity AND f.property = g.property"
        condition, group = "f.current = 1", "g.entity, g.property"
    else:
        source, condition, group = scope.facts_source, scope.leaves_condition, "f.entity, f.property"
    rows = connection.execute(
        f"""SELECT e.entity, p.name FROM
              (SELECT f.entity AS entity, f.property AS property, max(f.id) AS newest FROM {source} WHERE {condition}
               GROUP BY {group} HAVING count(DISTINCT f.content) > 1) s
            JOIN entities e ON e.id = s.entity JOIN properties p ON p.id = s.property ORDER BY s.newest DESC""",
        {"moment": scope.at_us},
    )
    return [(entity, name) for entity, name in rows if not is_secret(entity, name)]


def filter_entities(
    connection: sqlite3.Connection, scope: Scope, entities: list[bytes], conditions: Mapping[str, Value]
) -> list[bytes]:
    """Those of the entities whose values in use are the given ones."""
    for name, value in conditions.items():
        values = read_values(connection, scope, name, entities)
        wanted = encode_value(normalized_value(value))
        entities = [entity for entity in entities if encode_value(values.get(entity)) == wanted]
    return entities

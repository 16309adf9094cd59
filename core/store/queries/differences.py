"""Read where the values in use differ between two views.

In one pass over the entities that have a fact which counts in one of both only, some at a time, so that what differs
is never in memory as a whole.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from core.fleet_secrets import is_secret
from core.store.connection import VALUE_SQL, load_value, placeholders
from core.store.entities import read_pick
from core.store.scope import Scope
from core.value_codec import MAX_FACTS, Value, encode_value

Difference = tuple[bytes, str, Value, Value]
"""An entity, a property, and its values in use in the first and in the second view."""
SlotRow = tuple[int, int]
"""The rows of an entity and a property."""


def end_row(connection: sqlite3.Connection) -> int:
    """The row behind the last change."""
    return int(connection.execute("SELECT coalesce(max(id), -1) + 1 FROM changes").fetchone()[0])


def find_differing_rows(
    connection: sqlite3.Connection, one: Scope, other: Scope, entity: bytes | None, first: int, end: int
) -> set[int]:
    """Find the rows of the entities of which facts count in one of both only.

    Of the changes from row `first` up to `end`.
    """
    of_entity = "" if entity is None else " AND f.entity = (SELECT id FROM entities WHERE entity = :entity)"
    in_one, in_other = _named(one, one.fact_condition, ":one"), _named(other, other.fact_condition, ":other")
    rows = connection.execute(
        f"SELECT DISTINCT f.entity FROM {_facts_source(one, other)}"
        f" WHERE f.id >= :first AND f.id < :end AND ({in_one}) IS NOT ({in_other}){of_entity}",
        {
            "one": one.at_us,
            "other": other.at_us,
            "entity": entity,
            "first": first * MAX_FACTS,
            "end": end * MAX_FACTS,
        },
    )
    return {row for (row,) in rows}


def read_differences(
    connection: sqlite3.Connection, one: Scope, other: Scope, entities: Sequence[int]
) -> list[Difference]:
    """Compare the values in use of these entities.

    Their rows are given in ascending order. Gives the slots where they are not the same; of secrets nothing.
    """
    numbers = {f"e{at}": row for at, row in enumerate(entities)}
    in_one, in_other = _named(one, one.leaves_condition, ":one"), _named(other, other.leaves_condition, ":other")
    rows = connection.execute(
        f"SELECT f.entity, f.property, {VALUE_SQL}, ({in_one}) + 2 * ({in_other}) FROM {_facts_source(one, other)}"
        f" WHERE f.entity IN ({','.join(f':{name}' for name in numbers)})",
        {**numbers, "one": one.at_us, "other": other.at_us},
    )
    before: dict[SlotRow, bytes] = {}
    after: dict[SlotRow, bytes] = {}
    several: tuple[set[SlotRow], set[SlotRow]] = (set(), set())
    for entity, name, value, seen in rows:
        slot = (entity, name)
        if seen & 1 and before.setdefault(slot, value) != value:
            several[0].add(slot)
        if seen & 2 and after.setdefault(slot, value) != value:
            several[1].add(slot)
    # Who said it matters only where leaves differ, and to find it out takes most of the time.
    for scope, picks, slots in ((one, before, several[0]), (other, after, several[1])):
        picks.update((slot, read_pick(connection, scope, *slot)) for slot in slots)
    # To have no leaf and to be unset is the same.
    unset = encode_value(None)
    differing = sorted(
        slot for slot in before.keys() | after.keys() if before.get(slot, unset) != after.get(slot, unset)
    )
    found_as = f"SELECT id, entity FROM entities WHERE id IN ({placeholders(list(entities))})"
    ids = dict(connection.execute(found_as, list(entities)).fetchall())
    names = dict(connection.execute("SELECT id, name FROM properties").fetchall())
    return [
        (ids[entity], names[name], load_value(before.get(slot, unset)), load_value(after.get(slot, unset)))
        for slot in differing
        for entity, name in [slot]
        if not is_secret(ids[entity], names[name])
    ]


def _named(scope: Scope, condition: str, moment: str) -> str:
    """A condition of a scope, with a parameter of its own for its moment."""
    return condition.replace(":moment", moment)


def _facts_source(one: Scope, other: Scope) -> str:
    """The tables that the conditions of both speak of."""
    return (one if one.kind == "known_at" else other).facts_source

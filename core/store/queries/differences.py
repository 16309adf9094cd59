"""Read where the values in use differ between two views.

In one pass over the entities that have a fact which counts in one of both only, some at a time, so that what differs
is never in memory as a whole.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from core.fleet_secrets import is_secret
from core.store.connection import chunks, load_value, placeholders
from core.store.entities import read_pick
from core.store.scope import Scope, effective_sql
from core.value_codec import MAX_FACTS, Value, encode_value

Difference = tuple[bytes, str, Value, Value]
"""An entity, a property, and its values in use in the first and in the second view."""
SlotRow = tuple[int, int]
"""The rows of an entity and a property."""
_FACTS_OF_CHANGES = f"facts f CROSS JOIN changes c ON c.id = f.id / {MAX_FACTS}"


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
        f"SELECT DISTINCT f.entity FROM {_FACTS_OF_CHANGES}"
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
        f"SELECT f.entity, f.property, f.content, ({in_one}) + 2 * ({in_other}) FROM {_FACTS_OF_CHANGES}"
        f" WHERE f.entity IN ({','.join(f':{name}' for name in numbers)})",
        {**numbers, "one": one.at_us, "other": other.at_us},
    )
    # Of one property equal values are one content.
    before: dict[SlotRow, int] = {}
    after: dict[SlotRow, int] = {}
    several: tuple[set[SlotRow], set[SlotRow]] = (set(), set())
    for entity, name, content, seen in rows:
        slot = (entity, name)
        if seen & 1 and before.setdefault(slot, content) != content:
            several[0].add(slot)
        if seen & 2 and after.setdefault(slot, content) != content:
            several[1].add(slot)
    differing = {slot for slot in before.keys() | after.keys() if before.get(slot) != after.get(slot)}.union(*several)
    contents = {side[slot] for side in (before, after) for slot in differing if slot in side}
    # To have no leaf and to be unset is the same.
    values: dict[int | None, bytes] = {None: encode_value(None)}
    for some in chunks(list(contents)):
        query = f"SELECT id, value FROM contents WHERE id IN ({placeholders(some)})"
        values.update(connection.execute(query, some))
    # Who said it matters only where leaves differ, and to find it out takes most of the time.
    picks, other_picks = (
        {slot: read_pick(connection, scope, *slot) for slot in slots}
        for scope, slots in ((one, several[0]), (other, several[1]))
    )
    found_as = f"SELECT id, entity FROM entities WHERE id IN ({placeholders(list(entities))})"
    ids = dict(connection.execute(found_as, list(entities)).fetchall())
    names = dict(connection.execute("SELECT id, name FROM properties").fetchall())
    found = []
    for slot in sorted(differing):
        old = picks.get(slot) or values.get(before.get(slot))
        new = other_picks.get(slot) or values.get(after.get(slot))
        entity, name = ids[slot[0]], names[slot[1]]
        if old != new and not is_secret(entity, name):
            found.append((entity, name, load_value(old), load_value(new)))
    return found


def _named(scope: Scope, condition: str, moment: str) -> str:
    """A condition of a scope about a fact of change `c`.

    With a parameter of its own for its moment.
    """
    return condition.replace(":moment", moment).replace(effective_sql(), "(c.at + f.later)")

"""Where entities are in the fleet, said as a path from the top of the tree: `TSC 241 › Entrance right`."""

from __future__ import annotations

from collections.abc import Iterable

from core.changes import Ref
from core.schema import Schema
from core.store.view import View

SEPARATOR = " › "
DEEPEST = 6  # nothing keeps people from stating a circle


async def parent_of(entity: bytes, view: View, schema: Schema) -> bytes | None:
    """What an entity is placed under, if its kind has a place in the tree."""
    record = await view.record(entity, schema)
    parent = schema.kind(record.kind).parent
    value = record.value(parent) if parent else None
    return value.entity if isinstance(value, Ref) else None


async def above(entity: bytes, view: View, schema: Schema) -> list[bytes]:
    """The entity and what it is under, the top first."""
    chain = [entity]
    while len(chain) < DEEPEST and (parent := await parent_of(chain[-1], view, schema)) and parent not in chain:
        chain.append(parent)
    return chain[::-1]


async def paths(entities: Iterable[bytes], view: View, schema: Schema) -> dict[bytes, str]:
    """The path of each of these entities."""
    chains = {entity: await above(entity, view, schema) for entity in entities}
    called = await view.names({entity for chain in chains.values() for entity in chain}, schema)
    return {entity: SEPARATOR.join(called[each].title for each in chain) for entity, chain in chains.items()}

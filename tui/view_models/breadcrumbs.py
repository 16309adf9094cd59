"""Where entities are in the fleet, said as a path from the top of the tree: `TSC 241 › Entrance right`."""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len

from core.schema import Schema
from core.store.view import View
from core.value_codec import Ref
from tui.layout import cut

SEPARATOR = " › "
_MIN_PART_COLUMNS = 9  # columns below which what something is below of says nothing
MAX_DEPTH = 6  # nothing keeps people from stating a circle


async def parent_of(entity: bytes, view: View, schema: Schema) -> bytes | None:
    """What an entity is placed under, if its kind has a place in the tree."""
    record = await view.record(entity, schema)
    parent = schema.kind(record.kind).parent
    value = record.value(parent) if parent else None
    return value.entity if isinstance(value, Ref) else None


async def ancestor_chain(entity: bytes, view: View, schema: Schema) -> list[bytes]:
    """The entity and what it is under, the top first."""
    chain = [entity]
    while len(chain) < MAX_DEPTH and (parent := await parent_of(chain[-1], view, schema)) and parent not in chain:
        chain.append(parent)
    return chain[::-1]


async def breadcrumbs(entities: Iterable[bytes], view: View, schema: Schema) -> dict[bytes, str]:
    """The path of each of these entities."""
    chains = {entity: await ancestor_chain(entity, view, schema) for entity in entities}
    called = await view.names({entity for chain in chains.values() for entity in chain}, schema)
    return {entity: SEPARATOR.join(called[each].title for each in chain) for entity, chain in chains.items()}


def shorten_breadcrumb(path: str, width: int) -> str:
    """A path in at most `width` columns: what it is below of gives way, then the rest."""
    *above_it, own = (each.strip() for each in path.split(SEPARATOR))
    if cell_len(path) <= width or not above_it:
        return cut(path, width)
    room = (width - cell_len(own)) // len(above_it) - len(SEPARATOR)
    if room < _MIN_PART_COLUMNS:
        return cut(own, width)
    return SEPARATOR.join([*(cut(each, room) for each in above_it), own])

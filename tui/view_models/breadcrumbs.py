"""Breadcrumbs: where an entity is in the fleet, from the top of the tree.

`TSC 241 › Entrance right`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.cells import cell_len

from core.records import Record
from core.schema import Schema
from core.store.view import View
from core.value_codec import Ref
from tui.layout import cut

SEPARATOR = " › "
"""Between the parts of a breadcrumb, and before a property of the entity."""
_MIN_PART_COLUMNS = 8
"""Columns below which what something is below of says nothing."""
MAX_DEPTH = 6
"""Levels that are followed: nothing keeps people from stating a circle."""


async def ancestor_chains(entities: Iterable[bytes], view: View, schema: Schema) -> dict[bytes, list[bytes]]:
    """Each entity and what it is under, the top first; read a level at a time."""
    wanted = list(dict.fromkeys(entities))
    parents: dict[bytes, bytes | None] = {}
    unread = set(wanted)
    for _level in range(MAX_DEPTH):
        if not unread:
            break
        records = await view.records_by_id(sorted(unread), schema)
        parents |= {entity: _parent(record, schema) for entity, record in records.items()}
        unread = {parent for parent in parents.values() if parent} - parents.keys()
    return {entity: _chain(entity, parents) for entity in wanted}


def _parent(record: Record, schema: Schema) -> bytes | None:
    """What an entity is placed under, if its kind has a place in the tree."""
    parent = schema.kind(record.kind).parent
    value = record.value(parent) if parent else None
    return value.entity if isinstance(value, Ref) else None


def _chain(entity: bytes, parents: Mapping[bytes, bytes | None]) -> list[bytes]:
    chain = [entity]
    while len(chain) < MAX_DEPTH and (parent := parents.get(chain[-1])) and parent not in chain:
        chain.append(parent)
    return chain[::-1]


async def ancestor_chain(entity: bytes, view: View, schema: Schema) -> list[bytes]:
    """The entity and what it is under, the top first."""
    return (await ancestor_chains([entity], view, schema))[entity]


async def breadcrumbs(entities: Iterable[bytes], view: View, schema: Schema) -> dict[bytes, str]:
    """The path of each of these entities."""
    chains = await ancestor_chains(entities, view, schema)
    called = await view.names({entity for chain in chains.values() for entity in chain}, schema)
    return {entity: SEPARATOR.join(called[each].title for each in chain) for entity, chain in chains.items()}


def property_breadcrumb(breadcrumb: str, label: str) -> str:
    """Where a property is: behind the breadcrumb of its entity, if that is known."""
    return f"{breadcrumb}{SEPARATOR}{label}" if breadcrumb else label


def entity_part(breadcrumb: str) -> str:
    """The last part of a breadcrumb: what the entity itself is called."""
    return breadcrumb.rsplit(SEPARATOR, 1)[-1].strip()


def shorten_breadcrumb(path: str, width: int) -> str:
    """A path in at most `width` columns: what it is below of gives way, then the rest."""
    *above_it, own = (each.strip() for each in path.split(SEPARATOR))
    if cell_len(path) <= width or not above_it:
        return cut(path, width)
    room = (width - cell_len(own)) // len(above_it) - len(SEPARATOR)
    if room < _MIN_PART_COLUMNS:
        return cut(own, width)
    return SEPARATOR.join([*(cut(each, room) for each in above_it), own])

"""Count the inbox items of each entity, and of all that is below it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from core.schema import Schema
from core.store.view import View
from tui.view_models.breadcrumbs import ancestor_chains

if TYPE_CHECKING:
    from core.store.indexes.inbox_cache import ItemKey

MAX_ITEMS_ROLLED_UP = 2000
"""Items whose entities are looked for in the tree: each costs a reading, and of more nobody counts branches."""


@dataclass(frozen=True, slots=True)
class ItemCounts:
    """How many items an entity is in; and how many it, or something below it, is in."""

    own: Mapping[bytes, int] = field(default_factory=dict)
    branch: Mapping[bytes, int] = field(default_factory=dict)


async def count_items(keys: Iterable[ItemKey], view: View, schema: Schema) -> ItemCounts:
    """Count items; of very many only those of each entity itself."""
    own: Counter[bytes] = Counter()
    entities_of = [set(key.entities) for key in keys]
    for entities in entities_of:
        own.update(entities)
    if len(entities_of) > MAX_ITEMS_ROLLED_UP:
        return ItemCounts(own, own)
    chains = await ancestor_chains(own, view, schema)
    branch: Counter[bytes] = Counter()
    for entities in entities_of:
        # An item of several entities below one line is one item there.
        branch.update({each for entity in entities for each in chains[entity]})
    return ItemCounts(own, branch)

"""How much is to be resolved in each branch of the fleet.

So that a folded line says what is below it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from core.schema import Schema
from core.store.view import View
from core.value_codec import ID_BYTES
from tui.view_models.breadcrumbs import ancestor_chains

if TYPE_CHECKING:
    from core.store.indexes.inbox_cache import ItemKey

MAX_COUNTED_ITEMS = 2_000
"""Items whose place in the fleet is looked up: with more than that every branch has some."""

BranchItems = Mapping[bytes, Mapping[str, int]]
"""Entity to the types of the items in its branch, and how many there are of each."""


async def count_branch_items(keys: Sequence[ItemKey], view: View, schema: Schema) -> BranchItems:
    """Count the items of each entity and of all that is below it.

    One about several entities counts once a branch.
    """
    about = [(key.type, _entities(key)) for key in keys[:MAX_COUNTED_ITEMS]]
    chains = await ancestor_chains({entity for _type, entities in about for entity in entities}, view, schema)
    found: dict[bytes, dict[str, int]] = {}
    for type_name, entities in about:
        for entity in {each for one in entities for each in chains.get(one, [one])}:
            types = found.setdefault(entity, {})
            types[type_name] = types.get(type_name, 0) + 1
    return found


def _entities(key: ItemKey) -> list[bytes]:
    return [key.entity_ids[at : at + ID_BYTES] for at in range(0, len(key.entity_ids), ID_BYTES)]

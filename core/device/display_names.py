"""Names of entities in messages, the entities of a value, and the slots that are hidden."""

from __future__ import annotations

from collections.abc import Iterator

from core.changes import FLEET_ENTITY
from core.store.entities import EntityName
from core.value_codec import Ref, Value


def full_entity_name(name: EntityName) -> str:
    """Format `kind:key` as people write it, or the start of the id of what has neither."""
    return name.entity.hex()[:8] if name.kind is None or name.key is None else f"{name.kind}:{name.key}"


def entities_in_value(value: Value) -> Iterator[bytes]:
    """Yield the entities that a value refers to."""
    for item in value if isinstance(value, tuple) else (value,):
        if isinstance(item, Ref):
            yield item.entity


def is_hidden(entity: bytes, name: str) -> bool:
    """Whether a slot holds the fleet's secret, which no screen or verb shows."""
    if entity != FLEET_ENTITY:
        return False
    from core.store.indexes.short_ids import SECRET_PROPERTY

    return name == SECRET_PROPERTY

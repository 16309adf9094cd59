"""What entities are called, which of them a value refers to, and what nobody is shown."""

from __future__ import annotations

from collections.abc import Iterator

from core.changes import FLEET_ENTITY
from core.store.entities import EntityName
from core.value_codec import Ref, Value


def full_entity_name(name: EntityName) -> str:
    """`kind:key` as people write it, or the start of the id of what has neither."""
    return name.entity.hex()[:8] if name.kind is None or name.key is None else f"{name.kind}:{name.key}"


def entities_in_value(value: Value) -> Iterator[bytes]:
    """The entities that a value refers to."""
    for item in value if isinstance(value, tuple) else (value,):
        if isinstance(item, Ref):
            yield item.entity


def is_hidden(entity: bytes, name: str) -> bool:
    """Whether a slot holds what no screen or verb shows: the fleet's secret."""
    if entity != FLEET_ENTITY:
        return False
    from core.store.indexes.short_ids import SECRET_PROPERTY

    return name == SECRET_PROPERTY

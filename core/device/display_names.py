"""Names of entities in messages, the entities of a value, and the slots that are hidden."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from core import values
from core.changes import FLEET_ENTITY
from core.schema import Property
from core.store.entities import EntityName
from core.value_codec import FactRef, Redacted, Ref, Value, Withdrawal


def full_entity_name(name: EntityName) -> str:
    """Format `kind:key` as people write it, or the start of the id of what has neither."""
    return name.entity.hex()[:8] if name.kind is None or name.key is None else f"{name.kind}:{name.key}"


def cell_text(prop: Property, value: Value, names: Mapping[bytes, EntityName]) -> str:
    """Format a value as a cell of a table that reads as this value; a reference in full, no value as nothing."""
    if isinstance(value, tuple):
        return values.join_list([cell_text(prop, item, names) for item in value])
    if isinstance(value, Ref):
        return _reference_text(value, names)
    return prop.edit_text(value)


def plain_value(value: Value, names: Mapping[bytes, EntityName]) -> Any:
    """A value as plain JSON; a reference as `{"ref": "kind:key"}`, with the whole id where there is no name."""
    if isinstance(value, tuple):
        return [plain_value(item, names) for item in value]
    if isinstance(value, Ref):
        return {"ref": _reference_text(value, names)}
    if isinstance(value, FactRef):
        return {"fact": value.fact.hex()}
    if isinstance(value, Withdrawal):
        return {"withdraws": value.fact.hex()}
    return None if isinstance(value, Redacted) else value


def _reference_text(value: Ref, names: Mapping[bytes, EntityName]) -> str:
    name = names.get(value.entity)
    if name is None or name.kind is None or name.key is None:
        return value.entity.hex()
    return full_entity_name(name)


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

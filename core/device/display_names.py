"""Names of entities in messages, entities of a value, and how secrets are shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from core import values
from core.authority import may_succeed
from core.fleet_secrets import EPOCH_PROPERTY, HIDDEN_TEXT, is_secret
from core.member_values import ROLE_PROPERTY
from core.schema import Property
from core.store.entities import EntityName
from core.value_codec import FactRef, Redacted, Ref, Value, Withdrawal

if TYPE_CHECKING:
    from core.store.queries.fact_diffs import FactDiff


PLAIN_TYPES = frozenset((str, int, bool, type(None)))
"""The types of values that are themselves in JSON, and refer to nothing."""


def full_entity_name(name: EntityName) -> str:
    """Format `kind:key` as people write it, or the start of the id without a key."""
    return name.entity.hex()[:8] if name.kind is None or name.key is None else f"{name.kind}:{name.key}"


def cell_text(prop: Property, value: Value, names: Mapping[bytes, EntityName]) -> str:
    """Format a value as a cell of a table that reads as this value.

    A reference in full, no value as nothing.
    """
    if isinstance(value, tuple):
        return values.join_list([cell_text(prop, item, names) for item in value])
    if isinstance(value, Ref):
        return _reference_text(value, names)
    return prop.edit_text(value)


def plain_value(value: Value, names: Mapping[bytes, EntityName]) -> Any:
    """A value as plain JSON.

    A reference as `{"ref": "kind:key"}`, with the whole id where there is no name.
    """
    if type(value) in PLAIN_TYPES:
        return value
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


def mask_secrets(diffs: Iterable[FactDiff]) -> list[FactDiff]:
    """Leave out the fleet's secret; of an epoch's key show that there is a new one."""
    masked = []
    for diff in diffs:
        if not is_secret(diff.entity, diff.property):
            masked.append(diff)
        elif diff.property == EPOCH_PROPERTY:
            masked.append(replace(diff, old=HIDDEN_TEXT if diff.had_value else None, new=HIDDEN_TEXT))
    return masked


def is_new_key(name: str, value: Value) -> bool:
    """Whether a property says that a device goes on with a new key, as its role."""
    return name == ROLE_PROPERTY and may_succeed(value)

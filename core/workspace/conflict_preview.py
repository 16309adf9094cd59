"""Preview what an edit would bring into the inbox.

So that its author knows before it is saved.
"""

from __future__ import annotations

from collections.abc import Mapping

from core.inbox import InboxItem, InboxItemFinder, stated_networks
from core.records import Record, record_of
from core.schema import Kind, Property, Schema
from core.slots import Candidate
from core.store.view import View
from core.value_codec import FACT_ID_BYTES, Value

_NO_FACT_ID = bytes(FACT_ID_BYTES)


async def preview_conflicts(
    view: View, schema: Schema, wanted: Mapping[bytes, tuple[Record, Mapping[str, Value]]]
) -> list[InboxItem]:
    """Find the duplicates and overlaps that wanted values would make or leave.

    `wanted` is `{entity: (record, {property: value})}`; only these properties count.
    """
    records: dict[bytes, Record] = {}
    names: set[tuple[str, str]] = set()
    for record, values in wanted.values():
        kind = schema.kind(record.kind)
        for name in values:
            prop = kind.property(name)
            if prop.unique or prop.no_overlap or name in (kind.key, kind.within):
                names.add((kind.name, name))
                for other in await _records_with_same_value(
                    view, schema, kind, prop, _with_values(record, values, schema)
                ):
                    records.setdefault(other.entity, other)
    records.update({entity: _with_values(record, values, schema) for entity, (record, values) in wanted.items()})
    names_by_entity = await view.names(
        {parent for record in records.values() for parent in _parent_entities(record, schema)}, schema
    )
    known = {entity: Record(entity, name.kind, name.key) for entity, name in names_by_entity.items()}
    inbox = InboxItemFinder(records.values(), schema, (known | records).get)
    found = [*inbox.duplicates(), *inbox.overlaps()]
    return [m for m in found if (m.kind, m.property) in _with_keys(names, schema) and wanted.keys() & set(m.entities)]


def _with_keys(names: set[tuple[str, str]], schema: Schema) -> set[tuple[str, str]]:
    """The properties, and the key of a kind whose `within` is among them."""
    return names | {(kind, schema.kind(kind).key) for kind, name in names if name == schema.kind(kind).within}


async def _records_with_same_value(
    view: View, schema: Schema, kind: Kind, prop: Property, wanted: Record
) -> list[Record]:
    """The entities of the same kind that may hold the wanted value."""
    values = _values_of(wanted)
    if prop.no_overlap:
        neighbours = await view.network_neighbours(
            kind, prop, [each.network for each in stated_networks([wanted], prop)], schema
        )
        return await view.records(kind.name, schema) if neighbours is None else neighbours
    if prop.unique and prop.name != kind.within:
        value = values.get(prop.name)
        if prop.many:
            return await view.records(kind.name, schema)
        return [] if value is None else await view.records(kind.name, schema, where={prop.name: value})
    where = {name: values.get(name) for name in (kind.key, kind.within) if name}
    return [] if where[kind.key] is None else await view.records(kind.name, schema, where=where)


def _values_of(record: Record) -> dict[str, Value]:
    return {name: slot.value for name, slot in record.slots.items()}


def _parent_entities(record: Record, schema: Schema) -> list[bytes]:
    from core.device.display_names import entities_in_value

    within = schema.kind(record.kind).within
    return list(entities_in_value(record.value(within))) if within else []


def _with_values(record: Record, values: Mapping[str, Value], schema: Schema) -> Record:
    """The record as it would be."""
    leaves = {name: list(slot.leaves) for name, slot in record.slots.items()}
    for name, value in values.items():
        leaves[name] = [Candidate(_NO_FACT_ID, value, "", b"", 0, None)]
    made = record_of(record.entity, leaves, schema.kind(record.kind))
    return Record(record.entity, record.kind, made.key, record.retired, made.slots)

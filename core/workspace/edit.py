"""Whether what somebody wants to write is acceptable here, before anything is written.

What comes from elsewhere is never refused for its values; what is typed on this device is held to the schema.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from core.changes import ID_BYTES, Value
from core.device.display_names import entities_in_value, full_entity_name
from core.errors import Refused
from core.records import Record
from core.schema import KEY, KIND, RETIRED, Kind, Property, Schema
from core.store.view import View
from core.values import is_same_value, quote_value

if TYPE_CHECKING:
    from core.device.context import DeviceContext, EditResult

MIN_FACT_PREFIX_DIGITS = 8


async def create_entity(
    workspace: DeviceContext, kind_name: str, values: Mapping[str, Value], note: str | None
) -> EditResult:
    """See `Workspace.create`."""
    schema, view = await workspace.schema(), workspace.view()
    kind = creatable_kind(schema, kind_name)
    values = {name: value for name, value in values.items() if value is not None}
    check_new_entity(kind, values)
    await check_references(view, kind, values, schema)
    await check_key_is_free(view, kind, values, schema)
    return await workspace.write(Record(workspace.entropy(ID_BYTES)), {KIND: kind_name, **values}, note)


async def set_values(
    workspace: DeviceContext, shown: Record, wanted: Mapping[str, Value], note: str | None
) -> EditResult:
    """See `Workspace.set`."""
    schema = await workspace.schema()
    kind = schema.kind(shown.kind)
    check_values(shown, wanted, kind)
    await check_references(workspace.view(), kind, wanted, schema)
    return await workspace.write(shown, wanted, note)


async def clear_values(workspace: DeviceContext, shown: Record, names: Sequence[str], note: str | None) -> EditResult:
    """See `Workspace.clear`."""
    kind = (await workspace.schema()).kind(shown.kind)
    meant = [name if name in shown.slots and name != KIND else editable_property(kind, name).name for name in names]
    return await set_values(workspace, shown, dict.fromkeys(meant), note)


async def resolve_with_candidate(
    workspace: DeviceContext, shown: Record, name: str, fact: str, note: str | None
) -> EditResult:
    """See `Workspace.take`."""
    found = [leaf for leaf in shown.slot(name).leaves if leaf.fact.hex().startswith(fact.lower())]
    if len(fact) < MIN_FACT_PREFIX_DIGITS or len(found) != 1:
        raise Refused(
            "{fact} is none of the candidates for {property}: `fieldline show` lists them.",
            fact=quote_value(fact),
            property=quote_value(name),
        )
    return await workspace.write(shown, {name: found[0].value}, note)


def editable_property(kind: Kind, name: str) -> Property:
    """The definition of a property that people may set, by its name or label; raises Refused, naming those that there
    are.
    """
    found = find_property(kind, name)
    if found.name == KIND or (found.name == KEY and kind.key != KEY):
        raise _unknown_property_error(kind, name)
    return found


def find_property(kind: Kind, name: str) -> Property:
    """The definition of a property by its name or a label of it in any language; raises Refused."""
    found = kind.find_properties(name)
    if len(found) > 1:
        raise Refused(
            "{property} could be any of {properties}: name one of them.",
            property=quote_value(name),
            properties=", ".join(prop.name for prop in found),
        )
    if not found:
        raise _unknown_property_error(kind, name)
    return found[0]


def _unknown_property_error(kind: Kind, name: str) -> Refused:
    return Refused(
        "{kind} has no property {property}: there are {properties}.",
        kind=kind.name or "?",
        property=quote_value(name),
        properties=", ".join(kind.properties) or "-",
    )


def unknown_kind_error(schema: Schema, name: str) -> Refused:
    """What to tell people who name a kind that there is not, or not yet."""
    if not schema.kinds:
        return Refused("What can be configured is not known here yet: sync with a device of the fleet first.")
    return Refused("There is no kind {kind}: there are {kinds}.", kind=quote_value(name), kinds=", ".join(schema.kinds))


def creatable_kind(schema: Schema, name: str) -> Kind:
    """The definition of a kind of which people may make entities; raises Refused, naming those that there are."""
    if name not in schema.kinds:
        raise unknown_kind_error(schema, name)
    return schema.kinds[name]


def check_values(shown: Record, wanted: Mapping[str, Value], kind: Kind) -> None:
    """Raise Refused for a value that the schema refuses. What is stated there already may be stated again."""
    for name, value in wanted.items():
        if any(is_same_value(leaf.value, value) for leaf in shown.slot(name).leaves):
            continue
        if value is None and not kind.property(name).required and name in shown.slots:
            continue
        problem = editable_property(kind, name).check(value)
        if problem is not None:
            raise problem


def check_new_entity(kind: Kind, values: Mapping[str, Value]) -> None:
    """Raise Refused if these are not the values of a new entity of this kind."""
    for name, value in values.items():
        if name == RETIRED:
            raise Refused("What is new cannot be retired at once: leave {property} out.", property=name)
        problem = editable_property(kind, name).check(value)
        if problem is not None:
            raise problem
    lacking = [prop.name for prop in kind.missing(values)]
    if values.get(kind.key) is None and kind.key not in lacking:
        lacking.insert(0, kind.key)
    if lacking:
        raise Refused(
            "A new {kind} needs {properties}: give each as NAME=VALUE.", kind=kind.name, properties=", ".join(lacking)
        )


async def check_references(view: View, kind: Kind, wanted: Mapping[str, Value], schema: Schema) -> None:
    """Raise Refused for a reference to something that is not here or is of another kind than the schema says."""
    pairs = [(kind.property(name), ref) for name, value in wanted.items() for ref in entities_in_value(value)]
    if not pairs:
        return
    called = await view.names({ref for _, ref in pairs}, schema)
    for prop, entity in pairs:
        target = called.get(entity)
        if target is None or target.kind is None:
            raise Refused(
                "{property}: there is no {entity} here: `fieldline list KIND` shows what there is.",
                property=prop.name,
                entity=entity.hex()[:8],
            )
        if prop.refers_to is not None and target.kind != prop.refers_to:
            raise Refused(
                "{property}: {target} is not of the kind {kind}",
                property=prop.name,
                target=full_entity_name(target),
                kind=prop.refers_to,
            )


async def check_key_is_free(view: View, kind: Kind, values: Mapping[str, Value], schema: Schema) -> None:
    """Raise Refused if something that is not retired has the key that a new entity is to have."""
    where = {name: values.get(name) for name in (kind.key, kind.within) if name}
    found = await view.records(kind.name, schema, where=where)
    if found:
        called = (await view.names([found[0].entity], schema))[found[0].entity]
        raise Refused(
            "There is {entity} already: set its properties, or choose another key.", entity=full_entity_name(called)
        )

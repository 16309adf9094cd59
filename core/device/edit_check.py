"""Check edits against the schema before they are saved.

The one place that does, whoever edits.

What comes from other devices and from histories is never refused for its values; what is edited on this device is. A
value that a slot holds may be stated again, and one that it held before may be restored, whatever the schema says now.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from core.device.display_names import entities_in_value, full_entity_name
from core.errors import Refused
from core.records import Edit, Record
from core.schema import (
    KEY,
    KIND,
    RESERVED_KINDS,
    RETIRED,
    Kind,
    Property,
    Schema,
    is_acceptance,
    is_internal_property,
    no_schema_error,
)
from core.store.view import View
from core.value_codec import Value
from core.values import check_visible, is_same_value, quote_value

MAX_KEY_LOOKUPS = 20
"""New entities of one kind whose keys are looked up one by one; for more, reading all of the kind is faster."""

NewEntity = tuple[Kind, Mapping[str, Value]]


async def check_edits(view: View, schema: Schema, edits: Iterable[Edit]) -> bool:
    """Raise Refused for the first of these edits that the schema refuses in `view`.

    Edits that restore are not checked. Gives whether some are about the fleet, its schema or its members, which only an
    admin may edit.
    """
    wanted: dict[bytes, dict[str, Value]] = defaultdict(dict)
    for edit in edits:
        if not edit.is_restored:
            wanted[edit.entity][edit.property] = edit.value
    records = await view.records_by_id(wanted, schema)
    new: list[NewEntity] = []
    references: list[tuple[Property, bytes]] = []
    made: dict[bytes, str] = {}
    needs_admin = False
    for entity, values in wanted.items():
        record = records[entity]
        kind_name = record.kind if record.kind is not None else values.get(KIND)
        if kind_name in RESERVED_KINDS:
            _check_internal_values(schema.kind(kind_name), values)
            needs_admin = True
        elif record.kind is None and KIND in values:
            kind = creatable_kind(schema, str(kind_name))
            if kind.name != kind_name:  # a label is for people, and no fact has it
                raise _unknown_kind_error(schema, str(kind_name))
            stated = {name: value for name, value in values.items() if name != KIND}
            _check_new_values(kind, stated)
            new.append((kind, stated))
            made[entity] = kind.name
            references += _new_references(record, stated, kind)
        else:
            _check_values(record, values, schema.kind(record.kind))
            references += _new_references(record, values, schema.kind(record.kind))
    await _check_references(view, schema, references, made)
    await check_keys_are_free(view, schema, new)
    return needs_admin


def editable_property(kind: Kind, name: str) -> Property:
    """The definition of a property that people may set, by its name or label.

    Raises Refused, naming the properties.
    """
    found = find_property(kind, name)
    if found.name == KIND or (found.name == KEY and kind.key != KEY):
        raise _unknown_property_error(kind, name)
    return found


def find_property(kind: Kind, name: str) -> Property:
    """The definition of a property by its name or a label of it in any language.

    Raises Refused.
    """
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


def _property_by_name(kind: Kind, name: str) -> Property:
    """The definition of a property as a fact names it: a label is none."""
    found = editable_property(kind, name)
    if found.name != name:
        raise _unknown_property_error(kind, name)
    return found


def _unknown_property_error(kind: Kind, name: str) -> Refused:
    return Refused(
        "{kind} has no property {property}: there are {properties}.",
        kind=kind.name or "?",
        property=quote_value(name),
        properties=", ".join(kind.properties) or "-",
    )


def creatable_kind(schema: Schema, name: str) -> Kind:
    """The definition of a kind of which people may make entities.

    Raises Refused, naming those that there are.
    """
    if not schema.kinds:
        raise no_schema_error()
    found = schema.kinds.get(schema.kind_name(name))
    if found is None:
        raise _unknown_kind_error(schema, name)
    return found


def _unknown_kind_error(schema: Schema, name: str) -> Refused:
    return Refused("There is no kind {kind}: there are {kinds}.", kind=quote_value(name), kinds=", ".join(schema.kinds))


async def check_keys_are_free(view: View, schema: Schema, new: Sequence[NewEntity]) -> None:
    """Raise Refused if a new entity has the key of another one in use, new or not."""
    by_kind: dict[str, list[NewEntity]] = defaultdict(list)
    for each in new:
        by_kind[each[0].name].append(each)
    for name, group in by_kind.items():
        names = key_properties(group[0][0])
        seen: set[tuple[Value, ...]] = set()
        for record in await view.records(name, schema) if len(group) > MAX_KEY_LOOKUPS else ():
            seen.add(tuple(record.value(each) for each in names))
        for kind, values in group:
            key = tuple(values.get(each) for each in names)
            if key in seen or len(group) <= MAX_KEY_LOOKUPS:
                found = await view.records(name, schema, where=dict(zip(names, key, strict=True)))
                if found:
                    called = (await view.names([found[0].entity], schema))[found[0].entity]
                    raise Refused(
                        "There is {entity} already: set its properties, or choose another key.",
                        entity=full_entity_name(called),
                    )
            if key in seen:
                raise Refused("Two new {kind} have the same key: choose another for one of them.", kind=kind.name)
            seen.add(key)


def key_properties(kind: Kind) -> list[str]:
    """The properties that together name one entity of a kind."""
    return [name for name in (kind.key, kind.within) if name]


def _check_values(record: Record, values: Mapping[str, Value], kind: Kind) -> None:
    for name, value in values.items():
        if any(is_same_value(leaf.value, value) for leaf in record.slot(name).leaves):
            continue
        if value is None and not kind.property(name).required and name in record.slots:
            continue
        if is_acceptance(name) and isinstance(value, str):
            _check_value(kind.property(name), value)
            continue
        _check_value(_property_by_name(kind, name), value)


def _check_new_values(kind: Kind, values: Mapping[str, Value]) -> None:
    for name, value in values.items():
        if name == RETIRED:
            raise Refused("What is new cannot be retired at once: leave {property} out.", property=name)
        _check_value(_property_by_name(kind, name), value)
    missing = [prop.name for prop in kind.missing(values)]
    if values.get(kind.key) is None and kind.key not in missing:
        missing.insert(0, kind.key)
    if missing:
        raise Refused(
            "A new {kind} needs {properties}: give each as NAME=VALUE.", kind=kind.name, properties=", ".join(missing)
        )


def _check_internal_values(kind: Kind, values: Mapping[str, Value]) -> None:
    """Check edits of the fleet, its schema or a member, which no schema defines."""
    for name, value in values.items():
        if not is_internal_property(name):
            raise Refused(
                "{kind} has no property {property}: there are {properties}.",
                kind=kind.name,
                property=quote_value(name),
                properties="-",
            )
        if problem := kind.property(name).check(value):
            raise problem


def _check_value(prop: Property, value: Value) -> None:
    check_visible(prop.name, value)
    problem = prop.check(value)
    if problem is not None:
        raise problem


def _new_references(record: Record, values: Mapping[str, Value], kind: Kind) -> list[tuple[Property, bytes]]:
    """The property and target of each reference that is not stated in its slot yet."""
    return [
        (kind.property(name), target)
        for name, value in values.items()
        for stated in [{each for leaf in record.slot(name).leaves for each in entities_in_value(leaf.value)}]
        for target in entities_in_value(value)
        if target not in stated
    ]


async def _check_references(
    view: View, schema: Schema, references: Sequence[tuple[Property, bytes]], made: Mapping[bytes, str]
) -> None:
    """Raise Refused for a reference to what is not here or of another kind.

    `made` are the kinds of what comes to be by the same edits.
    """
    names = await view.names({target for _, target in references if target not in made}, schema) if references else {}
    for prop, entity in references:
        target = names.get(entity)
        kind = made.get(entity) or (target and target.kind)
        if kind is None:
            raise Refused(
                "{property}: there is no {entity} here: `fieldline list KIND` shows what there is.",
                property=prop.name,
                entity=entity.hex()[:8],
            )
        if prop.refers_to is not None and kind != prop.refers_to:
            raise Refused(
                "{property}: {target} is not of the kind {kind}",
                property=prop.name,
                target=full_entity_name(target) if target else kind,
                kind=prop.refers_to,
            )

"""Whether what somebody wants to write is acceptable here, before anything is written.

What comes from elsewhere is never refused for its values; what is typed on this device is held to the schema.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from core.changes import MAX_NOTE, Ref, Value
from core.errors import Refused
from core.records import Record
from core.schema import KEY, KIND, RETIRED, Kind, Property, Schema
from core.store.reading import Name
from core.store.view import View
from core.values import quoted, same


def checked_note(note: str | None) -> str | None:
    """The note if a change can carry it, None if it is empty; raises Refused."""
    try:
        size = len(note.encode()) if note else 0
    except UnicodeEncodeError:
        raise Refused("The note is not valid Unicode: type it again.") from None
    if size > MAX_NOTE:
        raise Refused("The note is too long: at most {limit} bytes fit.", limit=MAX_NOTE)
    return note or None


def property_of(kind: Kind, name: str) -> Property:
    """The definition of a property that people may set; raises Refused, naming those that there are."""
    found = kind.property(name)
    if not found.known or name == KIND or (name == KEY and kind.key != KEY):
        raise Refused(
            "{kind} has no property {property}: there are {properties}.",
            kind=kind.name or "?",
            property=quoted(name),
            properties=", ".join(kind.properties) or "-",
        )
    return found


def kind_to_make(schema: Schema, name: str) -> Kind:
    """The definition of a kind of which people may make entities; raises Refused, naming those that there are."""
    if name not in schema.kinds:
        raise Refused(
            "There is no kind {kind}: there are {kinds}.", kind=quoted(name), kinds=", ".join(schema.kinds) or "-"
        )
    return schema.kinds[name]


def check_wanted(shown: Record, wanted: Mapping[str, Value], kind: Kind) -> None:
    """Raise Refused for a value that the schema refuses. What is stated there already may be stated again."""
    for name, value in wanted.items():
        if any(same(leaf.value, value) for leaf in shown.slot(name).leaves):
            continue
        if value is None and not kind.property(name).required and name in shown.slots:
            continue
        problem = property_of(kind, name).check(value)
        if problem is not None:
            raise problem


def check_new(kind: Kind, values: Mapping[str, Value]) -> None:
    """Raise Refused if these are not the values of a new entity of this kind."""
    for name, value in values.items():
        if name == RETIRED:
            raise Refused("What is new cannot be retired at once: leave {property} out.", property=name)
        problem = property_of(kind, name).check(value)
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
    pairs = [(kind.property(name), ref) for name, value in wanted.items() for ref in referred(value)]
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
                target=full_name(target),
                kind=prop.refers_to,
            )


async def check_key_is_free(view: View, kind: Kind, values: Mapping[str, Value], schema: Schema) -> None:
    """Raise Refused if something that is not retired has the key that a new entity is to have."""
    where = {name: values.get(name) for name in (kind.key, kind.within) if name}
    found = await view.records(kind.name, schema, where=where)
    if found:
        called = (await view.names([found[0].entity], schema))[found[0].entity]
        raise Refused("There is {entity} already: set its properties, or choose another key.", entity=full_name(called))


def full_name(name: Name) -> str:
    """`kind:key` as people write it, or the start of the id of what has neither."""
    return name.entity.hex()[:8] if name.kind is None or name.key is None else f"{name.kind}:{name.key}"


def referred(value: Value) -> Iterable[bytes]:
    """The entities that a value refers to."""
    for item in value if isinstance(value, tuple) else (value,):
        if isinstance(item, Ref):
            yield item.entity

"""Make an Ansible inventory of what has an address, grouped by kind and parent.

What comes from facts is data for whoever reads the inventory: Ansible takes texts with braces for templates, which may
run commands, so they are left out, and so are addresses that could be options of ssh.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from core.device.display_names import entities_in_value, full_entity_name, plain_value
from core.errors import FieldlineError, Refused
from core.schema import Kind, Schema
from core.value_codec import Ref, Value
from core.values import quote_value

if TYPE_CHECKING:
    from core.device.context import DeviceContext
    from core.records import Record
    from core.store.entities import EntityName
    from core.store.view import View

ADDRESS = "address"
MAX_DEPTH = 4
"""Levels that are followed upwards: facts can state a circle."""
_RECORDS_PER_STEP = 500
_ADDRESS = re.compile(r"[0-9A-Za-z_:][0-9A-Za-z_.:%-]*")
_TEMPLATE = re.compile(r"\{[{%#]|[}%#]\}")
_NOT_IN_HOST, _NOT_IN_GROUP = re.compile(r"[^0-9A-Za-z_.-]"), re.compile(r"\W", re.ASCII)


@dataclass(frozen=True, slots=True)
class Inventory:
    """The variables of each host, the hosts of each group, and what was left out."""

    hosts: Mapping[str, dict[str, Any]]
    groups: Mapping[str, list[str]]
    problems: Sequence[FieldlineError]

    def as_json(self) -> dict[str, Any]:
        """What an inventory script prints for `--list`."""
        groups = {name: {"hosts": hosts} for name, hosts in self.groups.items()}
        return {"_meta": {"hostvars": dict(self.hosts)}, "all": {"children": ["ungrouped", *groups]}, **groups}


@dataclass(slots=True)
class _Found:
    """What has an address, what it lies in, and what all of that is called."""

    records: dict[bytes, Record] = field(default_factory=dict)
    addresses: dict[bytes, str] = field(default_factory=dict)
    above: dict[bytes, list[bytes]] = field(default_factory=dict)
    names: dict[bytes, EntityName] = field(default_factory=dict)
    problems: list[FieldlineError] = field(default_factory=list)


def address_property(kind: Kind) -> str:
    """Which property is a kind's address.

    The only one of type ip-address if there is one, else `address`.
    """
    typed = [name for name, prop in kind.properties.items() if prop.type == "ip-address"]
    return typed[0] if len(typed) == 1 and ADDRESS not in kind.properties else ADDRESS


async def make_inventory(workspace: DeviceContext, kinds: Sequence[str], address: str | None) -> Inventory:
    """Make the inventory of these kinds by this property, or each kind's address.

    All kinds if none is given.

    Raises Refused if no kind has one.
    """
    schema, view = await workspace.schema(), workspace.view()
    chosen = _choose_kinds(schema, kinds, address)
    found = _Found()
    for kind, name in chosen.items():
        entities = await view.entities(kind, schema)
        for first in range(0, len(entities), _RECORDS_PER_STEP):
            await _read_hosts(view, schema, entities[first : first + _RECORDS_PER_STEP], name, found)
    await _read_above(view, schema, found)
    found.names = await view.names(
        {*found.records, *(e for above in found.above.values() for e in above), *_referred(found)}, schema
    )
    return _build(schema, found)


def _choose_kinds(schema: Schema, kinds: Sequence[str], address: str | None) -> dict[str, str]:
    for name in kinds:
        if name not in schema.kinds:
            raise Refused(
                "There is no kind {name}; there are {kinds}.", name=quote_value(name), kinds=", ".join(schema.kinds)
            )
    chosen = {}
    for kind in schema.kinds.values():
        prop = address_property(kind) if address is None else address
        if prop in kind.properties and (not kinds or kind.name in kinds):
            chosen[kind.name] = prop
    if not chosen:
        raise Refused("No kind has an address: name the property that holds it with --address.")
    return chosen


async def _read_hosts(view: View, schema: Schema, entities: Sequence[bytes], name: str, found: _Found) -> None:
    for entity, record in (await view.records_by_id(entities, schema)).items():
        value = record.value(name)
        if value is None:
            continue
        if isinstance(value, str) and _ADDRESS.fullmatch(value):
            found.records[entity], found.addresses[entity] = record, value
        else:
            found.problems.append(_left_out(record, name, value))


def _left_out(record: Record, name: str, value: Value) -> FieldlineError:
    return FieldlineError(
        "{entity}: {property} was left out: {value} could be more than data to who reads it.",
        entity=record.entity.hex()[:8],
        property=name,
        value=quote_value(str(value)),
    )


async def _read_above(view: View, schema: Schema, found: _Found) -> None:
    """Read what each host lies in, and what that lies in."""
    above = {entity: [entity] for entity in found.records}
    parents: dict[bytes, bytes | None] = {e: _parent(schema, found.records[e]) for e in above}
    for _ in range(MAX_DEPTH):
        new = {parent for parent in parents.values() if parent is not None} - parents.keys()
        if not new:
            break
        for entity, record in (await view.records_by_id(new, schema)).items():
            parents[entity] = _parent(schema, record)
    for entity, way in above.items():
        at = parents[entity]
        while at is not None and at not in way:
            way.append(at)
            at = parents.get(at)
        found.above[entity] = way[1:]


def _parent(schema: Schema, record: Record) -> bytes | None:
    kind = schema.kind(record.kind)
    value = record.value(kind.parent) if kind.parent else None
    return value.entity if isinstance(value, Ref) else None


def _referred(found: _Found) -> set[bytes]:
    slots = (slot for record in found.records.values() for slot in record.slots.values())
    return {entity for slot in slots for entity in entities_in_value(slot.value)}


def _build(schema: Schema, found: _Found) -> Inventory:
    called = _distinct({e: _NOT_IN_HOST.sub("_", found.names[e].key or e.hex()[:8]) for e in found.records})
    above = {e for each in found.above.values() for e in each}
    named = _distinct({e: _group_name(full_entity_name(found.names[e])) for e in above})
    groups: dict[str, list[str]] = {}
    hosts: dict[str, dict[str, Any]] = {}
    for entity, host in called.items():
        record = found.records[entity]
        hosts[host] = {"ansible_host": found.addresses[entity], **_variables(schema, found, record)}
        for group in (_group_name(f"kind_{record.kind}"), *(named[each] for each in found.above[entity])):
            groups.setdefault(group, []).append(host)
    return Inventory(hosts, groups, found.problems)


def _variables(schema: Schema, found: _Found, record: Record) -> dict[str, Any]:
    """What is configured, under names of which Ansible knows none."""
    variables: dict[str, Any] = {}
    stated = {"entity": full_entity_name(found.names[record.entity])}
    for name in schema.kind(record.kind).properties:
        if (value := record.value(name)) is not None:
            stated[name] = plain_value(value, found.names)
    for name, plain in stated.items():
        if any(_TEMPLATE.search(text) for text in _texts(plain)):
            found.problems.append(_left_out(record, name, str(plain)))
        else:
            variables[f"fieldline_{_NOT_IN_GROUP.sub('_', name)}"] = plain
    return variables


def _texts(plain: Any) -> Iterable[str]:
    if isinstance(plain, str):
        yield plain
    elif isinstance(plain, list | dict):
        for item in plain.values() if isinstance(plain, dict) else plain:
            yield from _texts(item)


def _group_name(text: str) -> str:
    return _NOT_IN_GROUP.sub("_", text)


def _distinct(named: Mapping[bytes, str]) -> dict[bytes, str]:
    """Names of which no two are the same, nor begin with a hyphen.

    Those that are get the start of their ids.
    """
    count: dict[str, int] = {}
    for text in named.values():
        count[text] = count.get(text, 0) + 1
    return {
        entity: f"_{text}_{entity.hex()[:8]}" if count[text] > 1 or text.startswith("-") else text
        for entity, text in named.items()
    }

"""Find the inbox items.

Conflicts in one slot, and clashes between slots and entities. Pure.

Everything here is computed from records, and all devices with the same facts find the same. Nothing of it has to be
resolved: each slot has a value in use meanwhile. Between slots what counts is the value in use
(the pick of a conflict) of entities that are not retired.

A clash may be wanted: then somebody accepts it as it is. That is a fact of one of its entities, of a property that is
named after the item's id; and the id is a digest of what clashes, so the item is back when one of its values changes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network

from blake3 import blake3

from core.errors import FieldlineError
from core.records import Record
from core.schema import ACCEPTED_PROPERTY_PREFIX, RETIRED, Kind, Property, Schema, is_acceptance
from core.slots import Absent, Agreed, Candidate, Conflict, Slot
from core.sort_order import natural_key
from core.value_codec import ID_BYTES, Redacted, Ref, Scalar, Value, encode_value
from core.values import join_names, printable, quote_value

ITEM_TYPES = ("conflict", "duplicate", "overlap", "dangling", "retired-edit", "invalid")
"""The types of items, in the order in which they are listed."""

DescendsFrom = Callable[[bytes, bytes], bool]
"""`(a, b)` -> whether the author of change `a` had change `b`: they are the same, or `b` can be reached from `a` over
`previous` and over all the fact ids that `a` names, of whatever slot."""

FindRecord = Callable[[bytes], Record | None]
"""Gives the record of an entity, None if there is none."""

_MAX_NAMES_SHOWN = 3
_MAX_KEY_DEPTH = 8


@dataclass(frozen=True, slots=True)
class InboxItem:
    """One item. `entity` and `property` name the slot where a person would begin.

    `candidates` are the facts that clash, and `entities` those they are about: for a conflict the leaves of the slot,
    for a clash of several entities one fact each (in the order of `entities`), for an edit of something retired the
    retirement and the facts that it did not know. `id` tells it from all others, and is another one when what clashes
    is another; `acceptance` is the fact that accepts it as it is, None if nobody did.
    """

    type: str
    entity: bytes
    kind: str | None
    key: str | None
    property: str
    candidates: tuple[Candidate, ...]
    entities: tuple[bytes, ...]
    message: FieldlineError = field(compare=False)
    id: bytes = b""
    acceptance: Candidate | None = None


def acceptance_property(item_id: bytes) -> str:
    """The property by which one of its entities accepts an item."""
    return ACCEPTED_PROPERTY_PREFIX + item_id.hex()


def find_inbox_items(
    records: Iterable[Record],
    schema: Schema,
    descends_from: DescendsFrom,
    find: FindRecord | None = None,
    types: Iterable[str] = ITEM_TYPES,
) -> list[InboxItem]:
    """Find the items of these types among records, by type, kind, key and property.

    `find` is asked for what references point at and what keys are within; without it, `records` must hold that, too.
    """
    view = InboxItemFinder(records, schema, find)
    finders: dict[str, Callable[[], Iterator[InboxItem]]] = {
        "conflict": view.conflicts,
        "duplicate": view.duplicates,
        "overlap": view.overlaps,
        "dangling": view.dangling,
        "retired-edit": lambda: view.retired_edits(descends_from),
        "invalid": view.invalid,
    }
    return sorted((item for name in types for item in finders[name]()), key=_item_sort_key)


def _item_sort_key(item: InboxItem) -> tuple[int, str, str, str, str, bytes]:
    key = item.key or ""
    return (ITEM_TYPES.index(item.type), item.kind or "", natural_key(key), key, item.property, item.entity)


class InboxItemFinder:
    """Find the items of records, type by type.

    A kind that the schema does not know has conflicts only.
    """

    def __init__(self, records: Iterable[Record], schema: Schema, find: FindRecord | None = None) -> None:
        self._records = list(records)
        self._schema = schema
        self._find_record: FindRecord = find or {record.entity: record for record in self._records}.get

    def conflicts(self) -> Iterator[InboxItem]:
        """Slots with several values."""
        for record in self._records:
            for name, slot in record.slots.items():
                if isinstance(slot, Conflict):
                    yield self._item(
                        "conflict", [(record, slot)], name, self._conflict_message(record, name, slot), slot.leaves
                    )

    def duplicates(self) -> Iterator[InboxItem]:
        """Values of a unique property, and keys, that several entities hold."""
        for kind, records in self._active_by_kind():
            for prop in kind.properties.values():
                if prop.unique or prop.name == kind.key:
                    yield from self._duplicates_of(records, prop, None if prop.unique else kind.within)
            if kind.key not in kind.properties:
                yield from self._duplicates_of(records, kind.property(kind.key), kind.within)

    def overlaps(self) -> Iterator[InboxItem]:
        """Networks that lie within one that another entity has.

        One item for each outermost network.
        """
        for kind, records in self._active_by_kind():
            for prop in kind.properties.values():
                if prop.no_overlap:
                    for group in _overlapping_groups(stated_networks(records, prop)):
                        yield self._overlap_item(prop, group)

    def dangling(self) -> Iterator[InboxItem]:
        """References to an entity that nobody here knows, or that is retired."""
        for record, name, slot, entity in self._references():
            target = self._find_record(entity)
            fields = {"name": self._entity_name(record), "property": name, "target": self._target_name(entity)}
            if target is None or target.kind is None:
                message = FieldlineError("{property} of {name} refers to {target}, which is not known here", **fields)
            elif target.retired:
                message = FieldlineError("{property} of {name} refers to {target}, which is retired", **fields)
            else:
                continue
            yield self._item("dangling", [(record, slot)], name, message)

    def retired_edits(self, descends_from: DescendsFrom) -> Iterator[InboxItem]:
        """Retired entities of which something was stated that who retired it had not seen.

        A leaf counts if no retirement of the entity was made in knowledge of it nor of a leaf with the same value,
        whether its author knew of the retirement or not. So to retire again in knowledge of it resolves it.
        """
        for record in self._records:
            retirements = [leaf for leaf in record.slot(RETIRED).leaves if leaf.value is True]
            if not record.retired:
                continue
            unseen = {
                name: found
                for name, slot in sorted(record.slots.items())
                if is_edit(name) and (found := _unseen_leaves(slot, retirements, descends_from))
            }
            if unseen:
                message = FieldlineError(
                    "{name} was retired by {by}, who had not seen what {user} set: {properties}",
                    name=self._entity_name(record),
                    by=printable(retirements[0].user),
                    user=printable(next(iter(unseen.values()))[0].user),
                    properties=", ".join(unseen),
                )
                unseen_leaves = [leaf for leaves in unseen.values() for leaf in leaves]
                yield self._item(
                    "retired-edit", [(record, record.slot(RETIRED))], RETIRED, message, [*retirements, *unseen_leaves]
                )

    def invalid(self) -> Iterator[InboxItem]:
        """Values in use that the schema refuses."""
        for kind, records in self._active_by_kind():
            for record in records:
                for name, slot in record.slots.items():
                    if isinstance(slot, Absent):
                        continue
                    prop = kind.property(name)
                    problem = prop.check(slot.value) or self._wrong_kind_problem(prop, slot.value)
                    if problem is not None:
                        yield self._item("invalid", [(record, slot)], name, problem)

    def _active_by_kind(self) -> Iterator[tuple[Kind, list[Record]]]:
        by_kind: dict[str, list[Record]] = {}
        for record in self._records:
            if record.kind is not None and not record.retired:
                by_kind.setdefault(record.kind, []).append(record)
        for kind in self._schema.kinds.values():
            if records := by_kind.get(kind.name):
                yield kind, records

    def _references(self) -> Iterator[tuple[Record, str, Slot, bytes]]:
        for _, records in self._active_by_kind():
            for record in records:
                for name, slot in record.slots.items():
                    for item in scalars_of(slot.value):
                        if isinstance(item, Ref):
                            yield record, name, slot, item.entity

    def _duplicates_of(self, records: list[Record], prop: Property, within: str | None) -> Iterator[InboxItem]:
        claims: dict[Hashable, dict[bytes, tuple[Record, Slot, Scalar]]] = {}
        for record in records:
            slot = record.slot(prop.name)
            scope = record.value(within) if within else None
            for item in scalars_of(slot.value):
                claims.setdefault((scope, prop.comparison_key(item)), {})[record.entity] = (record, slot, item)
        for owners in claims.values():
            if len(owners) > 1:
                holders = sorted(owners.values(), key=lambda holder: (self._entity_name(holder[0]), holder[0].entity))
                message = FieldlineError(
                    "{property} {value} is claimed by {names}",
                    property=prop.name,
                    value=quote_value(holders[0][2]),
                    names=join_names([self._entity_name(record) for record, _, _ in holders], _MAX_NAMES_SHOWN),
                )
                claimed = [encode_value(item) for _, _, item in holders]
                yield self._item(
                    "duplicate", [(record, slot) for record, slot, _ in holders], prop.name, message, claims=claimed
                )

    def _overlap_item(self, prop: Property, group: Sequence[StatedNetwork]) -> InboxItem:
        outer, *inner = group
        holders = {network.record.entity: (network.record, network.slot) for network in group}
        message = FieldlineError(
            "{property} {value} of {name} overlaps {others}",
            property=prop.name,
            value=str(outer.network),
            name=self._entity_name(outer.record),
            others=join_names(
                [f"{self._entity_name(each.record)} ({each.network})" for each in inner], _MAX_NAMES_SHOWN
            ),
        )
        claims = [each.record.entity + str(each.network).encode() for each in group]
        return self._item("overlap", list(holders.values()), prop.name, message, claims=claims)

    def _conflict_message(self, record: Record, name: str, slot: Slot) -> FieldlineError:
        return FieldlineError(
            "{property} of {name} has {count} different values; in use, provisional: {value}",
            property=name,
            name=self._entity_name(record),
            count=len({encode_value(leaf.value) for leaf in slot.leaves}),
            value=self._value_text(slot.value),
        )

    def _wrong_kind_problem(self, prop: Property, value: Value) -> FieldlineError | None:
        for item in scalars_of(value) if prop.refers_to else ():
            target = self._find_record(item.entity) if isinstance(item, Ref) else None
            if target is not None and target.kind not in (None, prop.refers_to):
                return FieldlineError(
                    "{property}: {target} is not of the kind {kind}",
                    property=prop.name,
                    target=self._entity_name(target),
                    kind=prop.refers_to,
                )
        return None

    def _item(
        self,
        type_name: str,
        holders: Sequence[tuple[Record, Slot]],
        name: str,
        message: FieldlineError,
        candidates: Sequence[Candidate] | None = None,
        claims: Sequence[bytes] | None = None,
    ) -> InboxItem:
        first = holders[0][0]
        found = tuple(candidates if candidates is not None else (slot.leaves[0] for _, slot in holders))
        # The property matters where it alone tells two items apart, the order of names and of leaves never.
        what = [encode_value(leaf.value) for leaf in found] if claims is None else claims
        parts = [type_name.encode(), name.encode(), *sorted(r.entity for r, _ in holders), b"", *sorted(set(what))]
        item_id = blake3(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).digest(ID_BYTES)
        slots = (record.slot(acceptance_property(item_id)) for record, _ in holders)
        return InboxItem(
            type_name,
            first.entity,
            first.kind,
            self._full_key(first),
            name,
            found,
            tuple(record.entity for record, _ in holders),
            message,
            item_id,
            # Where one accepts it and another one takes that back apart from it, it is open.
            next((slot.leaves[0] for slot in slots if isinstance(slot, Agreed) and slot.value is not None), None),
        )

    def _full_key(self, record: Record, depth: int = 0) -> str | None:
        """The whole key, with that of what it is within."""
        within = self._schema.kind(record.kind).within
        reference = record.value(within) if within and record.key is not None else None
        if not isinstance(reference, Ref) or depth == _MAX_KEY_DEPTH:
            return record.key
        parent = self._find_record(reference.entity)
        above = self._full_key(parent, depth + 1) if parent else None
        return record.key if above is None else f"{above}/{record.key}"

    def _entity_name(self, record: Record) -> str:
        key = self._full_key(record)
        return record.entity.hex()[:8] if key is None else printable(f"{record.kind}:{key}")

    def _value_text(self, value: Value) -> str:
        """A value in a message, with what it refers to by name."""
        named = [self._target_name(item.entity) for item in scalars_of(value) if isinstance(item, Ref)]
        return join_names(named, _MAX_NAMES_SHOWN) if named else quote_value(value)

    def _target_name(self, entity: bytes) -> str:
        record = self._find_record(entity)
        return entity.hex()[:8] if record is None else self._entity_name(record)


@dataclass(frozen=True, slots=True)
class StatedNetwork:
    """A network and who states it where."""

    network: IPv4Network | IPv6Network
    record: Record
    slot: Slot


def is_edit(name: str) -> bool:
    """Whether who states this property edits the entity.

    Not who retires it, nor who accepts a clash as it is.
    """
    return name != RETIRED and not is_acceptance(name)


def scalars_of(value: Value) -> tuple[Scalar, ...]:
    """The values of a list, one value as the only one of it, or none."""
    if value is None or isinstance(value, Redacted):
        return ()
    return value if isinstance(value, tuple) else (value,)


def _unseen_leaves(slot: Slot, retirements: Sequence[Candidate], knew: DescendsFrom) -> list[Candidate]:
    """The leaves of a slot that no retirement knew, nor another with their value."""
    unseen, seen = [], set()
    for leaf in slot.leaves:
        if any(knew(retirement.change, leaf.change) for retirement in retirements):
            seen.add(encode_value(leaf.value))
        else:
            unseen.append(leaf)
    return [leaf for leaf in unseen if encode_value(leaf.value) not in seen]


def stated_networks(records: Iterable[Record], prop: Property) -> list[StatedNetwork]:
    """The networks that a property of these records states and its definition allows."""
    return [
        StatedNetwork(_network_of(item), record, slot)
        for record in records
        for slot in [record.slot(prop.name)]
        for item in scalars_of(slot.value)
        if isinstance(item, str) and prop.check((item,) if prop.many else item) is None
    ]


@lru_cache(maxsize=1024)
def _network_of(text: str) -> IPv4Network | IPv6Network:
    """The network that a text names; those that are looked at again are read once."""
    return ip_network(text)


def _overlapping_groups(networks: list[StatedNetwork]) -> Iterator[list[StatedNetwork]]:
    """Groups of an outermost network and all within it, of several entities.

    Two networks are nested or apart, so in the order of their first addresses, the wider first, each group is a run.
    """
    group: list[StatedNetwork] = []
    end = (0, -1)
    for each in sorted(networks, key=_network_sort_key):
        version, first, *_ = _network_sort_key(each)
        if (version, first) > end:
            yield from _if_several_entities(group)
            group, end = [], (version, int(each.network.broadcast_address))
        group.append(each)
    yield from _if_several_entities(group)


def _network_sort_key(each: StatedNetwork) -> tuple[int, int, int, bytes]:
    network = each.network
    return (network.version, int(network.network_address), network.prefixlen, each.record.entity)


def _if_several_entities(group: list[StatedNetwork]) -> Iterator[list[StatedNetwork]]:
    if len({each.record.entity for each in group}) > 1:
        yield group

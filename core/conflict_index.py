"""What one entity says that may be at odds with others.

The little that has to be known of all of them to tell quickly which can be in the inbox at all. Pure, like
`core.inbox`, which then works out exactly what is to settle.

Clues are about one entity alone and its own slots, so only what somebody speaks of has to be looked at again. They may
suspect too many, but never too few: whoever is in a matter of `core.inbox` has a conflict, is `odd`, or shares a claim,
a span of addresses or a reference with another.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from blake3 import blake3

from core.inbox import is_edit, scalars_of, stated_networks
from core.records import Record
from core.schema import RETIRED, Kind, Property, Schema
from core.slots import Absent
from core.sort_order import natural_key
from core.value_codec import Ref, Scalar, encode_value

UNIQUE_KEY_BYTES = 5
"""Of a million keys two are alike by chance in every third store; nothing is found when they are looked at."""

ParentsOf = Callable[[bytes], Collection[bytes]]
"""The changes of the facts that a change names: its author had them."""

IPNetwork = IPv4Network | IPv6Network
NetworkKey = tuple[str, bytes]
"""Where a network is: kind, property and version of the addresses; its first address, and its prefix length in a byte.

Of one kind, property and version a network comes right before those that lie in it.
"""


@dataclass(frozen=True, slots=True)
class ConflictIndexEntry:
    """The clues of an entity. `kind` is None for what is retired or of no kind.

    `odd` are values that the schema refuses, and edits of something retired.

    `claims` are digests of what only one may have, `references` what it refers to and of which kind that must be ("":
    any). `sort_key` is where it stands among those of its kind by what it is called, if it has a kind.
    """

    kind: str | None
    has_own_item: bool = False
    sort_key: str = ""
    unique_keys: frozenset[bytes] = frozenset()
    networks: frozenset[NetworkKey] = frozenset()
    references: frozenset[tuple[bytes, str]] = frozenset()


def build_index_entry(record: Record, schema: Schema, parents: ParentsOf) -> ConflictIndexEntry:
    """The clues of one entity as it is now."""
    if record.retired:
        return ConflictIndexEntry(None, has_own_item=_has_concurrent_edit(record, parents))
    kind = schema.kinds.get(record.kind) if record.kind is not None else None
    if kind is None:
        return ConflictIndexEntry(record.kind, sort_key=_title_sort_key(record, schema))
    slots = [(kind.property(name), slot.value) for name, slot in record.slots.items() if not isinstance(slot, Absent)]
    return ConflictIndexEntry(
        record.kind,
        any(prop.check(value) is not None for prop, value in slots),
        _title_sort_key(record, schema),
        frozenset(_unique_keys(record, kind)),
        frozenset(_network_keys(record, kind)),
        frozenset(
            (item.entity, prop.refers_to or "")
            for prop, value in slots
            for item in scalars_of(value)
            if isinstance(item, Ref)
        ),
    )


def _title_sort_key(record: Record, schema: Schema) -> str:
    """The order of what an entity is called where nothing says what it is within."""
    kind = schema.kind(record.kind)
    title, key = record.value(kind.title), record.value(kind.key)
    own = "" if key is None else str(key)
    return natural_key(str(title) if title is not None else own or record.entity.hex()[:8])


def _has_concurrent_edit(record: Record, parents: ParentsOf) -> bool:
    """Whether a value of a retired entity is one that no retirement knew."""
    known: set[bytes] = set()
    for leaf in record.slot(RETIRED).leaves:
        if leaf.value is True:
            known |= {leaf.change, *parents(leaf.change)}
    return any(leaf.change not in known for name, slot in record.slots.items() if is_edit(name) for leaf in slot.leaves)


def _unique_keys(record: Record, kind: Kind) -> list[bytes]:
    props = [prop for prop in kind.properties.values() if prop.unique or prop.name == kind.key]
    if kind.key not in kind.properties:
        props.append(kind.property(kind.key))
    return [
        _unique_key(
            kind, prop, encode_value(None if prop.unique or not kind.within else record.value(kind.within)), item
        )
        for prop in props
        for item in scalars_of(record.value(prop.name))
    ]


def _unique_key(kind: Kind, prop: Property, scope: bytes, item: Scalar) -> bytes:
    same = prop.comparison_key(item)
    content = encode_value(same if isinstance(same, str) else item)
    return blake3(b"\0".join((kind.name.encode(), prop.name.encode(), scope, content))).digest(UNIQUE_KEY_BYTES)


def network_key(kind: Kind, prop: Property, network: IPNetwork) -> NetworkKey:
    """Where a network of a property is."""
    return f"{kind.name} {prop.name} {network.version}", network.network_address.packed + bytes([network.prefixlen])


def last_key_within(network: bytes) -> bytes:
    """The last of the keys of networks that lie in one, by its key."""
    address, free = network[:-1], 8 * len(network[:-1]) - int.from_bytes(network[-1:], "big")
    last = int.from_bytes(address, "big") | (1 << max(free, 0)) - 1
    return last.to_bytes(len(address), "big")[: len(address)] + b"\xff"


def keys_around(network: bytes) -> list[bytes]:
    """The keys of the networks that one lies in, by its key."""
    address, bits = int.from_bytes(network[:-1], "big"), 8 * len(network[:-1])
    return [
        (address >> bits - size << bits - size).to_bytes(bits // 8, "big") + bytes([size])
        for size in range(min(network[-1], bits))
    ]


def _network_keys(record: Record, kind: Kind) -> list[NetworkKey]:
    return [
        network_key(kind, prop, each.network)
        for prop in kind.properties.values()
        if prop.no_overlap
        for each in stated_networks([record], prop)
    ]

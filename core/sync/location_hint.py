"""Where a device is, as it tells a peer of which it wants much: the ids of entities, and addresses it has there.

Eight at the most, of 17 bytes each: what it is (0: an id, 4: an IPv4 address, 6: an IPv6 address), and the id or the
address, with zeros before a short one. What a peer says is only ever used to choose what to send first.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

from core.value_codec import ID_BYTES

Address = IPv4Address | IPv6Address
MAX_HINT_ENTRIES = 8
_ENTITY_KIND = 0
_ADDRESS_KINDS: dict[int, type[IPv4Address | IPv6Address]] = {4: IPv4Address, 6: IPv6Address}


def encode_location_hint(entities: Iterable[bytes], addresses: Iterable[Address]) -> bytes:
    """The bytes for a place; what is too much is left out."""
    said = [bytes([_ENTITY_KIND]) + entity for entity in entities]
    said += [bytes([address.version]) + address.packed.rjust(ID_BYTES, b"\0") for address in addresses]
    return b"".join(said[:MAX_HINT_ENTRIES])


def decode_location_hint(near: bytes) -> tuple[list[bytes], list[Address]]:
    """The entities and addresses that a peer told; what cannot be read is passed over."""
    entities: list[bytes] = []
    addresses: list[Address] = []
    for start in range(0, len(near) - ID_BYTES, ID_BYTES + 1):
        kind, data = near[start], near[start + 1 : start + 1 + ID_BYTES]
        if kind == _ENTITY_KIND:
            entities.append(data)
        elif make := _ADDRESS_KINDS.get(kind):
            size = 4 if kind == 4 else ID_BYTES
            addresses.append(make(data[-size:]))
    return entities, addresses

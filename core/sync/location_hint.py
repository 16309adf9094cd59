"""Where a device is, for a peer of which it wants much.

The ids of entities, and addresses it has there.

Eight at the most, of 17 bytes each: what it is (0: an id, 4: an IPv4 address, 6: an IPv6 address), and the id or the
address, with zeros before a short one. A hint is only ever used to choose what to send first.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

from core.value_codec import ID_BYTES

Address = IPv4Address | IPv6Address
MAX_HINT_ENTRIES = 8
"""A Hello has room for so many: a locality and the addresses of a device with several networks."""
_ENTITY_KIND = 0
_ADDRESS_KINDS: dict[int, type[IPv4Address | IPv6Address]] = {4: IPv4Address, 6: IPv6Address}


def encode_location_hint(entities: Iterable[bytes], addresses: Iterable[Address]) -> bytes:
    """Encode a location; entries beyond `MAX_HINT_ENTRIES` are left out."""
    entries = [bytes([_ENTITY_KIND]) + entity for entity in entities]
    entries += [bytes([address.version]) + address.packed.rjust(ID_BYTES, b"\0") for address in addresses]
    return b"".join(entries[:MAX_HINT_ENTRIES])


def decode_location_hint(location_hint: bytes) -> tuple[list[bytes], list[Address]]:
    """Decode the entities and addresses of a peer's hint.

    Unknown entries are skipped.
    """
    entities: list[bytes] = []
    addresses: list[Address] = []
    for start in range(0, len(location_hint) - ID_BYTES, ID_BYTES + 1):
        kind, data = location_hint[start], location_hint[start + 1 : start + 1 + ID_BYTES]
        if kind == _ENTITY_KIND:
            entities.append(data)
        elif make := _ADDRESS_KINDS.get(kind):
            size = 4 if kind == 4 else ID_BYTES
            addresses.append(make(data[-size:]))
    return entities, addresses

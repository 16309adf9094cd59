"""What a device says of itself in the network: DNS-SD (RFC 6763), of which anybody there may send anything.

The TXT record holds the fleet, the device, and the first bytes of the root of all changes that it holds, so that
devices that hold the same need not connect to find that out. Nothing of it is proven until a link is up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from core.changes import ID_SIZE

TYPE = "_fieldline._tcp.local."
ROOT_SIZE = 8
"""Bytes of a root that are announced: two different sets look equal by chance once in 2**64."""

MOST_ADDRESSES = 4
MAX_NAME = 255

_HEX = re.compile(rb"(?:[0-9a-f]{2})+")


@dataclass(frozen=True, slots=True)
class Announced:
    """A device as it announces itself; `name` is that of its service, `root` the first `ROOT_SIZE` bytes."""

    name: str
    fleet: bytes
    device: bytes
    root: bytes
    addresses: tuple[str, ...]
    port: int

    def target(self, place: int = 0) -> str:
        """Where to call it, as people write it; with several addresses, `place` goes round them."""
        address = self.addresses[place % len(self.addresses)]
        return f"tcp://[{address}]:{self.port}" if ":" in address else f"tcp://{address}:{self.port}"


def service_name(device: bytes) -> str:
    """The name of a device's service."""
    return f"{device.hex()}.{TYPE}"


def text(fleet: bytes, root: bytes, device: bytes) -> dict[str, str]:
    """The TXT record of a device."""
    return {"fleet": fleet.hex(), "root": root[:ROOT_SIZE].hex(), "device": device.hex()}


def read(
    name: str, record: Mapping[bytes, bytes | None], addresses: Iterable[str], port: int | None
) -> Announced | None:
    """What somebody announced, None if it is not what a device announces."""
    fleet, device = _id(record.get(b"fleet"), ID_SIZE), _id(record.get(b"device"), ID_SIZE)
    root = _id(record.get(b"root"), ROOT_SIZE)
    places = tuple(dict.fromkeys(place for place in addresses if _is_place(place)))[:MOST_ADDRESSES]
    if fleet is None or device is None or root is None or not places or len(name) > MAX_NAME:
        return None
    if port is None or not 0 < port < 65536:
        return None
    return Announced(name, fleet, device, root, places, port)


def _id(said: bytes | None, size: int) -> bytes | None:
    if said is None or len(said) != 2 * size or not _HEX.fullmatch(said):
        return None
    return bytes.fromhex(said.decode())


def _is_place(address: str) -> bool:
    """Whether a device may be at this address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return not (parsed.is_multicast or parsed.is_unspecified or parsed.is_reserved)

"""What a device announces in the network: DNS-SD (RFC 6763).

Anybody there may send anything.

The TXT record holds the fleet, the device, and the first bytes of the root of all changes that it holds, so that
devices that hold the same need not connect to find that out. Nothing of it is proven until a link is up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

from core.value_codec import ID_BYTES

SERVICE_TYPE = "_fieldline._tcp.local."
ANNOUNCED_ROOT_BYTES = 8
"""Bytes of a root that are announced: two different sets look equal by chance once in 2**64."""

ANNOUNCED_VERSION = b"2"
"""The format of changes: with a device of another one there is nothing to say, so it is passed over."""

MAX_ADDRESSES = 4
"""A device has one or two; more would only make dialing it slower."""
MAX_SERVICE_NAME_CHARS = 255
"""What DNS allows (RFC 1035, 2.3.4)."""

_HEX = re.compile(rb"(?:[0-9a-f]{2})+")


@dataclass(frozen=True, slots=True)
class Announcement:
    """A device as it announces itself.

    `name` is that of its service, `root` the first `ANNOUNCED_ROOT_BYTES` of its root.
    """

    name: str
    fleet: bytes
    device: bytes
    root: bytes
    addresses: tuple[str, ...]
    port: int

    def endpoint(self, attempt: int = 0) -> str:
        """Write the endpoint to dial, as people do.

        `attempt` goes round several addresses.
        """
        address = self.addresses[attempt % len(self.addresses)]
        return f"tcp://[{address}]:{self.port}" if ":" in address else f"tcp://{address}:{self.port}"


def make_service_name(device: bytes) -> str:
    """Make the name of a device's service."""
    return f"{device.hex()}.{SERVICE_TYPE}"


def make_txt_record(fleet: bytes, root: bytes, device: bytes) -> dict[str, str]:
    """Make the TXT record of a device."""
    return {
        "v": ANNOUNCED_VERSION.decode(),
        "fleet": fleet.hex(),
        "root": root[:ANNOUNCED_ROOT_BYTES].hex(),
        "device": device.hex(),
    }


def parse_announcement(
    name: str, record: Mapping[bytes, bytes | None], addresses: Iterable[str], port: int | None
) -> Announcement | None:
    """Parse an announcement; None if it is not one of a device."""
    fleet, device = _parse_id(record.get(b"fleet"), ID_BYTES), _parse_id(record.get(b"device"), ID_BYTES)
    root = _parse_id(record.get(b"root"), ANNOUNCED_ROOT_BYTES)
    usable = tuple(dict.fromkeys(address for address in addresses if _is_usable_address(address)))[:MAX_ADDRESSES]
    if fleet is None or device is None or root is None or not usable or len(name) > MAX_SERVICE_NAME_CHARS:
        return None
    if record.get(b"v") != ANNOUNCED_VERSION or port is None or not 0 < port < 65536:
        return None
    return Announcement(name, fleet, device, root, usable, port)


def _parse_id(text: bytes | None, size: int) -> bytes | None:
    if text is None or len(text) != 2 * size or not _HEX.fullmatch(text):
        return None
    return bytes.fromhex(text.decode())


def _is_usable_address(address: str) -> bool:
    """Say whether a device may be at this address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return not (parsed.is_multicast or parsed.is_unspecified or parsed.is_reserved)

"""Let a device's old key vouch for its new one, and the new one agree.

What both sign.

A succession is a change that the old key signs. It gives the new key's device a role by the value made here, with
which the new key shows that it agrees, so that nobody can name another's device. A voucher shows the same to who has
not received that change yet, when a link is made.

Both statements begin with a word of their own, so that neither can be taken for a change, a certificate or TLS.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from core.header import KEY_BYTES, SIGNATURE_BYTES, device_id, has_signed

# Takes as long as a verb that only reads, and few fleets have a succession.
if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SUCCESSION_PREFIX = "successor "
SUCCESSION_CHARS = len(SUCCESSION_PREFIX) + 2 * KEY_BYTES + 1 + 2 * SIGNATURE_BYTES
VOUCHER_BYTES = KEY_BYTES + SIGNATURE_BYTES
"""Of the old key, and its signature."""
MAX_VOUCHERS = 8
"""Who has changed its key more often since they last met learns of it from somebody else."""

_KEY, _SIGNATURE = rf"([0-9a-f]{{{2 * KEY_BYTES}}})", rf"([0-9a-f]{{{2 * SIGNATURE_BYTES}}})"
_PATTERN = re.compile(f"{SUCCESSION_PREFIX}{_KEY}:{_SIGNATURE}", re.ASCII)
_AGREES, _VOUCHES = b"fieldline: I go on for device ", b"fieldline: I vouch for device "


def succession_value(new: Ed25519PrivateKey, old_device: bytes) -> str:
    """Make the value by which a new key goes on for a device."""
    return f"{SUCCESSION_PREFIX}{new.public_key().public_bytes_raw().hex()}:{new.sign(_AGREES + old_device).hex()}"


@lru_cache(maxsize=4096)
def is_succession(value: object, old_device: bytes, new_device: bytes) -> bool:
    """Whether a value makes one device go on for another.

    And that device's key agrees.
    """
    found = _PATTERN.fullmatch(value) if isinstance(value, str) else None
    if found is None or old_device == new_device:
        return False
    key, signature = bytes.fromhex(found[1]), bytes.fromhex(found[2])
    return device_id(key) == new_device and has_signed(key, signature, _AGREES + old_device)


def make_voucher(old: Ed25519PrivateKey, new_device: bytes) -> bytes:
    """Let an old key vouch for the device of a new one.

    The old public key and its signature.
    """
    return old.public_key().public_bytes_raw() + old.sign(_VOUCHES + new_device)


def vouching_devices(device: bytes, vouchers: Iterable[bytes]) -> list[bytes]:
    """The devices that a device goes on for by these vouchers, the latest first.

    Those behind a wrong one are none.
    """
    found: list[bytes] = []
    for voucher in vouchers:
        key, signature = voucher[:KEY_BYTES], voucher[KEY_BYTES:]
        if not has_signed(key, signature, _VOUCHES + device):
            break
        device = device_id(key)
        found.append(device)
    return found

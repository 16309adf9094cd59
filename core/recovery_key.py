"""The fleet's recovery key as people keep it.

32 bytes as eleven groups of letters and digits.

Its public half stands in the genesis (core.membership). The groups are Base32 (RFC 4648) of the private key and two
bytes of a hash, so that a slip of the pen is noticed.
"""

from __future__ import annotations

import base64
import binascii

from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.errors import Refused
from core.header import KEY_BYTES

_CHECK_BYTES = 2
_GROUP_CHARS = 5
_TEXT_CHARS = 55
_MISREAD = str.maketrans({"0": "O", "1": "I", "8": "B", "-": None, " ": None})
"""What is no digit of Base32, and what it was meant to be."""


def recovery_text(key: Ed25519PrivateKey) -> str:
    """Write a key in groups, to be printed or written down."""
    seed = key.private_bytes_raw()
    text = base64.b32encode(seed + _check(seed)).decode().rstrip("=")
    return "-".join(text[at : at + _GROUP_CHARS] for at in range(0, len(text), _GROUP_CHARS))


def parse_recovery_text(text: str) -> Ed25519PrivateKey:
    """Read a key from its groups, in any case and with any spaces.

    Raises Refused if it is none.
    """
    digits = "".join(text.split()).upper().translate(_MISREAD)
    try:
        data = base64.b32decode(digits + "=" if len(digits) == _TEXT_CHARS else "?")
    except (binascii.Error, ValueError):
        data = b""
    seed, check = data[:KEY_BYTES], data[KEY_BYTES:]
    if len(seed) != KEY_BYTES or check != _check(seed):
        raise Refused("That is no recovery key: it has eleven groups of five letters and digits. Look at it again.")
    return Ed25519PrivateKey.from_private_bytes(seed)


def _check(seed: bytes) -> bytes:
    return blake3(seed, derive_key_context="fieldline 2026-11-30 recovery key").digest(_CHECK_BYTES)

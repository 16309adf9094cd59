"""The key slots of a sealed file: its key, wrapped for each who may open it.

The first slot is for who knows the fleet's epoch key. The others are for members who may not know it yet: by their
public key where it is known (ECIES with X25519 over the ed25519 key, RFC 7748 4.1 and RFC 8032 5.1.5), and by their id
for those who were admitted and never heard of, of whom nothing else is known.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

FILE_KEY_BYTES = 32
SLOT_BYTES = FILE_KEY_BYTES + 16
_PRIME = 2**255 - 19
_NONCE = bytes(12)
"""Each wrapping key is used once."""
_BY_EPOCH = "Fieldline 2026 slot for the members of an epoch"
_BY_KEY = "Fieldline 2026 slot for a public key"
_BY_ID = "Fieldline 2026 slot for a device that was never heard of"


class SlotWriter:
    """Wraps the key of one file.

    `ephemeral` is a key pair that is used for this file alone.
    """

    def __init__(self, file_key: bytes, ephemeral: X25519PrivateKey) -> None:
        self._file_key = file_key
        self._ephemeral = ephemeral
        self.ephemeral_public = ephemeral.public_key().public_bytes_raw()

    def for_epoch(self, key: bytes) -> bytes:
        """Make the slot for who knows an epoch key."""
        return self._wrap(_BY_EPOCH, key)

    def for_public_keys(self, keys: Iterable[bytes]) -> list[bytes]:
        """Make the slots for the holders of these ed25519 keys.

        A key that is none gets no slot.
        """
        found = []
        for key in keys:
            public = montgomery_public_key(key)
            shared = None if public is None else _agree(self._ephemeral, public)
            if shared is not None:
                found.append(self._wrap(_BY_KEY, shared + key))
        return found

    def for_devices(self, devices: Iterable[bytes]) -> list[bytes]:
        """Make the slots for who knows these devices' ids."""
        return [self._wrap(_BY_ID, device) for device in devices]

    def _wrap(self, context: str, secret: bytes) -> bytes:
        return _cipher(context, self.ephemeral_public, secret).encrypt(_NONCE, self._file_key, None)


def open_for_epoch(slot: bytes, ephemeral: bytes, key: bytes) -> bytes | None:
    """Unwrap a file's key by the epoch key; None if that is another one."""
    return _unwrap([slot], _cipher(_BY_EPOCH, ephemeral, key))


def open_for_device(
    slots: Sequence[bytes], ephemeral: bytes, private_key: Ed25519PrivateKey, device: bytes
) -> bytes | None:
    """Unwrap a file's key by a device's own; None if none of the slots is for it."""
    shared = _agree(montgomery_private_key(private_key), ephemeral)
    public = private_key.public_key().public_bytes_raw()
    found = None if shared is None else _unwrap(slots, _cipher(_BY_KEY, ephemeral, shared + public))
    return found or _unwrap(slots, _cipher(_BY_ID, ephemeral, device))


def montgomery_public_key(key: bytes) -> bytes | None:
    """Map an ed25519 public key to X25519; None for one that maps to nothing."""
    y = int.from_bytes(key, "little") & (2**255 - 1)
    if y >= _PRIME or y == 1:
        return None
    return ((1 + y) * pow(1 - y, -1, _PRIME) % _PRIME).to_bytes(32, "little")


def montgomery_private_key(key: Ed25519PrivateKey) -> X25519PrivateKey:
    """Map an ed25519 private key to X25519."""
    return X25519PrivateKey.from_private_bytes(hashlib.sha512(key.private_bytes_raw()).digest()[:32])


def _agree(private: X25519PrivateKey, public: bytes) -> bytes | None:
    """The shared secret; None where the public key is of small order."""
    try:
        return private.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError:
        return None


def _cipher(context: str, ephemeral: bytes, secret: bytes) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(blake3(ephemeral + secret, derive_key_context=context).digest())


def _unwrap(slots: Iterable[bytes], cipher: ChaCha20Poly1305) -> bytes | None:
    for slot in slots:
        try:
            return cipher.decrypt(_NONCE, slot, None)
        except InvalidTag:
            continue
    return None

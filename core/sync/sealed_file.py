"""A sealed file: any bytes, readable by the members of one fleet only.

Everything here blocks.

It is `SEALED_MAGIC`, the fleet's id, the number of epochs (1 byte) and their ids, an ephemeral X25519 key (32 bytes),
the number of key slots (2 bytes, big-endian) and the slots (`core.sync.key_slots`), and then the contents in chunks of
`CHUNK_BYTES`, the last one shorter or as long, each sealed with ChaCha20-Poly1305 (RFC 8439). The key follows from that
of the file and the hash of the whole head; the nonce is the chunk's number (11 bytes, big-endian) and 1 for the last
chunk, else 0 (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár, as in age). So no chunk can be left
out, moved, or put in from elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from blake3 import blake3
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from core.epoch_keys import EPOCH_ID_BYTES, MAX_EPOCHS_AT_ONCE, EpochKeys
from core.errors import Refused
from core.sync.key_slots import FILE_KEY_BYTES, SLOT_BYTES, SlotWriter, open_for_device, open_for_epoch
from core.value_codec import ID_BYTES

SEALED_MAGIC = b"FLDSEAL\x01"
CHUNK_BYTES = 1 << 16
TAG_BYTES = 16
MAX_SLOTS = 8192
"""Several times the devices of a fleet; 400 KB."""
_EPHEMERAL_BYTES = 32
_CONTENTS = "Fieldline 2026 contents of a sealed file"


class SealBroken(Exception):
    """A file that begins as a sealed one, and is not as it was written."""


class SealedForOthers(Refused):
    """A file that is sealed with a key which this device does not know."""


class SealedElsewhere(Exception):
    """A file of another fleet."""


class Opener(Protocol):
    """The device that opens a file."""

    @property
    def device(self) -> bytes: ...

    @property
    def private_key(self) -> Ed25519PrivateKey: ...


@dataclass(frozen=True, slots=True)
class SealKeys:
    """What a device needs to seal files for its fleet, and to open them.

    `public_keys` are those of members who may not know the present epoch's key yet, `newcomers` the ids of members that
    were admitted lately and never heard of. `opener` gives this device, if its own key is needed.
    """

    fleet: bytes
    epochs: EpochKeys
    opener: Callable[[], Opener]
    public_keys: tuple[bytes, ...] = ()
    newcomers: tuple[bytes, ...] = ()


class SealedWriter:
    """Seals what is written to it into a file that is open for writing.

    `finish` writes the last chunk.
    """

    def __init__(self, file: BinaryIO, keys: SealKeys) -> None:
        epoch_key = keys.epochs.key_of(keys.epochs.current)
        if epoch_key is None:
            raise ValueError("a fleet without its genesis has no key")
        file_key = os.urandom(FILE_KEY_BYTES)
        wrap = SlotWriter(file_key, X25519PrivateKey.generate())
        others = [*wrap.for_public_keys(keys.public_keys), *wrap.for_devices(keys.newcomers)]
        slots = [wrap.for_epoch(epoch_key), *others[: MAX_SLOTS - 1]]
        head = b"".join(
            [
                SEALED_MAGIC,
                keys.fleet,
                bytes([len(keys.epochs.current)]),
                *keys.epochs.current,
                wrap.ephemeral_public,
                len(slots).to_bytes(2, "big"),
                *slots,
            ]
        )
        self._file = file
        self._cipher = _contents_cipher(file_key, head)
        self._number = 0
        self._left = bytearray()
        file.write(head)

    def write(self, data: bytes) -> None:
        """Take more of the contents."""
        self._left += data
        # The last chunk is marked, so one is kept back until it is known not to be the last.
        while len(self._left) > CHUNK_BYTES:
            self._write_chunk(bytes(self._left[:CHUNK_BYTES]), is_last=False)
            del self._left[:CHUNK_BYTES]

    def finish(self) -> None:
        """Write what is left as the last chunk."""
        self._write_chunk(bytes(self._left), is_last=True)

    def _write_chunk(self, data: bytes, *, is_last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._number, is_last), data, None))
        self._number += 1


class SealedReader:
    """Reads the contents of a sealed file, a chunk at a time, from any place."""

    def __init__(self, file: BinaryIO, keys: SealKeys, path: Path) -> None:
        """Raises SealedElsewhere, SealedForOthers, or SealBroken."""
        self._file = file
        head, epochs, ephemeral, slots = _read_head(file, keys.fleet)
        file_key = _open_slots(epochs, ephemeral, slots, keys, path)
        self._cipher = _contents_cipher(file_key, head)
        self._start = len(head)
        sealed_bytes = file.seek(0, os.SEEK_END) - self._start
        self._count = -(-sealed_bytes // (CHUNK_BYTES + TAG_BYTES))
        self._size = sealed_bytes - self._count * TAG_BYTES
        if not self._count or self._size < (self._count - 1) * CHUNK_BYTES:
            raise SealBroken
        self._at = 0
        self._chunk_number, self._chunk = -1, b""
        # That the end is there shows before anything is used.
        self._load(self._count - 1)

    def read(self, size: int) -> bytes:
        """Give the next bytes, fewer at the end; raises SealBroken."""
        found = bytearray()
        while len(found) < size and self._at < self._size:
            self._load(self._at // CHUNK_BYTES)
            offset = self._at % CHUNK_BYTES
            some = self._chunk[offset : offset + size - len(found)]
            found += some
            self._at += len(some)
        return bytes(found)

    def seek(self, offset: int) -> int:
        """Go to a place in the contents."""
        self._at = offset
        return offset

    def _load(self, number: int) -> None:
        if number == self._chunk_number:
            return
        self._file.seek(self._start + number * (CHUNK_BYTES + TAG_BYTES))
        data = self._file.read(CHUNK_BYTES + TAG_BYTES)
        try:
            self._chunk = self._cipher.decrypt(_nonce(number, number == self._count - 1), data, None)
        except InvalidTag:
            raise SealBroken from None
        self._chunk_number = number


def is_sealed(data: bytes) -> bool:
    """Whether the first bytes of a file are those of a sealed one."""
    return data.startswith(SEALED_MAGIC)


def _read_head(file: BinaryIO, fleet: bytes) -> tuple[bytes, list[bytes], bytes, list[bytes]]:
    """The whole head, the epochs' ids, the ephemeral key and the key slots."""
    head = file.read(len(SEALED_MAGIC) + ID_BYTES + 1)
    if len(head) < len(SEALED_MAGIC) + ID_BYTES + 1 or not is_sealed(head):
        raise SealBroken
    if head[len(SEALED_MAGIC) : -1] != fleet:
        raise SealedElsewhere
    if not 0 < head[-1] <= MAX_EPOCHS_AT_ONCE:
        raise SealBroken
    middle = file.read(head[-1] * EPOCH_ID_BYTES + _EPHEMERAL_BYTES + 2)
    count = int.from_bytes(middle[-2:], "big")
    if len(middle) < head[-1] * EPOCH_ID_BYTES + _EPHEMERAL_BYTES + 2 or not 0 < count <= MAX_SLOTS:
        raise SealBroken
    slots = file.read(count * SLOT_BYTES)
    if len(slots) < count * SLOT_BYTES:
        raise SealBroken
    ephemeral_at = head[-1] * EPOCH_ID_BYTES
    return (
        head + middle + slots,
        [middle[at : at + EPOCH_ID_BYTES] for at in range(0, ephemeral_at, EPOCH_ID_BYTES)],
        middle[ephemeral_at:-2],
        [slots[at : at + SLOT_BYTES] for at in range(0, len(slots), SLOT_BYTES)],
    )


def _open_slots(epochs: list[bytes], ephemeral: bytes, slots: list[bytes], keys: SealKeys, path: Path) -> bytes:
    epoch_key = keys.epochs.key_of(epochs)
    if epoch_key is not None:
        found = open_for_epoch(slots[0], ephemeral, epoch_key)
        if found is None:
            raise SealBroken
        return found
    opener = keys.opener()
    found = open_for_device(slots[1:], ephemeral, opener.private_key, opener.device)
    if found is None:
        raise SealedForOthers(
            "{path} is sealed with a key of the fleet that this device does not know yet: sync with a device over the"
            " network or a cable first, or have it exported with --plain.",
            path=str(path),
        )
    return found


def _contents_cipher(file_key: bytes, head: bytes) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(blake3(file_key + blake3(head).digest(), derive_key_context=_CONTENTS).digest())


def _nonce(number: int, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([is_last])

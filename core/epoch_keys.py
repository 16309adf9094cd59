"""The fleet's epoch keys, under which files that leave a device are sealed.

They are secrets of all members. The first follows from the secret of the genesis, so each fleet has one. A later one is
a fact of the fleet's entity: a new epoch begins with each revocation, and whenever an admin wants it. Where several
were begun apart from each other the key is made of all of them: whom one of them shuts out does not know it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from blake3 import blake3

from core.value_codec import Value

EPOCH_KEY_BYTES = 32
EPOCH_ID_BYTES = 8
"""Enough to tell a fleet's epochs apart; a wrong guess opens nothing."""
MAX_EPOCHS_AT_ONCE = 16
"""More that were begun apart are not honest; the number is one byte of a file."""

_FIRST = "Fieldline 2026 first epoch key of a fleet"
_ID = "Fieldline 2026 id of an epoch key"
_JOINED = "Fieldline 2026 key of several epochs"


def first_epoch_key(secret: bytes) -> bytes:
    """Derive the key of the first epoch from the fleet's secret."""
    return blake3(secret, derive_key_context=_FIRST).digest()


def epoch_id(key: bytes) -> bytes:
    """Give the id by which a file names an epoch."""
    return blake3(key, derive_key_context=_ID).digest(EPOCH_ID_BYTES)


def parse_epoch_key(value: Value) -> bytes | None:
    """Give the key that is the value of a fact; None if it is none."""
    try:
        key = bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        return None
    return key if len(key) == EPOCH_KEY_BYTES else None


@dataclass(frozen=True, slots=True)
class EpochKeys:
    """The epoch keys that a device knows, by their ids.

    `current` are the ids of those that hold at present: none before the genesis has come. In the first epoch
    (`is_first`) everybody knows the key who knows the genesis.
    """

    known: Mapping[bytes, bytes]
    current: tuple[bytes, ...]
    is_first: bool = True

    @classmethod
    def of(cls, secret: bytes | None, known: Iterable[Value], leaves: Iterable[Value]) -> Self:
        """Give the keys by the fleet's secret, and the values of all facts and leaves."""
        first = [] if secret is None else [first_epoch_key(secret)]
        keys = [*first, *(key for value in known if (key := parse_epoch_key(value)))]
        present = sorted({epoch_id(key) for value in leaves if (key := parse_epoch_key(value))})
        current = present[:MAX_EPOCHS_AT_ONCE] or [epoch_id(key) for key in first]
        return cls({epoch_id(key): key for key in keys}, tuple(current), not present)

    def key_of(self, epochs: Sequence[bytes]) -> bytes | None:
        """Give the key of these epochs together; None if one of them is not known here."""
        keys = [self.known.get(each) for each in epochs]
        found = [key for key in keys if key is not None]
        if not keys or len(found) < len(keys):
            return None
        return blake3(b"".join(found), derive_key_context=_JOINED).digest()

"""Seal a copy of the store for the members of its fleet, and open one.

Nothing of the store is ever in the clear on the disk or stick that the sealed copy is on. All functions block.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from core.device.home import Home
from core.epoch_keys import EpochKeys
from core.errors import FieldlineError, Refused
from core.store.queries.seal_keys import read_epoch_keys
from core.sync.sealed_file import (
    CHUNK_BYTES,
    SEALED_MAGIC,
    Opener,
    SealBroken,
    SealedForOthers,
    SealedReader,
    SealedWriter,
    SealKeys,
    is_sealed,
)
from core.value_codec import ID_BYTES
from core.values import quote_value

if TYPE_CHECKING:
    from typing import BinaryIO


def write_sealed(plain: Path, sealed: BinaryIO, keys: SealKeys) -> None:
    """Seal a file into one that is open for writing; raises OSError."""
    writer = SealedWriter(sealed, keys)
    with plain.open("rb") as file:
        while data := file.read(CHUNK_BYTES):
            writer.write(data)
    writer.finish()


def read_sealed_fleet(path: Path) -> bytes | None:
    """The fleet of a sealed copy; None if it is not one.

    Raises OSError.
    """
    with path.open("rb") as file:
        head = file.read(len(SEALED_MAGIC) + ID_BYTES)
    return head[len(SEALED_MAGIC) :] if is_sealed(head) else None


def open_sealed(path: Path, fleet: bytes, plain: Path, home: Home, opener: Callable[[], Opener]) -> None:
    """Open a sealed copy into a new file for its owner alone.

    By the epochs that the present store knows, else by the key that `opener` gives. Raises Refused if neither opens
    it, FieldlineError if it is damaged, OSError.
    """
    with path.open("rb") as file:
        try:
            reader = SealedReader(file, SealKeys(fleet, _known_epochs(home), opener), path)
            with os.fdopen(os.open(plain, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as copy:
                while data := reader.read(CHUNK_BYTES):
                    copy.write(data)
        except SealedForOthers:
            raise Refused(
                "{path} is sealed, and this device has no key for it: name the recovery key with --recovery-file, or"
                " the key that was copied with it with --key.",
                path=quote_value(str(path)),
            ) from None
        except SealBroken:
            raise FieldlineError(
                "{path} is damaged, or not complete: nothing was restored. Take another copy.",
                path=quote_value(str(path)),
            ) from None


def _known_epochs(home: Home) -> EpochKeys:
    """The keys that the present store knows; none if it is damaged or not there."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"{home.store.resolve().as_uri()}?mode=ro", uri=True)) as old:
        return read_epoch_keys(old)
    return EpochKeys({}, ())

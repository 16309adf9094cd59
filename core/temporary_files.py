"""Files written beside the one that they will replace.

Held while in use, cleared away after a kill.
"""

from __future__ import annotations

import fcntl
import glob
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from core.paths import exists

_ENDS = re.compile(r"\d+(\.part)?(-journal|-wal|-shm)?")


def temporary_path(path: Path, end: str = "") -> Path:
    """Name the file of this process that will replace a path."""
    return path.with_name(f".{path.name}.{os.getpid()}{end}")


def hold(descriptor: int) -> None:
    """Mark a temporary file as in use until it is closed.

    Some file systems of sticks know no locks.
    """
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def clear_leftovers(path: Path) -> None:
    """Remove the temporary files beside a path whose processes were killed.

    Nobody holds them.
    """
    start = f".{path.name}."
    for left in path.parent.glob(f"{glob.escape(start)}*"):
        end = left.name.removeprefix(start)
        if _ENDS.fullmatch(end):
            whole = left.with_name(start + re.sub(r"-(journal|wal|shm)$", "", end))
            with suppress(OSError):
                _remove_unheld(whole, left)


def _remove_unheld(held: Path, left: Path) -> None:
    """Remove a file unless the one that it belongs to is held.

    Raises OSError if it is.
    """
    if exists(held):
        with held.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.unlink()
    else:
        left.unlink()


@contextmanager
def open_replacement(path: Path, mode: int = 0o600) -> Iterator[BinaryIO]:
    """Open a file that takes the place of a path when the block ends.

    It is whole and on the disk then; after an error what was there before is still there. Raises OSError.
    """
    clear_leftovers(path)
    aside = temporary_path(path)
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            hold(descriptor)
            yield file
            file.flush()
            os.fsync(descriptor)
            aside.replace(path)
    except BaseException:
        with suppress(OSError):
            aside.unlink()
        raise
    # Some file systems of sticks cannot.
    with suppress(OSError):
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename in a folder durable; raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""One lock a home: only one process at a time sets its device up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core import file_lock
from core.errors import FieldlineError

LOCK_FILE = "equipment.lock"


@contextmanager
def home_lock(folder: Path) -> Iterator[None]:
    """Be the only process that applies; raises FieldlineError if another one does."""
    lock = file_lock.try_lock(folder / LOCK_FILE)
    if lock is None:
        raise FieldlineError("Another process is setting this device up: wait until it is done, then try again.")
    try:
        yield
    finally:
        os.close(lock)


def is_locked(folder: Path) -> bool:
    """Whether a process, this one or another, applies now."""
    return file_lock.is_locked(folder / LOCK_FILE)

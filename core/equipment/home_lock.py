"""One lock a home: only one process at a time sets its device up."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import FieldlineError

LOCK_FILE = "equipment.lock"


@contextmanager
def home_lock(folder: Path) -> Iterator[None]:
    """Be the only process that applies; raises FieldlineError if another one does."""
    number = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FieldlineError(
                "Another process is setting this device up: wait until it is done, then try again."
            ) from None
        yield
    finally:
        os.close(number)


def is_locked(folder: Path) -> bool:
    """Whether a process, this one or another, applies now."""
    try:
        number = os.open(folder / LOCK_FILE, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(number, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(number)
    return False

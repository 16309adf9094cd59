"""Let one program at a time add things to a device.

So that none of two takes a key that the other one just took.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from core.errors import FieldlineError

LOCK_FILE = "create.lock"
_MAX_WAIT_S = 60.0
"""Behind a large import that adds thousands of things."""
_POLL_INTERVAL_S = 0.02


@asynccontextmanager
async def creation_lock(folder: Path) -> AsyncIterator[None]:
    """Hold the lock of a home while keys are looked up and written.

    Raises FieldlineError if others hold it long.
    """
    try:
        lock = os.open(folder / LOCK_FILE, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:  # a disk that takes no file takes nothing that is new either
        yield
        return
    try:
        deadline = time.monotonic() + _MAX_WAIT_S
        while not _is_taken(lock):
            if time.monotonic() >= deadline:
                raise FieldlineError("Another program is adding things on this device: try again when it has finished.")
            await asyncio.sleep(_POLL_INTERVAL_S)
        yield
    finally:
        os.close(lock)


def _is_taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

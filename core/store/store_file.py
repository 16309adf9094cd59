"""The files of a store, and who has it open.

It is replaced as a whole, and never under a program that uses it.

Whoever opens a store holds a shared lock (flock) on the file `store.db.lock` for as long; whoever replaces it holds
that lock alone. SQLite finds its log by the path of the database, so that a store that was replaced under a program
would share its log with the old one. A replacement that was killed is finished, or thrown away, by whoever opens the
store next.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.paths import exists
from core.store import connection
from core.store.connection import StoreError

MAX_CLOSING_S = 2.0
"""How long a program that is just ending may take to close the store."""
_POLL_INTERVAL_S = 0.05
_MIN_FREE_SHARE, _MIN_FREE_PAGES = 0.1, 1000
"""Free pages of a file that it is worth to write it anew for."""
_MIN_ADDED_SHARE, _MIN_ADDED_CHANGES = 0.5, 5000
"""Changes that have come at once after which it is: indexes that fill in any order have pages that are not full, which
are a twentieth of the file. Later ones are as full however many changes come.
"""
_BUSY_TIMEOUT_MS = int(connection.BUSY_TIMEOUT_S * 1000)


def replacement_path(path: Path) -> Path:
    """Give where a store is built that is to replace the one at a path.

    Worth nothing before `swap_in`.
    """
    return path.with_name(f".{path.name}.new")


def complete_path(path: Path) -> Path:
    """Give where a complete replacement lies.

    Until it has taken the place of the store.
    """
    return path.with_name(f"{path.name}.complete")


def lock_shared(path: Path) -> int | None:
    """Take the lock of a program that has the store open, and give its descriptor.

    Finish what a kill has left first.

    None where there can be no lock file: on a read-only disk, or a full one, nobody can replace the store either.
    Raises StoreError while somebody replaces the store.
    """
    try:
        lock = os.open(_lock_path(path), os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
    try:
        if exists(complete_path(path)) or exists(replacement_path(path)):
            _take_lock(lock, fcntl.LOCK_EX, path)
            _finish_or_discard(path)
        _take_lock(lock, fcntl.LOCK_SH, path)
    except OSError as error:
        os.close(lock)
        raise StoreError(
            "The repair of the store {path} that was broken off cannot be finished: {why}.",
            path=str(path),
            why=error.strerror or str(error),
        ) from None
    except BaseException:
        os.close(lock)
        raise
    return lock


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Keep all programs away from a store; raises StoreError if one has it open."""
    lock = os.open(_lock_path(path), os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _wait_for_lock(lock, fcntl.LOCK_EX, MAX_CLOSING_S):
            raise StoreError(
                "Other programs have the store {path} open: stop `fieldline serve`, close the screens, and try again.",
                path=str(path),
            )
        _finish_or_discard(path)
        yield
    finally:
        os.close(lock)


def swap_in(path: Path) -> None:
    """Put the replacement in the place of the store, all or nothing.

    The caller is in `exclusive`.
    """
    new = replacement_path(path)
    _fsync(new)
    new.replace(complete_path(path))
    _fsync(path.parent)
    _finish_or_discard(path)


def store_files(path: Path) -> list[Path]:
    """List the files that make up a store.

    The database and what SQLite keeps beside it.
    """
    return [path.with_name(path.name + end) for end in ("", "-wal", "-shm")]


def _lock_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def _finish_or_discard(path: Path) -> None:
    for each in (replacement_path(path), path.with_name(f"{replacement_path(path).name}-journal")):
        each.unlink(missing_ok=True)
    complete = complete_path(path)
    if exists(complete):
        # The old log first: with the new store it would be read as if it were that one's.
        for each in store_files(path)[1:]:
            each.unlink(missing_ok=True)
        complete.replace(path)
        _fsync(path.parent)


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _take_lock(lock: int, kind: int, path: Path) -> None:
    if not _wait_for_lock(lock, kind):
        raise StoreError(
            "Another program is replacing the store {path}: try again when it has finished.", path=str(path)
        )


def _wait_for_lock(lock: int, kind: int, wait_s: float = connection.BUSY_TIMEOUT_S) -> bool:
    """Take a lock; False if somebody holds it for so many seconds."""
    deadline = time.monotonic() + wait_s
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(lock, kind | fcntl.LOCK_NB)
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_INTERVAL_S)


def give_back_free_pages(database: sqlite3.Connection) -> None:
    """Make the file smaller if much of it is free: a migration left less in it.

    Outside of a transaction.

    What was killed before it came to that is done the next time.
    """
    (free,), (pages,) = (database.execute(f"PRAGMA {name}").fetchone() for name in ("freelist_count", "page_count"))
    if free >= max(pages * _MIN_FREE_SHARE, _MIN_FREE_PAGES):
        _write_anew(database)


def fill_pages_after(database: sqlite3.Connection, added: int) -> None:
    """Make the file smaller if so many changes that were just added are much of it."""
    (changes,) = database.execute("SELECT count(*) FROM changes").fetchone()
    if added >= max(changes * _MIN_ADDED_SHARE, _MIN_ADDED_CHANGES):
        _write_anew(database)


def _write_anew(database: sqlite3.Connection) -> None:
    """Write the file anew.

    Without the room for a second copy, or while others write, it stays as it is: what is free in it is used up first.
    """
    settings = ("busy_timeout = 0", "temp_store = FILE"), (f"busy_timeout = {_BUSY_TIMEOUT_MS}", "temp_store = MEMORY")
    for each in settings[0]:
        database.execute(f"PRAGMA {each}")
    with suppress(sqlite3.OperationalError):
        database.execute("VACUUM")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for each in settings[1]:
        database.execute(f"PRAGMA {each}")

"""One SQLite file and the thread that works on it.

A unit of work is one function that runs on aiosqlite's thread with the plain connection: one hop, however many
statements it needs. Whatever SQLite complains about is told in one sentence.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

import aiosqlite

from core.errors import BlockRefused, FieldlineError
from core.store.memory_tables import drop_shadows, has_current_shadows, run_in_memory
from core.value_codec import Value, decode_value

if TYPE_CHECKING:
    from core.changes import Block
    from core.store.types import SaveTally

P = ParamSpec("P")
T = TypeVar("T")

BUSY_TIMEOUT_S = 10.0
VALUE_SQL = "(SELECT value FROM contents WHERE id = f.content)"
"""The encoded value of a fact `f`. Each value is kept once; facts state the same if their `content` is the same."""
MAX_SQL_VARIABLES = 500


class StoreError(FieldlineError):
    """The store could not be read or written; nothing of what was under way was kept."""


class StoreUnwritable(StoreError):
    """The disk takes nothing, or nobody may write there.

    What is on it may still be read.
    """


class StoreGone(StoreError):
    """The file that was opened is no longer the one at its path.

    Nothing that is written to it will be found.
    """


class StoreDamaged(StoreError):
    """What the file holds is not what a store holds; `verify --repair` may restore it."""


_ERROR_MESSAGES = {
    # Before the errors that these are kinds of.
    "SQLITE_NOMEM": StoreError("This device has too little memory left: nothing was saved. Close other programs."),
    "SQLITE_IOERR_NOMEM": StoreError(
        "This device has too little memory left: nothing was saved. Close other programs."
    ),
    "SQLITE_IOERR_READ": StoreError(
        "The store {path} could not be read: the disk is failing. Copy what it holds while that is possible."
    ),
    "SQLITE_IOERR_SHORT_READ": StoreError(
        "The store {path} could not be read: the disk is failing. Copy what it holds while that is possible."
    ),
    "SQLITE_FULL": StoreUnwritable("The disk is full: nothing was saved. Free some space and try again."),
    "SQLITE_BUSY": StoreError(
        "Another program keeps the store {path} locked: nothing was saved. Try again when it has finished."
    ),
    "SQLITE_LOCKED": StoreError(
        "Another program keeps the store {path} locked: nothing was saved. Try again when it is done."
    ),
    "SQLITE_NOTADB": StoreDamaged(
        "{path} is not a Fieldline store: name another folder with --home, or move that file away."
    ),
    "SQLITE_CORRUPT": StoreDamaged("The store {path} is damaged: run `fieldline verify --repair`."),
    "SQLITE_READONLY": StoreUnwritable(
        "Nothing was saved: the disk is mounted read-only, or the store belongs to somebody else ({path})."
    ),
    "SQLITE_CANTOPEN": StoreUnwritable(
        "The store {path} cannot be opened: check that the folder exists and that you may write there."
    ),
    "SQLITE_PERM": StoreError("The store {path} cannot be opened: check who owns it and its permissions."),
    "SQLITE_IOERR": StoreUnwritable(
        "The store {path} could not be written: the disk is full or failing. Nothing was saved."
    ),
}


_SHARED_MEMORY_BYTES = 32 << 10
"""The least size of SQLite's `-shm` file."""


class DamagedRow(sqlite3.DatabaseError):
    """A row holds what was never written there."""

    sqlite_errorname = "SQLITE_CORRUPT"


@contextmanager
def translate_sqlite_errors(path: Path) -> Iterator[None]:
    """Turn what SQLite raises into a StoreError with one sentence."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        name = getattr(error, "sqlite_errorname", "") or ""
        if name.startswith("SQLITE_CANTOPEN") and _no_file_is_left():
            raise StoreError(
                "The store {path} cannot be opened: too many files are open on this device. Close other programs.",
                path=str(path),
            ) from error
        if name.startswith("SQLITE_READONLY") and _is_full(path):
            # A store that could not make its shared memory for want of room was opened to be read.
            name = "SQLITE_FULL"
        for code, sentence in _ERROR_MESSAGES.items():
            if name.startswith(code):
                raise type(sentence)(sentence.template, path=str(path)) from error
        raise


def _is_full(path: Path) -> bool:
    """Whether the disk of the store has no room, not even for its shared memory."""
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return False
    return not disk.f_flag & os.ST_RDONLY and disk.f_bavail * disk.f_frsize < _SHARED_MEMORY_BYTES


def _no_file_is_left() -> bool:
    """Whether no further file can be opened, wherever it is.

    SQLite does not tell that from a missing one.
    """
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno in (errno.EMFILE, errno.ENFILE)
    return False


def execute_all(connection: sqlite3.Connection, script: str) -> None:
    """Run statements in the transaction that is open."""
    for statement in script.split(";"):
        connection.execute(statement.strip())


def chunks(items: list[T], size: int = MAX_SQL_VARIABLES) -> Iterator[list[T]]:
    """Pieces of a list that fit the variables of one SQL statement."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def placeholders(items: list[T]) -> str:
    """As many question marks as there are items, for an SQL `IN`."""
    return ",".join("?" * len(items))


def not_a_store(path: Path) -> StoreDamaged:
    """The sentence about a file that is none of Fieldline's."""
    return StoreDamaged(_ERROR_MESSAGES["SQLITE_NOTADB"].template, path=str(path))


class Database:
    """A connection with its own thread. Several processes may have the same file open.

    `lock` is the descriptor that keeps others from replacing the file meanwhile, None if there is none.
    """

    def __init__(self, path: Path, connection: aiosqlite.Connection, lock: int | None = None) -> None:
        self.path = path
        self._connection = connection
        self._lock = lock
        self._file = _file_identity(path)

    async def run(self, work: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work(connection, ...)` on the connection's thread, in one hop."""
        with translate_sqlite_errors(self.path):
            # aiosqlite has no public call for a whole function on its thread; a call a statement would be a hop a
            # statement.
            execute: Callable[..., Awaitable[T]] = self._connection._execute
            return await execute(self._run_in_place, work, self._connection._conn, *args, **kwargs)

    def _run_in_place(
        self,
        work: Callable[Concatenate[sqlite3.Connection, P], T],
        connection: sqlite3.Connection,
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Run `work`, and check that the file is still the one at its path.

        Else what it came to is worth nothing.
        """
        result = work(connection, *args, **kwargs)
        if _file_identity(self.path) != self._file:
            raise StoreGone(
                "The store {path} was removed or replaced while it was open here: what was not saved before is lost."
                " Start Fieldline again.",
                path=str(self.path),
            )
        return result

    async def write(
        self, work: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work` in one transaction.

        It is on the disk when this returns, or leaves nothing behind.
        """
        return await self.run(transaction, work, *args, **kwargs)

    async def write_tallied(
        self,
        tally: SaveTally,
        note: Callable[[T], object],
        work: Callable[Concatenate[sqlite3.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Do as `write` does, and tell `note` the result on the store's thread.

        Even if nobody waits any more.
        """

        def write(connection: sqlite3.Connection) -> T:
            try:
                done = transaction(connection, work, *args, **kwargs)
                note(done)
                return done
            finally:
                tally.ended_count += 1

        tally.begun_count += 1
        return await self.run(write)

    async def write_cache(
        self, work: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work`, which writes only what makes reading fast.

        As `write` does, or in memory if the disk takes nothing.
        """
        try:
            return await self.run(_cache_transaction, work, *args, **kwargs)
        except StoreUnwritable:
            return await self.run(run_in_memory, work, *args, **kwargs)

    def interrupt(self) -> None:
        """Stop the statement under way; what it belonged to is rolled back."""
        self._connection._conn.interrupt()

    async def close(self) -> None:
        """Finish what is under way and let go of the file."""
        await self._connection.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def take_over(self, other: Database) -> None:
        """Go on with the connection of another one to the same path.

        After this one was closed.
        """
        self._connection, self._lock, self._file = other._connection, other._lock, other._file


def _file_identity(path: Path) -> tuple[int, int] | None:
    """Which file is at a path; None if there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116 - once for each unit of work
    except OSError:
        return None
    return status.st_dev, status.st_ino


def transaction(
    connection: sqlite3.Connection,
    work: Callable[Concatenate[sqlite3.Connection, P], T],
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Run `work(connection, ...)` in a transaction.

    It is committed when it returns and rolled back when it raises.
    """
    drop_shadows(connection)
    try:
        # What interrupts this may leave it begun.
        connection.execute("BEGIN IMMEDIATE")
        result = work(connection, *args, **kwargs)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result


def _cache_transaction(
    connection: sqlite3.Connection,
    work: Callable[Concatenate[sqlite3.Connection, P], T],
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Go on in memory where that was begun, else in a transaction."""
    if has_current_shadows(connection):
        return run_in_memory(connection, work, *args, **kwargs)
    return transaction(connection, work, *args, **kwargs)


def read_meta(connection: sqlite3.Connection, key: str) -> bytes | None:
    """Read one of this device's own notes; None if there is none of this key."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else row[0]


def write_meta(connection: sqlite3.Connection, key: str, value: bytes) -> None:
    """Keep one of this device's own notes, in place of what it was."""
    connection.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))


@lru_cache(maxsize=16384)  # most values are said again and again
def load_value(data: bytes | None) -> Value:
    """Read a value as the tables have it; raises DamagedRow if it is none."""
    if data is None:
        raise DamagedRow("a value is missing")
    try:
        return decode_value(data)
    except BlockRefused as error:
        raise DamagedRow(str(error)) from None


def load_block(data: bytes) -> Block:
    """Read a block that the store has; raises DamagedRow if it is none.

    It was checked when it came: nothing is hashed again.
    """
    from core.changes import read_checked_block

    try:
        return read_checked_block(data)
    except BlockRefused as error:
        raise DamagedRow(str(error)) from None

"""Open a store, and bring its tables to this version step by step.

The steps are in core/store/migration_steps.py.

All functions but `open_database` run on the store's thread with the plain connection.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from pathlib import Path

import aiosqlite

from core.paths import exists
from core.store import connection, store_file
from core.store.connection import (
    Database,
    StoreError,
    StoreUnwritable,
    not_a_store,
    transaction,
    translate_sqlite_errors,
)
from core.store.types import OnProgress, ignore_progress

APPLICATION_ID = 0x464C444C  # "FLDL"
_SQLITE_HEADER_BYTES, _SQLITE_MAGIC = 100, b"SQLite format 3\0"
FIRST_VERSION = 8
"""Stores before it hold changes of a format that no release ever wrote."""
STORE_VERSION = 23
_OPENING_MODES = ("rw", "exclusive", "immutable")
"""How a store is opened, the next where the one before is refused: as it should be; without a file for the index of the
log, for which a full disk has no room; and as what nobody writes, on a disk that is mounted read-only.
"""


async def open_database(path: Path, *, create: bool = False, on_progress: OnProgress = ignore_progress) -> Database:
    """Open a store's file and bring it to this version.

    `create` makes a new one, which must not exist yet. `on_progress` is called while the tables of an earlier version
    are made anew; what it raises ends that, and leaves the store as it was.

    Raises StoreError for a missing, foreign, newer, locked or damaged file.
    """
    if not create and not await asyncio.to_thread(_is_open_here, path):
        await asyncio.to_thread(_check_header, path)
    refused: StoreError | None = None
    for mode in ("rwc",) if create else _OPENING_MODES:
        if mode == "immutable" and _has_log(path):
            # What is only there would not be seen.
            continue
        try:
            return await _open_in_mode(path, mode, on_progress)
        except StoreUnwritable as error:
            refused = refused or error
    raise refused or not_a_store(path)


async def _open_in_mode(path: Path, mode: str, on_progress: OnProgress) -> Database:
    create = mode == "rwc"
    uri = _sqlite_uri(path, create)
    if mode == "immutable":
        uri = uri.replace("mode=rw", "mode=ro&immutable=1")
    lock = await asyncio.to_thread(store_file.lock_shared, path)
    try:
        with translate_sqlite_errors(path):
            handle = aiosqlite.connect(uri, uri=True, timeout=connection.BUSY_TIMEOUT_S, isolation_level=None)
            try:
                await handle
            except BaseException:
                # It is told to stop, and may not answer a loop that is closed by then.
                await asyncio.to_thread(handle._thread.join)
                raise
    except BaseException:
        if lock is not None:
            os.close(lock)
        raise
    opened = Database(path, handle, lock)
    try:
        await opened.run(_prepare_connection, path, mode, on_progress)
    except BaseException:
        await opened.close()
        if create:
            _remove_store_files(path)
        raise
    return opened


def _has_log(path: Path) -> bool:
    log = path.with_name(f"{path.name}-wal")
    return exists(log) and log.stat().st_size > 0


def _is_open_here(path: Path) -> bool:
    """Whether this process has the file open.

    Who closes a file gives up all POSIX locks that his process has on it, those of SQLite's other connections, too
    (https://sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_).
    """
    descriptors = Path("/proc/self/fd")
    try:
        wanted = path.stat()
        return any(_is_same_file(each, wanted) for each in descriptors.iterdir())
    except OSError:
        return False


def _is_same_file(descriptor: Path, wanted: os.stat_result) -> bool:
    try:
        return os.path.samestat(descriptor.stat(), wanted)
    except OSError:  # closed meanwhile
        return False


def _check_header(path: Path) -> None:
    """Raise StoreError for what is no store, and for one of an old format.

    SQLite does not open either, or it would touch it: the log beside a damaged file is thrown away.

    The numbers are where SQLite's file format has them (https://sqlite.org/fileformat.html#the_database_header).
    """
    try:
        with path.open("rb") as file:
            header = file.read(_SQLITE_HEADER_BYTES)
    except OSError:
        return
    if len(header) == _SQLITE_HEADER_BYTES and not header.startswith(_SQLITE_MAGIC):
        raise not_a_store(path)
    version, application = (int.from_bytes(header[at : at + 4], "big") for at in (60, 68))
    if len(header) == _SQLITE_HEADER_BYTES and application == APPLICATION_ID:
        _check_not_old(version, path)


def _check_not_old(version: int, path: Path) -> None:
    if 0 < version < FIRST_VERSION:
        raise StoreError(
            "The store {path} is from before Fieldline's first release and was not touched: move its folder away, run"
            " `fieldline init` or `fieldline join`, and `fieldline import` a history that the old program wrote.",
            path=str(path),
        )


def _sqlite_uri(path: Path, create: bool) -> str:
    if create and exists(path):
        raise StoreError("There is already a store at {path}.", path=str(path))
    if not create and not exists(path):
        raise StoreError("There is no store at {path}: run `fieldline init` or `fieldline join` first.", path=str(path))
    return f"{path.resolve().as_uri()}?mode={'rwc' if create else 'rw'}"


def _remove_store_files(path: Path) -> None:
    for each in store_file.store_files(path):
        each.unlink(missing_ok=True)


def _prepare_connection(connection: sqlite3.Connection, path: Path, mode: str, on_progress: OnProgress) -> None:
    create = mode == "rwc"
    from core.store import content_table
    from core.store.indexes import search_index

    connection.execute("PRAGMA temp_store = MEMORY")
    search_index.define_functions(connection)
    content_table.define_functions(connection)
    if mode == "exclusive":
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    if not create:
        check_is_store(connection, path)
    if mode != "immutable":
        connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    if create:
        initialize_store(connection)
        return
    if _read_version(connection) < STORE_VERSION:
        transaction(connection, migrate_store, on_progress)
    if mode == "rw":
        store_file.give_back_free_pages(connection)


def check_is_store(connection: sqlite3.Connection, path: Path) -> None:
    """Raise StoreError for what is no store, or of a version too old or too new."""
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise not_a_store(path)
    version = _read_version(connection)
    if version <= 0:  # no program writes that
        raise not_a_store(path)
    _check_not_old(version, path)
    if version > STORE_VERSION:
        raise StoreError(
            "The store {path} was written by a newer Fieldline: update Fieldline on this device.", path=str(path)
        )


def _read_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def initialize_store(connection: sqlite3.Connection) -> None:
    """Make the tables of a new store, in a transaction of its own."""
    from importlib.resources import files

    from core.store.indexes import (
        conflict_index,
        holdings,
        inbox_cache,
        obsolete_hints,
        proven_positions,
        search_index,
        standings,
        withdrawals,
    )

    script = files("core.store").joinpath("schema.sql").read_text(encoding="utf-8")
    connection.executescript(
        f"BEGIN; {script} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {STORE_VERSION};"
    )
    for make in (
        search_index.create_tables,
        conflict_index.create_tables,
        obsolete_hints.create_tables,
        inbox_cache.create_tables,
        withdrawals.create_tables,
        proven_positions.create_tables,
        holdings.create_tables,
        standings.create_tables,
    ):
        make(connection)
    connection.execute("COMMIT")


def migrate_store(connection: sqlite3.Connection, on_progress: OnProgress) -> None:
    """Bring the tables to this version, in the caller's transaction.

    The version is asked for here: another process may have done it while this one waited for the lock.
    """
    from core.store.migration_steps import LONG_STEPS, short_steps

    steps, long_steps = short_steps(), LONG_STEPS
    to_do = range(_read_version(connection), STORE_VERSION)
    done = 0
    for step in to_do:
        if step in long_steps:
            before = done

            def on_row(row: int, rows: int, before: int = before) -> None:
                on_progress(before + row, rows * len(long_steps.keys() & to_do))

            done += long_steps[step](connection, on_row)
        else:
            steps[step](connection)
        connection.execute(f"PRAGMA user_version = {step + 1}")

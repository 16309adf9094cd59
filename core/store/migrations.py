"""Open a store, and bring its tables to the version of this program, one version at a time.

A new store is the first version (schema.sql) brought up the same way, so every table has one description. A step never
touches what `changes` and `blocks` say. All functions but `open_database` run on the store's thread with the plain
connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import aiosqlite

from core.store import connection
from core.store.connection import Database, StoreError, not_a_store, transaction, translate_sqlite_errors

APPLICATION_ID = 0x464C444C  # "FLDL"
STORE_VERSION = 7


async def open_database(path: Path, *, create: bool = False) -> Database:
    """Open a store's file and bring it to this version; `create` makes a new one, which must not exist yet.

    Raises StoreError for a missing, foreign, newer, locked or damaged file.
    """
    with translate_sqlite_errors(path):
        handle = await aiosqlite.connect(
            _sqlite_uri(path, create), uri=True, timeout=connection.BUSY_TIMEOUT_S, isolation_level=None
        )
    opened = Database(path, handle)
    try:
        await opened.run(_prepare_connection, path, create)
    except BaseException:
        await opened.close()
        if create:
            _remove_store_files(path)
        raise
    return opened


def _sqlite_uri(path: Path, create: bool) -> str:
    if create and path.exists():
        raise StoreError("There is already a store at {path}.", path=str(path))
    if not create and not path.exists():
        raise StoreError("There is no store at {path}: run `fieldline init` or `fieldline join` first.", path=str(path))
    return f"{path.resolve().as_uri()}?mode={'rwc' if create else 'rw'}"


def _remove_store_files(path: Path) -> None:
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        path.with_name(name).unlink(missing_ok=True)


def _prepare_connection(connection: sqlite3.Connection, path: Path, create: bool) -> None:
    if not create:
        _check_is_store(connection, path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA temp_store = MEMORY")
    if create or _read_version(connection) < STORE_VERSION:
        if create:
            initialize_store(connection)
        else:
            transaction(connection, migrate_store)


def _check_is_store(connection: sqlite3.Connection, path: Path) -> None:
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise not_a_store(path)
    if _read_version(connection) > STORE_VERSION:
        raise StoreError(
            "The store {path} was written by a newer Fieldline: update Fieldline on this device.", path=str(path)
        )


def _read_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _steps() -> dict[int, Callable[[sqlite3.Connection], None]]:
    """What brings a store from version N to N + 1."""
    # A store is made or brought up to date once; every other start is spared these imports.
    from core.store.indexes import conflict_index, inbox_cache, obsolete_hints, search_index

    return {
        1: search_index.create_tables,
        2: conflict_index.create_tables,
        3: obsolete_hints.create_tables,
        4: conflict_index.create_titles_table,
        5: inbox_cache.create_tables,
        6: search_index.index_full_texts,
    }


def initialize_store(connection: sqlite3.Connection) -> None:
    """Make the tables of a new store, in a transaction of its own."""
    from importlib.resources import files

    script = files("core.store").joinpath("schema.sql").read_text(encoding="utf-8")
    connection.executescript(f"BEGIN; {script} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 1;")
    migrate_store(connection)
    connection.execute("COMMIT")


def migrate_store(connection: sqlite3.Connection) -> None:
    """Bring the tables to this version, in the caller's transaction.

    The version is asked for here: another process may have done it while this one waited for the lock.
    """
    steps = _steps()
    for step in range(_read_version(connection), STORE_VERSION):
        steps[step](connection)
        connection.execute(f"PRAGMA user_version = {step + 1}")

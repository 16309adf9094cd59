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

from core.store import database
from core.store.database import Database, StoreError, not_a_store, told, transaction

APPLICATION_ID = 0x464C444C  # "FLDL"
VERSION = 7


async def open_database(path: Path, *, create: bool = False) -> Database:
    """Open a store's file and bring it to this version; `create` makes a new one, which must not exist yet.

    Raises StoreError for a missing, foreign, newer, locked or damaged file.
    """
    with told(path):
        connection = await aiosqlite.connect(
            _uri(path, create), uri=True, timeout=database.BUSY_SECONDS, isolation_level=None
        )
    opened = Database(path, connection)
    try:
        await opened.run(_prepare, path, create)
    except BaseException:
        await opened.close()
        if create:
            _remove(path)
        raise
    return opened


def _uri(path: Path, create: bool) -> str:
    if create and path.exists():
        raise StoreError("There is already a store at {path}.", path=str(path))
    if not create and not path.exists():
        raise StoreError("There is no store at {path}: run `fieldline init` or `fieldline join` first.", path=str(path))
    return f"{path.resolve().as_uri()}?mode={'rwc' if create else 'rw'}"


def _remove(path: Path) -> None:
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        path.with_name(name).unlink(missing_ok=True)


def _prepare(connection: sqlite3.Connection, path: Path, create: bool) -> None:
    if not create:
        _check(connection, path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA temp_store = MEMORY")
    if create or _version(connection) < VERSION:
        if create:
            build(connection)
        else:
            transaction(connection, migrate)


def _check(connection: sqlite3.Connection, path: Path) -> None:
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise not_a_store(path)
    if _version(connection) > VERSION:
        raise StoreError(
            "The store {path} was written by a newer Fieldline: update Fieldline on this device.", path=str(path)
        )


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _steps() -> dict[int, Callable[[sqlite3.Connection], None]]:
    """What brings a store from version N to N + 1."""
    # A store is made or brought up to date once; every other start is spared these imports.
    from core.store import clues, hearsay, matters, search

    return {
        1: search.create,
        2: clues.create,
        3: hearsay.create,
        4: clues.create_titles,
        5: matters.create,
        6: search.lengthen,
    }


def build(connection: sqlite3.Connection) -> None:
    """Make the tables of a new store, in a transaction of its own."""
    from importlib.resources import files

    script = files("core.store").joinpath("schema.sql").read_text(encoding="utf-8")
    connection.executescript(f"BEGIN; {script} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 1;")
    migrate(connection)
    connection.execute("COMMIT")


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables to this version, in the caller's transaction.

    The version is asked for here: another process may have done it while this one waited for the lock.
    """
    steps = _steps()
    for step in range(_version(connection), VERSION):
        steps[step](connection)
        connection.execute(f"PRAGMA user_version = {step + 1}")

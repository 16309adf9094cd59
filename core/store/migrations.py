"""Bring the tables of a store to the version of this program, one version at a time.

A new store is the first version (schema.sql) brought up the same way, so every table has one description. A step never
touches what `changes` and `blocks` say. All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from importlib.resources import files

from core.store import clues, hearsay, matters, search
from core.store.database import APPLICATION_ID, VERSION

STEPS: dict[int, Callable[[sqlite3.Connection], None]] = {
    1: search.create,
    2: clues.create,
    3: hearsay.create,
    4: clues.create_titles,
    5: matters.create,
    6: search.lengthen,
}
"""What brings a store from version N to N + 1."""


def build(connection: sqlite3.Connection) -> None:
    """Make the tables of a new store, in a transaction of its own."""
    script = files("core.store").joinpath("schema.sql").read_text(encoding="utf-8")
    connection.executescript(f"BEGIN; {script} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 1;")
    migrate(connection)
    connection.execute("COMMIT")


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables to this version, in the caller's transaction.

    The version is asked for here: another process may have done it while this one waited for the lock.
    """
    for step in range(int(connection.execute("PRAGMA user_version").fetchone()[0]), VERSION):
        STEPS[step](connection)
        connection.execute(f"PRAGMA user_version = {step + 1}")

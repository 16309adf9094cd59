"""Bring what the inbox reads up to date in memory.

Where the disk takes nothing.

The tables that are only kept to be fast get copies among the connection's own temporary ones, which SQLite finds first.
Whoever really writes has to do without them (`drop_shadows`), or the file would miss what follows from it.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_NOTE = "shadows"
"""A temporary table with the version of the file that the copies were made of."""
_TABLES = ("unread", "clues", "claims", "networks", "mentions", "index_names", "matters", "readings", "meta")


def run_in_memory(
    connection: sqlite3.Connection,
    work: Callable[Concatenate[sqlite3.Connection, P], T],
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Run `work` on copies of the tables that it may write.

    Work of many steps goes on with the copies that it has.
    """
    if not has_current_shadows(connection):
        drop_shadows(connection)
        _make_shadows(connection)
    return work(connection, *args, **kwargs)


def has_current_shadows(connection: sqlite3.Connection) -> bool:
    """Whether there are copies of what is in the file now."""
    if not _has_shadows(connection):
        return False
    note = connection.execute(f"SELECT version FROM temp.{_NOTE}").fetchone()
    return note is not None and note[0] == _file_version(connection)


def drop_shadows(connection: sqlite3.Connection) -> None:
    """Go on with the tables of the file."""
    if _has_shadows(connection):
        for table in (*_TABLES, _NOTE):
            connection.execute(f"DROP TABLE IF EXISTS temp.{table}")


def _file_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA data_version").fetchone()[0])


def _has_shadows(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM temp.sqlite_master LIMIT 1").fetchone() is not None


def _make_shadows(connection: sqlite3.Connection) -> None:
    for table in _TABLES:
        rows = connection.execute(
            "SELECT type, sql FROM main.sqlite_master WHERE tbl_name = ? AND sql NOT NULL ORDER BY type DESC", (table,)
        ).fetchall()
        for kind, sql in rows:
            head = f"CREATE {kind.upper()} "
            made = head.replace("TABLE", "TEMP TABLE") if kind == "table" else f"{head}temp."
            connection.execute(made + sql.removeprefix(head))
        connection.execute(f"INSERT INTO temp.{table} SELECT * FROM main.{table}")
    connection.execute(f"CREATE TEMP TABLE {_NOTE} (version INTEGER)")
    connection.execute(f"INSERT INTO temp.{_NOTE} VALUES (?)", (_file_version(connection),))

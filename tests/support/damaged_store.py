"""Damage to the file of a store, as disks and memory do it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from core.store.block_table import iterate_blocks

PAGE_BYTES = 4096


def merge_log(path: Path) -> None:
    """Bring all into the one file."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def pages_of(path: Path, name: str) -> list[int]:
    """The pages of a table or an index, its root first."""
    with closing(sqlite3.connect(path)) as connection:
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()[0]
    data = path.read_bytes()
    found, todo = [], [root]
    while todo:
        number = todo.pop()
        found.append(number)
        start = (number - 1) * PAGE_BYTES
        page = data[start : start + PAGE_BYTES]
        head = 100 if number == 1 else 0
        if page[head] in (2, 5):
            count = int.from_bytes(page[head + 3 : head + 5], "big")
            cells = [int.from_bytes(page[head + 12 + 2 * n : head + 14 + 2 * n], "big") for n in range(count)]
            todo += [int.from_bytes(page[at : at + 4], "big") for at in cells]
            todo.append(int.from_bytes(page[head + 8 : head + 12], "big"))
    return found


def loosen(connection: sqlite3.Connection) -> None:
    """Put all blocks into the table of those that are in no pack."""
    rows = list(iterate_blocks(connection))
    connection.execute("DELETE FROM packs")
    connection.executemany("INSERT OR REPLACE INTO blocks (change, data) VALUES (?, ?)", rows)


def overwrite(path: Path, at: int, data: bytes) -> None:
    """Put other bytes into a file."""
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def zero_page(path: Path, number: int) -> None:
    """Let a page be read as zeros."""
    overwrite(path, (number - 1) * PAGE_BYTES, b"\0" * PAGE_BYTES)


def tables_of(path: Path) -> list[str]:
    """All tables and indexes that have pages."""
    with closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE rootpage > 0 ORDER BY 1")]

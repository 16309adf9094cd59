"""Stores that work on the thread of the simulation instead of one of their own.

A thread for each store and a hop for each unit of work took a third of the time, and made the order of what two ends of
a sync do a matter of chance. All else of the store is as it is.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock


class InlineConnection:
    """What `core.store.connection.Database` needs of an aiosqlite.Connection."""

    def __init__(self, database: str, **options: Any) -> None:
        self._conn = sqlite3.connect(database, **options)

    def __await__(self) -> Generator[Any, None, InlineConnection]:
        yield from asyncio.sleep(0).__await__()
        return self

    async def _execute(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        # Others get their turn between two units of work, as they would otherwise.
        await asyncio.sleep(0)
        return work(*args, **kwargs)

    async def close(self) -> None:
        """Close the file."""
        self._conn.close()


@contextmanager
def inline_stores() -> Iterator[None]:
    """Open stores without threads meanwhile."""
    with mock.patch("core.store.migrations.aiosqlite.connect", InlineConnection):
        yield

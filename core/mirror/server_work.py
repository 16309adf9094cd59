"""Statements that the server runs on another thread while the store is read."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from psycopg import sql

from core.mirror.database import Connection


class ServerWork:
    """Statements in the transaction of a connection that nobody else uses meanwhile."""

    def __init__(self, mirror: Connection, statements: Sequence[sql.Composed]) -> None:
        self._mirror = mirror
        self._executor = ThreadPoolExecutor(max_workers=1)
        self._future = self._executor.submit(self._run, statements)

    def _run(self, statements: Sequence[sql.Composed]) -> None:
        for statement in statements:
            self._mirror.execute(statement)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()

    def is_done(self) -> bool:
        """Whether the connection can be used; raises what a statement raised."""
        return self._future.done() and self._future.result() is None

    def wait(self) -> None:
        """Wait until it is done; raises what a statement raised."""
        self._future.result()

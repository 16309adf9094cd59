"""Mirror the store of an opened device into PostgreSQL, one way."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, LiteralString, Self, TypeVar

from psycopg import ServerCursor

from core.device.context import DeviceContext
from core.inbox import InboxItem
from core.mirror import database, writer
from core.mirror.database import translate_database_errors
from core.mirror.inbox_reader import InboxReader, ReadInbox
from core.mirror.writer import SourceState, Written
from core.store.queries.mirror_source import ChangeOrder

T = TypeVar("T")
Cursor = ServerCursor[tuple[object, ...]]
ROWS_PER_PAGE = 5000
CANCEL_INTERVAL_S = 0.2
"""A statement may begin just after the one before it was cancelled: it is asked for again."""


@dataclass(frozen=True, slots=True)
class MirrorResult:
    """Result of a run: changes and facts written, the mirror's root, and the time."""

    change_count: int
    fact_count: int
    root: bytes
    seconds: float


class Mirror:
    """A connection to the database that holds the mirror.

    Nobody else writes the mirror meanwhile.
    """

    def __init__(self, device: DeviceContext, read_inbox: ReadInbox, connection: database.Connection) -> None:
        self._device = device
        self._inbox = InboxReader(device, read_inbox)
        self._mirrored_items: Sequence[InboxItem] | None = None
        self._order = ChangeOrder()
        self.connection = connection

    @classmethod
    async def open(
        cls,
        device: DeviceContext,
        read_inbox: ReadInbox,
        dsn: str,
        *,
        lock_timeout_ms: int = database.LOCK_TIMEOUT_MS,
    ) -> Self:
        """Connect to a database, and make the tables of the mirror if there are none.

        Raises MirrorError for one that holds something else, or that another mirror is writing.
        """
        connection = await asyncio.to_thread(database.connect, dsn, device.store.fleet, lock_timeout_ms=lock_timeout_ms)
        return cls(device, read_inbox, connection)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.connection.close)

    async def update(self) -> MirrorResult:
        """Bring the mirror to what the store holds, in one transaction.

        Writes nothing where it is there already.
        """
        started_us = self._device.clock()
        while True:
            state = await self._read_state()
            written = await self._finish(self._device.store.run(partial(self._write, state)))
            if written is not None:
                self._mirrored_items = state.items
                seconds = (self._device.clock() - started_us) / 1_000_000
                return MirrorResult(written.change_count, written.fact_count, state.root, seconds)

    async def _finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Await work on the connection.

        If cancelled, stop what the server does, as nobody may close it meanwhile.
        """
        task = asyncio.ensure_future(work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            while not task.done():
                await asyncio.to_thread(database.cancel, self.connection)
                await asyncio.wait([task], timeout=CANCEL_INTERVAL_S)
            if not task.cancelled():
                task.exception()
            raise

    async def root(self) -> bytes:
        """Read the root of the changes that the mirror holds."""
        rows = await self.read("SELECT root FROM fieldline.watermark")
        root = rows[0][0]
        return root if isinstance(root, bytes) else b""

    async def read(self, query: LiteralString, params: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """Run a query, and give all its rows."""
        return await self._finish(asyncio.to_thread(self._read, query, params))

    async def read_pages(
        self, query: LiteralString, params: Sequence[object] = ()
    ) -> AsyncGenerator[list[tuple[object, ...]], None]:
        """Run a query, and give its rows in pages, as many as are wanted."""
        # By itself it would plan for who wants the first rows only.
        await self.read("SELECT set_config('cursor_tuple_fraction', '1', false)")
        cursor = self.connection.cursor("pages", withhold=True)
        try:
            await self._finish(asyncio.to_thread(self._open_pages, cursor, query, params))
            while rows := await self._finish(asyncio.to_thread(self._fetch_page, cursor)):
                yield rows
        finally:
            await self._finish(asyncio.to_thread(cursor.close))

    def _open_pages(self, cursor: Cursor, query: LiteralString, params: Sequence[object]) -> None:
        with translate_database_errors():
            cursor.execute(query, params)

    def _fetch_page(self, cursor: Cursor) -> list[tuple[object, ...]]:
        with translate_database_errors():
            return cursor.fetchmany(ROWS_PER_PAGE)

    def _read(self, query: LiteralString, params: Sequence[object]) -> list[tuple[object, ...]]:
        with translate_database_errors():
            return self.connection.execute(query, params).fetchall()

    async def _read_state(self) -> SourceState:
        """Read schema, membership and inbox.

        `write_mirror` sees whether the store has changed since the root.
        """
        root = (await self._device.store.summary()).root
        schema, membership = await self._device.schema(), await self._device.membership()
        items = await self._inbox.read(schema)
        return SourceState(root, schema, membership, items, is_inbox_mirrored=items is self._mirrored_items)

    def _write(self, state: SourceState, store: sqlite3.Connection) -> Written | None:
        with translate_database_errors():
            if writer.is_current(store, self.connection, state, self._order):
                return Written(0, 0)
            store.execute("BEGIN")
            try:
                return writer.write_mirror(store, self.connection, state, self._order, self._device.clock())
            finally:
                store.execute("ROLLBACK")

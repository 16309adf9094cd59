"""Read the inbox for a mirror, anew only if something of it may be otherwise."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from core.device.context import DeviceContext
from core.inbox import InboxItem
from core.schema import Schema
from core.store.queries import mirror_source

ReadInbox = Callable[[], Awaitable[Sequence[InboxItem]]]


class InboxReader:
    """The inbox as it was read last, and what it depended on."""

    def __init__(self, device: DeviceContext, read_inbox: ReadInbox) -> None:
        self._device = device
        self._read_inbox = read_inbox
        self._items: Sequence[InboxItem] = ()
        self._seen: tuple[object, ...] | None = None
        self._row = 0

    async def read(self, schema: Schema) -> Sequence[InboxItem]:
        """Read the items; gives the same object as the last time if they are as they were.

        An item is what the facts about its entities say. So none is otherwise if the keys of all are the same, nothing
        was said since about an entity of one, and the same facts have effect.
        """
        store = self._device.store
        keys = await store.cached_item_keys(schema)
        row, flags, touched = await store.run(partial(_read_since, self._row))
        seen = (schema, keys, flags)
        # Read before the items: what comes between makes them be read once more, and no less.
        self._row = row
        if keys is not None and seen == self._seen and touched.isdisjoint(self._entities()):
            return self._items
        self._items, self._seen = await self._read_inbox(), seen
        return self._items

    def _entities(self) -> set[bytes]:
        return {entity for item in self._items for entity in (item.entity, *item.entities)}


def _read_since(row: int, store: sqlite3.Connection) -> tuple[int, str, set[bytes]]:
    """The last row of the changes, the facts without effect, and the entities changed."""
    last = int(store.execute("SELECT coalesce(max(id), 0) FROM changes").fetchone()[0])
    touched = mirror_source.read_touched_entities(store, row) if row else set()
    return last, mirror_source.read_flag_state(store), touched

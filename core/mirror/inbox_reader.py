"""Read the inbox for a mirror, anew only if something of it may be otherwise."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from hashlib import blake2b

from core.device.context import DeviceContext
from core.inbox import InboxItem
from core.mirror import row_values
from core.mirror.copy_rows import Row
from core.mirror.current_rows import name_columns
from core.schema import Schema
from core.store.entities import EntityName
from core.store.queries import mirror_source
from core.values import printable
from core.workspace.lazy_inbox import LazyInbox

ReadInbox = Callable[[], Awaitable[LazyInbox]]


class InboxReader:
    """The rows of the inbox as it was read last, and what they depended on.

    Rows take a third of the memory of items.
    """

    def __init__(self, device: DeviceContext, read_inbox: ReadInbox) -> None:
        self._device = device
        self._read_inbox = read_inbox
        self._rows: Sequence[Row] = ()
        self._entities: set[bytes] = set()
        self._seen: tuple[object, ...] | None = None
        self._row = 0

    async def read(self, schema: Schema) -> Sequence[Row]:
        """Read the rows; gives the same object as the last time if they are as they were.

        An item is what the facts about its entities say. So none is otherwise if the keys of all are the same, nothing
        was said since about an entity of one, and the same facts have effect.
        """
        store = self._device.store
        keys = await store.cached_item_keys(schema)
        row, flags, touched = await store.run(partial(_read_since, self._row))
        seen = (schema, keys, flags)
        # Read before the items: what comes between makes them be read once more, and no less.
        self._row = row
        if keys is not None and seen == self._seen and touched.isdisjoint(self._entities):
            return self._rows
        rows: dict[bytes, Row] = {}
        self._entities = set()
        async for items in (await self._read_inbox()).pages():
            for item in items:
                self._entities.update((item.entity, *item.entities))
                facts = [leaf.fact for leaf in item.candidates]
                about = (item.type, item.entity, item.property, item.entities, facts)
                key = blake2b(repr(about).encode(), digest_size=16).digest()
                rows.setdefault(key, _inbox_row(key, item, facts))
        self._rows, self._seen = tuple(rows.values()), seen
        return self._rows


def _read_since(row: int, store: sqlite3.Connection) -> tuple[int, str, set[bytes]]:
    """The last row of the changes, the facts without effect, and the entities changed."""
    last = int(store.execute("SELECT coalesce(max(id), 0) FROM changes").fetchone()[0])
    touched = mirror_source.read_touched_entities(store, row) if row else set()
    return last, mirror_source.read_flag_state(store), touched


def _inbox_row(key: bytes, item: InboxItem, facts: list[bytes]) -> Row:
    name = EntityName(item.entity, item.kind, item.key, "")
    message = row_values.text(printable(str(item.message)))
    since = max((leaf.at_us for leaf in item.candidates), default=None)
    return (
        key,
        item.type,
        item.entity,
        *name_columns(name),
        row_values.text(item.property),
        message,
        list(item.entities),
        facts,
        None if since is None else row_values.timestamp(since),
    )

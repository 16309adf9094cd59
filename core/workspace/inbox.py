"""Read the inbox from the store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from core.inbox import InboxItem, find_inbox_items
from core.records import Record
from core.schema import RETIRED, Schema
from core.store.indexes.inbox_cache import item_keys
from core.store.store import Store
from core.store.view import View
from core.workspace.lazy_inbox import MAX_EAGER_ITEMS, LazyInbox

MAX_ENTITIES_PER_TRANSACTION = 200
"""Indexed in one transaction: others who write wait about as long as for a small import."""


class InboxReader:
    """Compute the inbox of one store, again only if its changes or schema differ."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cached: tuple[object, LazyInbox] = (None, LazyInbox())

    async def read_all(self, view: View, schema: Schema, on_progress: Callable[[int, int], None]) -> list[InboxItem]:
        """Read all items of a view, in their order."""
        return await (await self.read_lazily(view, schema, on_progress)).load_all()

    async def read_lazily(self, view: View, schema: Schema, on_progress: Callable[[int, int], None]) -> LazyInbox:
        """Read the items of a view.

        Of many at present only those are computed that are loaded.
        """
        state = (await self._store.summary(), view.scope, schema)
        if self._cached[0] != state:
            self._cached = (state, await self._compute(view, schema, on_progress))
        return self._cached[1]

    async def _compute(self, view: View, schema: Schema, progress: Callable[[int, int], None]) -> LazyInbox:
        if view.is_past:
            return LazyInbox.of_items(await self._find_all_items(view, schema))
        found = await self._store.cached_item_keys(schema)
        if found is None:
            await self._update_index(schema, progress)
            version = await self._store.inbox_version(schema)
            found = item_keys(await self._find_all_items(view, schema))
            if version is not None:
                await self._store.cache_item_keys(schema, version, found)
        inbox = LazyInbox(found, partial(self._store.load_inbox_items, schema))
        if len(found) <= MAX_EAGER_ITEMS:
            await inbox.load_range(0, len(found))
        return inbox

    async def _find_all_items(self, view: View, schema: Schema) -> list[InboxItem]:
        """Find all items among the entities that may be in one."""
        found = await view.suspects(schema)
        known = await self._known_changes(found.records)
        # Thousands of items take a while: the event loop has to stay responsive.
        return await asyncio.to_thread(
            find_inbox_items, found.records, schema, lambda a, b: b in known.get(a, ()), found.find_record
        )

    async def _update_index(self, schema: Schema, progress: Callable[[int, int], None]) -> None:
        total = remaining = await self._store.count_unread(schema)
        while remaining:
            remaining = await self._store.update_conflict_index(schema, MAX_ENTITIES_PER_TRANSACTION)
            total = max(total, remaining)
            progress(total - remaining, total)

    async def _known_changes(self, records: Iterable[Record]) -> Mapping[bytes, set[bytes]]:
        """Map each retirement to those changes of the entity's leaves that it knew."""
        wanted_by_change: dict[bytes, set[bytes]] = {}
        for record in records:
            if record.retired:
                leaves = {leaf.change for slot in record.slots.values() for leaf in slot.leaves}
                for leaf in record.slot(RETIRED).leaves:
                    wanted_by_change.setdefault(leaf.change, set()).update(leaves)
        return await self._store.known_changes(wanted_by_change)

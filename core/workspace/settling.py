"""What waits for a decision, gathered from the store."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from core.changes import decode, parents
from core.inbox import Matter, matters
from core.records import Record
from core.schema import RETIRED, Schema
from core.store.matters import mentions
from core.store.store import Store
from core.store.view import View
from core.workspace.pending import SMALL, Pending

BATCH = 200
"""How many entities are read in one transaction: others who write wait about as long as for a small import."""


class Settling:
    """Works the inbox of one store out, and again only when its changes are others than at the last time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._last: tuple[object, Pending] = (None, Pending())
        self._parents: dict[bytes, frozenset[bytes]] = {}

    async def inbox(self, view: View, schema: Schema, progress: Callable[[int, int], None]) -> list[Matter]:
        """All matters of a view, in their order."""
        return await (await self.pending(view, schema, progress)).all()

    async def pending(self, view: View, schema: Schema, progress: Callable[[int, int], None]) -> Pending:
        """The matters of a view. Of many at present only those are worked out that somebody looks at."""
        state = (await self._store.summary(), view.scope, schema)
        if self._last[0] != state:
            self._last = (state, await self._look(view, schema, progress))
        return self._last[1]

    async def _look(self, view: View, schema: Schema, progress: Callable[[int, int], None]) -> Pending:
        if view.past:
            return Pending.of(await self._everything(view, schema))
        found = await self._store.kept_matters(schema)
        if found is None:
            await self._read(schema, progress)
            at = await self._store.matters_state(schema)
            found = mentions(await self._everything(view, schema))
            if at is not None:
                await self._store.keep_matters(schema, at, found)
        pending = Pending(found, partial(self._store.whole_matters, schema))
        if len(found) <= SMALL:
            await pending.load(0, len(found))
        return pending

    async def _everything(self, view: View, schema: Schema) -> list[Matter]:
        """All matters, found by looking at all that may be one."""
        found = await view.suspects(schema)
        known = await self._knowledge(found.records)
        # Thousands of matters take a while, and meanwhile somebody may press keys.
        return await asyncio.to_thread(matters, found.records, schema, lambda a, b: b in known.get(a, ()), found.find)

    async def _read(self, schema: Schema, progress: Callable[[int, int], None]) -> None:
        total = left = await self._store.unread(schema)
        while left:
            left = await self._store.read_clues(schema, BATCH)
            total = max(total, left)
            progress(total - left, total)

    async def _knowledge(self, records: Iterable[Record]) -> Mapping[bytes, set[bytes]]:
        """For each change that retired something, those of the changes that speak of the same thing which its author
        had.
        """
        asked: dict[bytes, set[bytes]] = {}
        for record in records:
            if record.retired:
                leaves = {leaf.change for slot in record.slots.values() for leaf in slot.leaves}
                for leaf in record.slot(RETIRED).leaves:
                    asked.setdefault(leaf.change, set()).update(leaves)
        return {change: await self._ancestors(change, wanted) for change, wanted in asked.items()}

    async def _ancestors(self, change: bytes, wanted: set[bytes]) -> set[bytes]:
        """Those of the wanted changes that can be reached from a change, itself among them."""
        found: set[bytes] = set()
        reached = {change}
        wave = deque([change])
        while wave and found != wanted:
            found |= wanted.intersection(wave)
            await self._load(wave)
            wave = deque({p for c in wave for p in self._parents.get(c, ())} - reached)
            reached |= set(wave)
        return found

    async def _load(self, changes: Iterable[bytes]) -> None:
        unknown = [change for change in changes if change not in self._parents]
        if unknown:
            for data in await self._store.blocks(unknown):
                block = decode(data)
                self._parents[block.id] = frozenset(parents(block))

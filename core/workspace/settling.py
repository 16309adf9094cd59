"""What waits for a decision, gathered from the store."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping

from core.changes import decode
from core.inbox import Matter, matters
from core.records import Record
from core.schema import RETIRED, Schema
from core.store.adding import parents
from core.store.clues import Seen
from core.store.store import Store
from core.store.view import View

BATCH = 200
"""How many entities are read in one transaction: others who write wait about as long as for a small import."""


class Settling:
    """Works the inbox of one store out, and again only when its changes are others than at the last time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._last: tuple[object, list[Matter]] = (None, [])
        self._seen: Seen = {}
        self._seen_under: Schema | None = None
        self._parents: dict[bytes, frozenset[bytes]] = {}

    async def inbox(self, view: View, schema: Schema, progress: Callable[[int, int], None]) -> list[Matter]:
        """All matters of a view, in their order."""
        state = (await self._store.summary(), view.scope, schema)
        if self._last[0] != state:
            if not view.past:
                await self._read(schema, progress)
            seen = self._seen if schema == self._seen_under else {}
            found = await view.suspects(schema, seen)
            if not view.past:
                self._seen, self._seen_under = found.seen, schema
            known = await self._knowledge(found.records)
            # Thousands of matters take a while, and meanwhile somebody may press keys.
            result = await asyncio.to_thread(
                matters, found.records, schema, lambda a, b: b in known.get(a, ()), found.find
            )
            self._last = (state, result)
        return self._last[1]

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

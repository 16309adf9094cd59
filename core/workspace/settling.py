"""What waits for a decision, gathered from the store."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

from core.changes import decode
from core.inbox import Matter, matters
from core.records import Record
from core.schema import Schema
from core.store.adding import parents
from core.store.store import Store
from core.store.view import View
from core.workspace.naming import referred


class Settling:
    """Works the inbox of one store out, and again only when its changes are others than at the last time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._last: tuple[object, list[Matter]] = (None, [])
        self._parents: dict[bytes, frozenset[bytes]] = {}

    async def inbox(self, view: View, schema: Schema) -> list[Matter]:
        """All matters of a view, in their order."""
        state = (await self._store.summary(), view.scope, schema)
        if self._last[0] != state:
            records = await _records(view, schema)
            known = await self._knowledge(records.values())
            found = matters(records.values(), schema, lambda a, b: b in known.get(a, ()), records.get)
            self._last = (state, found)
        return self._last[1]

    async def _knowledge(self, records: Iterable[Record]) -> Mapping[bytes, set[bytes]]:
        """For each change that retired something, those of the changes that speak of the same thing which its author
        had.
        """
        asked: dict[bytes, set[bytes]] = {}
        for record in records:
            if record.retired:
                leaves = {leaf.change for slot in record.slots.values() for leaf in slot.leaves}
                for leaf in record.slot("retired").leaves:
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


async def _records(view: View, schema: Schema) -> dict[bytes, Record]:
    """All that a matter may be about: what is of the schema's kinds, in conflict, or referred to."""
    found: dict[bytes, Record] = {}
    for kind in schema.kinds:
        found.update((record.entity, record) for record in await view.records(kind, schema, retired=True))
    others = {entity for entity, _ in await view.conflicts()}
    for record in list(found.values()):
        for slot in record.slots.values():
            others.update(referred(slot.value))
    for entity in others - found.keys():
        found[entity] = await view.record(entity, schema)
    return found

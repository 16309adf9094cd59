"""What a slot stands for after undo and redo: the facts that were there before what was taken back.

An undo is a fact of its own, so after it a slot holds that fact and not the one whose value it says again. To take back
one more step, one has to know that both mean the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from core.changes import CHANGE_ID_SIZE, decode
from core.history import Said
from core.records import Record
from core.slots import Good, Slot
from core.store.store import Store
from core.workspace.journal import Journal

Place = tuple[bytes, str]
_MOST_STEPS = 1000


class Retracing:
    """Goes back over the undos and redos of a journal."""

    def __init__(self, store: Store, journal: Journal) -> None:
        self._store = store
        self._journal = journal
        self._facts: dict[bytes, dict[Place, tuple[bytes, ...]]] = {}

    async def records(self, said: Sequence[Said], records: Mapping[bytes, Record]) -> dict[bytes, Record]:
        """The records as if what was taken back had never been, as far as that leads to what is `said`."""
        wanted: dict[Place, set[bytes]] = {}
        for fact in said:
            wanted.setdefault((fact.entity, fact.property), set()).add(fact.fact)
        found = {}
        for entity, record in records.items():
            slots: dict[str, Slot] = {}
            for name, slot in record.slots.items():
                before = await self._slot((entity, name), slot, wanted.get((entity, name), set()))
                if before is not None:
                    slots[name] = before
            found[entity] = replace(record, slots=slots)
        return found

    async def _slot(self, place: Place, slot: Slot, wanted: set[bytes]) -> Slot | None:
        """The slot with the wanted facts in place of those that stand for them; None if it stands for nothing."""
        facts = {leaf.fact for leaf in slot.leaves}
        for _ in range(_MOST_STEPS):
            if facts == wanted:
                leaves = [replace(slot.leaves[0], fact=fact) for fact in sorted(facts)]
                return Good(slot.value, tuple(leaves)) if leaves else None
            taken = {change for fact in facts for change in self._journal.took_back(fact[:CHANGE_ID_SIZE].hex())}
            if not taken:
                break
            facts = await self._replaced(place, taken)
        return slot

    async def _replaced(self, place: Place, changes: Iterable[str]) -> set[bytes]:
        """The facts of a slot that these changes replaced."""
        found: set[bytes] = set()
        for change in changes:
            for fact in (await self._read(bytes.fromhex(change))).get(place, ()):
                if place in await self._read(fact[:CHANGE_ID_SIZE]):
                    found.add(fact)
        return found

    async def _read(self, change: bytes) -> dict[Place, tuple[bytes, ...]]:
        """What a change says something of, and which facts it names there."""
        if change not in self._facts:
            self._facts[change] = {
                (fact.entity, fact.property): fact.obsoletes
                for data in await self._store.blocks([change])
                for fact in decode(data).change.facts
            }
        return self._facts[change]

"""Undo and redo of what one person wrote on this device.

Both are ordinary edits on top of the present.

Which changes were undone, and by which others, this device notes for itself (`core.workspace.undo_journal`), so that
it is still known after a restart. Everything else follows from the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from core.changes import Block, decode_block
from core.records import Edit, Record, make_edit
from core.revert import AppliedFact, Skipped, revert_facts
from core.slots import Agreed, Slot
from core.store.queries.log import LogEntry, LogFilter
from core.store.store import Store
from core.value_codec import CHANGE_ID_BYTES, Value, plain_reference
from core.values import is_same_value
from core.workspace import undo_journal as journals
from core.workspace.undo_journal import UndoJournal

if TYPE_CHECKING:
    from core.device.context import DeviceContext

MAX_CHANGES_TRIED = 30
"""How many of one's latest changes are looked at for one that can still be taken back."""
_ENTRIES_PER_PAGE = 50
_MAX_STEPS = 1000
"""Undos and redos of one slot, one on the other, that are gone back over."""

Place = tuple[bytes, str]


@dataclass(frozen=True, slots=True)
class UndoPlan:
    """What an undo or a redo takes back, and what that writes.

    A slot whose question it opens again is there with each of its values.

    `skipped` is what it leaves alone because somebody has changed it since; `not_undoable` are newer changes of which
    nothing can be taken back any more, each with something that it left alone. Without `edits` there is nothing to do.
    """

    entry: LogEntry | None
    edits: tuple[Edit, ...]
    skipped: tuple[Skipped, ...]
    not_undoable: tuple[tuple[LogEntry, Skipped | None], ...] = ()
    is_redo: bool = False

    @property
    def first_edits(self) -> tuple[Edit, ...]:
        """The first edit of each slot: what is in use afterwards, where no conflict is open again."""
        return tuple({(edit.entity, edit.property): edit for edit in reversed(self.edits)}.values())[::-1]


async def plan_next_undo(workspace: DeviceContext) -> UndoPlan:
    """What the next undo would do: take back the user's latest change on this device that still can be."""
    journal = await journals.load_journal(workspace)
    done = set(journal.skip)
    passed: list[tuple[LogEntry, Skipped | None]] = []
    async for entry in _own_entries(workspace):
        if entry.change.hex() in done:
            continue
        turn = await _plan_undo(workspace, journal, entry)
        if turn.edits:
            return replace(turn, not_undoable=tuple(passed))
        passed.append((entry, turn.skipped[0] if turn.skipped else None))
        if len(passed) == MAX_CHANGES_TRIED:
            break
    return UndoPlan(None, (), (), tuple(passed))


async def plan_next_redo(workspace: DeviceContext) -> UndoPlan | None:
    """What the next redo would do: bring back what the last undo took.

    None if something was written since.
    """
    journal = await journals.load_journal(workspace)
    latest = await _latest_own_entry(workspace)
    if not journal.redo or latest is None or latest.change.hex() != journal.last:
        return None
    undone = await workspace.store.log_entry(bytes.fromhex(journal.redo[-1]))
    return None if undone is None else await _plan_undo(workspace, journal, undone, again=True)


async def apply_plan(workspace: DeviceContext, turn: UndoPlan, note: str | None) -> bytes | None:
    """Write an undo or a redo as it was shown, all at once, and remember it.

    Gives what was written.
    """
    journal = await journals.load_journal(workspace)
    latest = await _latest_own_entry(workspace)
    if latest is None or latest.change.hex() != journal.last:
        journal.redo.clear()
    saved = await workspace.save(turn.edits, note, reopens=True)
    if saved is None or turn.entry is None:
        return None
    made, taken = saved.hex(), turn.entry.change.hex()
    journal.turns.append([made, taken])
    if turn.is_redo:
        del journal.redo[-1:]
    else:
        journal.skip += [taken, made]
        journal.redo.append(made)
    journal.last = made
    await journals.save_journal(workspace, journal)
    return saved


async def _own_entries(workspace: DeviceContext) -> AsyncIterator[LogEntry]:
    after = None
    wanted = LogFilter(user=workspace.user, device=workspace.identity.device)
    while entries := await workspace.store.now().log(wanted, cursor=after, limit=_ENTRIES_PER_PAGE):
        for entry in entries:
            yield entry
        after = entries[-1].cursor


async def _latest_own_entry(workspace: DeviceContext) -> LogEntry | None:
    wanted = LogFilter(user=workspace.user, device=workspace.identity.device)
    return next(iter(await workspace.store.now().log(wanted, limit=1)), None)


async def _plan_undo(workspace: DeviceContext, journal: UndoJournal, entry: LogEntry, again: bool = False) -> UndoPlan:
    """What taking back all that was saved at once writes.

    Where a change had settled a conflict the question is opened again: each of the values that it replaced is said
    anew, in knowledge of nothing but the settlement.
    """
    store, schema = workspace.store, await workspace.schema()
    view = store.now()
    # What is said of the author goes along with its first change, and is no part of what was edited.
    said = [
        AppliedFact(fact.fact, fact.entity, fact.property, fact.old, fact.had_value)
        for fact in await view.fact_diffs(entry.change, None)
        if fact.entity != entry.person
    ]
    records = {entity: await view.record(entity, schema) for entity in {fact.entity for fact in said}}
    reopened = _reopened_conflicts(said, records)
    rest = [fact for fact in said if (fact.entity, fact.property) not in reopened]
    plan = revert_facts(rest, await UndoTracer(store, journal).trace_records(rest, records))
    made = [make_edit(records[each.entity], each.property, each.value) for each in plan.edits]
    before = await _replaced_values(workspace, entry.changes)
    edits: list[Edit] = []
    for each in (*made, *reopened.values()):
        values = [
            value for value in before.get((each.entity, each.property), ()) if not is_same_value(value, each.value)
        ]
        slot = records[each.entity].slot(each.property)
        if not values and slot.state != "conflict" and is_same_value(slot.value, each.value):
            continue
        edits += [
            Edit(each.entity, each.property, value, each.obsoletes, is_restored=True) for value in (each.value, *values)
        ]
    return UndoPlan(entry, tuple(edits), plan.skipped, is_redo=again)


def _reopened_conflicts(said: Sequence[AppliedFact], records: Mapping[bytes, Record]) -> dict[tuple[bytes, str], Edit]:
    """What takes back that a question was opened again: all that is said in a slot is from these changes."""
    by_slot: dict[tuple[bytes, str], list[AppliedFact]] = {}
    for fact in said:
        by_slot.setdefault((fact.entity, fact.property), []).append(fact)
    return {
        (entity, name): make_edit(records[entity], name, facts[0].old)
        for (entity, name), facts in by_slot.items()
        if len(facts) > 1 and {fact.fact for fact in facts} == {leaf.fact for leaf in records[entity].slot(name).leaves}
    }


async def _decode_blocks(workspace: DeviceContext, changes: Sequence[bytes]) -> list[Block]:
    """These changes; thousands of them take a while to read, and meanwhile somebody may press keys."""
    data = await workspace.store.blocks(changes)
    return await asyncio.to_thread(lambda: [decode_block(each) for each in data])


async def _replaced_values(workspace: DeviceContext, changes: Sequence[bytes]) -> dict[tuple[bytes, str], list[Value]]:
    """The different values that the facts of these changes replaced, where they replaced several at once."""
    targets: dict[bytes, tuple[bytes, str]] = {}
    for block in await _decode_blocks(workspace, changes):
        for fact in block.facts:
            if len(fact.obsoletes) > 1:
                targets.update((target, (fact.entity, fact.property)) for target in fact.obsoletes)
    found: dict[tuple[bytes, str], list[Value]] = {}
    ids = list({target[:CHANGE_ID_BYTES] for target in targets})
    blocks = {block.id: block for block in await _decode_blocks(workspace, ids)}
    for target, place in targets.items():
        said = blocks.get(target[:CHANGE_ID_BYTES])
        if said is None:
            continue
        fact = said.facts[int.from_bytes(target[CHANGE_ID_BYTES:], "big")]
        value = plain_reference(fact.value)
        values = found.setdefault(place, [])
        if (fact.entity, fact.property) == place and not any(is_same_value(value, other) for other in values):
            values.append(value)
    return found


class UndoTracer:
    """Goes back over the undos and redos of a journal: what a slot stands for after them are the facts that were there
    before what was taken back.

    An undo is a fact of its own, so after it a slot holds that fact and not the one whose value it says again. To take
    back one more step, one has to know that both mean the same.
    """

    def __init__(self, store: Store, journal: UndoJournal) -> None:
        self._store = store
        self._journal = journal
        self._facts: dict[bytes, dict[Place, tuple[bytes, ...]]] = {}
        self._leads: dict[bytes, bytes] = {}

    async def trace_records(self, facts: Sequence[AppliedFact], records: Mapping[bytes, Record]) -> dict[bytes, Record]:
        """The records as if what was taken back had never been, as far as that leads to what is `said`."""
        wanted: dict[Place, set[bytes]] = {}
        for fact in facts:
            wanted.setdefault((fact.entity, fact.property), set()).add(fact.fact)
        found = {}
        for entity, record in records.items():
            slots: dict[str, Slot] = {}
            for name, slot in record.slots.items():
                before = await self._trace_slot((entity, name), slot, wanted.get((entity, name), set()))
                if before is not None:
                    slots[name] = before
            found[entity] = replace(record, slots=slots)
        return found

    async def _trace_slot(self, place: Place, slot: Slot, wanted: set[bytes]) -> Slot | None:
        """The slot with the wanted facts in place of those that stand for them.

        None if it stands for nothing.
        """
        facts = {leaf.fact for leaf in slot.leaves}
        for _ in range(_MAX_STEPS):
            if facts == wanted:
                leaves = [replace(slot.leaves[0], fact=fact) for fact in sorted(facts)]
                return Agreed(slot.value, tuple(leaves)) if leaves else None
            taken = set()
            for fact in facts:
                lead = await self._lead_of(fact[:CHANGE_ID_BYTES])
                taken.update(self._journal.undone_by(lead.hex()))
            if not taken:
                break
            facts = await self._replaced_facts(place, taken)
        return slot

    async def _replaced_facts(self, place: Place, changes: Iterable[str]) -> set[bytes]:
        """The facts of a slot that these changes replaced."""
        found: set[bytes] = set()
        for change in changes:
            entry = await self._store.log_entry(bytes.fromhex(change))
            for part in entry.changes if entry else ():
                for fact in (await self._read_change(part)).get(place, ()):
                    if place in await self._read_change(fact[:CHANGE_ID_BYTES]):
                        found.add(fact)
        return found

    async def _lead_of(self, change: bytes) -> bytes:
        """The change that stands in the log for all that was saved at once with this one."""
        if change not in self._leads:
            entry = await self._store.log_entry(change)
            self._leads.update(dict.fromkeys(entry.changes, entry.change) if entry else {change: change})
        return self._leads[change]

    async def _read_change(self, change: bytes) -> dict[Place, tuple[bytes, ...]]:
        """What a change says something of, and which facts it names there."""
        if change not in self._facts:
            self._facts[change] = {
                (fact.entity, fact.property): fact.obsoletes
                for data in await self._store.blocks([change])
                for fact in decode_block(data).facts
            }
        return self._facts[change]

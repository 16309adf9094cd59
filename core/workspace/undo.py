"""Undo and redo of what one person wrote on this device; both are ordinary edits on top of the present.

Which changes were undone, and by which others, this device notes for itself (`core.workspace.undo_journal`), so that
it is still known after a restart. Everything else follows from the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from core.changes import (
    CHANGE_ID_BYTES,
    MAX_BLOCK_BYTES,
    MAX_FACTS,
    MAX_NOTE_BYTES,
    Block,
    Value,
    decode_block,
    encode_value,
)
from core.records import Edit, Record, make_edit
from core.revert import AppliedFact, RevertPlan, Skipped, revert_facts
from core.slots import Agreed, Slot
from core.store.queries.log import LogEntry, LogFilter
from core.store.store import Store
from core.values import is_same_value
from core.workspace import undo_journal as journals
from core.workspace.undo_journal import UndoJournal

if TYPE_CHECKING:
    from core.device.context import DeviceContext, OnProgress

MAX_CHANGES_TRIED = 30
"""How many of one's latest changes are looked at for one that can still be taken back."""
_ENTRIES_PER_PAGE = 50
_FACT_OVERHEAD_BYTES, _OBSOLETES_BYTES = 32, 36
"""Bytes of a fact in a change beside its texts, and of each fact that it replaces."""
_MAX_FACTS_BYTES = MAX_BLOCK_BYTES - MAX_NOTE_BYTES - 1024
_MAX_STEPS = 1000
"""Undos and redos of one slot, one on the other, that are gone back over."""

Place = tuple[bytes, str]


@dataclass(frozen=True, slots=True)
class UndoPlan:
    """What an undo or a redo takes back, oldest first, and what that writes, a change for each of the `batches`.

    `left` is what it leaves alone because somebody has changed it since; `passed` are newer changes of which nothing
    can be taken back any more, each with something that it left alone. Without `batches` there is nothing to do.
    """

    entries: tuple[LogEntry, ...]
    batches: tuple[tuple[Edit, ...], ...]
    skipped: tuple[Skipped, ...]
    not_undoable: tuple[tuple[LogEntry, Skipped | None], ...] = ()
    is_redo: bool = False


def _ignore_progress(done: int, total: int) -> None:
    """Where nobody wants to know."""


async def plan_next_undo(workspace: DeviceContext) -> UndoPlan:
    """What the next undo would do: take back the user's latest change on this device that still can be."""
    journal = await journals.load_journal(workspace)
    done = set(journal.skip)
    passed: list[tuple[LogEntry, Skipped | None]] = []
    async for entry in _own_entries(workspace):
        if entry.change.hex() in done:
            continue
        group = [bytes.fromhex(change) for change in journal.saved_together(entry.change.hex())]
        done.update(change.hex() for change in group)
        turn = await _plan_undo(workspace, journal, group, entry)
        if turn.batches:
            return replace(turn, not_undoable=tuple(passed))
        passed.append((entry, turn.skipped[0] if turn.skipped else None))
        if len(passed) == MAX_CHANGES_TRIED:
            break
    return UndoPlan((), (), (), tuple(passed))


async def plan_next_redo(workspace: DeviceContext) -> UndoPlan | None:
    """What the next redo would do: bring back what the last undo took; None if something was written since."""
    journal = await journals.load_journal(workspace)
    latest = await _latest_own_entry(workspace)
    if not journal.redo or latest is None or latest.change.hex() != journal.last:
        return None
    group = [bytes.fromhex(change) for change in journal.redo[-1]]
    return await _plan_undo(workspace, journal, group, latest, again=True)


async def apply_plan(
    workspace: DeviceContext, turn: UndoPlan, note: str | None, on_progress: OnProgress = _ignore_progress
) -> list[bytes]:
    """Write an undo or a redo as it was shown, and remember it."""
    journal = await journals.load_journal(workspace)
    latest = await _latest_own_entry(workspace)
    if latest is None or latest.change.hex() != journal.last:
        journal.redo.clear()
    made = [change.hex() for change in await save_batches(workspace, turn.batches, note, on_progress)]
    now = await journals.load_journal(workspace)
    journal = UndoJournal(now.skip, journal.redo, journal.last, now.groups, now.turns)
    taken = [entry.change.hex() for entry in turn.entries]
    journal.turns.append([made, taken])
    if turn.is_redo:
        del journal.redo[-1:]
    else:
        journal.skip += [*taken, *made]
        journal.redo.append(made)
    journal.last = made[-1]
    await journals.save_journal(workspace, journal)
    return [bytes.fromhex(change) for change in made]


async def save_batches(
    workspace: DeviceContext,
    batches: Sequence[Sequence[Edit]],
    note: str | None,
    on_progress: OnProgress = _ignore_progress,
) -> list[bytes]:
    """Write edits as as many changes as they need, which undo takes back together.

    Each change is saved whole; should one fail or somebody stop, those before it stay, as the log shows. `progress` is
    told how many edits are saved, of how many.
    """
    done, total = 0, sum(map(len, batches))
    made: list[bytes] = []
    for batch in batches:
        for piece in _batches(batch):
            change = await workspace.save(piece, note)
            made += [change] if change else []
            if change and len(made) > 1:
                await asyncio.shield(_note_group(workspace, [each.hex() for each in made]))
            done += len(piece)
            on_progress(done, total)
    return made


async def _note_group(workspace: DeviceContext, made: list[str]) -> None:
    """Note that these changes, of which the last is new, belong together: at once, since the power may fail."""
    journal = await journals.load_journal(workspace)
    if made[:-1] in journal.groups:
        journal.groups.remove(made[:-1])
    journal.groups.append(made)
    await journals.save_journal(workspace, journal)


def _batches(edits: Sequence[Edit]) -> Iterator[list[Edit]]:
    """Edits in portions that each fit one change."""
    piece: list[Edit] = []
    size = 0
    for each in edits:
        own = (
            _FACT_OVERHEAD_BYTES
            + len(each.property.encode())
            + len(encode_value(each.value))
            + _OBSOLETES_BYTES * len(each.obsoletes)
        )
        if piece and (len(piece) == MAX_FACTS or size + own > _MAX_FACTS_BYTES):
            yield piece
            piece, size = [], 0
        piece.append(each)
        size += own
    if piece:
        yield piece


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


async def _plan_undo(
    workspace: DeviceContext,
    journal: UndoJournal,
    changes: Sequence[bytes],
    entry: LogEntry,
    again: bool = False,
) -> UndoPlan:
    """What taking these changes back together writes.

    Where a change had settled a conflict the question is opened again: each of the values that it replaced is said
    anew, in knowledge of nothing but the settlement.
    """
    store, schema = workspace.store, await workspace.schema()
    view = store.now()
    said: list[AppliedFact] = []
    for change in changes:
        said += [
            AppliedFact(fact.fact, fact.entity, fact.property, fact.old, fact.had_value)
            for fact in await view.fact_diffs(change, MAX_FACTS)
        ]
    records = {entity: await view.record(entity, schema) for entity in {fact.entity for fact in said}}
    reopened = _reopened_conflicts(said, records)
    rest = [fact for fact in said if (fact.entity, fact.property) not in reopened]
    plan = revert_facts(rest, await UndoTracer(store, journal).trace_records(rest, records))
    edits = [make_edit(records[each.entity], each.property, each.value) for each in plan.edits]
    plan = RevertPlan((*edits, *reopened.values()), plan.skipped)
    before = await _replaced_values(workspace, changes)
    batches: list[list[Edit]] = []
    for each in plan.edits:
        values = [
            value for value in before.get((each.entity, each.property), ()) if not is_same_value(value, each.value)
        ]
        slot = records[each.entity].slot(each.property)
        if not values and slot.state != "conflict" and is_same_value(slot.value, each.value):
            continue
        for place, value in enumerate([each.value, *values]):
            if place == len(batches):
                batches.append([])
            batches[place].append(Edit(each.entity, each.property, value, each.obsoletes, is_restored=True))
    entries = (entry,) if list(changes) == [entry.change] else await _entries_of(workspace, changes, entry)
    return UndoPlan(entries, tuple(map(tuple, batches)), plan.skipped, is_redo=again)


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


async def _entries_of(workspace: DeviceContext, changes: Sequence[bytes], newest: LogEntry) -> tuple[LogEntry, ...]:
    """The log's entries of changes that were saved together."""
    wanted, found = set(changes), []
    async for entry in _own_entries(workspace):
        if entry.change in wanted:
            found.append(entry)
            wanted.discard(entry.change)
        if not wanted:
            break
    return tuple(reversed(found)) or (newest,)


async def _decode_blocks(workspace: DeviceContext, changes: Sequence[bytes]) -> list[Block]:
    """These changes; thousands of them take a while to read, and meanwhile somebody may press keys."""
    data = await workspace.store.blocks(changes)
    return await asyncio.to_thread(lambda: [decode_block(each) for each in data])


async def _replaced_values(workspace: DeviceContext, changes: Sequence[bytes]) -> dict[tuple[bytes, str], list[Value]]:
    """The different values that the facts of these changes replaced, where they replaced several at once."""
    targets: dict[bytes, tuple[bytes, str]] = {}
    for block in await _decode_blocks(workspace, changes):
        for fact in block.change.facts:
            if len(fact.obsoletes) > 1:
                targets.update((target, (fact.entity, fact.property)) for target in fact.obsoletes)
    found: dict[tuple[bytes, str], list[Value]] = {}
    ids = list({target[:CHANGE_ID_BYTES] for target in targets})
    blocks = {block.id: block for block in await _decode_blocks(workspace, ids)}
    for target, place in targets.items():
        said = blocks.get(target[:CHANGE_ID_BYTES])
        if said is None:
            continue
        fact = said.change.facts[int.from_bytes(target[CHANGE_ID_BYTES:], "big")]
        values = found.setdefault(place, [])
        if (fact.entity, fact.property) == place and not any(is_same_value(fact.value, value) for value in values):
            values.append(fact.value)
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
        """The slot with the wanted facts in place of those that stand for them; None if it stands for nothing."""
        facts = {leaf.fact for leaf in slot.leaves}
        for _ in range(_MAX_STEPS):
            if facts == wanted:
                leaves = [replace(slot.leaves[0], fact=fact) for fact in sorted(facts)]
                return Agreed(slot.value, tuple(leaves)) if leaves else None
            taken = {change for fact in facts for change in self._journal.undone_by(fact[:CHANGE_ID_BYTES].hex())}
            if not taken:
                break
            facts = await self._replaced_facts(place, taken)
        return slot

    async def _replaced_facts(self, place: Place, changes: Iterable[str]) -> set[bytes]:
        """The facts of a slot that these changes replaced."""
        found: set[bytes] = set()
        for change in changes:
            for fact in (await self._read_change(bytes.fromhex(change))).get(place, ()):
                if place in await self._read_change(fact[:CHANGE_ID_BYTES]):
                    found.add(fact)
        return found

    async def _read_change(self, change: bytes) -> dict[Place, tuple[bytes, ...]]:
        """What a change says something of, and which facts it names there."""
        if change not in self._facts:
            self._facts[change] = {
                (fact.entity, fact.property): fact.obsoletes
                for data in await self._store.blocks([change])
                for fact in decode_block(data).change.facts
            }
        return self._facts[change]

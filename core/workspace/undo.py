"""Undo and redo: withdraw what a change stated.

So that exactly what was in use before is in use again.

Which changes were undone, and by which others, this device notes for itself (`core.workspace.undo_journal`), so that
undo and redo go on step by step, also after a restart. Everything else follows from the facts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from core.errors import FieldlineError, Refused
from core.records import Edit, Record
from core.revert import AppliedFact, Skipped, revert_facts
from core.slots import Conflict, Slot
from core.store.queries.log import LogEntry, LogFilter
from core.value_codec import withdrawn_by
from core.workspace import undo_journal as journals

if TYPE_CHECKING:
    from core.device.context import DeviceContext

MAX_CHANGES_TRIED = 30
"""How many of one's latest changes are looked at for one that can still be undone."""
_ENTRIES_PER_PAGE = 50


@dataclass(frozen=True, slots=True)
class UndoPlan:
    """What an undo or a redo writes, and what is in use then.

    `results` are the edits with the values that are in use after them; `reopened_count` says how many slots are
    conflicts then. `skipped` is what is left alone because somebody has changed it since; `not_undoable` are newer
    changes of which nothing can be undone any more, each with something that was left alone. Without `edits` there is
    nothing to do.
    """

    entry: LogEntry | None
    edits: tuple[Edit, ...]
    skipped: tuple[Skipped, ...]
    results: tuple[Edit, ...] = ()
    reopened_count: int = 0
    not_undoable: tuple[tuple[LogEntry, Skipped | None], ...] = ()
    is_redo: bool = False


async def plan_undo(workspace: DeviceContext, change: bytes) -> UndoPlan:
    """Plan the undo of a change and of all that was saved at once with it.

    Raises Refused if it is not here.

    The undo of an undo is the redo.
    """
    entry = await workspace.store.log_entry(change)
    if entry is None:
        raise Refused("There is no change {text} here: `fieldline log` shows what there is.", text=change.hex()[:8])
    return await _plan_undo(workspace, entry)


async def plan_next_undo(workspace: DeviceContext) -> UndoPlan:
    """Plan the next undo: the user's latest change here that can still be undone."""
    journal = await journals.load_journal(workspace)
    done = set(journal.skip)
    passed: list[tuple[LogEntry, Skipped | None]] = []
    async for entry in _own_entries(workspace):
        if entry.change.hex() in done:
            continue
        plan = await _plan_undo(workspace, entry)
        if plan.edits:
            return replace(plan, not_undoable=tuple(passed))
        passed.append((entry, plan.skipped[0] if plan.skipped else None))
        if len(passed) == MAX_CHANGES_TRIED:
            break
    return UndoPlan(None, (), (), not_undoable=tuple(passed))


async def plan_next_redo(workspace: DeviceContext) -> UndoPlan | None:
    """Plan the next redo: of what the last undo took back.

    None if something was written since.
    """
    journal = await journals.load_journal(workspace)
    latest = await _latest_own_entry(workspace)
    if not journal.redo or latest is None or latest.change.hex() != journal.last:
        return None
    undone = await workspace.store.log_entry(bytes.fromhex(journal.redo[-1]))
    return None if undone is None else replace(await _plan_undo(workspace, undone), is_redo=True)


async def apply_plan(workspace: DeviceContext, plan: UndoPlan, note: str | None) -> bytes | None:
    """Write an undo or a redo as it was shown, all at once, and remember it.

    Gives what was written.

    Raises FieldlineError, with nothing written, if somebody has changed some of it meanwhile.
    """
    journal = await journals.load_journal(workspace)
    latest = await _latest_own_entry(workspace)
    if latest is None or latest.change.hex() != journal.last:
        journal.redo.clear()
    saved = await workspace.save(plan.edits, note)
    if saved is None or plan.entry is None:
        return None
    made, taken = saved.hex(), plan.entry.change.hex()
    if plan.is_redo:
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


async def _plan_undo(workspace: DeviceContext, entry: LogEntry) -> UndoPlan:
    schema, view = await workspace.schema(), workspace.store.now()
    # What is said of the author goes along with its first change, and is no part of what was edited.
    facts = [
        AppliedFact(diff.fact, diff.entity, diff.property, diff.had_value, diff.is_undone)
        for diff in await view.fact_diffs(entry.change, None)
        if diff.entity != entry.person
    ]
    records = await view.records_by_id({fact.entity for fact in facts}, schema)
    plan = revert_facts(facts, records)
    withdrawn = {(edit.entity, edit.property): withdrawn_by(edit.value) for edit in plan.edits}
    after = await view.slots_without({slot: facts for slot, facts in withdrawn.items() if facts})
    edits, results = [], []
    skipped = list(plan.skipped)
    for edit in plan.edits:
        slot = after.get((edit.entity, edit.property))
        if slot is not None and (reason := _ineffective_reason(edit, records[edit.entity], slot)):
            skipped.append(Skipped(edit.entity, edit.property, reason))
            continue
        edits.append(edit)
        results.append(edit if slot is None else replace(edit, value=slot.value))
    done = {(edit.entity, edit.property) for edit in edits}
    reopened = sum(isinstance(slot, Conflict) for key, slot in after.items() if key in done)
    return UndoPlan(entry, tuple(edits), tuple(skipped), tuple(results), reopened)


def _ineffective_reason(edit: Edit, record: Record, after: Slot) -> FieldlineError | None:
    """Why a withdrawal would change nothing.

    Somebody has written over what it names without knowing of it.
    """
    now = record.slot(edit.property)
    if not now.leaves or {leaf.fact for leaf in after.leaves} != {leaf.fact for leaf in now.leaves}:
        return None
    return FieldlineError("{user} has changed it since", user=now.leaves[0].user)

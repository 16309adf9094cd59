"""Plan what to write on top of the present so that something is again as it was.

Pure.

Nothing is ever taken away. To restore is an ordinary edit, made in knowledge of everything that is there now. To undo
withdraws (`core.withdrawal`) what is still leaf, so that what it superseded counts again, with its authors. Both can
themselves be undone. What was written since is never overwritten by an undo: it is skipped and reported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from core.changes import FLEET_ENTITY, SCHEMA_ENTITY
from core.errors import FieldlineError
from core.fleet_secrets import is_secret
from core.records import Edit, Record, make_edit
from core.schema import KIND, MEMBER_KIND, RETIRED
from core.slots import Candidate, Conflict
from core.value_codec import withdrawal_of
from core.values import is_same_value


@dataclass(frozen=True, slots=True)
class AppliedFact:
    """One fact of a change that is to be undone.

    `had_value` if its author saw a value there, `is_undone` if the fact is withdrawn already.
    """

    fact: bytes
    entity: bytes
    property: str
    had_value: bool
    is_undone: bool = False


@dataclass(frozen=True, slots=True)
class Skipped:
    """A slot that an undo skips, and why."""

    entity: bytes
    property: str
    reason: FieldlineError


@dataclass(frozen=True, slots=True)
class RevertPlan:
    """What the undo of a change writes, and what it skips."""

    edits: tuple[Edit, ...] = ()
    skipped: tuple[Skipped, ...] = ()


def restore_record(now: Record, then: Record) -> list[Edit]:
    """Build the edits that give an entity the values that it had then.

    None for slots with the same leaves.

    What was absent then is cleared, and a secret stays as it is. An entity that was not retired then is put back in
    use.
    """
    edits = []
    for name in sorted(now.slots.keys() | then.slots.keys()):
        slot, before = now.slot(name), then.slot(name)
        if name == KIND or slot.leaves == before.leaves or is_secret(now.entity, name):
            continue
        value = before.value
        if name == RETIRED and value is None:
            value = False
        if isinstance(slot, Conflict) or not is_same_value(slot.value, value):
            edits.append(make_edit(now, name, value, is_restored=True))
    return edits


def revert_facts(facts: Iterable[AppliedFact], records: Mapping[bytes, Record]) -> RevertPlan:
    """Plan the undo of the facts of one change.

    `records` holds every entity that they are about, at present.

    What is leaf of them is withdrawn, and a withdrawal in force is, too: that is the redo. To undo a creation retires
    the entity, if there is no later fact about it.
    """
    by_entity: dict[bytes, list[AppliedFact]] = {}
    for fact in facts:
        by_entity.setdefault(fact.entity, []).append(fact)
    edits: list[Edit] = []
    skipped: list[Skipped] = []
    for entity, group in by_entity.items():
        record = records[entity]
        if record.kind == MEMBER_KIND or entity == FLEET_ENTITY:
            skipped += [Skipped(entity, fact.property, _ADMINS_ONLY) for fact in group]
        elif any(fact.property == KIND and not fact.had_value for fact in group) and entity == SCHEMA_ENTITY:
            skipped += [Skipped(entity, fact.property, _SCHEMA_REQUIRED) for fact in group]
        elif any(fact.property == KIND and not fact.had_value for fact in group):
            _revert_creation(record, group, edits, skipped)
        else:
            _revert_edits(record, group, edits, skipped)
    # What somebody has changed is of more interest than what is undone already.
    skipped.sort(key=lambda each: each.reason is _UNDONE)
    return RevertPlan(tuple(edits), tuple(skipped))


def withdraw_facts(entity: bytes, name: str, facts: Iterable[bytes]) -> Edit:
    """Build the edit that withdraws facts of a slot, at least one."""
    ids = tuple(sorted(facts))
    return Edit(entity, name, withdrawal_of(ids), ids, is_restored=True)


_ADMINS_ONLY = FieldlineError("who belongs to the fleet is not undone here: use admit and revoke")
_SCHEMA_REQUIRED = FieldlineError("a fleet needs a schema: publish another one instead")
_UNDONE = FieldlineError("it is undone already")


def _revert_creation(record: Record, group: list[AppliedFact], edits: list[Edit], skipped: list[Skipped]) -> None:
    own = {fact.fact for fact in group}
    later = next((leaf for slot in record.slots.values() for leaf in slot.leaves if leaf.fact not in own), None)
    if later is None:
        edits.append(make_edit(record, RETIRED, True, is_restored=True))
    else:
        reason = FieldlineError("{user} has changed it since it was created: retire it instead", user=later.user)
        skipped.append(Skipped(record.entity, KIND, reason))


def _revert_edits(record: Record, group: list[AppliedFact], edits: list[Edit], skipped: list[Skipped]) -> None:
    by_slot: dict[str, list[AppliedFact]] = {}
    for fact in group:
        by_slot.setdefault(fact.property, []).append(fact)
    for name, facts in by_slot.items():
        slot = record.slot(name)
        own = {fact.fact for fact in facts}
        values = [leaf.value for leaf in slot.leaves if leaf.fact in own]
        others = [leaf for leaf in slot.leaves if leaf.fact not in own]
        newest = own & {*slot.withdrawals, *(leaf.fact for leaf in slot.leaves)}
        same = next((leaf for leaf in others if any(is_same_value(leaf.value, value) for value in values)), None)
        if newest and same is None:
            edits.append(withdraw_facts(record.entity, name, newest))
        elif same is not None:
            skipped.append(Skipped(record.entity, name, FieldlineError("{user} set the same", user=same.user)))
        else:
            skipped.append(Skipped(record.entity, name, _skip_reason(facts, others)))


def _skip_reason(facts: list[AppliedFact], others: list[Candidate]) -> FieldlineError:
    if all(fact.is_undone for fact in facts):
        return _UNDONE
    if others:
        return FieldlineError("{user} has changed it since", user=others[0].user)
    return FieldlineError("the change has no effect, since its device is not trusted with it")

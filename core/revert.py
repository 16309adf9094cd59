"""Turning back: what to write on top of the present so that something is again as it was. Pure.

Nothing is ever taken away. To restore or to undo is an ordinary edit, made in knowledge of everything that is there
now; so it can itself be undone. What somebody has said since is never overwritten by an undo: it is left alone and
told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from core.changes import FLEET_ENTITY, SCHEMA_ENTITY
from core.errors import FieldlineError
from core.records import Edit, Record, make_edit
from core.schema import KIND, RETIRED
from core.slots import Conflict, Slot
from core.value_codec import Value
from core.values import is_same_value

MEMBER_KIND = "member"


@dataclass(frozen=True, slots=True)
class AppliedFact:
    """One fact of a change that is to be undone: `old` is the value in use that its author saw, `seen` whether any."""

    fact: bytes
    entity: bytes
    property: str
    old: Value
    had_value: bool


@dataclass(frozen=True, slots=True)
class Skipped:
    """A slot that an undo leaves alone, and why."""

    entity: bytes
    property: str
    reason: FieldlineError


@dataclass(frozen=True, slots=True)
class RevertPlan:
    """What undoing a change writes, and what it leaves alone."""

    edits: tuple[Edit, ...] = ()
    skipped: tuple[Skipped, ...] = ()


def restore_record(now: Record, then: Record) -> list[Edit]:
    """The edits that give an entity the values that it had then; nothing for slots that hold the same facts as then.

    What was not said yet is cleared. An entity that was not retired then is brought back.
    """
    edits = []
    for name in sorted(now.slots):
        slot, before = now.slot(name), then.slot(name)
        if name == KIND or slot.leaves == before.leaves:
            continue
        value = before.value
        if name == RETIRED and value is None:
            value = False
        if isinstance(slot, Conflict) or not is_same_value(slot.value, value):
            edits.append(make_edit(now, name, value))
    return edits


def revert_facts(facts: Iterable[AppliedFact], records: Mapping[bytes, Record]) -> RevertPlan:
    """The edits that take back the facts of one change; `records` holds the present of every entity that they are
    about.

    A slot goes back to what the author of the change saw, if the change's own fact is all that it holds. To undo a
    creation retires the entity, if nobody has said anything about it since.
    """
    by_entity: dict[bytes, list[AppliedFact]] = {}
    for fact in facts:
        by_entity.setdefault(fact.entity, []).append(fact)
    edits: list[Edit] = []
    left: list[Skipped] = []
    for entity, said in by_entity.items():
        record = records[entity]
        if record.kind == MEMBER_KIND or entity == FLEET_ENTITY:
            left += [Skipped(entity, fact.property, _ADMINS_ONLY) for fact in said]
        elif any(fact.property == KIND and not fact.had_value for fact in said) and entity == SCHEMA_ENTITY:
            left += [Skipped(entity, fact.property, _SCHEMA_REQUIRED) for fact in said]
        elif any(fact.property == KIND and not fact.had_value for fact in said):
            _revert_creation(record, said, edits, left)
        else:
            _revert_edits(record, said, edits, left)
    return RevertPlan(tuple(edits), tuple(left))


_ADMINS_ONLY = FieldlineError("who belongs to the fleet is not undone here: use admit and revoke")
_SCHEMA_REQUIRED = FieldlineError("a fleet needs a schema: publish another one instead")


def _revert_creation(record: Record, said: list[AppliedFact], edits: list[Edit], left: list[Skipped]) -> None:
    own = {fact.fact for fact in said}
    later = next((leaf for slot in record.slots.values() for leaf in slot.leaves if leaf.fact not in own), None)
    if later is None:
        edits.append(make_edit(record, RETIRED, True))
    else:
        reason = FieldlineError("{user} has changed it since it was created: retire it instead", user=later.user)
        left.append(Skipped(record.entity, KIND, reason))


def _revert_edits(record: Record, said: list[AppliedFact], edits: list[Edit], left: list[Skipped]) -> None:
    for fact in said:
        slot = record.slot(fact.property)
        if tuple(leaf.fact for leaf in slot.leaves) == (fact.fact,):
            value = False if fact.property == RETIRED and fact.old is None else fact.old
            edits.append(make_edit(record, fact.property, value))
        else:
            left.append(Skipped(record.entity, fact.property, _skip_reason(slot, fact.fact)))


def _skip_reason(slot: Slot, fact: bytes) -> FieldlineError:
    others = [leaf for leaf in slot.leaves if leaf.fact != fact]
    if not others:
        return FieldlineError("the change has no effect, since its device is not trusted with it")
    if len(others) == len(slot.leaves):
        return FieldlineError("{user} has changed it since", user=others[0].user)
    if isinstance(slot, Conflict):
        return FieldlineError("{user} set something else meanwhile: resolve that instead", user=others[0].user)
    return FieldlineError("{user} set the same", user=others[0].user)

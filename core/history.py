"""Turning back: what to write on top of the present so that something is again as it was. Pure.

Nothing is ever taken away. To restore or to undo is an ordinary edit, made in knowledge of everything that is there
now; so it can itself be undone. What somebody has said since is never overwritten by an undo: it is left alone and
told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from core.changes import FLEET_ENTITY, SCHEMA_ENTITY, Value
from core.errors import FieldlineError
from core.records import Edit, Record, edit
from core.schema import KIND, RETIRED
from core.slots import Conflict, Slot
from core.values import same

MEMBER = "member"


@dataclass(frozen=True, slots=True)
class Said:
    """One fact of a change that is to be undone: `old` is the value in use that its author saw, `seen` whether any."""

    fact: bytes
    entity: bytes
    property: str
    old: Value
    seen: bool


@dataclass(frozen=True, slots=True)
class Left:
    """A slot that an undo leaves alone, and why."""

    entity: bytes
    property: str
    reason: FieldlineError


@dataclass(frozen=True, slots=True)
class Undo:
    """What undoing a change writes, and what it leaves alone."""

    edits: tuple[Edit, ...] = ()
    left: tuple[Left, ...] = ()


def restore(now: Record, then: Record) -> list[Edit]:
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
        if isinstance(slot, Conflict) or not same(slot.value, value):
            edits.append(edit(now, name, value))
    return edits


def undo(facts: Iterable[Said], records: Mapping[bytes, Record]) -> Undo:
    """The edits that take back the facts of one change; `records` holds the present of every entity that they are
    about.

    A slot goes back to what the author of the change saw, if the change's own fact is all that it holds. To undo a
    creation retires the entity, if nobody has said anything about it since.
    """
    by_entity: dict[bytes, list[Said]] = {}
    for fact in facts:
        by_entity.setdefault(fact.entity, []).append(fact)
    edits: list[Edit] = []
    left: list[Left] = []
    for entity, said in by_entity.items():
        record = records[entity]
        if record.kind == MEMBER or entity == FLEET_ENTITY:
            left += [Left(entity, fact.property, _BY_ADMINS) for fact in said]
        elif any(fact.property == KIND and not fact.seen for fact in said) and entity == SCHEMA_ENTITY:
            left += [Left(entity, fact.property, _SCHEMA_STAYS) for fact in said]
        elif any(fact.property == KIND and not fact.seen for fact in said):
            _undo_creation(record, said, edits, left)
        else:
            _undo_edits(record, said, edits, left)
    return Undo(tuple(edits), tuple(left))


_BY_ADMINS = FieldlineError("who belongs to the fleet is not undone here: use admit and revoke")
_SCHEMA_STAYS = FieldlineError("a fleet needs a schema: publish another one instead")


def _undo_creation(record: Record, said: list[Said], edits: list[Edit], left: list[Left]) -> None:
    own = {fact.fact for fact in said}
    later = next((leaf for slot in record.slots.values() for leaf in slot.leaves if leaf.fact not in own), None)
    if later is None:
        edits.append(edit(record, RETIRED, True))
    else:
        reason = FieldlineError("{user} has changed it since it was created: retire it instead", user=later.user)
        left.append(Left(record.entity, KIND, reason))


def _undo_edits(record: Record, said: list[Said], edits: list[Edit], left: list[Left]) -> None:
    for fact in said:
        slot = record.slot(fact.property)
        if tuple(leaf.fact for leaf in slot.leaves) == (fact.fact,):
            value = False if fact.property == RETIRED and fact.old is None else fact.old
            edits.append(edit(record, fact.property, value))
        else:
            left.append(Left(record.entity, fact.property, _why_not(slot, fact.fact)))


def _why_not(slot: Slot, fact: bytes) -> FieldlineError:
    others = [leaf for leaf in slot.leaves if leaf.fact != fact]
    if not others:
        return FieldlineError("the change has no effect, since its device is not trusted with it")
    if len(others) == len(slot.leaves):
        return FieldlineError("{user} has changed it since", user=others[0].user)
    if isinstance(slot, Conflict):
        return FieldlineError("{user} said something else meanwhile: settle that instead", user=others[0].user)
    return FieldlineError("{user} said the same", user=others[0].user)

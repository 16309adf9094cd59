"""Records of entities, and the edits between what was shown and what is wanted.

Pure.

An edit obsoletes exactly the leaves that its author was shown in that slot, all of them: also equal witnesses, and all
candidates of a conflict. What came in meanwhile is not among them, so it is never overwritten unseen. The withdrawals
by which these are leaves again are named, too: the author had seen them, so the edit counts after them.

A retirement is about the whole entity, so it also names what its author was shown of the other slots: one leaf of each
change. In another slot that obsoletes nothing; it records what the author knew, without which nobody could tell a
retirement after an edit from one that was made apart from it (see `core.inbox`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from core.schema import KIND, RETIRED, Kind, Schema
from core.slots import ABSENT, Absent, Agreed, Candidate, Conflict, Slot, slot_of
from core.value_codec import CHANGE_ID_BYTES, Value
from core.values import is_same_value


@dataclass(frozen=True, slots=True)
class Record:
    """One entity.

    `slots` holds all its properties that have leaves, the system's among them; `emptied` those of which all that was
    stated was withdrawn.

    `key` is its own key as text, without its parent's; None where it has none. `retired` is what its slot picks.
    """

    entity: bytes
    kind: str | None = None
    key: str | None = None
    retired: bool = False
    slots: Mapping[str, Slot] = field(default_factory=dict)
    emptied: Mapping[str, Absent] = field(default_factory=dict)

    def slot(self, name: str) -> Slot:
        """The slot of a property, absent if nothing is stated or left."""
        return self.slots.get(name) or self.emptied.get(name, ABSENT)

    def value(self, name: str) -> Value:
        """The value in use of a property.

        The pick of a conflict, None if absent or cleared.
        """
        return self.slot(name).value


@dataclass(frozen=True, slots=True)
class Edit:
    """A fact to be: a property's value, and the sorted ids of the facts shown.

    `is_restored` is True for a value that the slot held before, which the schema of today need not allow.
    """

    entity: bytes
    property: str
    value: Value
    obsoletes: tuple[bytes, ...] = ()
    is_restored: bool = field(default=False, compare=False)


def kind_of(leaves: Mapping[str, Iterable[Candidate]]) -> str | None:
    """Give the kind that an entity's leaves state.

    `record_of` needs its definition.
    """
    kind = slot_of(leaves.get(KIND, ())).value
    return kind if isinstance(kind, str) else None


def record_of(
    entity: bytes,
    leaves: Mapping[str, Iterable[Candidate]],
    kind: Kind,
    withdrawals: Mapping[str, tuple[bytes, ...]] | None = None,
) -> Record:
    """Build a record from an entity's leaves and withdrawals, by property.

    `kind` says which property is its key; an edit names the withdrawals.
    """
    taken = withdrawals or {}
    slots = {name: slot_of(candidates, taken.get(name, ())) for name, candidates in leaves.items()}
    key = slots.get(kind.key, ABSENT).value
    return Record(
        entity,
        kind_of({KIND: leaves.get(KIND, ())}),
        _key_text(key),
        slots.get(RETIRED, ABSENT).value is True,
        slots,
        {name: Absent(withdrawals=facts) for name, facts in taken.items() if name not in slots},
    )


def record_of_values(entity: bytes, values: Mapping[str, Value], schema: Schema) -> Record:
    """Build a record from an entity's values in use, for who asks for nothing else.

    Its slots tell nothing of their leaves.
    """
    stated = values.get(KIND)
    kind = stated if isinstance(stated, str) else None
    key = values.get(schema.kind(kind or "").key)
    return Record(
        entity,
        kind,
        _key_text(key),
        values.get(RETIRED) is True,
        {name: Agreed(value, ()) for name, value in values.items()},
    )


def _key_text(key: Value) -> str | None:
    return str(key) if isinstance(key, str | int) and not isinstance(key, bool) else None


def make_edit(shown: Record, name: str, value: Value, *, is_restored: bool = False) -> Edit:
    """Build the edit that states a value, different or not: it resolves a conflict."""
    seen = {*shown.slot(name).withdrawals, *(leaf.fact for leaf in shown.slot(name).leaves)}
    if name == RETIRED and value is True:
        seen |= _one_leaf_of_each_change(shown, seen)
    return Edit(shown.entity, name, value, tuple(sorted(seen)), is_restored)


def diff_edits(shown: Record, wanted: Mapping[str, Value]) -> list[Edit]:
    """Build the edits from what was shown to what is wanted, in the order of `wanted`.

    Properties that are not in `wanted` stay as they are. Nothing different gives no edit. To want the pick of a
    conflict is different, since it resolves it; None clears, and is nothing different for what is absent.
    """
    return [
        make_edit(shown, name, value)
        for name, value in wanted.items()
        if isinstance(shown.slot(name), Conflict) or not is_same_value(shown.value(name), value)
    ]


def _one_leaf_of_each_change(shown: Record, seen: set[bytes]) -> set[bytes]:
    changes = {fact[:CHANGE_ID_BYTES] for fact in seen}
    others: dict[bytes, bytes] = {}
    for fact in sorted(leaf.fact for slot in shown.slots.values() for leaf in slot.leaves):
        others.setdefault(fact[:CHANGE_ID_BYTES], fact)
    return {fact for change, fact in others.items() if change not in changes}

"""Edits that somebody has typed and not applied yet. Pure.

A draft remembers for each property what was shown when its edit began. Applying it obsoletes exactly that: what others
set meanwhile is not overwritten unseen, it stays beside the edit until somebody has looked at both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.records import Edit, Record, diff_edits
from core.slots import Candidate, Slot
from core.value_codec import Value
from core.values import is_same_value


def newer_candidate(shown: Slot, now: Slot) -> Candidate | None:
    """The first leaf that a property did not have when it was shown."""
    known = {leaf.fact for leaf in shown.leaves}
    return next((leaf for leaf in now.leaves if leaf.fact not in known), None)


@dataclass(slots=True)
class Draft:
    """The unapplied edits of one entity.

    For each property the slot that was shown, and the value that is wanted.
    """

    entity: bytes
    kind: str | None = None
    base_slots: dict[str, Slot] = field(default_factory=dict)
    wanted: dict[str, Value] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.wanted)

    def edit(self, name: str, shown: Slot, value: Value) -> None:
        """Want `value` for a property that shows `shown` now.

        Wanting what is there without conflict is no edit.
        """
        self.discard(name)
        if shown.state == "conflict" or not is_same_value(shown.value, value):
            self.base_slots[name], self.wanted[name] = shown, value

    def with_edit(self, name: str, shown: Slot, value: Value) -> Draft:
        """This draft with one edit more; the draft itself stays as it is."""
        draft = Draft(self.entity, self.kind, dict(self.base_slots), dict(self.wanted))
        draft.edit(name, shown, value)
        return draft

    def merge(self, other: Draft) -> None:
        """Add the edits of another draft of the same entity, which are later."""
        self.base_slots |= other.base_slots
        self.wanted |= other.wanted

    def discard(self, name: str) -> None:
        """Discard the edit of a property."""
        self.base_slots.pop(name, None)
        self.wanted.pop(name, None)

    def newer_candidate(self, name: str, slot: Slot) -> Candidate | None:
        """The leaf that an edited property has got since its edit began.

        None if it has none.
        """
        return newer_candidate(self.base_slots[name], slot) if name in self.base_slots else None

    def edits(self) -> list[Edit]:
        """What applying the draft would write."""
        return diff_edits(self.base_record(), self.wanted)

    def base_record(self) -> Record:
        """The entity as it was shown, as far as the draft is about it."""
        return Record(self.entity, self.kind, None, False, dict(self.base_slots))


def count_unapplied(drafts: Mapping[bytes, Draft]) -> int:
    """How many edits wait in all drafts."""
    return sum(map(len, drafts.values()))

"""What settles a matter of the inbox: ordinary edits, made in knowledge of what was shown. Pure.

A conflict is settled with one of its values or with another one; several at once by a rule that somebody chooses. A
clash between entities is settled by clearing, at those who give way, what only one of them may say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from core.errors import FieldlineError
from core.inbox import InboxItem
from core.records import Edit, Record, make_edit
from core.schema import RETIRED, Schema
from core.slots import Candidate
from core.value_codec import Value


@dataclass(frozen=True, slots=True)
class ResolutionRule:
    """Which candidates count: those of a user, those written on a device, or with neither all. The newest wins."""

    user: str | None = None
    device: bytes | None = None

    def choose(self, candidates: Iterable[Candidate]) -> Candidate | None:
        """The candidate that the rule takes, None if none counts."""
        counted = [
            leaf
            for leaf in candidates
            if (self.user is None or leaf.user == self.user) and (self.device is None or leaf.device == self.device)
        ]
        return max(counted, key=lambda leaf: (leaf.moment_us, leaf.fact), default=None)


class StaleItem(FieldlineError):
    """Somebody has said something else since the matter was shown."""

    def __init__(self) -> None:
        super().__init__("Somebody has said something else meanwhile: look at it again.")


def resolve_conflict(matter: InboxItem, record: Record, value: Value) -> Edit:
    """The edit that gives a slot a value in place of all that were shown; raises Overtaken if there is another one
    by now.
    """
    shown = {leaf.fact for leaf in matter.candidates}
    if {leaf.fact for leaf in record.slot(matter.property).leaves} - shown:
        raise StaleItem
    return make_edit(record, matter.property, value)


def resolve_clash(matter: InboxItem, chosen: bytes, records: Mapping[bytes, Record], schema: Schema) -> list[Edit]:
    """The edits that leave what several entities claim to the chosen one: it is cleared at the others, or, where they
    cannot do without it, they are retired.
    """
    losers = [records[entity] for entity in other_entities(matter, chosen)]
    if is_needed(matter, schema):
        return [retire_entity(record) for record in losers]
    return [make_edit(record, matter.property, None) for record in losers]


def is_needed(matter: InboxItem, schema: Schema) -> bool:
    """Whether an entity cannot do without what a matter is about."""
    return schema.property(matter.kind, matter.property).required or schema.kind(matter.kind).key == matter.property


def other_entities(matter: InboxItem, chosen: bytes) -> list[bytes]:
    """The entities of a matter but one."""
    return [entity for entity in matter.entities if entity != chosen]


def retire_entity(record: Record) -> Edit:
    """The edit that retires an entity, again if need be, in knowledge of everything that was said of it."""
    return make_edit(record, RETIRED, True)


def unretire_entity(record: Record) -> Edit:
    """The edit that takes an entity into use again."""
    return make_edit(record, RETIRED, False)


def count_users(matters: Iterable[InboxItem]) -> Counter[str]:
    """Who said something that is at odds, and in how many of these matters."""
    return Counter(user for matter in matters for user in dict.fromkeys(leaf.user for leaf in matter.candidates))


def count_devices(matters: Iterable[InboxItem]) -> Counter[bytes]:
    """The devices on which something was said that is at odds, and in how many of these matters."""
    return Counter(device for matter in matters for device in dict.fromkeys(leaf.device for leaf in matter.candidates))

"""Build the edits that resolve an inbox item. Pure.

A conflict is resolved with one of its values or with another one; several at once by a rule that a person chooses. A
clash between entities is resolved by clearing, at the others, what only one of them may hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from core.errors import FieldlineError, Refused
from core.inbox import InboxItem, acceptance_property
from core.records import Edit, Record, make_edit
from core.schema import RETIRED, Schema
from core.slots import Candidate
from core.value_codec import Value


@dataclass(frozen=True, slots=True)
class ResolutionRule:
    """Which candidates count: those of a user, those of a device, or with neither all.

    The newest of them wins.
    """

    user: str | None = None
    device: bytes | None = None

    def choose(self, candidates: Iterable[Candidate]) -> Candidate | None:
        """Choose the candidate by the rule; None if none counts."""
        counted = [
            leaf
            for leaf in candidates
            if (self.user is None or leaf.user == self.user) and (self.device is None or leaf.device == self.device)
        ]
        return max(counted, key=lambda leaf: (leaf.moment_us, leaf.fact), default=None)


class StaleItem(FieldlineError):
    """The slot has other leaves than the item that was shown."""

    def __init__(self) -> None:
        super().__init__("Somebody has said something else meanwhile: look at it again.")


def resolve_conflict(item: InboxItem, record: Record, value: Value) -> Edit:
    """Build the edit that replaces all leaves that were shown by a value.

    Raises StaleItem if there are others now.
    """
    shown = {leaf.fact for leaf in item.candidates}
    if {leaf.fact for leaf in record.slot(item.property).leaves} - shown:
        raise StaleItem
    return make_edit(record, item.property, value)


def resolve_clash(item: InboxItem, chosen: bytes, records: Mapping[bytes, Record], schema: Schema) -> list[Edit]:
    """Build the edits that leave what several entities hold to the chosen one.

    It is cleared at the others; where it is required or the key, they are retired.
    """
    losers = [records[entity] for entity in other_entities(item, chosen)]
    if is_needed(item, schema):
        return [retire_entity(record) for record in losers]
    return [make_edit(record, item.property, None) for record in losers]


def is_needed(item: InboxItem, schema: Schema) -> bool:
    """Whether the property of an item is required, or the key."""
    return schema.property(item.kind, item.property).required or schema.kind(item.kind).key == item.property


def other_entities(item: InboxItem, chosen: bytes) -> list[bytes]:
    """The entities of an item but one."""
    return [entity for entity in item.entities if entity != chosen]


def retire_entity(record: Record) -> Edit:
    """Build the edit that retires an entity, in knowledge of all that was shown.

    Again if need be.
    """
    return make_edit(record, RETIRED, True)


def unretire_entity(record: Record) -> Edit:
    """Build the edit that puts an entity back in use."""
    return make_edit(record, RETIRED, False)


def accept_item(item: InboxItem, record: Record) -> Edit:
    """Build the edit that accepts a clash, on the record of its first entity.

    Raises Refused for a conflict.
    """
    if item.type == "conflict":
        raise Refused("Several values of one property are resolved, not accepted: take one of them.")
    return make_edit(record, acceptance_property(item.id), f"{item.type} {item.property}")


def withdraw_acceptance(item: InboxItem, records: Iterable[Record]) -> list[Edit]:
    """Build the edits that open an accepted item again, on all its entities."""
    name = acceptance_property(item.id)
    return [make_edit(record, name, None) for record in records if record.value(name) is not None]


def count_users(items: Iterable[InboxItem]) -> Counter[str]:
    """Count in how many of these items each user is the author of a candidate."""
    return Counter(user for item in items for user in dict.fromkeys(leaf.user for leaf in item.candidates))


def count_devices(items: Iterable[InboxItem]) -> Counter[bytes]:
    """Count in how many of these items each device is that of a candidate."""
    return Counter(device for item in items for device in dict.fromkeys(leaf.device for leaf in item.candidates))

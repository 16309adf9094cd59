"""Confirmations: somebody saw on the spot that a value is still so. Pure.

A confirmation is a fact like others: it states the value that its author was shown, and obsoletes all the leaves that
state it. What tells it from a set value is that all that it obsoletes has its value. So it ends no conflict, and a
value that is set after it is not confirmed until somebody looks again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from core.errors import Refused
from core.records import Edit, Record, make_edit
from core.schema import KEY, KIND, RESERVED_KINDS, RETIRED, is_acceptance
from core.slots import Candidate
from core.values import quote_value

Confirmations = Mapping[str, Candidate]
"""The latest confirmation of each property of an entity that has one."""


@dataclass(frozen=True, slots=True)
class ConfirmationState:
    """How far an entity is confirmed.

    So many of its values, the one that was confirmed the longest ago by `oldest`.
    """

    confirmed_count: int
    value_count: int
    oldest: Candidate | None

    @property
    def is_complete(self) -> bool:
        """Whether all values are confirmed."""
        return self.oldest is not None and self.confirmed_count == self.value_count


def confirmable_properties(record: Record) -> list[str]:
    """The properties of an entity that have a value which nobody disputes."""
    return [name for name, slot in record.slots.items() if slot.state == "good" and _is_confirmable(name)]


def contested_properties(record: Record) -> list[str]:
    """The properties in conflict: to confirm one would resolve it."""
    return [name for name, slot in record.slots.items() if slot.provisional and _is_confirmable(name)]


def confirm_edits(shown: Record, names: Iterable[str] | None = None) -> list[Edit]:
    """Build the edits that confirm properties, by default all that can be.

    Raises Refused for one that cannot be.
    """
    if shown.kind is None or shown.kind in RESERVED_KINDS:
        raise Refused("Only what is configured in the fleet can be confirmed: name a thing of one of its kinds.")
    if shown.retired:
        raise Refused("It is retired: put it back in use before you confirm it.")
    possible = confirmable_properties(shown)
    if names is None:
        if not possible:
            raise Refused("Nothing is configured here that could be confirmed: set it, or resolve what is in conflict.")
        return [make_edit(shown, name, shown.value(name)) for name in possible]
    edits = []
    for name in dict.fromkeys(names):
        if shown.slot(name).provisional:
            raise Refused(
                "{property} is in conflict, which to confirm it would resolve: use `fieldline resolve`.",
                property=quote_value(name),
            )
        if name not in possible:
            raise Refused("{property} has no value that could be confirmed: set it.", property=quote_value(name))
        edits.append(make_edit(shown, name, shown.value(name)))
    return edits


def confirmation_state(record: Record, confirmations: Confirmations) -> ConfirmationState:
    """How far an entity is confirmed.

    A time that cannot be true yet does not count as one.
    """
    names = [
        name for name, slot in record.slots.items() if slot.state in ("good", "conflict") and _is_confirmable(name)
    ]
    found = [
        confirmations[name]
        for name in names
        if name in confirmations and not record.slot(name).provisional and confirmations[name].clock != "ahead"
    ]
    return ConfirmationState(len(found), len(names), min(found, key=lambda leaf: leaf.at_us, default=None))


def is_confirmed_since(record: Record, confirmations: Confirmations, since_us: int) -> bool:
    """Whether each value of an entity was confirmed at a time or later.

    The time is in microseconds since 1970 UTC.

    What has no values is: there is nothing to look at.
    """
    state = confirmation_state(record, confirmations)
    if not state.value_count:
        return True
    return state.is_complete and state.oldest is not None and state.oldest.at_us >= since_us


def _is_confirmable(name: str) -> bool:
    return name not in (KIND, KEY, RETIRED) and not is_acceptance(name)

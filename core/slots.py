"""Slots: what one property of one entity holds, computed from its leaves. Pure.

The leaves of a slot are the facts that no known fact obsoletes. With leaves of different values every device picks
the same one and goes on working with it; the pick is provisional until somebody's ordinary edit obsoletes all the
leaves it saw. Nothing here looks at a clock or at an order of arrival to decide what supersedes what.
"""

from __future__ import annotations

from collections.abc import Container, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from core.value_codec import CHANGE_ID_BYTES, Value, encode_value
from core.withdrawal import Stated, void_spans

Clock = Literal["behind", "ahead"] | None
"""Why an author's time cannot be true: it had seen something later, or the change came here before it was made."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A leaf with its author, device, time (microseconds since 1970 UTC) and note.

    `at_us` is the author's clock as it was; `clock` says what is wrong with it, as far as that shows. `person` is the
    entity of the one whom `user` names.
    """

    fact: bytes
    value: Value
    user: str
    device: bytes
    at_us: int
    note: str | None
    effective_us: int | None = None
    person: bytes = b""
    clock: Clock = None

    @property
    def moment_us(self) -> int:
        """From when it counts: its author's clock, or what it obsoletes if that is later."""
        return self.at_us if self.effective_us is None else self.effective_us

    @property
    def change(self) -> bytes:
        """The id of the change that the fact is part of."""
        return self.fact[:CHANGE_ID_BYTES]


@dataclass(frozen=True, slots=True)
class Absent:
    """A slot without a leaf.

    Of each state, `withdrawals` are those in force that nobody has edited in knowledge of; an edit names them, too.
    """

    leaves: tuple[Candidate, ...] = ()
    value: None = None
    state: str = "absent"
    provisional: bool = False
    withdrawals: tuple[bytes, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Agreed:
    """All leaves agree.

    `witnesses` are those leaves, the one that the pick prefers first.
    """

    value: Value
    witnesses: tuple[Candidate, ...]
    provisional: bool = False
    withdrawals: tuple[bytes, ...] = field(default=(), compare=False)

    @property
    def leaves(self) -> tuple[Candidate, ...]:
        return self.witnesses

    @property
    def state(self) -> str:
        """`good`, or `cleared` where the value is None."""
        return "cleared" if self.value is None else "good"


@dataclass(frozen=True, slots=True)
class Conflict:
    """Leaves of different values.

    The first candidate is the pick, in use meanwhile on every device.
    """

    candidates: tuple[Candidate, ...]
    state: str = "conflict"
    provisional: bool = True
    withdrawals: tuple[bytes, ...] = field(default=(), compare=False)

    @property
    def leaves(self) -> tuple[Candidate, ...]:
        return self.candidates

    @property
    def value(self) -> Value:
        return self.candidates[0].value


Slot = Absent | Agreed | Conflict
_K = TypeVar("_K", bound=Hashable)
ABSENT = Absent()


def _pick_order(leaf: Candidate) -> tuple[bool, int, bytes]:
    return (leaf.value is not None, leaf.moment_us, leaf.fact)


def slot_of(leaves: Iterable[Candidate], withdrawals: tuple[bytes, ...] = ()) -> Slot:
    """Build the slot of these leaves and withdrawals, in whatever order they come.

    Among different values the pick is: set before cleared, then the latest effective time, then the largest fact id.
    """
    ordered = tuple(leaves)
    if not ordered:
        return Absent(withdrawals=withdrawals) if withdrawals else ABSENT
    if len(ordered) == 1:
        return Agreed(ordered[0].value, ordered, withdrawals=withdrawals)
    ordered = tuple(sorted(ordered, key=_pick_order, reverse=True))
    if len({encode_value(leaf.value) for leaf in ordered}) == 1:
        return Agreed(ordered[0].value, ordered, withdrawals=withdrawals)
    return Conflict(ordered, withdrawals=withdrawals)


def leaf_ids(
    facts: Iterable[tuple[bytes, _K, Iterable[bytes]]], withdrawals: Container[bytes] = frozenset()
) -> dict[_K, set[bytes]]:
    """The leaves of each slot in a set of facts `(fact id, slot, ids it obsoletes)`.

    What every store must answer.

    `withdrawals` are those of them that withdraw what they obsolete. An id counts as obsoleted only within its own
    slot, whether it is known yet or not.
    """
    by_slot: dict[_K, dict[bytes, Stated]] = {}
    for fact, slot, obsoletes in facts:
        by_slot.setdefault(slot, {})[fact] = Stated(0, tuple(obsoletes), fact in withdrawals)
    found: dict[_K, set[bytes]] = {}
    for slot, stated in by_slot.items():
        void = void_spans(stated)
        gone = {target for fact, each in stated.items() if fact not in void for target in each.names}
        found[slot] = {fact for fact, each in stated.items() if fact not in gone and not each.is_withdrawal}
    return found

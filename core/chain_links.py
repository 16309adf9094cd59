"""Whether each change follows from its chain, as headers arrive in any order.

Pure, on a table that the caller keeps. A header is *linked* if all below it is here and every link is right, *faulty*
if it does not follow from the one that it names or if that one is faulty, and *waiting* until that is known. Which it
is depends on the set of headers alone. Another device's header never touches a chain's tips.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from core.chain import Fault, place_fault
from core.header import SignedHeader
from core.mountain_range import Range, range_of


class State(IntEnum):
    """What is known of a header's chain; the numbers are kept."""

    WAITING = 0
    LINKED = 1
    FAULTY = 2


@dataclass(frozen=True, slots=True)
class Known:
    """A change that is here: whose, at which position, and what is known of its chain."""

    device: bytes
    position: int
    state: State


@dataclass(frozen=True, slots=True)
class FaultyLink:
    """A header that does not follow from the one that it names.

    With the peaks below that if its `past` is wrong.
    """

    change: bytes
    fault: Fault
    peaks: bytes = b""


class Table(Protocol):
    """Where the states are kept.

    New headers are in it, waiting, before `link` is called.
    """

    def known(self, change: bytes) -> Known | None:
        """What is known of a change, None if it is not here."""

    def waiting_on(self, change: bytes) -> Sequence[SignedHeader]:
        """The waiting headers that name this change as their previous, of whatever device."""

    def tip(self, change: bytes) -> Range | None:
        """The range up to and with a change if it is the end of a linked chain."""

    def ids_below(self, change: bytes) -> Sequence[bytes]:
        """The ids at the positions below a linked change, the first one first."""

    def set_state(self, change: bytes, state: State) -> None:
        """Keep what was found."""

    def set_tip(self, change: bytes, upto: Range, before: bytes | None) -> None:
        """Keep a new tip; the one before it, if it was one, is none any more."""


def link(table: Table, headers: Iterable[SignedHeader]) -> list[FaultyLink]:
    """Work out the states of new headers, and of those that waited for them.

    Gives the links that are wrong.
    """
    faulty: list[FaultyLink] = []
    work = deque(sorted(headers, key=lambda header: (header.fields.position, header.id)))
    new = {header.id for header in work}
    while work:
        header = work.popleft()
        known = table.known(header.id)
        if known is None or known.state is not State.WAITING:
            continue
        state, wrong = _state(table, header)
        if state is not State.WAITING:
            table.set_state(header.id, state)
        elif header.id not in new:
            continue
        # What names a new header may be in the wrong place after it, though it waits itself.
        new.discard(header.id)
        if wrong is not None:
            faulty.append(wrong)
        work.extend(table.waiting_on(header.id))
    return faulty


def _state(table: Table, header: SignedHeader) -> tuple[State, FaultyLink | None]:
    previous = header.fields.previous
    if previous is None:
        table.set_tip(header.id, Range().append(header.id), None)
        return State.LINKED, None
    before = table.known(previous)
    if before is None:
        return State.WAITING, None
    wrong_place = place_fault(before.device, before.position, header)
    if wrong_place is not None:
        return State.FAULTY, FaultyLink(header.id, wrong_place)
    if before.state is not State.LINKED:
        return before.state, None
    upto = table.tip(previous) or range_of([*table.ids_below(previous), previous])
    if upto.root != header.fields.past:
        below = range_of(table.ids_below(previous))
        return State.FAULTY, FaultyLink(header.id, Fault.PAST, below.to_bytes())
    table.set_tip(header.id, upto.append(header.id), previous)
    return State.LINKED, None

"""The chain of a device's changes.

What follows from position, previous and past, and what proves a fault in them.

A change is known in its device's chain by device, position and id. Which changes lie before another one follows from
that one's `past` alone, either by an own copy of the whole chain below it or by a proof; nobody has to hold what lies
between. What is not known yet is *waiting*, and counts as less.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum

from core import header as headers
from core import mountain_range
from core.errors import BlockRefused
from core.header import SignedHeader
from core.mountain_range import Range

Find = Callable[[bytes], SignedHeader | None]
"""Gives the header of a change by its id, None if it is not here."""


class Fault(Enum):
    """What is wrong with a header that names a certain one as its previous."""

    FOREIGN = "foreign"
    POSITION = "position"
    PAST = "past"


class Side(IntEnum):
    """On which side of a cut a change lies.

    Of several cuts that all hold take the least, of branches the greatest.
    """

    BEYOND = 0
    WAITING = 1
    WITHIN = 2


@dataclass(frozen=True, slots=True)
class Tip:
    """A change with the range over its chain from the first change up to itself.

    All that its successor needs.
    """

    device: bytes
    position: int
    id: bytes
    range: Range

    @property
    def past(self) -> bytes:
        """What the next change has as its `past`."""
        return self.range.root


def first_tip(header: SignedHeader) -> Tip:
    """Begin a chain with a change at position 0; raises ValueError for another one."""
    if header.fields.position:
        raise ValueError("a chain begins at position 0")
    return Tip(header.fields.device, 0, header.id, Range().append(header.id))


def place_fault(device: bytes, position: int, header: SignedHeader) -> Fault | None:
    """Say how a header's device or position does not follow from what it names.

    None if they follow.
    """
    if header.fields.device != device:
        return Fault.FOREIGN
    return None if header.fields.position == position + 1 else Fault.POSITION


def fault(tip: Tip, header: SignedHeader) -> Fault | None:
    """Say what is wrong with a header that names this tip as its previous.

    None if it follows.
    """
    wrong_place = place_fault(tip.device, tip.position, header)
    return wrong_place or (None if header.fields.past == tip.past else Fault.PAST)


def advance(tip: Tip, header: SignedHeader) -> Tip:
    """Give the tip after this header; raises ValueError if it does not follow."""
    if header.fields.previous != tip.id or fault(tip, header) is not None:
        raise ValueError("a header does not follow from the one before")
    return Tip(tip.device, header.fields.position, header.id, tip.range.append(header.id))


def ids_below(head: SignedHeader, find: Find) -> list[bytes] | None:
    """Give the ids at the positions before this header, by walking `previous`.

    None where one is not here.

    The walk ends at a change of another device or out of place, too: there is no chain below then.
    """
    found: list[bytes] = []
    at = head
    while at.fields.position:
        previous = find(at.fields.previous or b"")
        if (
            previous is None
            or previous.fields.device != head.fields.device
            or previous.fields.position != at.fields.position - 1
        ):
            return None
        found.append(previous.id)
        at = previous
    return found[::-1]


@dataclass(slots=True)
class Cut:
    """A change up to which a chain counts, and which positions below are known."""

    head: SignedHeader
    known: dict[int, bytes] = field(default_factory=dict)

    def take_chain(self, changes: Iterable[bytes]) -> bool:
        """Take an own copy of all ids below the head.

        Says whether it is the one that the head's `past` stands for.
        """
        ids = list(changes)
        fields = self.head.fields
        if len(ids) != fields.position or (ids and mountain_range.range_of(ids).root != fields.past):
            return False
        self.known = dict(enumerate(ids))
        return True

    def take_proof(self, changes: Mapping[int, bytes], proof: bytes) -> bool:
        """Take a peer's proof of which ids are at some positions; says whether it holds."""
        fields = self.head.fields
        if fields.past is None or not mountain_range.check(fields.past, fields.position, changes, proof):
            return False
        self.known.update(changes)
        return True

    def side(self, position: int, change: bytes) -> Side:
        """Say on which side a change of the same device lies; the head itself is within."""
        if change == self.head.id:
            return Side.WITHIN
        if position >= self.head.fields.position:
            return Side.BEYOND
        known = self.known.get(position)
        if known is None:
            return Side.WAITING
        return Side.WITHIN if known == change else Side.BEYOND


# --- evidence --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Verdict:
    """What evidence shows: these changes of a device, at this position, are at fault.

    `fault` None is a fork: two changes at one position.
    """

    device: bytes
    position: int
    changes: tuple[bytes, ...]
    fault: Fault | None


@dataclass(frozen=True, slots=True)
class Fork:
    """Two headers of one device with the same position, smaller id first."""

    one: bytes
    other: bytes

    def check(self, fleet: bytes) -> Verdict:
        """Check the evidence by itself; raises BlockRefused if it shows nothing."""
        one, other = _verified(self.one, fleet), _verified(self.other, fleet)
        same = one.fields.device == other.fields.device and one.fields.position == other.fields.position
        if not same or one.id >= other.id:
            raise BlockRefused("two headers are no evidence of a fault")
        return Verdict(one.fields.device, one.fields.position, (one.id, other.id), None)


@dataclass(frozen=True, slots=True)
class WrongLink:
    """A header, its previous, and the peaks below that, if its `past` is wrong.

    The header counts for nothing, and so does what lies behind it: whoever has it at its position in its past.
    """

    previous: bytes
    header: bytes
    peaks: bytes = b""

    def check(self, fleet: bytes) -> Verdict:
        """Check the evidence by itself; raises BlockRefused if it shows nothing."""
        previous, header = _verified(self.previous, fleet), _verified(self.header, fleet)
        if header.fields.previous != previous.id:
            raise BlockRefused("two headers are no evidence of a fault")
        found = _fault_by_peaks(previous, header, self.peaks)
        if found is None:
            raise BlockRefused("two headers are no evidence of a fault")
        return Verdict(header.fields.device, header.fields.position, (header.id,), found)


def evidence(tip: Tip, below: Range, previous: SignedHeader, header: SignedHeader) -> WrongLink | None:
    """Give the evidence that a header does not follow from the tip that it names.

    None if it does.

    `below` is the range over what lies before the tip's own change, whose header is `previous`.
    """
    found = fault(tip, header)
    if found is None:
        return None
    return WrongLink(previous.data, header.data, below.to_bytes() if found is Fault.PAST else b"")


def _fault_by_peaks(previous: SignedHeader, header: SignedHeader, peaks: bytes) -> Fault | None:
    """Say what is wrong between two headers.

    Raises BlockRefused where peaks are needed and are not those below.
    """
    fields = previous.fields
    wrong_place = place_fault(fields.device, fields.position, header)
    if wrong_place:
        if peaks:
            raise BlockRefused("two headers are no evidence of a fault")
        return wrong_place
    try:
        below = Range.from_bytes(fields.position, peaks)
    except ValueError:
        raise BlockRefused("two headers are no evidence of a fault") from None
    if fields.position and below.root != fields.past:
        raise BlockRefused("two headers are no evidence of a fault")
    return fault(Tip(fields.device, fields.position, previous.id, below.append(previous.id)), header)


def _verified(data: bytes, fleet: bytes) -> SignedHeader:
    header = headers.decode_header(data)
    headers.verify(header, fleet)
    return header

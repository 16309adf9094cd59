"""The messages of the sync protocol.

Their bytes are in `core.sync.codec`, when they are sent in `core.sync.session`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from core.sync.holdings import Holding


@dataclass(frozen=True, slots=True)
class PrefixFingerprints:
    """What one side has below a prefix: the fingerprints of the 16 children, joined."""

    prefix: str
    children: bytes


@dataclass(frozen=True, slots=True)
class PrefixIds:
    """The ids that one side has below a prefix, cut off; ascending.

    As many bytes of each as `stem_bytes` gives.
    """

    prefix: str
    stems: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Hello:
    """The first frame each way.

    What one side speaks (a set of bits) and which set of changes it has.

    `fleet` is the first bytes of the fleet's id: enough to notice a mistake; what proves a peer is the link and the
    signatures. `near` says where this side is, for the peer to send first what is needed there: ids and addresses as
    in `core.sync.location_hint`, empty where it makes no difference.
    """

    TYPE: ClassVar[int] = 1
    modes: int
    fleet: bytes
    count: int
    root: bytes
    location_hint: bytes = b""


@dataclass(frozen=True, slots=True)
class HaveFingerprints:
    """`merkle`: fingerprints a level further down.

    For each prefix that the peer's fingerprints showed to differ.
    """

    TYPE: ClassVar[int] = 2
    entries: tuple[PrefixFingerprints, ...]


@dataclass(frozen=True, slots=True)
class HaveIds:
    """`merkle`: all ids below a prefix.

    The peer answers with what it wants of them, and sends what is not among them.
    """

    TYPE: ClassVar[int] = 3
    entries: tuple[PrefixIds, ...]


@dataclass(frozen=True, slots=True)
class Want:
    """`merkle`: which of the ids listed in the peer's last turn to send.

    A bit each in their order, the first one highest.
    """

    TYPE: ClassVar[int] = 4
    bits: bytes


@dataclass(frozen=True, slots=True)
class EndOfTurn:
    """`merkle`: the end of a turn.

    `more` says that this side has further questions for its next one.
    """

    TYPE: ClassVar[int] = 5
    has_more: bool


@dataclass(frozen=True, slots=True)
class SketchPart:
    """`sketch`: a message of `core.sync.reconcile.sketch_protocol`, or part of one.

    Empty: this method fails.
    """

    TYPE: ClassVar[int] = 11
    payload: bytes


@dataclass(frozen=True, slots=True)
class Offer:
    """How many changes follow, and what they bring.

    With the first `membership_count` of them the chain of membership from the genesis on is there, with the first
    `nearby_count` all that is configured now where the peer is, with the first `current_count` all that is configured
    now.
    """

    TYPE: ClassVar[int] = 6
    count: int
    membership_count: int
    nearby_count: int = 0
    current_count: int = 0


@dataclass(frozen=True, slots=True)
class Blocks:
    """A batch: the next piece of this direction's stream of blocks.

    It is compressed (see `core.sync.batch_codec`).
    """

    TYPE: ClassVar[int] = 7
    compressed: bytes


@dataclass(frozen=True, slots=True)
class Ack:
    """A batch was committed: one more may follow."""

    TYPE: ClassVar[int] = 8


@dataclass(frozen=True, slots=True)
class Summary:
    """All that was to go either way is there; which set of changes this side has now."""

    TYPE: ClassVar[int] = 9
    count: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Abort:
    """Why this side ends the session (a value of `core.sync.events.Reason`)."""

    TYPE: ClassVar[int] = 10
    reason: int


@dataclass(frozen=True, slots=True)
class Holdings:
    """How far third devices hold whose changes, both sides holding the same set.

    Ascending, devices by their tags.

    Whoever speaks it sends it then, empty if there is nothing to tell. See `core.sync.holdings`.
    """

    TYPE: ClassVar[int] = 12
    entries: tuple[Holding, ...]


@dataclass(frozen=True, slots=True)
class PositionProof:
    """Which changes, by position and id, are in the past of a header.

    See `core.mountain_range`.

    It goes before the batch with changes whose side of a cut the receiver cannot know by itself (see
    `core.sync.position_proofs`). Positions ascend.
    """

    TYPE: ClassVar[int] = 16
    header: bytes
    changes: tuple[tuple[int, bytes], ...]
    proof: bytes


Message = (
    Hello
    | HaveFingerprints
    | HaveIds
    | Want
    | EndOfTurn
    | SketchPart
    | Offer
    | Holdings
    | PositionProof
    | Blocks
    | Ack
    | Summary
    | Abort
)

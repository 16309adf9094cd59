"""What sync needs from the store: the interface, and its requests.

A request knows which method answers it, so whoever drives a session only has to await `request.of(replica)`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from core.changes import Block
from core.mountain_range import Range
from core.sync.holdings import Holding
from core.sync.packed_header import Place
from core.sync.position_proofs import CutChain, ProvenPast
from core.sync.reconcile.merkle import MerkleNode
from core.sync.reconcile.prefix_coding import ShortIdPrefix
from core.sync.reconcile.set_sketch import SetSketch

R = TypeVar("R")

ObsoleteHints = Mapping[bytes, Sequence[int]]
"""For changes, the places of those of their facts that are no leaves, by changes that may come later."""

ChainStarts = tuple[AbstractSet[bytes], AbstractSet[bytes]]
"""Of changes to be sent: for each device the one at the lowest position, if it follows from its whole chain here, is
not the first of it, and is the only one at its position; and those that do not follow from their chain.
"""

HeldAt = tuple[bytes, int, bytes, Range | None]
"""A change that is held: device, position, id, and the range up to and with it if a chain ends with it."""

ShortIdMatches = Sequence[Sequence[tuple[int, bytes]]]
"""Short ids and change ids, for each of some prefixes."""


class SetSummary(Protocol):
    """A set of changes in two figures: how many, and its Merkle root."""

    @property
    def count(self) -> int: ...
    @property
    def root(self) -> bytes: ...


class SendOrder(Protocol):
    """Changes in the order to send them.

    The first `membership` are the chain of membership, the genesis first of all.

    With the first `near` of them all is there that is configured now where the peer is, with the first `current` all
    that is configured now.
    """

    @property
    def hashes(self) -> Sequence[bytes]: ...
    @property
    def membership_count(self) -> int: ...
    @property
    def nearby_count(self) -> int: ...
    @property
    def current_count(self) -> int: ...


class SaveResult(Protocol):
    """What became of blocks.

    How many were new, how many were here already, and what was refused and why.
    """

    @property
    def added_count(self) -> int: ...
    @property
    def known_count(self) -> int: ...
    @property
    def refused(self) -> Sequence[tuple[bytes, Exception]]: ...


@dataclass(frozen=True, slots=True)
class SketchedSet:
    """A set at one moment, and the cells over its short ids under a key.

    None while there is no key.
    """

    summary: SetSummary
    sketch: SetSketch | None = None
    key: bytes = b""


class Replica(Protocol):
    """One device's set of changes, as the session with one peer sees it.

    Every method may raise FieldlineError.
    """

    async def summary(self) -> SetSummary:
        """The whole set in two figures; without reading the set."""

    async def hashes(self) -> Sequence[bytes]:
        """All ids, ascending."""

    async def merkle_nodes(self, prefixes: Sequence[str]) -> Sequence[MerkleNode]:
        """The nodes of the Merkle tree for these prefixes, in the order given."""

    async def hashes_under(self, prefixes: Sequence[str]) -> Sequence[Sequence[bytes]]:
        """The ids below each of these prefixes, ascending."""

    async def order(self, hashes: Sequence[bytes], location_hint: bytes) -> SendOrder:
        """These changes in the order in which they are most useful to a peer."""

    async def blocks(self, hashes: Sequence[bytes]) -> Sequence[bytes]:
        """The exact bytes of these changes, in the order given."""

    async def obsolete_hints(self, hashes: Sequence[bytes]) -> ObsoleteHints:
        """The places of those facts of these changes that are no leaves here."""

    async def clear_obsolete_hints(self) -> None:
        """Drop what was believed or proven for the time of a transfer.

        All that the peer has is here.
        """

    async def note_equal_sets(self, root: bytes) -> Sequence[Holding]:
        """Note that the peer holds the set with this root; give what to report to it.

        Nothing is noted if the set is another one by now.
        """

    async def note_reported_holdings(self, reported: Sequence[Holding]) -> None:
        """Note what the peer, which holds the same, told of third devices."""

    async def chain_starts(self, hashes: Sequence[bytes]) -> ChainStarts:
        """Say what can be left out of these changes.

        For a peer that holds all that is held here but these.
        """

    async def cut_chains(self, hashes: Sequence[bytes]) -> Sequence[CutChain]:
        """Give the chains of which not all changes count alike.

        As far as some of these changes are part of them.
        """

    async def chain_ids(self, change: bytes) -> Sequence[bytes]:
        """The ids of the chain that this change is part of, first one first.

        Empty if it does not follow from it.
        """

    async def tips(self, places: Sequence[Place]) -> Sequence[HeldAt]:
        """The changes held at these places, a few of each at most."""

    async def save_blocks(
        self, blocks: Sequence[Block], obsolete_hints: ObsoleteHints, proven: Sequence[ProvenPast]
    ) -> SaveResult:
        """Keep blocks whose signatures were checked, in one transaction.

        It is durable on return, and idempotent.

        `proven` is what proofs have shown of where some of them lie.
        """

    async def sketch(self, salt: bytes) -> SketchedSet:
        """Give the cells of the whole set.

        Those that are kept or, with a salt, other ones that are made for the purpose.
        """

    async def short_ids(self, prefixes: Sequence[ShortIdPrefix], salt: bytes) -> ShortIdMatches:
        """The short ids that begin so, and their change ids."""

    async def all_short_ids(self, salt: bytes) -> Sequence[int]:
        """All short ids."""

    async def run_in_thread(self, function: Callable[[], R]) -> R:
        """Run a pure function that may take long, where it holds nothing up."""

    async def check_membership(self, blocks: Sequence[Block]) -> None:
        """Check that these blocks, from the genesis on, make the peer a member.

        Their signatures hold.

        Raises Refused. Nothing is kept.
        """


class Request(Protocol):
    """Something a session needs from its replica before it can go on."""

    def perform(self, replica: Replica) -> Awaitable[Any]:
        """Ask the replica; what it answers is what the session wants to be told."""


@dataclass(frozen=True, slots=True)
class GetSummary:
    def perform(self, replica: Replica) -> Awaitable[SetSummary]:
        return replica.summary()


@dataclass(frozen=True, slots=True)
class GetHashes:
    def perform(self, replica: Replica) -> Awaitable[Sequence[bytes]]:
        return replica.hashes()


@dataclass(frozen=True, slots=True)
class GetMerkleNodes:
    prefixes: Sequence[str]

    def perform(self, replica: Replica) -> Awaitable[Sequence[MerkleNode]]:
        return replica.merkle_nodes(self.prefixes)


@dataclass(frozen=True, slots=True)
class GetHashesUnder:
    prefixes: Sequence[str]

    def perform(self, replica: Replica) -> Awaitable[Sequence[Sequence[bytes]]]:
        return replica.hashes_under(self.prefixes)


@dataclass(frozen=True, slots=True)
class GetOrder:
    hashes: Sequence[bytes]
    location_hint: bytes

    def perform(self, replica: Replica) -> Awaitable[SendOrder]:
        return replica.order(self.hashes, self.location_hint)


@dataclass(frozen=True, slots=True)
class GetBlocks:
    hashes: Sequence[bytes]

    def perform(self, replica: Replica) -> Awaitable[Sequence[bytes]]:
        return replica.blocks(self.hashes)


@dataclass(frozen=True, slots=True)
class GetChainStarts:
    hashes: Sequence[bytes]

    def perform(self, replica: Replica) -> Awaitable[ChainStarts]:
        return replica.chain_starts(self.hashes)


@dataclass(frozen=True, slots=True)
class GetCutChains:
    hashes: Sequence[bytes]

    def perform(self, replica: Replica) -> Awaitable[Sequence[CutChain]]:
        return replica.cut_chains(self.hashes)


@dataclass(frozen=True, slots=True)
class GetChainIds:
    change: bytes

    def perform(self, replica: Replica) -> Awaitable[Sequence[bytes]]:
        return replica.chain_ids(self.change)


@dataclass(frozen=True, slots=True)
class GetTips:
    places: Sequence[Place]

    def perform(self, replica: Replica) -> Awaitable[Sequence[HeldAt]]:
        return replica.tips(self.places)


@dataclass(frozen=True, slots=True)
class GetObsoleteHints:
    hashes: Sequence[bytes]

    def perform(self, replica: Replica) -> Awaitable[ObsoleteHints]:
        return replica.obsolete_hints(self.hashes)


@dataclass(frozen=True, slots=True)
class SaveBlocks:
    blocks: Sequence[Block]
    obsolete_hints: ObsoleteHints
    proven: Sequence[ProvenPast] = ()

    def perform(self, replica: Replica) -> Awaitable[SaveResult]:
        return replica.save_blocks(self.blocks, self.obsolete_hints, self.proven)


@dataclass(frozen=True, slots=True)
class ClearObsoleteHints:
    def perform(self, replica: Replica) -> Awaitable[None]:
        return replica.clear_obsolete_hints()


@dataclass(frozen=True, slots=True)
class NoteEqualSets:
    root: bytes

    def perform(self, replica: Replica) -> Awaitable[Sequence[Holding]]:
        return replica.note_equal_sets(self.root)


@dataclass(frozen=True, slots=True)
class NoteReportedHoldings:
    reported: Sequence[Holding]

    def perform(self, replica: Replica) -> Awaitable[None]:
        return replica.note_reported_holdings(self.reported)


@dataclass(frozen=True, slots=True)
class GetSketch:
    salt: bytes = b""

    def perform(self, replica: Replica) -> Awaitable[SketchedSet]:
        return replica.sketch(self.salt)


@dataclass(frozen=True, slots=True)
class GetShortIds:
    prefixes: Sequence[ShortIdPrefix]
    salt: bytes = b""

    def perform(self, replica: Replica) -> Awaitable[ShortIdMatches]:
        return replica.short_ids(self.prefixes, self.salt)


@dataclass(frozen=True, slots=True)
class GetAllShortIds:
    salt: bytes = b""

    def perform(self, replica: Replica) -> Awaitable[Sequence[int]]:
        return replica.all_short_ids(self.salt)


@dataclass(frozen=True, slots=True)
class RunInThread:
    function: Callable[[], Any]

    def perform(self, replica: Replica) -> Awaitable[Any]:
        return replica.run_in_thread(self.function)


@dataclass(frozen=True, slots=True)
class CheckMembership:
    blocks: Sequence[Block]

    def perform(self, replica: Replica) -> Awaitable[None]:
        return replica.check_membership(self.blocks)

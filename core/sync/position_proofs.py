"""Proofs that a change lies before or behind another one in its chain.

For a receiver that has not what lies between.

On which side of a cut a change lies decides whether it counts (`core.membership`). Membership and what is current are
sent first, history last; so until all of a revoked device's chain has come, nothing that it wrote would count. A proof
(`core.mountain_range`) says it at once, in a few hashes: a change before a cut is in the past of the cut, and a change
behind a place has that place in its own past.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from core import header as headers
from core import mountain_range
from core.errors import BlockRefused
from core.hashes import leaf
from core.header import SignedHeader
from core.mountain_range import Levels
from core.sync.codec import MalformedMessage
from core.sync.messages import PositionProof


@dataclass(frozen=True, slots=True)
class CutChain:
    """A sender's chain of a device of which not all changes count alike.

    `cuts` are the changes before which others count or count otherwise, `starts` those behind which they do; `sent` are
    the changes that are going to be sent and of which that is asked.
    """

    device: bytes
    cuts: Sequence[SignedHeader]
    starts: Sequence[SignedHeader]
    sent: AbstractSet[bytes]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be proven: that changes are in the past of a header.

    They are given by their positions.
    """

    head: SignedHeader
    changes: AbstractSet[tuple[int, bytes]]

    def prove(self, levels: Levels) -> PositionProof | None:
        """Prove it by the nodes over a chain.

        What is not in that chain is left out, None if nothing is left.
        """
        position = self.head.fields.position
        if not _is_at(levels, position, self.head.id):
            return None
        # Where the chain forks several changes have one position; of these one is in this chain.
        held = tuple((at, change) for at, change in sorted(self.changes) if _is_at(levels, at, change))
        if not held:
            return None
        return PositionProof(self.head.data, held, mountain_range.prove(levels, position, [at for at, _ in held]))


def _is_at(levels: Levels, position: int, change: bytes) -> bool:
    return position < len(levels[0]) and levels[0][position] == leaf(change)


class ProofPlan:
    """Says what has to be proven before each batch.

    Of a chain that has come as a whole, nothing any more.
    """

    def __init__(self, chains: Iterable[CutChain]) -> None:
        self._chains = {chain.device: chain for chain in chains}
        self._left = {device: set(chain.sent) for device, chain in self._chains.items()}

    def next_batch(self, batch: Sequence[SignedHeader]) -> list[Wanted]:
        """Note that these changes go now, and give what is to be proven of them."""
        by_device: dict[bytes, list[SignedHeader]] = {}
        for header in batch if self._chains else ():
            if header.id in self._left.get(header.fields.device, ()):
                by_device.setdefault(header.fields.device, []).append(header)
                self._left[header.fields.device].discard(header.id)
        return [
            wanted
            for device, going in by_device.items()
            if self._left[device]
            for wanted in _wanted(self._chains[device], going)
        ]


def _wanted(chain: CutChain, going: Sequence[SignedHeader]) -> list[Wanted]:
    places = [(header.fields.position, header) for header in going]
    before = (Wanted(cut, {(at, header.id) for at, header in places if at < cut.fields.position}) for cut in chain.cuts)
    behind = (
        Wanted(header, {(start.fields.position, start.id) for start in chain.starts if start.fields.position < at})
        for at, header in places
    )
    return [wanted for wanted in (*before, *behind) if wanted.changes]


@dataclass(frozen=True, slots=True)
class ProvenPast:
    """What a proof has shown: changes in the past of another one of a device.

    They are given by their positions.
    """

    device: bytes
    head: bytes
    changes: Mapping[int, bytes] = field(default_factory=dict)


def check_proofs(proofs: Sequence[PositionProof], fleet: bytes) -> list[ProvenPast] | MalformedMessage:
    """Check a peer's proofs, and the signatures of the headers that they are about.

    Never raises.
    """
    found = []
    for proof in proofs:
        try:
            head = headers.decode_header(proof.header)
            headers.verify(head, fleet)
        except BlockRefused:
            return MalformedMessage("a proof is about no header of this fleet")
        changes, fields = dict(proof.changes), head.fields
        if fields.past is None or not mountain_range.check(fields.past, fields.position, changes, proof.proof):
            return MalformedMessage("a proof does not hold")
        found.append(ProvenPast(fields.device, head.id, changes))
    return found

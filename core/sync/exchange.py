"""Exchange what each side lacks, both ways at once, in batches.

- `Offer` first says how many changes will come. Then come the batches, membership first, then what is
  current, what is needed where the receiver is before the rest, then history (the order is the store's).
- The receiver checks that a batch is what it asked for, commits it, and only then says `Ack`. A sender has at most
  `CREDIT` batches on the way, so that neither side keeps more than that in memory.
- What goes and comes is packed (`core.sync.block_stream`); restoring it and checking signatures holds nothing else up.
- Before a batch go proofs of what the receiver could not know yet of its changes (`core.sync.position_proofs`).
- A device that holds nothing yet knows nothing but the fleet's id. It takes the chain of membership first, which the
  sender puts in front, and keeps nothing before that chain has made the peer a member.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from core.changes import MAX_BLOCK_BYTES, Block
from core.errors import AuthorUnknown, BlockRefused, FieldlineError, OverLimit, Refused
from core.header import SignedHeader
from core.mountain_range import Range, levels_of
from core.sync.batch_codec import MAX_BATCH_BLOCKS, Batch, BatchDecoder, BatchEncoder
from core.sync.block_stream import (
    BlockPacker,
    BlockUnpacker,
    ChainTree,
    HeldBlock,
    RestoredBatch,
    Run,
    split_block,
)
from core.sync.codec import MAX_BATCH_BYTES, MalformedMessage
from core.sync.effects import EMIT_PROGRESS, HAS_INPUT, Effects, receive_message
from core.sync.events import Phase, Progress, Reason
from core.sync.messages import Ack, Blocks, Offer, PositionProof
from core.sync.position_proofs import CutChain, ProofPlan, ProvenPast, check_proofs
from core.sync.protocol_errors import RemoteProtocolError
from core.sync.replica import (
    ChainStarts,
    CheckMembership,
    GetBlocks,
    GetChainIds,
    GetChainStarts,
    GetCutChains,
    GetObsoleteHints,
    GetOrder,
    GetTips,
    RunInThread,
    SaveBlocks,
    SendOrder,
)
from core.value_codec import MAX_FACTS

MAX_UNACKED_BATCHES = 4
MAX_FETCHED_BLOCKS = 256
MAX_MEMBERSHIP_BYTES = 16 * MAX_BATCH_BYTES
MAX_BEYOND_LIMITS = 1000
"""Changes beyond the limits of their devices that a peer may send: it may know of a higher limit, which comes first."""
MAX_PROOF_BYTES = 16 * MAX_BATCH_BYTES
"""Of the proofs for one batch, or for all that is held back while joining."""
ASSUMED_BLOCK_BYTES = 512
MAX_BLOCK_PREFIX_BYTES = 3
MAX_FACT_INDEX_BYTES = 2
POSITIONS_PER_CHANGE = 8
"""A chain's tree costs 3 us a position, and spares 32 bytes a change: no tree of a long chain for a few changes."""
MAX_TREE_POSITIONS = 1 << 18
"""Longer chains are sent without peaks: a tree of so many ids takes 40 MB."""
MAX_FILLED_BYTES = MAX_BATCH_BYTES - MAX_BLOCK_BYTES - MAX_BLOCK_PREFIX_BYTES - MAX_FACT_INDEX_BYTES * (MAX_FACTS + 3)
"""Bytes of a batch before its last block: a size and a fact's place take so many, at most."""


@dataclass(slots=True)
class Tally:
    """How many changes were moved, and of how many, over all rounds of a session.

    None: not known yet.
    """

    sent: int = 0
    to_send: int | None = None
    received: int = 0
    to_receive: int | None = None
    nearby_count: int = 0
    current_count: int = 0

    def progress(self, phase: Phase, bytes_out: int, bytes_in: int) -> Progress:
        """How far a session is that has sent and received so many bytes."""
        moved = (self.sent, self.to_send, self.received, self.to_receive)
        return Progress(phase, *moved, bytes_out, bytes_in, self.nearby_count, self.current_count)


class Exchange:
    """This side of a session's exchange.

    The compressed streams go on through all rounds.

    `batch_bytes` is how much goes into a batch before packing and compression: about a second of the link.
    """

    def __init__(self, fleet: bytes, batch_bytes: int, tally: Tally) -> None:
        self._fleet = fleet
        self._is_first_round = True
        self._batch_bytes = min(batch_bytes, MAX_FILLED_BYTES)
        self._tally = tally
        self._encoder = BatchEncoder()
        self._decoder = BatchDecoder()

    def run(
        self, send: Sequence[bytes], admit_change: Callable[[bytes], bool], *, location_hint: bytes, joining: bool
    ) -> Effects[tuple[int, int]]:
        """Send these changes and take what the peer sends.

        Gives how many changes went there and came here.

        `near` is where the peer says it is.
        """
        order = yield GetOrder(send, location_hint)
        starts: ChainStarts = (yield GetChainStarts(send)) if send and self._is_first_round else (set(), set())
        cut_chains: Sequence[CutChain] = (yield GetCutChains(send)) if send else ()
        packer = BlockPacker(*starts, leaves_out=self._is_first_round)
        outgoing = _Outgoing(order, self._batch_bytes, packer, ProofPlan(cut_chains))
        unpacker = BlockUnpacker(self._fleet, is_lenient=self._is_first_round)
        incoming = _Incoming(admit_change, unpacker, joining, self._tally)
        self._is_first_round = False
        self._tally.to_send = (self._tally.to_send or 0) + len(order.hashes)
        yield Offer(len(order.hashes), order.membership_count, order.nearby_count, order.current_count)
        on_the_way: deque[int] = deque()
        while outgoing.has_more or on_the_way or incoming.has_more:
            if outgoing.has_more and len(on_the_way) < MAX_UNACKED_BATCHES:
                batch = yield from outgoing.next_batch()
                yield from outgoing.take_proofs()
                on_the_way.append(len(batch.blocks))
                yield Blocks(self._encoder.encode_batch(batch.blocks, batch.obsolete_hints))
                if not (yield HAS_INPUT):
                    continue
            message = yield from receive_message(Offer, PositionProof, Blocks, Ack)
            if isinstance(message, Blocks):
                yield from incoming.receive_batch(self._decoder.decode_batch(message.compressed))
                yield Ack()
            elif isinstance(message, PositionProof):
                incoming.receive_proof(message)
            elif isinstance(message, Offer):
                incoming.receive_offer(message)
            elif on_the_way:
                self._tally.sent += on_the_way.popleft()
            else:
                raise RemoteProtocolError(Reason.OUT_OF_TURN)
            yield EMIT_PROGRESS
        return len(order.hashes), incoming.received_count


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A block that goes with one of the next batches.

    Its number in the order, and which of its facts are obsolete.
    """

    index: int
    block: HeldBlock
    obsolete: Sequence[int]

    @property
    def size(self) -> int:
        """How many bytes of a batch it takes, at most."""
        hints = MAX_FACT_INDEX_BYTES * (len(self.obsolete) + 2) if self.obsolete else 0
        return self.block.size + MAX_BLOCK_PREFIX_BYTES + hints


class _Outgoing:
    """What is still to be sent, and how it is cut into batches."""

    def __init__(self, order: SendOrder, batch_bytes: int, packer: BlockPacker, plan: ProofPlan) -> None:
        self._hashes = deque(order.hashes)
        self._batch_bytes = batch_bytes
        self._packer = packer
        self._plan = plan
        self._proofs: list[PositionProof] = []
        self._blocks: deque[_Waiting] = deque()
        self._membership_count = order.membership_count
        self._trees: dict[bytes, ChainTree] = {}
        self._worthwhile_positions = min(POSITIONS_PER_CHANGE * len(order.hashes), MAX_TREE_POSITIONS)
        self._hinted_range = range(order.membership_count, order.current_count)
        self._next_index = 0
        self._fetched_count = 1
        self._fetched_bytes = ASSUMED_BLOCK_BYTES

    @property
    def has_more(self) -> bool:
        return bool(self._hashes or self._blocks)

    def next_batch(self) -> Effects[Batch]:
        chosen: list[_Waiting] = []
        size = 0
        while self.has_more and len(chosen) < MAX_BATCH_BLOCKS:
            if not self._blocks:
                yield from self._fetch_blocks(self._batch_bytes - size)
            size += self._blocks[0].size
            if chosen and size > self._batch_bytes:
                break
            chosen.append(self._blocks.popleft())
        # A batch is committed as a whole, so the order inside is free: along the chains most can be left out. Only the
        # genesis and the chain of membership stay in front.
        chosen.sort(key=lambda one: (one.index > 0, one.index >= self._membership_count, one.block.place))
        hints = {number: one.obsolete for number, one in enumerate(chosen) if one.obsolete}
        blocks = [one.block for one in chosen]
        ranges = yield from self._ranges_below(self._packer.runs_without_past(blocks))
        yield from self._prove_positions(blocks)
        return Batch(self._packer.pack_batch(blocks, ranges), hints)

    def take_proofs(self) -> list[PositionProof]:
        """Take the proofs that go before the last batch."""
        proofs, self._proofs = self._proofs, []
        return proofs

    def _prove_positions(self, blocks: Sequence[HeldBlock]) -> Effects[None]:
        for wanted in self._plan.next_batch([block.header for block in blocks]):
            device, position = wanted.head.fields.device, wanted.head.fields.position
            tree = self._trees.get(device)
            if (tree is None or not tree.has(wanted.head)) and position < MAX_TREE_POSITIONS:
                tree = yield from self._chain_tree(wanted.head)
            proof = (yield RunInThread(partial(wanted.prove, tree.levels))) if tree else None
            if proof is not None:
                self._proofs.append(proof)

    def _chain_tree(self, header: SignedHeader) -> Effects[ChainTree]:
        """Make the tree over a device's chain that this change is part of."""
        ids = yield GetChainIds(header.id)
        tree = self._trees[header.fields.device] = ChainTree((yield RunInThread(partial(levels_of, ids))))
        return tree

    def _ranges_below(self, runs: Sequence[Run]) -> Effects[dict[bytes, Range]]:
        """Give the ranges below the first change of each of these runs.

        As far as they spare more than they cost.
        """
        found: dict[bytes, Range] = {}
        for run in runs:
            device, position = run.last.place
            tree = self._trees.get(device)
            if tree is None and position < self._worthwhile_positions:
                tree = yield from self._chain_tree(run.last.header)
            below = tree.range_below(run.first.header) if tree else None
            if below is not None and self._packer.is_worth(below, run):
                found[run.first.header.id] = below
        return found

    def _fetch_blocks(self, room: int) -> Effects[None]:
        """Read about as many blocks as fill the room, by the mean size so far."""
        number = max(1, min(MAX_FETCHED_BLOCKS, room * self._fetched_count // self._fetched_bytes, len(self._hashes)))
        hashes = [self._hashes.popleft() for _ in range(number)]
        blocks = yield GetBlocks(hashes)
        if len(blocks) != number:
            raise FieldlineError("The store lacks changes that it lists: run `fieldline verify --repair`.")
        # What is current goes first. What overtakes the other facts of these changes is history, and comes later.
        hinted = [change for place, change in enumerate(hashes, self._next_index) if place in self._hinted_range]
        hints = (yield GetObsoleteHints(hinted)) if hinted else {}
        self._blocks.extend(
            _Waiting(index, split_block(block), hints.get(change, ()))
            for index, (change, block) in enumerate(zip(hashes, blocks, strict=True), self._next_index)
        )
        self._next_index += number
        self._fetched_count += number
        self._fetched_bytes += sum(map(len, blocks))


class _Incoming:
    """What was announced, and what has come of it."""

    def __init__(
        self, admit_change: Callable[[bytes], bool], unpacker: BlockUnpacker, joining: bool, tally: Tally
    ) -> None:
        self._admit_change = admit_change
        self._fleet = unpacker.fleet
        self._unpacker = unpacker
        self._tally = tally
        self._offered_count: int | None = None
        self._membership_count = 0
        self._unproven: list[Block] | None = [] if joining else None
        self._beyond_count = 0
        self._obsolete_hints: dict[bytes, Sequence[int]] = {}
        self._proofs: list[PositionProof] = []
        self._proof_bytes = 0
        self.received_count = 0

    @property
    def has_more(self) -> bool:
        return self._offered_count is None or self.received_count < self._offered_count

    def receive_offer(self, message: Offer) -> None:
        if self._offered_count is not None:
            raise RemoteProtocolError(Reason.OUT_OF_TURN)
        self._offered_count, self._membership_count = message.count, message.membership_count
        before = self._tally.to_receive or 0
        self._tally.to_receive = before + message.count
        self._tally.nearby_count, self._tally.current_count = (
            before + message.nearby_count,
            before + message.current_count,
        )

    def receive_proof(self, message: PositionProof) -> None:
        if not self.has_more or self._offered_count is None:
            raise RemoteProtocolError(Reason.OUT_OF_TURN)
        # An id in memory takes about three times its bytes.
        self._proof_bytes += len(message.header) + 100 * len(message.changes) + len(message.proof)
        if self._proof_bytes > MAX_PROOF_BYTES:
            raise RemoteProtocolError(Reason.TOO_LARGE)
        self._proofs.append(message)

    def receive_batch(self, batch: Batch) -> Effects[None]:
        if self._offered_count is None:
            raise RemoteProtocolError(Reason.OUT_OF_TURN)
        self.received_count += len(batch.blocks)
        if self.received_count > self._offered_count:
            raise RemoteProtocolError(Reason.UNREQUESTED)
        restored = yield from self._restore(batch.blocks)
        blocks = [block for block in restored if block is not None]
        if not all(self._admit_change(block.id) for block in blocks):
            raise RemoteProtocolError(Reason.UNREQUESTED)
        hints = ((restored[number], facts) for number, facts in batch.obsolete_hints.items())
        self._obsolete_hints |= {block.id: facts for block, facts in hints if block is not None}
        if self._unproven is not None:
            self._unproven += blocks
            if self.received_count < self._membership_count:
                if sum(len(block.data) for block in self._unproven) > MAX_MEMBERSHIP_BYTES:
                    raise RemoteProtocolError(Reason.TOO_LARGE)
                return
            blocks = yield from self._check_membership(self._unproven)
        proven = yield from self._check_proofs()
        saved = yield SaveBlocks(blocks, self._obsolete_hints, proven)
        self._obsolete_hints = {}
        # Of devices that nobody admitted nothing is kept, nor of members beyond their limits, and for the rest the
        # session goes on; not so with a peer that has more of that than any honest device holds.
        refused = [reason for _, reason in saved.refused if not isinstance(reason, (AuthorUnknown, OverLimit))]
        beyond = [reason for _, reason in saved.refused if isinstance(reason, OverLimit)]
        self._beyond_count += len(beyond)
        if self._beyond_count > MAX_BEYOND_LIMITS:
            refused += beyond
        if refused:
            raise RemoteProtocolError(Reason.REFUSED, refused[0])
        self._tally.received += saved.added_count

    def _restore(self, entries: Sequence[bytes]) -> Effects[Sequence[Block | None]]:
        """Unpack blocks and check their signatures.

        None for one that leaves out what is not known here.
        """
        places = self._unpacker.missing_places(entries)
        if places:
            self._unpacker.add_held((yield GetTips(places)))
        restored: RestoredBatch = yield RunInThread(partial(self._unpacker.unpack_batch, entries))
        if isinstance(restored.error, BlockRefused):
            raise RemoteProtocolError(Reason.REFUSED, restored.error)
        if restored.error is not None:
            raise restored.error
        return restored.blocks

    def _check_proofs(self) -> Effects[Sequence[ProvenPast]]:
        """Check the proofs that came for what is saved now."""
        if not self._proofs:
            return ()
        found: list[ProvenPast] | MalformedMessage = yield RunInThread(partial(check_proofs, self._proofs, self._fleet))
        if isinstance(found, MalformedMessage):
            raise found
        self._proofs, self._proof_bytes = [], 0
        return found

    def _check_membership(self, blocks: list[Block]) -> Effects[list[Block]]:
        try:
            yield CheckMembership(blocks[: self._membership_count])
        except Refused as reason:
            raise RemoteProtocolError(Reason.NOT_A_MEMBER, reason) from None
        self._unproven = None
        return blocks

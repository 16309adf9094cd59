"""The exchange: both ways at once, each side sends what the other lacks, in batches.

- `Sending` first says how many changes will come. Then come the batches, membership first, then what is
  current, what is needed where the receiver is before the rest, then history (the order is the store's).
- The receiver checks that a batch is what it asked for, commits it, and only then says `Got`. A sender has at most
  `CREDIT` batches on the way, so that neither side keeps more than that in memory.
- A device that holds nothing yet knows nothing but the fleet's id. It takes the chain of membership first, which the
  sender puts in front, and keeps nothing before that chain has made the peer a member.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.changes import MAX_BLOCK, MAX_FACTS, change_id
from core.errors import FieldlineError, Refused
from core.sync.codec import MAX_BATCH
from core.sync.events import Reason, Violation
from core.sync.messages import Blocks, Got, Sending
from core.sync.packing import MAX_BLOCKS, Batch, Packer, Unpacker
from core.sync.replica import GetBlocks, GetOrder, GetOvertaken, Order, SaveBlocks, Vouch
from core.sync.steps import REPORT, WAITING, Steps, hear

CREDIT = 4
FETCH = 256
MAX_MEMBERSHIP = 16 * MAX_BATCH
USUAL_BLOCK = 512
OVERHEAD = 3
PLACE = 2
LARGEST_BATCH = MAX_BATCH - MAX_BLOCK - OVERHEAD - PLACE * (MAX_FACTS + 3)
"""Bytes of a batch before its last block: a size and a fact's place take so many, at most."""


@dataclass(slots=True)
class Tally:
    """How many changes were moved, and of how many, over all rounds of a session. None: not known yet."""

    sent: int = 0
    to_send: int | None = None
    received: int = 0
    to_receive: int | None = None
    near: int = 0
    current: int = 0


class Exchange:
    """This side of a session's exchange. The compressed streams go on through all rounds.

    `batch_bytes` is how much goes into a batch before compression: about a second of the link.
    """

    def __init__(self, batch_bytes: int, tally: Tally) -> None:
        self._batch_bytes = min(batch_bytes, LARGEST_BATCH)
        self._tally = tally
        self._packer = Packer()
        self._unpacker = Unpacker()

    def run(
        self, send: Sequence[bytes], expects: Callable[[bytes], bool], *, near: bytes, joining: bool
    ) -> Steps[tuple[int, int]]:
        """Send these changes and take what the peer sends; gives how many changes went there and came here.

        `near` is where the peer says it is.
        """
        order = yield GetOrder(send, near)
        outgoing = _Outgoing(order, self._batch_bytes)
        incoming = _Incoming(expects, joining, self._tally)
        self._tally.to_send = (self._tally.to_send or 0) + len(order.hashes)
        yield Sending(len(order.hashes), order.membership, order.near, order.current)
        on_the_way: deque[int] = deque()
        while outgoing.left or on_the_way or incoming.left:
            if outgoing.left and len(on_the_way) < CREDIT:
                batch = yield from outgoing.batch()
                on_the_way.append(len(batch.blocks))
                yield Blocks(self._packer.pack(batch.blocks, batch.overtaken))
                if not (yield WAITING):
                    continue
            message = yield from hear(Sending, Blocks, Got)
            if isinstance(message, Blocks):
                yield from incoming.take(self._unpacker.unpack(message.packed))
                yield Got()
            elif isinstance(message, Sending):
                incoming.announced(message)
            elif on_the_way:
                self._tally.sent += on_the_way.popleft()
            else:
                raise Violation(Reason.OUT_OF_TURN)
            yield REPORT
        return len(order.hashes), incoming.taken


class _Outgoing:
    """What is still to be sent, and how it is cut into batches."""

    def __init__(self, order: Order, batch_bytes: int) -> None:
        self._hashes = deque(order.hashes)
        self._batch_bytes = batch_bytes
        self._blocks: deque[tuple[bytes, Sequence[int]]] = deque()
        self._told = range(order.membership, order.current)
        self._taken = 0
        self._fetched = 1
        self._bytes = USUAL_BLOCK

    @property
    def left(self) -> bool:
        return bool(self._hashes or self._blocks)

    def batch(self) -> Steps[Batch]:
        blocks: list[bytes] = []
        overtaken: dict[int, Sequence[int]] = {}
        size = 0
        while self.left and len(blocks) < MAX_BLOCKS:
            if not self._blocks:
                yield from self._fetch(self._batch_bytes - size)
            block, facts = self._blocks[0]
            size += len(block) + OVERHEAD + (PLACE * (len(facts) + 2) if facts else 0)
            if blocks and size > self._batch_bytes:
                break
            self._blocks.popleft()
            if facts:
                overtaken[len(blocks)] = facts
            blocks.append(block)
        return Batch(blocks, overtaken)

    def _fetch(self, room: int) -> Steps[None]:
        """Read about as many blocks as fill the room, by the mean size so far."""
        number = max(1, min(FETCH, room * self._fetched // self._bytes, len(self._hashes)))
        hashes = [self._hashes.popleft() for _ in range(number)]
        blocks = yield GetBlocks(hashes)
        if len(blocks) != number:
            raise FieldlineError("The store lacks changes that it lists: run `fieldline verify`.")
        # What is current goes first. What overtakes the other facts of these changes is history, and comes later.
        told = [change for place, change in enumerate(hashes, self._taken) if place in self._told]
        overtaken = (yield GetOvertaken(told)) if told else {}
        self._blocks.extend((block, overtaken.get(change, ())) for change, block in zip(hashes, blocks, strict=True))
        self._taken += number
        self._fetched += number
        self._bytes += sum(map(len, blocks))


class _Incoming:
    """What was announced, and what has come of it."""

    def __init__(self, expects: Callable[[bytes], bool], joining: bool, tally: Tally) -> None:
        self._expects = expects
        self._tally = tally
        self._total: int | None = None
        self._chain = 0
        self._unproven: list[bytes] | None = [] if joining else None
        self._overtaken: dict[bytes, Sequence[int]] = {}
        self.taken = 0

    @property
    def left(self) -> bool:
        return self._total is None or self.taken < self._total

    def announced(self, message: Sending) -> None:
        if self._total is not None:
            raise Violation(Reason.OUT_OF_TURN)
        self._total, self._chain = message.count, message.membership
        before = self._tally.to_receive or 0
        self._tally.to_receive = before + message.count
        self._tally.near, self._tally.current = before + message.near, before + message.current

    def take(self, batch: Batch) -> Steps[None]:
        if self._total is None:
            raise Violation(Reason.OUT_OF_TURN)
        blocks, ids = batch.blocks, [change_id(block) for block in batch.blocks]
        self.taken += len(blocks)
        if self.taken > self._total or not all(map(self._expects, ids)):
            raise Violation(Reason.UNASKED)
        self._overtaken |= {ids[number]: facts for number, facts in batch.overtaken.items()}
        if self._unproven is not None:
            self._unproven += blocks
            if self.taken < self._chain:
                if sum(map(len, self._unproven)) > MAX_MEMBERSHIP:
                    raise Violation(Reason.TOO_LARGE)
                return
            blocks = yield from self._prove(self._unproven)
        saved = yield SaveBlocks(blocks, self._overtaken)
        self._overtaken = {}
        if saved.refused:
            raise Violation(Reason.REFUSED, saved.refused[0][1])
        self._tally.received += saved.saved

    def _prove(self, blocks: list[bytes]) -> Steps[list[bytes]]:
        try:
            yield Vouch(blocks[: self._chain])
        except Refused as reason:
            raise Violation(Reason.STRANGER, reason) from None
        self._unproven = None
        return blocks

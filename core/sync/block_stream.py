"""Pack the blocks of one direction of a session, and restore and check them.

The sender leaves out what the receiver can make from what it holds. What it holds follows from the reconciliation: all
that this side has and does not send. That can be wrong, though seldom (short ids collide, a peer errs, changes come in
meanwhile), and a receiver that cannot make what was left out must not fail, for the next session would fail alike. So
it passes over such a block in the first round of a session; the roots differ then, the block is found missing in the
next round, and from that round on nothing is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from core import header as headers
from core.changes import Block
from core.errors import BlockRefused
from core.hashes import leaf
from core.header import SignedHeader
from core.mountain_range import Levels, Range, range_at
from core.sync.codec import MalformedMessage
from core.sync.packed_header import LinksUnknown, Place, Sent, Trail, pack, read_place, unpack

PEAKS_REMEMBERED_BYTES = 1 << 19
"""Half of what compression looks back on."""


@dataclass(frozen=True, slots=True)
class HeldBlock:
    """A block as the store has it: its header, read, and the bytes of its body."""

    header: SignedHeader
    body: bytes

    @property
    def place(self) -> Place:
        return self.header.fields.device, self.header.fields.position

    @property
    def size(self) -> int:
        return len(self.header.data) + len(self.body)


def split_block(data: bytes) -> HeldBlock:
    """Read the header of an own block."""
    size = headers.header_size(data)
    return HeldBlock(headers.decode_header(data[:size]), data[size:])


@dataclass(frozen=True, slots=True)
class Run:
    """Changes of a device that follow each other in a batch.

    The first, the last, and how many.

    The receiver cannot make the `past` of the first.
    """

    first: HeldBlock
    last: HeldBlock
    count: int


@dataclass(slots=True)
class BlockPacker:
    """Packs what goes to the peer.

    `starts` are the changes to be sent whose chain the peer holds up to the one before, `unlinked` those that do not
    follow from their chain here; `ChainStarts` has them. With `leaves_out` False everything is sent as it is.
    """

    starts: AbstractSet[bytes]
    unlinked: AbstractSet[bytes]
    leaves_out: bool
    _sent: Sent = field(default_factory=Sent)
    _peaks: set[bytes] = field(default_factory=set)
    _bytes_with_peaks: int = 0

    def pack_batch(self, blocks: Sequence[HeldBlock], ranges: Mapping[bytes, Range]) -> list[bytes]:
        """Pack blocks in this order.

        `ranges` has the range below the first of runs, if its peaks are to be sent.
        """
        packed = [self._pack(block, ranges.get(block.header.id)) for block in blocks]
        self._bytes_with_peaks += sum(map(len, packed))
        if self._bytes_with_peaks > PEAKS_REMEMBERED_BYTES:
            self._peaks.clear()
            self._bytes_with_peaks = 0
        return packed

    def is_worth(self, below: Range, run: Run) -> bool:
        """Say whether peaks take less room than `past` with each change of a run.

        Notes them if so.

        Peaks that went over the stream not long ago cost next to nothing: compression finds them.
        """
        new = set(below.peaks) - self._peaks
        if len(new) > run.count:
            return False
        self._peaks |= new
        return True

    def runs_without_past(self, blocks: Sequence[HeldBlock]) -> list[Run]:
        """Give the runs in these blocks for which the receiver cannot make `past`."""
        runs: list[Run] = []
        for block in blocks if self.leaves_out else ():
            header, fields = block.header, block.header.fields
            if header.id in self.unlinked:
                continue
            if runs and fields.previous == runs[-1].last.header.id:
                runs[-1] = Run(runs[-1].first, block, runs[-1].count + 1)
            elif not (header.id in self.starts or self._sent.is_whole_before(header)):
                runs.append(Run(block, block, 1))
        return [run for run in runs if run.first.header.fields.position]

    def _pack(self, block: HeldBlock, below: Range | None) -> bytes:
        header, fields = block.header, block.header.fields
        if not self.leaves_out:
            return pack(header, block.body, Sent(), linked=False)
        if header.id in self.starts and fields.previous is not None:
            self._sent.add(fields.device, fields.position - 1, fields.previous, whole=True)
        return pack(header, block.body, self._sent, linked=header.id not in self.unlinked, below=below)


@dataclass(frozen=True, slots=True)
class ChainTree:
    """All nodes over the ids of a device's chain.

    The range below any of its changes can be taken from them.
    """

    levels: Levels

    def range_below(self, header: SignedHeader) -> Range | None:
        """Give the range below a change, None if it is not of this chain."""
        return range_at(self.levels, header.fields.position) if self.has(header) else None

    def has(self, header: SignedHeader) -> bool:
        """Whether a change is of this chain."""
        position, known = header.fields.position, self.levels[0]
        return position < len(known) and known[position] == leaf(header.id)


@dataclass(frozen=True, slots=True)
class RestoredBatch:
    """What came of a packed batch: for each entry its block.

    None where what was left out is not known here.
    """

    blocks: Sequence[Block | None] = ()
    error: BlockRefused | MalformedMessage | None = None
    """Why none of it may be used."""


@dataclass(slots=True)
class BlockUnpacker:
    """Restores what comes from the peer.

    `is_lenient`: a block that leaves out too much is passed over.
    """

    fleet: bytes
    is_lenient: bool
    _trail: Trail = field(default_factory=Trail)

    def missing_places(self, entries: Sequence[bytes]) -> list[Place]:
        """Give the places of changes that have to be looked up before these are unpacked.

        Raises MalformedMessage.
        """
        known: set[Place] = set()
        needed: list[Place] = []
        for place, needs_previous in map(read_place, entries):
            before = place[0], place[1] - 1
            if needs_previous and before not in known and not self._trail.before(*place):
                needed.append(before)
            known |= {before, place}
        return needed

    def add_held(self, held: Sequence[tuple[bytes, int, bytes, Range | None]]) -> None:
        """Note changes that are held here.

        Device, position, id, and the range up to each if it is known.
        """
        for device, position, change, upto in held:
            self._trail.add(device, position, change, upto)

    def unpack_batch(self, entries: Sequence[bytes]) -> RestoredBatch:
        """Restore blocks and check their signatures; never raises.

        First all are restored, then all are checked: that is faster by a tenth than by turns, since each keeps the
        CPU's caches. Where anything of that fails, one by one says what may be used.
        """
        trail = self._trail.copy()
        try:
            restored = [unpack(entry, trail, self.fleet, verify=_verify_later) for entry in entries]
            for block in restored:
                headers.verify(block.header, self.fleet)
        except (BlockRefused, MalformedMessage):
            return self._unpack_one_by_one(entries)
        self._trail = trail
        return RestoredBatch(restored)

    def _unpack_one_by_one(self, entries: Sequence[bytes]) -> RestoredBatch:
        blocks: list[Block | None] = []
        try:
            for entry in entries:
                try:
                    blocks.append(unpack(entry, self._trail, self.fleet))
                except LinksUnknown:
                    if not self.is_lenient:
                        raise
                    blocks.append(None)
        except (BlockRefused, MalformedMessage) as error:
            return RestoredBatch(error=error)
        return RestoredBatch(blocks)


def _verify_later(_header: SignedHeader, _fleet: bytes) -> None:
    pass

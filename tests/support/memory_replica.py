"""Stand-ins for the store in tests of sync.

Whole sets in memory, and two sessions that meet without any link.

Blocks are real ones: sessions restore them from what is left of them on the way, and check their signatures.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.body import Fact
from core.chain import Tip, advance, first_tip
from core.changes import Block, Change, change_id, sign_block
from core.errors import BlockRefused, FieldlineError, Refused
from core.hashes import digest
from core.header import SignedHeader, fleet_id
from core.mountain_range import range_of
from core.sync.block_stream import split_block
from core.sync.holdings import Holding
from core.sync.packed_header import Place
from core.sync.position_proofs import CutChain, ProvenPast
from core.sync.reconcile.merkle import EMPTY_FINGERPRINT, BranchNode, MerkleNode, insert_ids, prefix_bounds, read_node
from core.sync.reconcile.prefix_coding import ShortIdPrefix
from core.sync.reconcile.set_sketch import SetSketch, short_id, short_key
from core.sync.replica import ChainStarts, HeldAt, SketchedSet
from core.sync.session import MODES, Session

T = TypeVar("T")

PEER = bytes(range(16))
SECRET = b"the fleet's secret"


CHAIN_CHANGES = 1000
_TEXTS: dict[bytes, str] = {}
_HEADERS: dict[bytes, SignedHeader] = {}
_CHAINS: dict[tuple[int, int], list[Block]] = {}
_TIPS: dict[tuple[int, int], Tip] = {}


def _write(text: str, key: Ed25519PrivateKey, fleet: bytes | None, tip: Tip | None = None) -> Block:
    block = sign_block(Change(b"A" * 16, 5, None, (Fact(b"E" * 16, "p", text),)), key, fleet, b"S" * 16, tip)
    _TEXTS[block.id] = text
    return block


def _key(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(digest(name.encode()))


@cache
def block(text: str) -> bytes:
    """The first block of some device.

    One that says "genesis" or "member" first is part of the chain of membership.
    """
    return _write(text, _key(text), None if text.startswith("genesis") else FLEET).data


def some(start: int, number: int, size: int = 60) -> list[bytes]:
    """Different blocks, the same for the same numbers.

    A thousand at a time are a device's chain.
    """
    return [_numbered(index, size).data for index in range(start, start + number)]


def _numbered(index: int, size: int) -> Block:
    name = index // CHAIN_CHANGES, size
    made = _CHAINS.setdefault(name, [])
    while len(made) <= index % CHAIN_CHANGES:
        number = name[0] * CHAIN_CHANGES + len(made)
        made.append(_write(f"{number:>{size}}", _key(f"chain {name}"), FLEET, _TIPS.get(name)))
        tip = _TIPS.get(name)
        _TIPS[name] = advance(tip, made[-1].header) if tip else first_tip(made[-1].header)
    return made[index % CHAIN_CHANGES]


GENESIS = block("genesis of a fleet")
FLEET = fleet_id(change_id(GENESIS))


def forged(data: bytes) -> bytes:
    """The block with another signature, which does not hold."""
    header = split_block(data).header.data
    return header[:-1] + bytes([header[-1] ^ 1]) + data[len(header) :]


def header_of(data: bytes) -> SignedHeader:
    """The header of a block, read once."""
    change = change_id(data)
    if change not in _HEADERS:
        _HEADERS[change] = split_block(data).header
    return _HEADERS[change]


class MemoryTable:
    """A `NodeTable` in a dict, beside a sorted list of ids."""

    def __init__(self) -> None:
        self.branches: dict[str, BranchNode] = {}
        self.sorted_ids: list[bytes] = []

    def add(self, ids: Iterable[bytes]) -> None:
        self.sorted_ids = sorted([*self.sorted_ids, *ids])

    def read_branch(self, prefix: str) -> BranchNode | None:
        return self.branches.get(prefix)

    def read_ids(self, prefix: str) -> Sequence[bytes]:
        low, high = prefix_bounds(prefix)
        return self.sorted_ids[bisect_left(self.sorted_ids, low) : bisect_right(self.sorted_ids, high)]

    def write_branches(self, branches: Iterable[BranchNode]) -> None:
        self.branches.update((branch.prefix, branch) for branch in branches)


@dataclass(frozen=True)
class Summary:
    count: int
    root: bytes


@dataclass(frozen=True)
class Order:
    hashes: list[bytes]
    membership_count: int
    nearby_count: int
    current_count: int


@dataclass(frozen=True)
class Saved:
    added_count: int
    known_count: int
    refused: tuple[tuple[bytes, BlockRefused], ...] = ()


@dataclass
class MemoryReplica:
    """A `Replica` in memory.

    `saves` is how many blocks came in each call of `save_blocks`; `full` makes it fail. `twins` gives changes the short
    id of another one, as a member who knows the fleet's secret can make them. `forgets` makes it know of no chains.
    """

    held: dict[bytes, bytes] = field(default_factory=dict)
    table: MemoryTable = field(default_factory=MemoryTable)
    root: bytes = EMPTY_FINGERPRINT
    saves: list[int] = field(default_factory=list)
    full: bool = False
    twins: dict[bytes, bytes] = field(default_factory=dict)
    forgets: bool = False
    _places: dict[Place, list[bytes]] = field(default_factory=dict)
    _indexed: int = 0

    @classmethod
    def of(cls, blocks: Iterable[bytes]) -> MemoryReplica:
        replica = cls()
        replica.keep(blocks)
        return replica

    def keep(self, blocks: Iterable[bytes]) -> int:
        new = {change_id(data): data for data in blocks}
        new = {change: data for change, data in new.items() if change not in self.held}
        if new:
            self.held.update(new)
            self.table.add(new)
            self.root = insert_ids(self.table, new)
        return len(new)

    async def summary(self) -> Summary:
        return Summary(len(self.held), self.root)

    async def hashes(self) -> list[bytes]:
        return list(self.table.sorted_ids)

    async def merkle_nodes(self, prefixes: Sequence[str]) -> list[MerkleNode]:
        return [read_node(self.table, prefix) for prefix in prefixes]

    async def hashes_under(self, prefixes: Sequence[str]) -> list[Sequence[bytes]]:
        return [self.table.read_ids(prefix) for prefix in prefixes]

    async def order(self, hashes: Sequence[bytes], near: bytes) -> Order:
        def rank(change: bytes) -> int:
            text = _TEXTS[change]
            return 0 if text.startswith("genesis") else 1 if text.startswith("member") else 2

        ordered = sorted(hashes, key=rank)
        return Order(ordered, sum(rank(change) < 2 for change in ordered), 0, len(ordered))

    async def blocks(self, hashes: Sequence[bytes]) -> list[bytes]:
        return [self.held[change] for change in hashes]

    async def obsolete_hints(self, hashes: Sequence[bytes]) -> dict[bytes, list[int]]:
        return {}

    async def clear_obsolete_hints(self) -> None:
        return None

    async def note_equal_sets(self, root: bytes) -> list[Holding]:
        return []

    async def note_reported_holdings(self, reported: Sequence[Holding]) -> None:
        return None

    def _by_place(self) -> dict[Place, list[bytes]]:
        """What is held, by device and position."""
        for data in islice(self.held.values(), self._indexed, None):
            header = header_of(data)
            self._places.setdefault((header.fields.device, header.fields.position), []).append(header.id)
        self._indexed = len(self.held)
        return self._places

    async def chain_ids(self, change: bytes) -> list[bytes]:
        found = []
        while change in self.held:
            found.append(change)
            previous = header_of(self.held[change]).fields.previous
            if previous is None:
                return found[::-1]
            change = previous
        return []

    async def chain_starts(self, hashes: Sequence[bytes]) -> ChainStarts:
        places, linked = self._by_place(), set[bytes]()
        for header in sorted(map(header_of, self.held.values()), key=lambda each: each.fields.position):
            if header.fields.previous is None or header.fields.previous in linked:
                linked.add(header.id)
        fields = {change: header_of(self.held[change]).fields for change in hashes}
        lowest: dict[bytes, int] = {}
        for each in fields.values():
            lowest[each.device] = min(each.position, lowest.get(each.device, each.position))
        starts = {
            change
            for change, each in fields.items()
            if each.position == lowest[each.device]
            and each.position
            and change in linked
            and len(places[each.device, each.position]) == 1
        }
        return starts, set(hashes) - linked

    async def tips(self, places: Sequence[Place]) -> list[HeldAt]:
        found: list[HeldAt] = []
        held = {} if self.forgets else self._by_place()
        for device, position in places:
            follow = {header_of(self.held[change]).fields.previous for change in held.get((device, position + 1), ())}
            for change in held.get((device, position), ()):
                chain = await self.chain_ids(change)
                upto = range_of(chain) if chain and change not in follow else None
                found.append((device, position, change, upto))
        return found

    async def cut_chains(self, hashes: Sequence[bytes]) -> list[CutChain]:
        """All count alike."""
        return []

    async def save_blocks(
        self, blocks: Sequence[Block], overtaken: Mapping[bytes, Sequence[int]], proven: Sequence[ProvenPast] = ()
    ) -> Saved:
        if self.full:
            raise FieldlineError("The disk is full: nothing was saved. Free some space and try again.")
        self.saves.append(len(blocks))
        saved = self.keep(block.data for block in blocks)
        return Saved(saved, len(blocks) - saved)

    def short(self, change: bytes, salt: bytes) -> int:
        """The short id of a change; a twin has that of another one, unless there is salt."""
        return short_id(short_key(SECRET, salt), change if salt else self.twins.get(change, change))

    async def sketch(self, salt: bytes) -> SketchedSet:
        cells = SetSketch.from_short_ids(self.short(change, salt) for change in self.held) if self.held else None
        return SketchedSet(await self.summary(), cells, short_key(SECRET, salt))

    async def short_ids(self, prefixes: Sequence[ShortIdPrefix], salt: bytes) -> list[list[tuple[int, bytes]]]:
        every = sorted((self.short(change, salt), change) for change in self.held)
        return [
            every[bisect_left(every, (p.first_short_id,)) : bisect_left(every, (p.last_short_id + 1,))]
            for p in prefixes
        ]

    async def all_short_ids(self, salt: bytes) -> list[int]:
        return [self.short(change, salt) for change in self.held]

    async def run_in_thread(self, function: Callable[[], T]) -> T:
        return function()

    async def check_membership(self, blocks: Sequence[Block]) -> None:
        if not blocks or fleet_id(blocks[0].id) != FLEET:
            raise Refused("its first change is not the genesis of this fleet")
        if block("member " + PEER.hex()) not in [each.data for each in blocks]:
            raise Refused("no change makes it a member")


def now(awaitable: Awaitable[T]) -> T:
    """The result of something that does not really wait."""
    waiting = awaitable.__await__()
    try:
        next(waiting)
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError("it waits")


def serve(session: Session, replica: MemoryReplica) -> None:
    """Answer a session until it waits for its peer."""
    while session.request is not None:
        try:
            session.resolve(now(session.request.perform(replica)))
        except FieldlineError as error:
            session.reject(error)


def session(*, initiator: bool = False, batch_bytes: int = 1000, modes: Sequence[str] = tuple(MODES)) -> Session:
    return Session(FLEET, PEER, initiator=initiator, batch_bytes=batch_bytes, modes=tuple(modes))


@dataclass
class Wire:
    """One direction of a link.

    Passes bytes on in pieces of some size, up to a cut after some bytes.
    """

    piece: int = 1 << 20
    left: int = 1 << 62
    log: bytearray = field(default_factory=bytearray)

    def carry(self, sender: Session, receiver: Session) -> bool:
        """Whether anything was passed on, or the cut came."""
        data = sender.data_to_send()[: self.left]
        self.left -= len(data)
        self.log += data
        for start in range(0, len(data), self.piece):
            receiver.receive_data(data[start : start + self.piece])
        return bool(data)


def meet(
    a: MemoryReplica,
    b: MemoryReplica,
    *,
    there: Wire | None = None,
    back: Wire | None = None,
    batch_bytes: int = 1000,
    modes: Sequence[str] = tuple(MODES),
) -> tuple[Session, Session]:
    """Let two replicas meet, `a` calling, until both sessions are over."""
    one = session(initiator=True, batch_bytes=batch_bytes, modes=modes)
    other = session(batch_bytes=batch_bytes, modes=modes)
    there, back = there or Wire(), back or Wire()
    run(one, a, other, b, there, back)
    return one, other


def run(one: Session, a: MemoryReplica, other: Session, b: MemoryReplica, there: Wire, back: Wire) -> None:
    moving = True
    while moving:
        serve(one, a)
        moving = there.carry(one, other)
        serve(other, b)
        moving = back.carry(other, one) or moving
        moving = moving or one.request is not None
    one.receive_eof()
    other.receive_eof()
    serve(one, a)
    serve(other, b)
    assert one.outcome and other.outcome, "both sides wait for each other"

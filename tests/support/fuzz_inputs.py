"""What the fuzzer is made of.

What peers really said, ways to damage it, and sets that begin again cheaply.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from random import Random

from core.sync.block_stream import split_block
from core.sync.codec import FieldReader, encode_message, encode_varint
from core.sync.messages import Abort, Hello, PositionProof
from core.sync.reconcile.prefix_coding import ShortIdPrefix
from core.sync.reconcile.set_sketch import short_key
from core.sync.replica import SketchedSet
from core.sync.session import MODES, Session
from tests.support.memory_replica import (
    FLEET,
    GENESIS,
    PEER,
    SECRET,
    MemoryReplica,
    MemoryTable,
    Wire,
    block,
    run,
    some,
)

MEMBERS = [GENESIS, block("member " + PEER.hex())]
MAX_REQUESTS = 2000
"""More than any of the meetings needs by far: a session that asks its store more often does not come to an end."""


@dataclass
class Again(MemoryReplica):
    """A set that begins again as it was, with cells and index made once a state."""

    made: dict[bytes, SketchedSet] = field(default_factory=dict)
    listed: dict[bytes, list[tuple[int, bytes]]] = field(default_factory=dict)

    def begin_again(self, first: MemoryReplica) -> None:
        """Hold what `first` holds, if that is not so."""
        if self.root != first.root:
            self.held = dict(first.held)
            self.table = MemoryTable()
            self.table.branches = dict(first.table.branches)
            self.table.sorted_ids = list(first.table.sorted_ids)
            self.root = first.root
            self._places, self._indexed = {}, 0
            self.made.clear()
            self.listed.clear()
        self.saves.clear()

    async def sketch(self, salt: bytes) -> SketchedSet:
        if salt or salt not in self.made or self.made[salt].summary.root != self.root:
            self.made[salt] = await super().sketch(salt)
        return self.made[salt]

    async def short_ids(self, prefixes: Sequence[ShortIdPrefix], salt: bytes) -> list[list[tuple[int, bytes]]]:
        """Those of a kept index, while the set is the one that it was made of."""
        known = self.listed.get(salt)
        if known is None or len(known) != len(self.held):
            known = self.listed[salt] = [(self.short(change, salt), change) for change in self.held]
        return [
            [pair for pair in known if prefix.first_short_id <= pair[0] <= prefix.last_short_id] for prefix in prefixes
        ]


@dataclass
class Scene:
    """A meeting as it really went.

    What the victim holds, and what its peer said, frame by frame.
    """

    name: str
    first: MemoryReplica
    calls: bool
    modes: tuple[str, ...]
    frames: list[bytes]
    genuine: dict[bytes, bytes] = field(default_factory=dict)
    """All changes that one of the two sides had."""

    def session(self) -> Session:
        return Session(FLEET, PEER, initiator=self.calls, modes=self.modes, batch_bytes=1000)


@cache
def scenes() -> list[Scene]:
    """Meetings of each kind."""
    every, trees = tuple(MODES), ("merkle",)
    shared = [*MEMBERS, *some(0, 150)]
    found: list[Scene] = []
    for name, mine, theirs, modes in (
        ("equal", shared, shared, every),
        ("sums", [*shared, *some(1000, 2)], [*shared, *some(2000, 3)], every),
        ("cells", [*shared, *some(1000, 20)], [*shared, *some(2000, 22)], every),
        ("list", [*MEMBERS, *some(0, 12)], [*shared, *some(2000, 60)], every),
        ("listed", [*shared, *some(1000, 60)], [*MEMBERS, *some(0, 12)], every),
        ("trees", [*shared, *some(1000, 20)], [*shared, *some(2000, 22)], trees),
        ("few trees", [*MEMBERS, *some(0, 12)], shared, trees),
        ("joining", [], [*MEMBERS, *some(0, 30)], every),
        ("joined", [*MEMBERS, *some(0, 30)], [], every),
    ):
        for calls in (False, True):
            victim, peer = MemoryReplica.of(mine), MemoryReplica.of(theirs)
            genuine = victim.held | peer.held
            scene = Scene(name, MemoryReplica.of(mine), calls, modes, [], genuine)
            one = scene.session()
            other = Session(FLEET, PEER, initiator=not calls, modes=modes, batch_bytes=1000)
            wire = Wire()
            sides = (one, victim, other, peer, Wire(), wire) if calls else (other, peer, one, victim, wire, Wire())
            run(*sides)
            assert victim.held == peer.held == genuine
            scene.frames = split(bytes(wire.log))
            found.append(scene)
    return found


def split(stream: bytes) -> list[bytes]:
    """The frames of a stream."""
    frames, fields = [], FieldReader(stream)
    while fields.remaining_bytes:
        size = fields.read_varint(1 << 21)
        frames.append(encode_varint(size) + fields.read_bytes(size))
    return frames


def body(frame: bytes) -> bytes:
    """A frame without its size."""
    fields = FieldReader(frame)
    return fields.read_bytes(fields.read_varint(1 << 21))


@cache
def everything_real() -> dict[bytes, bytes]:
    """All changes of all meetings: nothing else may ever be kept."""
    return {change: data for scene in scenes() for change, data in scene.genuine.items()}


INTERESTING = (0, 1, 2, 7, 15, 16, 31, 63, 64, 127, 128, 129, 191, 200, 254, 255)


def _flip(data: bytearray, chance: Random) -> None:
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _set(data: bytearray, chance: Random) -> None:
    data[chance.randrange(len(data))] = chance.choice(INTERESTING)


def _cut(data: bytearray, chance: Random) -> None:
    del data[chance.randrange(len(data)) :]


def _lose(data: bytearray, chance: Random) -> None:
    at = chance.randrange(len(data))
    del data[at : at + chance.randrange(1, 20)]


def _insert(data: bytearray, chance: Random) -> None:
    at = chance.randrange(len(data) + 1)
    data[at:at] = chance.choice((chance.randbytes(chance.randrange(1, 12)), b"\xff" * 6, b"\0" * 9, b"\x80" * 5))


def _repeat(data: bytearray, chance: Random) -> None:
    at = chance.randrange(len(data))
    data[at:at] = data[at : at + chance.randrange(1, 40)]


def _swap(data: bytearray, chance: Random) -> None:
    one, other = chance.randrange(len(data)), chance.randrange(len(data))
    data[one], data[other] = data[other], data[one]


DAMAGES: tuple[Callable[[bytearray, Random], None], ...] = (
    _flip,
    _flip,
    _set,
    _set,
    _cut,
    _lose,
    _insert,
    _repeat,
    _swap,
)


def damaged(data: bytes, chance: Random) -> bytes:
    """Some bytes after one to four things have happened to them."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 4))):
        if out:
            chance.choice(DAMAGES)(out, chance)
    return bytes(out)


@cache
def all_frames() -> list[bytes]:
    """Each different frame of all meetings, and some that no good meeting has."""
    frames = {frame for scene in scenes() for frame in scene.frames}
    more = [encode_message(Abort(reason)) for reason in (1, 10, 12, 13, 14, 99)]
    more.append(encode_message(PositionProof(split_block(some(5, 1)[0]).header.data, ((1, b"i" * 32),), b"h" * 64)))
    more.append(encode_message(Hello(3, FLEET[:4], 1 << 27, b"r" * 16, bytes(17 * 8))))
    return sorted(frames) + more


def disturbed(frames: Sequence[bytes], chance: Random) -> list[bytes]:
    """What a peer says, with something else in it.

    Damaged bytes or frames, lost, repeated, exchanged, foreign ones.
    """
    out = list(frames)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        at = chance.randrange(len(out)) if out else 0
        what = chance.randrange(8)
        if not out or what == 0:
            out.insert(at, chance.choice(all_frames()))
        elif what <= 2:
            inside = damaged(body(out[at]), chance) or b"\0"
            out[at] = encode_varint(len(inside)) + inside
        elif what == 3:
            out[at] = damaged(out[at], chance)
            break  # what comes behind may be of other sizes now, and is read anyhow
        elif what == 4:
            del out[at]
        elif what == 5:
            out.insert(at, out[at])
        elif what == 6:
            other = chance.randrange(len(out))
            out[at], out[other] = out[other], out[at]
        else:
            out[at] = chance.choice(all_frames())
    return out


KEY = short_key(SECRET)

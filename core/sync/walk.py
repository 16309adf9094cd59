"""Mode `merkle`: both sides walk down their trees together, breadth first, and list what they have where they differ.

The sides take turns. A turn is a number of questions and answers and ends with `Over`:

- `IHaveFingerprints`: "this is what I have below this prefix". For each child that differs, the other side answers in
  its
  turn with its own fingerprints a level further down or, if it has few ids there, with `HereAreBlockHashes`.
- `HereAreBlockHashes`: "these are all my ids below this prefix". The other side answers with `IWant`, a bit for each
  id,
  and will send whatever it has there that was not listed.

Where one side says that a child is empty, the other sends all it has there, and nothing more is said about it. A side
that has at most half as many changes as the other opens with lists of all its ids: one round trip.

The walk ends with a turn that asks nothing after a turn that left nothing to ask. It is sure to end: a question must be
about a child of something that the peer was asked about, each child once, and a turn that asks nothing must not promise
more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import TypeVar

from core.sync.codec import MAX_BATCH, stem
from core.sync.events import Reason, Violation
from core.sync.merkle import EMPTY, FAN_OUT, HEX, Branch, Leaf, Node, nibble
from core.sync.messages import Fingerprints, Hashes, HereAreBlockHashes, IHaveFingerprints, IWant, Over
from core.sync.replica import GetHashes, GetTree, GetUnder, Summary
from core.sync.steps import Steps, hear

TURN = 4096
CHUNK = 256
LISTED = 64
MAX_WANTED = 1 << 19
MAX_LISTED = 8 * MAX_BATCH
"""The ids listed in one turn: `IWant` has a bit for each, in one message."""

ALL_ANSWERED = (1 << FAN_OUT) - 1

T = TypeVar("T")


class Walk:
    """One side of a walk; see `core.sync.steps.Reconciler`.

    `opens` says whether this side has the first turn. At most `MAX_WANTED` ids are asked for in one walk, so that lists
    without end cost no memory without end; the session's next round asks for the rest.
    """

    mode = "merkle"

    def __init__(self, mine: Summary, theirs: Summary, *, opens: bool) -> None:
        self._turns = 0
        self._mine = mine
        self._theirs = theirs
        self._opens = opens
        self._send: list[bytes] = []
        self._opening_heard = opens
        self._pending: dict[str, Leaf | None] = {}
        """Prefixes that the peer showed to differ, and where it has not been told yet what is here.

        A leaf that answers the peer's fingerprints is kept: it must be answered with a list even if it grows meanwhile.
        """
        self._open: dict[str, int] = {}
        """Prefixes of which the peer got fingerprints, and the children that it has answered, a bit each."""
        self._shown: list[bytes] = []
        """The ids listed in this side's last turn, in their order."""
        self._listed: dict[str, set[bytes]] = {}
        """Prefixes where the peer sends what is not in the set."""
        self._wanted: set[bytes] = set()
        self._sizes: set[int] = set()
        self._bits: list[bool] = []
        """The answer to the lists in the peer's last turn."""

    @property
    def round_trips(self) -> int:
        """A turn each way is one."""
        return (self._turns + 1) // 2

    def run(self) -> Steps[list[bytes] | None]:
        more = False
        if self._opens:
            yield from self._opening()
        while True:
            asked, their_more = yield from self._hear_turn()
            if not asked and not more:
                return self._send
            asks, more = yield from self._turn()
            if not asks and not their_more:
                return self._send

    def expects(self, change: bytes) -> bool:
        for size in self._sizes:
            if change[:size] in self._wanted:
                self._wanted.remove(change[:size])
                return True
        digits = change.hex()
        for depth in range(len(digits)):
            listed = self._listed.get(digits[:depth])
            if listed is not None:
                there, told = len(listed), stem(change, digits[:depth])
                listed.add(told)
                return len(listed) > there
        return False

    # --- this side's turns -------------------------------------------------------------------------------------------

    def _opening(self) -> Steps[None]:
        if 2 * self._mine.count > self._theirs.count or self._mine.count > MAX_LISTED:
            self._pending[""] = None
            yield from self._turn()
            return
        entries: list[tuple[str, Sequence[bytes]]] = list(_cover("", (yield GetHashes())))
        for some in _chunks(entries, CHUNK):
            yield self._hashes(some)
        self._turns += 1
        yield Over(more=False)

    def _turn(self) -> Steps[tuple[bool, bool]]:
        """Take a turn; whether it asks anything, and whether more is left to ask."""
        self._shown = []
        if self._bits:
            yield IWant(_packed(self._bits))
            self._bits = []
        now = sorted((self._pending.popitem() for _ in range(min(TURN, len(self._pending)))), key=itemgetter(0))
        for some in _chunks(now, CHUNK):
            nodes: list[Node] = [leaf for _, leaf in some if leaf]
            nodes += yield GetTree([prefix for prefix, leaf in some if not leaf])
            branches = [node for node in nodes if isinstance(node, Branch)]
            leaves = [(node.prefix, node.ids) for node in nodes if isinstance(node, Leaf)]
            if branches:
                yield self._fingerprints(branches)
            if leaves:
                yield self._hashes(leaves)
        self._turns += 1
        yield Over(more=bool(self._pending))
        return bool(now), bool(self._pending)

    def _fingerprints(self, branches: Sequence[Branch]) -> IHaveFingerprints:
        for branch in branches:
            self._open[branch.prefix] = 0
            for digit in range(FAN_OUT):
                if branch.child(digit) == EMPTY:
                    self._listed[branch.prefix + HEX[digit]] = set()
        return IHaveFingerprints(tuple(Fingerprints(branch.prefix, branch.children) for branch in branches))

    def _hashes(self, leaves: Sequence[tuple[str, Sequence[bytes]]]) -> HereAreBlockHashes:
        entries = []
        for prefix, ids in leaves:
            stems = tuple(stem(change, prefix) for change in ids)
            entries.append(Hashes(prefix, stems))
            self._listed[prefix] = set(stems)
            self._shown.extend(ids)
        return HereAreBlockHashes(tuple(entries))

    # --- the peer's turns --------------------------------------------------------------------------------------------

    def _hear_turn(self) -> Steps[tuple[bool, bool]]:
        """Hear a turn; whether it asked anything, and whether the peer has more to ask."""
        opening = None if self._opening_heard else _Opening(self._theirs.count)
        self._opening_heard = True
        asked, answered = False, not self._shown
        while True:
            message = yield from hear(IHaveFingerprints, HereAreBlockHashes, IWant, Over)
            if isinstance(message, IHaveFingerprints):
                asked = True
                for branch in message.entries:
                    self._admit(branch.prefix, opening)
                for branches in _chunks(message.entries, CHUNK):
                    yield from self._compare(branches)
            elif isinstance(message, HereAreBlockHashes):
                asked = True
                for listed in message.entries:
                    self._admit(listed.prefix, opening, is_list=True)
                for lists in _chunks(message.entries, CHUNK):
                    yield from self._match(lists)
            elif isinstance(message, IWant):
                if answered:
                    raise Violation(Reason.OUT_OF_TURN)
                self._send.extend(_picked(self._shown, message.bits))
                answered = True
            elif isinstance(message, Over):
                if not answered or (message.more and not asked):
                    raise Violation(Reason.OUT_OF_TURN)
                self._turns += 1
                return asked, message.more

    def _admit(self, prefix: str, opening: _Opening | None, *, is_list: bool = False) -> None:
        """Check that the peer may say something about this prefix, and that it is the only time."""
        if opening is not None:
            opening.admit(prefix, is_list)
        elif is_list and self._open.get(prefix) == 0:
            self._open[prefix] = ALL_ANSWERED
        else:
            parent, bit = prefix[:-1], 1 << HEX.index(prefix[-1]) if prefix else 0
            answered = self._open.get(parent, ALL_ANSWERED)
            if answered & bit or not bit:
                raise Violation(Reason.OUT_OF_TURN)
            self._open[parent] = answered | bit

    def _compare(self, theirs: Sequence[Fingerprints]) -> Steps[None]:
        nodes = yield GetTree([entry.prefix for entry in theirs])
        absent = []
        for entry, node in zip(theirs, nodes, strict=True):
            if isinstance(node, Leaf):
                self._pending[entry.prefix] = node
                continue
            peer = Branch(entry.prefix, 0, entry.children)
            for digit in range(FAN_OUT):
                if peer.child(digit) == node.child(digit):
                    continue
                if peer.child(digit) == EMPTY:
                    absent.append(entry.prefix + HEX[digit])
                else:
                    self._pending[entry.prefix + HEX[digit]] = None
        if absent:
            for ids in (yield GetUnder(absent)):
                self._send.extend(ids)

    def _match(self, lists: Sequence[Hashes]) -> Steps[None]:
        if len(self._bits) + sum(len(entry.stems) for entry in lists) > MAX_LISTED:
            raise Violation(Reason.TOO_LARGE)
        for entry, ids in zip(lists, (yield GetUnder([entry.prefix for entry in lists])), strict=True):
            listed, held = set(entry.stems), set()
            for change in ids:
                told = stem(change, entry.prefix)
                if told in listed:
                    held.add(told)
                else:
                    self._send.append(change)
            for told in entry.stems:
                wanted = told not in held and len(self._wanted) < MAX_WANTED
                self._bits.append(wanted)
                if wanted:
                    self._wanted.add(told)
                    self._sizes.add(len(told))


class _Opening:
    """The rules of the first turn: the root's fingerprints alone, or lists in order, none below another."""

    def __init__(self, count: int) -> None:
        self._most = 64 + 4 * count
        self._last: str | None = None

    def admit(self, prefix: str, is_list: bool) -> None:
        self._most -= 1
        first = self._last is None
        ordered = self._last is None or (prefix > self._last and not prefix.startswith(self._last))
        if self._most < 0 or not (ordered if is_list else first and prefix == ""):
            raise Violation(Reason.OUT_OF_TURN)
        self._last = prefix


def _cover(prefix: str, ids: Sequence[bytes]) -> Iterator[tuple[str, Sequence[bytes]]]:
    """Lists of all ids, with at most `LISTED` in each, by prefixes that leave none out; in ascending order."""
    if len(ids) <= LISTED:
        yield prefix, ids
        return
    groups: list[list[bytes]] = [[] for _ in range(FAN_OUT)]
    for change in ids:
        groups[nibble(change, len(prefix))].append(change)
    for digit, group in enumerate(groups):
        yield from _cover(prefix + HEX[digit], group)


def _chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _packed(bits: Sequence[bool]) -> bytes:
    number = int("".join("1" if bit else "0" for bit in bits).ljust((len(bits) + 7) // 8 * 8, "0"), 2)
    return number.to_bytes((len(bits) + 7) // 8, "big")


def _picked(ids: Sequence[bytes], bits: bytes) -> Iterator[bytes]:
    """The ids whose bits are set; raises Violation if there are not as many bits as ids."""
    flags = "".join(f"{byte:08b}" for byte in bits)
    if len(bits) != (len(ids) + 7) // 8 or "1" in flags[len(ids) :]:
        raise Violation(Reason.OUT_OF_TURN)
    return (change for change, flag in zip(ids, flags, strict=False) if flag == "1")

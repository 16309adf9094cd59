"""Mode `merkle`: both sides walk down their trees together.

Breadth first; they list what they have where they differ.

The sides take turns. A turn is a number of questions and replies and ends with `EndOfTurn`:

- `HaveFingerprints`: "this is what I have below this prefix". For each child that differs, the other side replies in
  its turn with its own fingerprints a level further down or, if it has few ids there, with `HaveIds`.
- `HaveIds`: "these are all my ids below this prefix". The other side replies with `Want`, a bit for each id, and will
  send whatever it has there that was not listed.

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

from core.sync.codec import MAX_BATCH_BYTES, truncate_id
from core.sync.effects import Effects, receive_message
from core.sync.events import Reason
from core.sync.messages import EndOfTurn, HaveFingerprints, HaveIds, PrefixFingerprints, PrefixIds, Want
from core.sync.protocol_errors import RemoteProtocolError
from core.sync.reconcile.merkle import (
    EMPTY_FINGERPRINT,
    FAN_OUT,
    HEX_DIGITS,
    BranchNode,
    LeafNode,
    MerkleNode,
    digit_at,
)
from core.sync.replica import GetHashes, GetHashesUnder, GetMerkleNodes, SetSummary

MAX_TURN_PREFIXES = 4096
"""A turn of fingerprints is then about a MiB."""
MAX_CHUNK_PREFIXES = 256
"""Read from the store, and sent in a frame, at once: some 66 kB of fingerprints."""
MAX_LIST_IDS = 64
"""A longer list is cut by its next digit: shorter prefixes leave out fewer bytes of each id."""
MAX_WANTED_IDS = 1 << 19
"""Some tens of MB of stems in memory."""
MAX_TURN_IDS = 8 * MAX_BATCH_BYTES
"""The ids listed in one turn: `Want` has a bit for each, in one message."""

ALL_ANSWERED = (1 << FAN_OUT) - 1

T = TypeVar("T")


class MerkleReconciler:
    """One side of a walk; see `core.sync.effects.Reconciler`.

    `is_opener` is True on the side that has the first turn. At most `MAX_WANTED_IDS` are asked for in one walk, so that
    endless lists take no endless memory; the session's next round asks for the rest.
    """

    mode = "merkle"

    def __init__(self, mine: SetSummary, theirs: SetSummary, *, is_opener: bool) -> None:
        self._turn_count = 0
        self._mine = mine
        self._theirs = theirs
        self._is_opener = is_opener
        self._ids_to_send: list[bytes] = []
        self._opening_received = is_opener
        self._pending_prefixes: dict[str, LeafNode | None] = {}
        """Prefixes that the peer showed to differ, and where nothing was sent yet of what is here.

        A leaf that replies to the peer's fingerprints is kept: the reply must be a list even if it grows meanwhile.
        """
        self._open_prefixes: dict[str, int] = {}
        """Prefixes of which the peer got fingerprints, and the children that it has answered, a bit each."""
        self._listed_ids: list[bytes] = []
        """The ids listed in this side's last turn, in their order."""
        self._listed_stems: dict[str, set[bytes]] = {}
        """Prefixes where the peer sends what is not in the set."""
        self._wanted_stems: set[bytes] = set()
        self._wanted_sizes: set[int] = set()
        self._reply_bits: list[bool] = []
        """The reply to the lists in the peer's last turn."""

    @property
    def round_trips(self) -> int:
        """A turn each way is one."""
        return (self._turn_count + 1) // 2

    def run(self) -> Effects[list[bytes] | None]:
        more = False
        if self._is_opener:
            yield from self._send_opening()
        while True:
            asked, their_more = yield from self._receive_turn()
            if not asked and not more:
                return self._ids_to_send
            asks, more = yield from self._take_turn()
            if not asks and not their_more:
                return self._ids_to_send

    def admit_change(self, change: bytes) -> bool:
        for size in self._wanted_sizes:
            if change[:size] in self._wanted_stems:
                self._wanted_stems.remove(change[:size])
                return True
        digits = change.hex()
        for depth in range(len(digits)):
            listed = self._listed_stems.get(digits[:depth])
            if listed is not None:
                before, stem = len(listed), truncate_id(change, digits[:depth])
                listed.add(stem)
                return len(listed) > before
        return False

    # --- this side's turns -------------------------------------------------------------------------------------------

    def _send_opening(self) -> Effects[None]:
        if 2 * self._mine.count > self._theirs.count or self._mine.count > MAX_TURN_IDS:
            self._pending_prefixes[""] = None
            yield from self._take_turn()
            return
        entries: list[tuple[str, Sequence[bytes]]] = list(_cut_into_lists("", (yield GetHashes())))
        for some in _chunks(entries, MAX_CHUNK_PREFIXES):
            yield self._make_id_lists(some)
        self._turn_count += 1
        yield EndOfTurn(has_more=False)

    def _take_turn(self) -> Effects[tuple[bool, bool]]:
        """Take a turn; give whether it asked anything, and whether more is left to ask."""
        self._listed_ids = []
        if self._reply_bits:
            yield Want(_pack_bits(self._reply_bits))
            self._reply_bits = []
        now = sorted(
            (self._pending_prefixes.popitem() for _ in range(min(MAX_TURN_PREFIXES, len(self._pending_prefixes)))),
            key=itemgetter(0),
        )
        for some in _chunks(now, MAX_CHUNK_PREFIXES):
            nodes: list[MerkleNode] = [leaf for _, leaf in some if leaf]
            nodes += yield GetMerkleNodes([prefix for prefix, leaf in some if not leaf])
            branches = [node for node in nodes if isinstance(node, BranchNode)]
            leaves = [(node.prefix, node.ids) for node in nodes if isinstance(node, LeafNode)]
            if branches:
                yield self._make_fingerprints(branches)
            if leaves:
                yield self._make_id_lists(leaves)
        self._turn_count += 1
        yield EndOfTurn(has_more=bool(self._pending_prefixes))
        return bool(now), bool(self._pending_prefixes)

    def _make_fingerprints(self, branches: Sequence[BranchNode]) -> HaveFingerprints:
        for branch in branches:
            self._open_prefixes[branch.prefix] = 0
            for digit in range(FAN_OUT):
                if branch.child(digit) == EMPTY_FINGERPRINT:
                    self._listed_stems[branch.prefix + HEX_DIGITS[digit]] = set()
        return HaveFingerprints(tuple(PrefixFingerprints(branch.prefix, branch.children) for branch in branches))

    def _make_id_lists(self, leaves: Sequence[tuple[str, Sequence[bytes]]]) -> HaveIds:
        entries = []
        for prefix, ids in leaves:
            stems = tuple(truncate_id(change, prefix) for change in ids)
            entries.append(PrefixIds(prefix, stems))
            self._listed_stems[prefix] = set(stems)
            self._listed_ids.extend(ids)
        return HaveIds(tuple(entries))

    # --- the peer's turns --------------------------------------------------------------------------------------------

    def _receive_turn(self) -> Effects[tuple[bool, bool]]:
        """Receive a turn; give whether it asked anything, and whether more is to come."""
        opening = None if self._opening_received else _OpeningRules(self._theirs.count)
        self._opening_received = True
        asked, answered = False, not self._listed_ids
        while True:
            message = yield from receive_message(HaveFingerprints, HaveIds, Want, EndOfTurn)
            if isinstance(message, HaveFingerprints):
                asked = True
                for branch in message.entries:
                    self._check_prefix(branch.prefix, opening)
                for branches in _chunks(message.entries, MAX_CHUNK_PREFIXES):
                    yield from self._compare_fingerprints(branches)
            elif isinstance(message, HaveIds):
                asked = True
                for listed in message.entries:
                    self._check_prefix(listed.prefix, opening, is_list=True)
                for lists in _chunks(message.entries, MAX_CHUNK_PREFIXES):
                    yield from self._compare_ids(lists)
            elif isinstance(message, Want):
                if answered:
                    raise RemoteProtocolError(Reason.OUT_OF_TURN)
                self._ids_to_send.extend(_select_ids(self._listed_ids, message.bits))
                answered = True
            elif isinstance(message, EndOfTurn):
                if not answered or (message.has_more and not asked):
                    raise RemoteProtocolError(Reason.OUT_OF_TURN)
                self._turn_count += 1
                return asked, message.has_more

    def _check_prefix(self, prefix: str, opening: _OpeningRules | None, *, is_list: bool = False) -> None:
        """Check that the peer may send something about this prefix, for the first time."""
        if opening is not None:
            opening.check_prefix(prefix, is_list)
        elif is_list and self._open_prefixes.get(prefix) == 0:
            self._open_prefixes[prefix] = ALL_ANSWERED
        else:
            parent, bit = prefix[:-1], 1 << HEX_DIGITS.index(prefix[-1]) if prefix else 0
            answered = self._open_prefixes.get(parent, ALL_ANSWERED)
            if answered & bit or not bit:
                raise RemoteProtocolError(Reason.OUT_OF_TURN)
            self._open_prefixes[parent] = answered | bit

    def _compare_fingerprints(self, theirs: Sequence[PrefixFingerprints]) -> Effects[None]:
        nodes = yield GetMerkleNodes([entry.prefix for entry in theirs])
        absent = []
        for entry, node in zip(theirs, nodes, strict=True):
            if isinstance(node, LeafNode):
                self._pending_prefixes[entry.prefix] = node
                continue
            peer = BranchNode(entry.prefix, 0, entry.children)
            for digit in range(FAN_OUT):
                if peer.child(digit) == node.child(digit):
                    continue
                if peer.child(digit) == EMPTY_FINGERPRINT:
                    absent.append(entry.prefix + HEX_DIGITS[digit])
                else:
                    self._pending_prefixes[entry.prefix + HEX_DIGITS[digit]] = None
        if absent:
            for ids in (yield GetHashesUnder(absent)):
                self._ids_to_send.extend(ids)

    def _compare_ids(self, lists: Sequence[PrefixIds]) -> Effects[None]:
        if len(self._reply_bits) + sum(len(entry.stems) for entry in lists) > MAX_TURN_IDS:
            raise RemoteProtocolError(Reason.TOO_LARGE)
        for entry, ids in zip(lists, (yield GetHashesUnder([entry.prefix for entry in lists])), strict=True):
            listed, held = set(entry.stems), set()
            for change in ids:
                stem = truncate_id(change, entry.prefix)
                if stem in listed:
                    held.add(stem)
                else:
                    self._ids_to_send.append(change)
            for stem in entry.stems:
                wanted = stem not in held and len(self._wanted_stems) < MAX_WANTED_IDS
                self._reply_bits.append(wanted)
                if wanted:
                    self._wanted_stems.add(stem)
                    self._wanted_sizes.add(len(stem))


class _OpeningRules:
    """The rules of the first turn.

    The root's fingerprints alone, or disjoint lists in order.
    """

    def __init__(self, count: int) -> None:
        self._entries_left = 64 + 4 * count
        self._last_prefix: str | None = None

    def check_prefix(self, prefix: str, is_list: bool) -> None:
        self._entries_left -= 1
        first = self._last_prefix is None
        ordered = self._last_prefix is None or (prefix > self._last_prefix and not prefix.startswith(self._last_prefix))
        if self._entries_left < 0 or not (ordered if is_list else first and prefix == ""):
            raise RemoteProtocolError(Reason.OUT_OF_TURN)
        self._last_prefix = prefix


def _cut_into_lists(prefix: str, ids: Sequence[bytes]) -> Iterator[tuple[str, Sequence[bytes]]]:
    """Cut all ids into lists of at most `MAX_LIST_IDS`, by ascending prefixes."""
    if len(ids) <= MAX_LIST_IDS:
        yield prefix, ids
        return
    groups: list[list[bytes]] = [[] for _ in range(FAN_OUT)]
    for change in ids:
        groups[digit_at(change, len(prefix))].append(change)
    for digit, group in enumerate(groups):
        yield from _cut_into_lists(prefix + HEX_DIGITS[digit], group)


def _chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _pack_bits(bits: Sequence[bool]) -> bytes:
    number = int("".join("1" if bit else "0" for bit in bits).ljust((len(bits) + 7) // 8 * 8, "0"), 2)
    return number.to_bytes((len(bits) + 7) // 8, "big")


def _select_ids(ids: Sequence[bytes], bits: bytes) -> Iterator[bytes]:
    """Select the ids whose bits are set.

    Raises RemoteProtocolError for a wrong number of bits.
    """
    flags = "".join(f"{byte:08b}" for byte in bits)
    if len(bits) != (len(ids) + 7) // 8 or "1" in flags[len(ids) :]:
        raise RemoteProtocolError(Reason.OUT_OF_TURN)
    return (change for change, flag in zip(ids, flags, strict=False) if flag == "1")

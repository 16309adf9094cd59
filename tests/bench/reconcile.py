"""Reconciliation of two sets of ids.

Bytes, turns and CPU time of both modes, beside figures of others.

First in memory, then by whole sessions on stores (`_wholepath.py`).

Two sets that share almost all of N random ids, and differ in d of them, half on each side. Bytes are all that goes over
the link (inside TLS) in both directions until both sides know what to send: frames, hellos and requests included, the
changes themselves not. Turns are pairs of request and response after the hellos. CPU time is that of a side from the
cells or the tree as the store keeps them on. Every run is checked: both sides must hold the same ids at the end.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from bisect import bisect_left, bisect_right, insort
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from core.sync import codec
from core.sync.effects import HAS_INPUT, RECEIVE, Signal
from core.sync.frames import FrameReader
from core.sync.messages import Hello, Message
from core.sync.reconcile.merkle import BranchNode, MerkleNode, build_tree, insert_ids, prefix_bounds, read_node
from core.sync.reconcile.merkle_reconciler import MerkleReconciler
from core.sync.reconcile.set_sketch import SetSketch, short_id, short_key
from tests.bench import _drawer, _wholepath
from tests.support.memory_replica import now
from tests.support.session_sides import Side, run_sketch

SIZES = (10_000, 100_000, 1_000_000)
DIFFERENCES = (0, 1, 10, 100, 1000)
SEEDS = 20
TARGETS = {0: 60, 1: 160, 10: 320, 100: 1800, 1000: 16_000}
KEY = short_key(b"the secret of a fleet")

# Measured before, with the peers' own programs and with prototypes, not by this program. Mean bytes for d = 0, 1, 10,
# 100, 1000; hellos and requests are counted in some of them only, never to their disadvantage.
OTHERS: dict[int, list[tuple[str, tuple[float | None, ...]]]] = {
    10_000: [("negentropy C++, hash order", (336, 1064, 7073, 43_322, 169_930))],
    100_000: [
        ("negentropy C++, hash order", (343, 1826, 14_573, 114_840, 793_997)),
        ("negentropy C++, by time, all differences newest", (338, 1739, 1771, 3317, 17_714)),
    ],
    1_000_000: [
        ("negentropy C++, hash order", (352, 2442, 20_146, 171_971, 1_403_453)),
        ("negentropy C++, by time, all differences newest", (352, 2363, 2331, 5241, 34_528)),
        ("rateless IBLT, Go, 32-byte ids, no requests", (43, 43, 688, 6295, 57_367)),
        ("minisketch, 64-bit ids, d known, no requests", (None, 16, 80, 800, 8000)),
        ("prototype: rateless IBLT streamed, 8-byte cells", (21, 96, 215, 1465, 13_581)),
        ("prototype: estimate, then IBLT at once", (69, 144, 334, 1928, 17_820)),
        ("prototype: Merkle tree, 8-byte ids", (13, 637, 4856, 38_033, 266_740)),
        ("bound: which of N, both ways", (None, 2.5, 23, 196, 1550)),
    ],
}


@dataclass
class Result:
    """One run: bytes both ways, turns, CPU seconds of the calling and the called side."""

    size: int
    turns: int
    calling: float
    called: float


@dataclass
class Set:
    """What a Merkle walk reads, in memory: a shared tree and a few ids more."""

    shared: dict[str, BranchNode]
    shared_ids: Sequence[bytes]
    root: bytes

    def __post_init__(self) -> None:
        self.branches: dict[str, BranchNode] = {}
        self.more: list[bytes] = []

    @property
    def count(self) -> int:
        return len(self.shared_ids) + len(self.more)

    def add(self, new: Iterable[bytes]) -> None:
        new = list(new)
        for change in new:
            insort(self.more, change)
        if new:
            self.root = insert_ids(self, new)

    def read_branch(self, prefix: str) -> BranchNode | None:
        return self.branches.get(prefix) or self.shared.get(prefix)

    def read_ids(self, prefix: str) -> list[bytes]:
        low, high = prefix_bounds(prefix)
        return sorted(
            change
            for ids in (self.shared_ids, self.more)
            for change in ids[bisect_left(ids, low) : bisect_right(ids, high)]
        )

    def write_branches(self, branches: Iterable[BranchNode]) -> None:
        self.branches.update((branch.prefix, branch) for branch in branches)

    async def summary(self) -> Set:
        return self

    async def hashes(self) -> list[bytes]:
        return self.read_ids("")

    async def merkle_nodes(self, prefixes: Sequence[str]) -> list[MerkleNode]:
        return [read_node(self, prefix) for prefix in prefixes]

    async def hashes_under(self, prefixes: Sequence[str]) -> list[list[bytes]]:
        return [self.read_ids(prefix) for prefix in prefixes]


class Universe:
    """N ids as two sides share them, with cells and tree."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.random = random.Random(number)
        begun = time.process_time()
        self.ids = sorted(self.random.randbytes(32) for _ in range(number))
        made = time.process_time()
        shorts = [short_id(KEY, change) for change in self.ids]
        hashed = time.process_time()
        blob = SetSketch.from_short_ids(shorts).to_bytes()
        folded = time.process_time()
        self.root, branches = build_tree(self.ids)
        built = time.process_time()
        self.branches = {branch.prefix: branch for branch in branches}
        self.side = Side(KEY, self.ids)
        self.empty = Side(KEY)
        new = [short_id(KEY, self.random.randbytes(32)) for _ in range(10)]
        start = []
        for _ in range(5):
            begun_start = time.process_time()
            cells = SetSketch.from_bytes(blob)
            cells.add_short_ids(new)
            cells.to_bytes()
            start.append(time.process_time() - begun_start)
        print(
            f"\nN = {number:,}. A sync's start: {statistics.median(start) * 1e3:.1f} ms (cells read, 10 new changes"
            f" folded in, {len(blob):,} bytes written)."
            f" From nothing: short ids {hashed - made:.1f} s, cells {folded - hashed:.1f} s,"
            f" Merkle tree {built - folded:.1f} s; random ids {made - begun:.1f} s."
        )

    def fresh(self, number: int) -> list[bytes]:
        return [self.random.randbytes(32) for _ in range(number)]


def hello_bytes(one: int, other: int, root: bytes) -> int:
    return sum(len(codec.encode_message(Hello(3, bytes(codec.FLEET_TAG_BYTES), count, root))) for count in (one, other))


def framed(message: bytes) -> int:
    """A message of the sketch in a frame: size and type before it."""
    return len(codec.encode_varint(len(message) + 1)) + 1 + len(message)


def sketch_run(universe: Universe, ours: list[bytes], theirs: list[bytes], *, alone: bool = False) -> Result:
    base = None if alone else universe.side
    calling, called = Side(KEY, ours, base), Side(KEY, theirs, universe.side)
    for side in (calling, called):
        side.cells = SetSketch.from_bytes(side.cells.to_bytes())
    run = run_sketch(calling, called, clock=time.process_time, exchange=not alone)
    if alone:
        assert len(run.sent_back) == universe.number
    else:
        assert run.failure is None and calling.changes == called.changes
    size = hello_bytes(calling.cells.count, called.cells.count, universe.root)
    return Result(size + sum(map(framed, run.there + run.back)), run.turns, *run.spent)


def merkle_run(universe: Universe, ours: list[bytes], theirs: list[bytes], *, alone: bool = False) -> Result:
    calling = Set({}, [], build_tree(())[0]) if alone else Set(universe.branches, universe.ids, universe.root)
    called = Set(universe.branches, universe.ids, universe.root)
    calling.add(ours)
    called.add(theirs)
    result, sent = walk(calling, called)
    if alone:
        assert len(sent[1]) == universe.number
    else:
        calling.add(set(sent[1]) - set(calling.more))
        called.add(set(sent[0]) - set(called.more))
        assert calling.root == called.root
    return result


def walk(calling: Set, called: Set) -> tuple[Result, list[list[bytes]]]:
    """Let two walks meet; what each side sends in the end."""
    sets = [calling, called]
    steps: list[Any] = [
        MerkleReconciler(calling, called, is_opener=True).run(),
        MerkleReconciler(called, calling, is_opener=False).run(),
    ]
    inboxes: list[deque[Message]] = [deque(), deque()]
    sent: list[list[bytes]] = [[], []]
    over, spent = [False, False], [0.0, 0.0]
    size = hello_bytes(calling.count, called.count, calling.root)
    answer: list[Any] = [None, None]
    turns = 0

    def go(who: int) -> bool:
        """Run one side as far as it gets; whether it said anything."""
        nonlocal size
        spoke, hearing = False, answer[who] is RECEIVE
        begun = time.process_time()
        while not over[who]:
            if hearing:
                if not inboxes[who]:
                    answer[who] = RECEIVE
                    break
                answer[who], hearing = inboxes[who].popleft(), False
            try:
                step = steps[who].send(answer[who])
            except StopIteration as end:
                sent[who], over[who] = end.value, True
                break
            answer[who] = None
            if step is RECEIVE:
                hearing = True
            elif step is HAS_INPUT:
                answer[who] = bool(inboxes[who])
            elif isinstance(step, Message):
                size += len(codec.encode_message(step))
                inboxes[1 - who].append(step)
                spoke = True
            elif not isinstance(step, Signal):
                answer[who] = now(step.of(sets[who]))
        spent[who] += time.process_time() - begun
        return spoke

    while not all(over):
        turns += go(0)
        go(1)
    return Result(size, turns, *spent), sent


def equal_run(universe: Universe) -> Result:
    """Two equal sets: each side makes its hello and reads and compares the other's."""
    spent = []
    for _ in range(2):
        begun = time.process_time()
        frame = codec.encode_message(Hello(3, bytes(codec.FLEET_TAG_BYTES), universe.number, universe.root))
        frames = FrameReader()
        frames.feed(frame)
        frames.next_message()
        spent.append(time.process_time() - begun)
    return Result(hello_bytes(universe.number, universe.number, universe.root), 0, *spent)


def means(results: list[Result]) -> str:
    sizes = [result.size for result in results]
    turns = statistics.mean(result.turns for result in results)
    cpu = [statistics.mean(times) * 1e3 for times in zip(*((r.calling, r.called) for r in results), strict=True)]
    return f"{statistics.mean(sizes):>11,.0f} {max(sizes):>11,} {turns:>6.2f} {cpu[0]:>9.1f} {cpu[1]:>9.1f}"


def run() -> None:
    """Print the figures."""
    print(f"reconciliation: means of {SEEDS} runs; bytes both ways inside TLS, hellos and requests included")
    small: dict[tuple[str, int], float] = {}
    ratios = []
    for number in SIZES:
        universe = Universe(number)
        gc.collect()
        gc.freeze()
        print(f"  {'':>10}{'d':>8} {'mean bytes':>11} {'most bytes':>11} {'turns':>6} {'CPU ms':>9} {'peer ms':>9}")
        for mode, make in (("sketch", sketch_run), ("merkle", merkle_run)):
            for size in DIFFERENCES:
                results = runs(universe, make, size)
                beside = f"  target {TARGETS[size]:,}" if mode == "sketch" and number == max(SIZES) else ""
                print(f"  {mode:<10}{size:>8,} {means(results)}{beside}")
                slower = statistics.median(max(result.calling, result.called) for result in results)
                small.setdefault((mode, size), slower)
                if number == max(SIZES) and size == 10:
                    ratios.append(f"{mode} d={size}: x{slower / small[mode, size]:.2f}")
            print(f"  {mode:<10}{'empty':>8} {means([make(universe, [], [], alone=True)])}")
        for name, figures in OTHERS[number]:
            listed = ", ".join("-" if figure is None else f"{figure:,}" for figure in figures)
            print(f"  measured earlier, {name}: {listed}")
        gc.unfreeze()
    print(f"CPU time at N = {max(SIZES):,} against N = {min(SIZES):,}: {', '.join(ratios)} (budget x2)")
    _wholepath.run()
    _drawer.run()


def runs(universe: Universe, make: Callable[..., Result], size: int) -> list[Result]:
    """The runs for one size of the difference."""
    if not size:
        return [equal_run(universe) for _ in range(SEEDS)]
    results = []
    for seed in range(SEEDS):
        new = universe.fresh(size)
        cut = (size + seed % 2) // 2
        results.append(make(universe, new[:cut], new[cut:]))
    return results


if __name__ == "__main__":
    run()

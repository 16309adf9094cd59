"""Whole sets in memory, and runs of the sketch protocol without a link."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from core.sync.reconcile.prefix_coding import ShortIdPrefix
from core.sync.reconcile.set_difference import TransferPlan
from core.sync.reconcile.set_sketch import SetSketch, short_id
from core.sync.reconcile.sketch_actions import (
    DifferenceFound,
    PeerWants,
    ScanShortIds,
    SendMessages,
    SketchAction,
    SketchFailed,
)
from core.sync.reconcile.sketch_messages import MAX_PART_BYTES, encode_wants
from core.sync.reconcile.sketch_protocol import SketchProtocol


class Side:
    """A set of change ids with an index of their short ids, and its cells.

    Optionally on top of another, shared one.
    """

    def __init__(self, key: bytes, changes: Iterable[bytes] = (), base: Side | None = None) -> None:
        self.key = key
        self._base = base
        self.cells: SetSketch = SetSketch.from_bytes(base.cells.to_bytes()) if base else SetSketch()
        self.changes: set[bytes] = set()
        self._index: list[tuple[int, bytes]] = []
        self.add(changes)

    def add(self, changes: Iterable[bytes]) -> None:
        """Add those changes that are not here yet."""
        new = {change for change in changes if change not in self}
        index = [(short_id(self.key, change), change) for change in new]
        self.cells.add_short_ids(short for short, _ in index)
        self.changes |= new
        self._index = sorted([*self._index, *index])

    def __contains__(self, change: bytes) -> bool:
        return change in self.changes or (self._base is not None and change in self._base)

    def shorts(self) -> list[int]:
        """All short ids."""
        return [short for short, _ in self._index] + (self._base.shorts() if self._base else [])

    def find(self, prefix: ShortIdPrefix) -> list[tuple[int, bytes]]:
        """The short ids and change ids that begin with a prefix."""
        first, end = (bisect_left(self._index, (short,)) for short in (prefix.first_short_id, prefix.last_short_id + 1))
        return self._index[first:end] + (self._base.find(prefix) if self._base else [])

    def finish(self, sketch: SketchProtocol, step: SketchAction) -> tuple[SketchAction, TransferPlan | None]:
        """Do what a step asks for without the peer."""
        while isinstance(step, ScanShortIds):
            step = sketch.resume_scan(self.shorts())
        if not isinstance(step, DifferenceFound):
            return step, None
        exchange = step.difference.plan_transfer([self.find(prefix) for prefix in step.difference.lookup_prefixes()])
        return (step, exchange) if exchange else (SketchFailed("what was found is not held"), None)


@dataclass
class SketchRun:
    """What happened: messages each way, what each side sent, and the times."""

    there: list[bytes] = field(default_factory=list)
    back: list[bytes] = field(default_factory=list)
    turns: int = 0
    failure: SketchFailed | None = None
    sent_there: tuple[bytes, ...] = ()
    sent_back: tuple[bytes, ...] = ()
    spent: list[float] = field(default_factory=lambda: [0.0, 0.0])


def run_sketch(
    leading: Side,
    other: Side,
    *,
    twist: Callable[[bytes], bytes] = lambda message: message,
    exchange: bool = True,
    has_coarse_lists: bool = True,
    max_part_bytes: int = MAX_PART_BYTES,
    clock: Callable[[], float] = lambda: 0.0,
) -> SketchRun:
    """Run the protocol between two sides, to the transfer of both or a failure.

    `twist` may change what the other side sends.

    `clock` is what `SketchRun.spent` is measured with.
    """
    run = SketchRun()
    sketches = [
        SketchProtocol(
            side.cells,
            peer.cells.count,
            is_leader=side is leading,
            has_coarse_lists=has_coarse_lists,
            max_part_bytes=max_part_bytes,
        )
        for side, peer in ((leading, other), (other, leading))
    ]
    sides = [leading, other]
    logs = [run.there, run.back]
    waiting: list[list[bytes]] = [[], []]
    sent: list[tuple[bytes, ...]] = [(), ()]

    def act(who: int, go_on: Callable[[], SketchAction]) -> bool:
        """Whether the run is over."""
        begun = clock()
        step, difference = sides[who].finish(sketches[who], go_on())
        run.spent[who] += clock() - begun
        messages: tuple[bytes, ...] = ()
        if isinstance(step, SendMessages):
            messages = step.messages
            run.turns += who == 0
        elif difference:
            sent[who] = difference.ids_to_send
            messages = encode_wants(difference.encoded_wants, max_part_bytes)
        elif isinstance(step, PeerWants):
            sent[who] = tuple(dict.fromkeys(c for prefix in step.prefixes for _, c in sides[who].find(prefix)))
            return True
        elif isinstance(step, SketchFailed):
            run.failure = step
            return True
        if who:
            messages = tuple(map(twist, messages))
        logs[who].extend(messages)
        waiting[1 - who].extend(messages)
        return False

    over = act(0, sketches[0].start) or act(1, sketches[1].start)
    while not over:
        who = 0 if waiting[0] else 1
        if not waiting[who]:
            run.failure = SketchFailed("both wait")
            break
        over = act(who, partial(sketches[who].receive_message, waiting[who].pop(0)))
    run.sent_there, run.sent_back = sent
    if exchange and not run.failure:
        other.add(sent[0])
        leading.add(sent[1])
    return run

"""Mode `sketch` as a part of a session: the messages of `core.sync.sketch`, and what it needs of the store.

All messages of a run are `SketchPart`. A side that cannot go on sends an empty one, passes over what the peer said
before it knew, and waits for the peer's empty one; then both go on with the next way to reconcile.

With a `salt` the short ids are other ones than those that are kept, and the cells are made for this run: slow, but two
changes whose short ids were the same before have different ones now.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from core.sync.cells import Cells, short_id
from core.sync.events import Reason, Violation
from core.sync.messages import SketchPart
from core.sync.prefixes import Prefix
from core.sync.replica import GetAllShorts, GetCells, GetShorts, Kept, Summary, Work
from core.sync.sketch import MORE_FOLLOWS, Found, Kind, Say, Scan, Sketch, Step, Stuck, Wait, Wanted, wants_messages
from core.sync.steps import Steps, hear

SMALL = 2048
"""Messages above this size are read on a thread: they may hold thousands of differences, 0.13 ms each."""
PASSED_OVER = 64


class Sketching:
    """One side of a run; see `core.sync.steps.Reconciler`. `leads` on the side of the initiator."""

    mode = "sketch"

    def __init__(self, mine: Summary, theirs: Summary, kept: Kept | None, *, leads: bool, salt: bytes = b"") -> None:
        self.round_trips = 0
        self._mine = mine
        self._theirs = theirs
        self._kept = kept
        self._leads = leads
        self._salt = salt
        self._key = b""
        self._wanted: list[Prefix] | None = None
        self._got: set[bytes] = set()

    def run(self) -> Steps[list[bytes] | None]:
        kept: Kept = self._kept or (yield GetCells(self._salt))
        if kept.cells is None or kept.cells.count != self._mine.count:
            yield from self._give_up()
            return None
        self._key = kept.key
        return (yield from self._go_through(kept.cells))

    def expects(self, change: bytes) -> bool:
        if change in self._got or not (self._wanted is None or self._asked_for(change, self._wanted)):
            return False
        self._got.add(change)
        return True

    def _asked_for(self, change: bytes, wanted: Sequence[Prefix]) -> bool:
        short = short_id(self._key, change)
        index = bisect_right(wanted, short, key=lambda prefix: prefix.first) - 1
        return index >= 0 and short <= wanted[index].last

    def _go_through(self, cells: Cells) -> Steps[list[bytes] | None]:
        """Do what the sketch says, step by step.

        Gives the ids that the peer lacks, or None if it cannot find them.
        """
        sketch = Sketch(cells, self._theirs.count, leading=self._leads)
        step: Step | None = sketch.start()
        while step is not None:
            if isinstance(step, Say):
                for message in step.messages:
                    yield SketchPart(message)
                self.round_trips += self._leads
                step = Wait()
            elif isinstance(step, Wait):
                step = yield from self._hear(sketch)
            elif isinstance(step, Scan):
                step = yield from self._scan(sketch)
            elif isinstance(step, Found):
                held = yield GetShorts(step.difference.lookups(), self._salt)
                exchange = step.difference.settle(held)
                if exchange is not None:
                    for message in wants_messages(exchange.wants):
                        yield SketchPart(message)
                    self._wanted = sorted(exchange.wanted, key=lambda prefix: prefix.first)
                    return list(exchange.send)
                step = Stuck("what was found is not held here")
            elif isinstance(step, Wanted):
                found = yield GetShorts(step.prefixes, self._salt)
                return list(dict.fromkeys(change for held in found for _, change in held))
            elif step.broken:
                raise Violation(Reason.MALFORMED)
            else:
                yield from self._give_up()
                return None
        yield SketchPart(b"")
        return None

    def _scan(self, sketch: Sketch) -> Steps[Step]:
        shorts: Sequence[int] = yield GetAllShorts(self._salt)
        if len(shorts) != self._mine.count:
            return Stuck("the set has grown meanwhile")
        step: Step = yield Work(lambda: sketch.scanned(shorts))
        return step

    def _hear(self, sketch: Sketch) -> Steps[Step | None]:
        """The step that follows from the peer's next message; None if it cannot go on."""
        message = yield from hear(SketchPart)
        payload = message.payload
        if not payload:
            return None
        self.round_trips += not self._leads and payload[0] != Kind.WANTS and not payload[0] & MORE_FOLLOWS
        if sketch.gathered + len(payload) <= SMALL:
            return sketch.receive(payload)
        step: Step = yield Work(lambda: sketch.receive(payload))
        return step

    def _give_up(self) -> Steps[None]:
        yield SketchPart(b"")
        for _ in range(PASSED_OVER):
            message = yield from hear(SketchPart)
            if not message.payload:
                return
        raise Violation(Reason.OUT_OF_TURN)


def salted(mine: bytes, theirs: bytes) -> bytes:
    """The salt for a run between these two roots: the same on both sides, and another one whenever a set has grown."""
    first, second = sorted((mine, theirs))
    return bytes(a ^ b for a, b in zip(first[:8], second[8:], strict=True))

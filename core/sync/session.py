"""The sync session: bytes in, bytes and events out. No sockets, no clock, no store in here.

The rules, the same on both sides and over every link:

1. *Hello.* Each side says which set of changes it has: how many, and the root of the Merkle tree over them. Equal
   roots: the session is done.
2. *Reconcile.* Both find out what the other lacks. If one side has nothing this is left out: the other sends all it
   has. Otherwise they try the ways that there are, from the one that takes the fewest bytes to the one that always
   works: a sketch, a sketch with salted short ids (both `core.sync.sketching`), the Merkle trees (`core.sync.walk`).
3. *Exchange.* Each side sends what the other lacks (`core.sync.exchange`).
4. *Settle.* When all is there both ways, each side says again which set it has. Equal roots: done. Otherwise the next
   round begins at 2; with the next way, if the counts show that nothing else came in between (two changes had the same
   short id). If even the Merkle trees move nothing, and the same roots still differ, a peer does not have what it says,
   which ends the session. After `MAX_ROUNDS` the session is done as well; what still differs is for the next one.

A session works on the set as it is when it looks; changes that are saved on either side meanwhile may go with this
round or the next. Whatever breaks a rule, and whatever goes wrong, ends it with one `Failed` event. What had been
committed stays, and the next session finds out anew what is missing; so nothing is lost whenever it is cut.

How to run one: pass what the peer sends to `receive`, send what `take` gives, and while there is a `request`, ask the
replica and `answer` it. `core.sync.run` does that with asyncio.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.errors import FieldlineError
from core.sync.codec import FLEET_TAG, MAX_FRAME, FrameReader, Malformed, OtherVersion, encode
from core.sync.events import Done, Event, Failed, Figures, Phase, Progress, Reason, Violation, failure, told_by_peer
from core.sync.exchange import CREDIT, Exchange, Tally
from core.sync.messages import (
    GivingUp,
    Hello,
    HereAreBlockHashes,
    IHaveFingerprints,
    IWant,
    Message,
    Over,
    Settled,
    SketchPart,
)
from core.sync.replica import Complete, GetCells, GetHashes, GetSummary, Kept, Request, Summary
from core.sync.sketching import Sketching, salted
from core.sync.steps import HEAR, REPORT, WAITING, Reconciler, Signal, Steps, hear
from core.sync.walk import Walk

MERKLE, SKETCH = 1, 2
MODES = {"sketch": SKETCH, "merkle": MERKLE}
PLAIN, SALTED, TREES = range(3)
"""The ways to reconcile, in the order in which they are tried."""
MAX_ROUNDS = 16
BUFFER = (CREDIT + 1) * MAX_FRAME
MESSAGE_WORTH = 1 << 10

RECONCILING = (Hello, IHaveFingerprints, HereAreBlockHashes, IWant, Over, SketchPart)


class Session:
    """One meeting with one peer.

    `fleet` and `peer` are 16-byte ids, the peer's as the link has proven it; exactly one side is the `initiator` (the
    one that called). `modes` are those that this side is willing to begin with; `merkle` is always there to fall
    back to. `batch_bytes` see `Exchange`. `near` says where this device is (`core.sync.near`), if much is missing here.
    """

    def __init__(
        self,
        fleet: bytes,
        peer: bytes,
        *,
        initiator: bool,
        modes: tuple[str, ...] = tuple(MODES),
        batch_bytes: int = 1 << 18,
        near: bytes = b"",
    ) -> None:
        self._fleet = fleet
        self._near = near
        self._peer = peer
        self._initiator = initiator
        self._modes = MERKLE | sum({MODES[mode] for mode in modes if mode != "merkle"})
        self._phase: Phase = "hello"
        self._tally = Tally()
        self._exchange = Exchange(batch_bytes, self._tally)
        self._mode = "none"
        self._way = PLAIN if SKETCH & self._modes else TREES
        self._round_trips = self._messages_in = 0
        self._bytes_out = self._bytes_in = self._reconcile_bytes = 0
        self._frames = FrameReader()
        self._out: list[bytes] = []
        self._events: list[Event] = []
        self._hearing = self._ended = False
        self.request: Request | None = None
        """What this session waits for the replica to say; None if it waits for the peer, or is over."""
        self.outcome: Done | Failed | None = None
        """How it ended; None while it goes on."""
        self._steps = self._conversation()
        self._go(None)

    # --- for whoever runs it -----------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Take bytes from the peer, however they were cut."""
        if self.outcome is None:
            self._bytes_in += len(data)
            self._frames.feed(data)
            self._wake()

    def ended(self) -> None:
        """The peer's stream has ended. What came before is still read."""
        self._ended = True
        self._wake()

    def answer(self, result: Any) -> None:
        """What the replica said to `request`."""
        self.request = None
        self._go(result)

    def refuse(self, error: FieldlineError) -> None:
        """The replica could not do what `request` asked."""
        self.request = None
        self._go(error, throw=True)

    def stop(self, reason: Reason = Reason.STOPPED) -> None:
        """End the session from this side: somebody pressed stop (`STOPPED`) or the peer fell silent (`SILENT`)."""
        if self.outcome is None:
            self._fail(reason)

    def take(self) -> bytes:
        """What to send to the peer now."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def events(self) -> list[Event]:
        """What happened since the last call; the last event of all is `Done` or `Failed`."""
        events, self._events = self._events, []
        return events

    @property
    def heard(self) -> int:
        """How much the peer has said: its bytes, and what counts as many for each whole message."""
        return self._bytes_in + MESSAGE_WORTH * self._messages_in

    @property
    def full(self) -> bool:
        """Whether to read no more from the peer before the session has gone on."""
        return len(self._frames) > BUFFER

    # --- the machine -------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        if self._hearing and self.outcome is None:
            self._go(None)

    def _go(self, result: Any, *, throw: bool = False) -> None:
        """Run the conversation up to where it needs the replica or the peer."""
        try:
            self._run(result, throw)
        except StopIteration as end:
            self._phase = "done"
            self._finish(Done(self._figures(), *end.value))
        except Violation as violation:
            self._fail(violation.reason, violation.why)
        except OtherVersion:
            self._fail(Reason.VERSION)
        except Malformed:
            self._fail(Reason.MALFORMED)
        except FieldlineError as error:
            self._fail(Reason.STORE, error)

    def _run(self, result: Any, throw: bool) -> None:
        while True:
            if self._hearing:
                result = self._next()
                if result is None:
                    return
            step = self._steps.throw(result) if throw else self._steps.send(result)
            result, throw = None, False
            if isinstance(step, Message):
                self._say(step)
            elif step is HEAR:
                self._hearing = True
            elif step is WAITING:
                result = self._frames.ready
            elif step is REPORT:
                self._events.append(self._progress())
            elif not isinstance(step, Signal):
                self.request = step
                return

    def _next(self) -> Message | None:
        """The peer's next message; None if it is not here yet."""
        found = self._frames.next()
        if found is None:
            if self._ended:
                raise Violation(Reason.CUT)
            return None
        self._hearing = False
        self._messages_in += 1
        message, size = found
        if isinstance(message, GivingUp):
            raise told_by_peer(message.reason)
        self._count(message, size)
        return message

    def _say(self, message: Message) -> None:
        frame = encode(message)
        self._out.append(frame)
        self._bytes_out += len(frame)
        self._count(message, len(frame))

    def _count(self, message: Message, size: int) -> None:
        if isinstance(message, RECONCILING):
            self._reconcile_bytes += size

    def _fail(self, reason: Reason, why: object = "") -> None:
        if reason not in (Reason.CUT, Reason.PEER):
            self._say(GivingUp(reason))
        self._steps.close()
        self._finish(failure(reason, self._peer, why, self._figures()))

    def _finish(self, outcome: Done | Failed) -> None:
        self.request, self.outcome = None, outcome
        self._events.append(outcome)

    def _figures(self) -> Figures:
        return Figures(
            sent=self._tally.sent,
            received=self._tally.received,
            bytes_out=self._bytes_out,
            bytes_in=self._bytes_in,
            reconcile_bytes=self._reconcile_bytes,
            round_trips=self._round_trips,
            mode=self._mode,
        )

    def _progress(self) -> Progress:
        tally = self._tally
        return Progress(
            self._phase,
            tally.sent,
            tally.to_send,
            tally.received,
            tally.to_receive,
            self._bytes_out,
            self._bytes_in,
            tally.near,
            tally.current,
        )

    # --- the conversation --------------------------------------------------------------------------------------------

    def _conversation(self) -> Steps[tuple[int, bytes, bool]]:
        kept: Kept = yield from self._look()
        mine = kept.summary
        modes = self._modes if kept.cells else MERKLE
        yield Hello(modes, self._fleet[:FLEET_TAG], mine.count, mine.root, self._near)
        yield REPORT
        hello = yield from self._hello(modes)
        theirs: Summary = hello
        for _ in range(MAX_ROUNDS):
            if mine.root == theirs.root:
                break
            self._phase = "reconcile"
            yield REPORT
            send, expects = yield from self._reconcile(kept, theirs)
            self._phase = "exchange"
            yield REPORT
            went, came = yield from self._exchange.run(send, expects, near=hello.near, joining=mine.count == 0)
            alone = mine.count + came, theirs.count + went
            before = mine.root, theirs.root
            kept = yield from self._look(alone[0])
            mine = kept.summary
            yield Settled(mine.count, mine.root)
            theirs = yield from hear(Settled)
            if mine.root != theirs.root and alone == (mine.count, theirs.count):
                if self._way == TREES and before == (mine.root, theirs.root):
                    raise Violation(Reason.INCONSISTENT)
                self._way = min(self._way + 1, TREES)
        # Also where nothing was moved: an earlier session may have been cut when all had come.
        if mine.root == theirs.root:
            yield Complete()
        return mine.count, mine.root, mine.root == theirs.root

    def _look(self, expected: int | None = None) -> Steps[Kept]:
        """Which set is held now; with its cells if they may be needed: unless there are as many changes as expected."""
        summary: Summary = yield GetSummary()
        if self._way != PLAIN or summary.count == expected:
            return Kept(summary)
        kept: Kept = yield GetCells()
        return kept

    def _hello(self, modes: int) -> Steps[Hello]:
        hello = yield from hear(Hello)
        if hello.fleet != self._fleet[:FLEET_TAG]:
            raise Violation(Reason.FLEET)
        if not hello.modes & MERKLE:
            raise Violation(Reason.VERSION)
        if hello.modes & modes & SKETCH:
            self._mode = "sketch"
        else:
            self._way, self._mode = TREES, "merkle"
        return hello

    def _reconcile(self, kept: Kept, theirs: Summary) -> Steps[tuple[list[bytes], Callable[[bytes], bool]]]:
        """The ids that the peer lacks, and which it may send."""
        mine = kept.summary
        if mine.count == 0 or theirs.count == 0:
            send = [] if mine.count == 0 else list((yield GetHashes()))
            return send, lambda change: mine.count == 0
        while True:
            reconciler = self._reconciler(kept, theirs)
            self._mode = reconciler.mode
            found = yield from reconciler.run()
            self._round_trips += reconciler.round_trips
            if found is not None:
                return found, reconciler.expects
            self._way += 1

    def _reconciler(self, kept: Kept, theirs: Summary) -> Reconciler:
        mine = kept.summary
        if self._way == PLAIN:
            return Sketching(mine, theirs, kept if kept.cells else None, leads=self._initiator)
        if self._way == SALTED:
            salt = salted(mine.root, theirs.root)
            return Sketching(mine, theirs, None, leads=self._initiator, salt=salt)
        few = 2 * min(mine.count, theirs.count) <= max(mine.count, theirs.count)
        return Walk(mine, theirs, opens=mine.count < theirs.count if few else self._initiator)

"""A sync session: bytes in, bytes and events out.

Knows no sockets, no clock and no store.

The rules, the same on both sides and over every link (the states are those of `core.sync.states.SESSION`):

1. *Hello.* Each side says which set of changes it has: how many, and the root of the Merkle tree over them. Equal
   roots: the session is done.
2. *Reconcile.* Both find out what the other lacks. If one side has nothing this is left out: the other sends all it
   has. Otherwise they try one `Method` after another, from the one that takes the fewest bytes to the one that always
   works.
3. *Exchange.* Each side sends what the other lacks (`core.sync.exchange`).
4. *Settle.* When all is there both ways, each side says again which set it has. Equal roots: done. Otherwise the next
   round begins at 2; with the next method, if the counts show that nothing else came in between (two changes had the
   same short id). If even the Merkle trees move nothing, and the same roots still differ, a peer does not have what it
   says, which ends the session. After `MAX_ROUNDS` the session is done as well; what still differs is for the next one.
5. *Tell.* With equal roots, each side tells the other how far third devices hold whose changes (`core.sync.holdings`);
   if that message does not come, the session ends no less well.

A session works on the set as it is when it reads it; changes that are saved on either side meanwhile may go with this
round or the next. Whatever breaks a rule, and whatever goes wrong, ends it with one `Failed` event. What had been
committed stays, and the next session finds out anew what is missing; so nothing is lost whenever it is cut.

How to run one: pass what the peer sends to `receive_data`, send what `data_to_send` gives, and while there is a
`request`, ask the replica and `resolve` or `reject` it. `core.sync.pump` does that with asyncio.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.errors import FieldlineError
from core.sync.codec import FLEET_TAG_BYTES, MAX_FRAME_BYTES, encode_message
from core.sync.effects import EMIT_PROGRESS, HAS_INPUT, RECEIVE, Effects, Reconciler, Signal, receive_message
from core.sync.events import Done, Event, Failed, Phase, Progress, Reason, SyncStats, make_failed
from core.sync.exchange import MAX_UNACKED_BATCHES, Exchange, Tally
from core.sync.frames import FrameReader
from core.sync.holdings_report import report_holdings
from core.sync.messages import (
    Abort,
    EndOfTurn,
    HaveFingerprints,
    HaveIds,
    Hello,
    Message,
    SketchPart,
    Summary,
    Want,
)
from core.sync.protocol_errors import LocalProtocolError, RemoteProtocolError, SessionEnded, error_of_abort
from core.sync.reconcile.merkle_reconciler import MerkleReconciler
from core.sync.reconcile.sketch_reconciler import SketchReconciler, run_salt
from core.sync.replica import (
    ClearObsoleteHints,
    GetHashes,
    GetSketch,
    GetSummary,
    Request,
    SetSummary,
    SketchedSet,
)
from core.sync.states import (
    METHOD,
    SESSION,
    WAIT,
    Method,
    MethodEvent,
    SessionEvent,
    SessionState,
    StateMachine,
    WaitEvent,
    WaitState,
)

MERKLE_BIT, SKETCH_BIT, HOLDINGS_BIT, COARSE_LISTS_BIT = 1, 2, 4, 8
MODES = {"sketch": SKETCH_BIT | COARSE_LISTS_BIT, "merkle": MERKLE_BIT}
MAX_ROUNDS = 16
"""Three find what collided; the others are for changes that are saved on either side meanwhile."""
MAX_BUFFER_BYTES = (MAX_UNACKED_BATCHES + 1) * MAX_FRAME_BYTES
"""What a peer that keeps to the rules may have under way: its batches, and one message more."""
MESSAGE_ACTIVITY_BYTES = 1 << 10
"""What a whole message counts beside its bytes: small ones show, too, that the peer goes on."""
RECONCILE_MESSAGES = (Hello, HaveFingerprints, HaveIds, Want, EndOfTurn, SketchPart)
"""The messages whose bytes are those of reconciliation."""
_LINK_ENDS = (Reason.CONNECTION_LOST, Reason.PEER_ABORTED, Reason.STOPPED, Reason.TIMED_OUT)
"""How a link may end under a session that has done its work."""
PHASES: dict[SessionState, Phase] = {
    SessionState.START: "hello",
    SessionState.HELLO: "hello",
    SessionState.RECONCILE: "reconcile",
    SessionState.EXCHANGE: "exchange",
    SessionState.SETTLE: "exchange",
    SessionState.REPORT: "done",
    SessionState.DONE: "done",
}
"""What progress calls the states."""


class Session:
    """One conversation with one peer.

    Args:
        fleet, peer: 16-byte ids, the peer's as the link has proven it.
        initiator: Whether this is the side that dialed; exactly one is.
        modes: Those that this side is willing to begin with; `merkle` is always there to fall back to.
        batch_bytes: See `Exchange`.
        location_hint: Where this device is (`core.sync.location_hint`), if much is missing here; else empty.
    """

    def __init__(
        self,
        fleet: bytes,
        peer: bytes,
        *,
        initiator: bool,
        modes: tuple[str, ...] = tuple(MODES),
        batch_bytes: int = 1 << 18,
        location_hint: bytes = b"",
    ) -> None:
        self._fleet = fleet
        self._location_hint = location_hint
        self._peer = peer
        self._initiator = initiator
        self._modes = MERKLE_BIT | HOLDINGS_BIT | sum({MODES[mode] for mode in modes if mode != "merkle"})
        self._tally = Tally()
        self._exchange = Exchange(fleet, batch_bytes, self._tally)
        self._mode, self._shared_modes = "none", 0
        self._stage: StateMachine[SessionState, SessionEvent] = StateMachine(SESSION, SessionState.START)
        self._method: StateMachine[Method, MethodEvent] = StateMachine(
            METHOD, Method.SKETCH if SKETCH_BIT & self._modes else Method.MERKLE
        )
        self._wait: StateMachine[WaitState, WaitEvent] = StateMachine(WAIT, WaitState.NOTHING)
        self._round_trips = self._messages_in = 0
        self._bytes_out = self._bytes_in = self._reconcile_bytes = 0
        self._frame_reader = FrameReader()
        self._outgoing: list[bytes] = []
        self._events: list[Event] = []
        self._eof_received = False
        self._equal_set: SetSummary | None = None
        """The set that both sides hold; None before that is known."""
        self.request: Request | None = None
        """What this session asks of the replica; None if it waits for the peer, or is over."""
        self.outcome: Done | Failed | None = None
        """How it ended; None while it goes on."""
        self._effects = self._converse()
        self._advance(None)

    # --- for whoever runs it -----------------------------------------------------------------------------------------

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the peer, however they were cut.

        Raises LocalProtocolError after `receive_eof`.
        """
        if self._eof_received and data:
            raise LocalProtocolError("data after the end of the stream")
        if self._wait.state is not WaitState.OVER:
            self._bytes_in += len(data)
            self._frame_reader.feed(data)
            self._resume()

    def receive_eof(self) -> None:
        """Take note that the peer's stream has ended. What came before is still read."""
        self._eof_received = True
        self._resume()

    def resolve(self, result: Any) -> None:
        """Go on with the result of `request`. Raises LocalProtocolError if there is none."""
        self._wait.enter(WaitEvent.RESOLVED)
        self.request = None
        self._advance(result)

    def reject(self, error: FieldlineError) -> None:
        """Go on after the replica could not do `request`.

        Raises LocalProtocolError if there is none.
        """
        self._wait.enter(WaitEvent.REJECTED)
        self.request = None
        self._advance(error, throw=True)

    def abort(self, reason: Reason = Reason.STOPPED) -> None:
        """End the session from this side.

        Somebody pressed stop (`STOPPED`) or the peer fell silent (`TIMED_OUT`).
        """
        if self._wait.state is not WaitState.OVER:
            self._end_with_failure(reason)

    def data_to_send(self) -> bytes:
        """Take what is to be sent to the peer now."""
        data = b"".join(self._outgoing)
        self._outgoing.clear()
        return data

    def take_events(self) -> list[Event]:
        """Take the events since the last call; the last one of all is `Done` or `Failed`."""
        events, self._events = self._events, []
        return events

    @property
    def activity_bytes(self) -> int:
        """What shows that the peer goes on.

        Its bytes, and `MESSAGE_ACTIVITY_BYTES` for each whole message.
        """
        return self._bytes_in + MESSAGE_ACTIVITY_BYTES * self._messages_in

    @property
    def is_buffer_full(self) -> bool:
        """Whether to read nothing more from the peer before the session has gone on."""
        return len(self._frame_reader) > MAX_BUFFER_BYTES

    # --- the machine -------------------------------------------------------------------------------------------------

    def _resume(self) -> None:
        if self._wait.state is WaitState.MESSAGE:
            self._advance(None)

    def _advance(self, result: Any, *, throw: bool = False) -> None:
        """Run the conversation up to where it needs the replica or the peer."""
        try:
            self._run_until_blocked(result, throw)
        except StopIteration as end:
            self._end_with(Done(self._make_stats(), *end.value))
        except SessionEnded as end:
            self._end_with_failure(end.reason, end.why)
        except FieldlineError as error:
            self._end_with_failure(Reason.STORE_FAILED, error)

    def _run_until_blocked(self, result: Any, throw: bool) -> None:
        while True:
            if self._wait.state is WaitState.MESSAGE:
                result = self._next_message()
                if result is None:
                    return
            step = self._effects.throw(result) if throw else self._effects.send(result)
            result, throw = None, False
            if isinstance(step, Message):
                self._send_message(step)
            elif step is RECEIVE:
                self._wait.enter(WaitEvent.RECEIVE)
            elif step is HAS_INPUT:
                result = self._frame_reader.has_frame
            elif step is EMIT_PROGRESS:
                self._events.append(self._make_progress())
            elif not isinstance(step, Signal):
                self._wait.enter(WaitEvent.REQUEST)
                self.request = step
                return

    def _next_message(self) -> Message | None:
        """Read the peer's next message; None if it is not here yet."""
        found = self._frame_reader.next_message()
        if found is None:
            if self._eof_received:
                raise SessionEnded(Reason.CONNECTION_LOST)
            return None
        self._wait.enter(WaitEvent.MESSAGE_READ)
        self._messages_in += 1
        message, size = found
        if isinstance(message, Abort):
            raise error_of_abort(message.reason)
        self._count_reconcile_bytes(message, size)
        return message

    def _send_message(self, message: Message) -> None:
        frame = encode_message(message)
        self._outgoing.append(frame)
        self._bytes_out += len(frame)
        self._count_reconcile_bytes(message, len(frame))

    def _count_reconcile_bytes(self, message: Message, size: int) -> None:
        if isinstance(message, RECONCILE_MESSAGES):
            self._reconcile_bytes += size

    def _end_with_failure(self, reason: Reason, why: object = "") -> None:
        if (held := self._equal_set) is not None and reason in _LINK_ENDS:
            self._stage.enter(SessionEvent.LINK_ENDED)
            self._end_with(Done(self._make_stats(), held.count, held.root, True))
            return
        if reason not in (Reason.CONNECTION_LOST, Reason.PEER_ABORTED):
            self._send_message(Abort(reason))
        self._effects.close()
        self._stage.enter(SessionEvent.FAIL)
        self._end_with(make_failed(reason, self._peer, why, self._make_stats()))

    def _end_with(self, outcome: Done | Failed) -> None:
        self._wait.enter(WaitEvent.END)
        self.request, self.outcome = None, outcome
        self._events.append(outcome)

    def _make_stats(self) -> SyncStats:
        return SyncStats(
            sent=self._tally.sent,
            received=self._tally.received,
            bytes_out=self._bytes_out,
            bytes_in=self._bytes_in,
            reconcile_bytes=self._reconcile_bytes,
            round_trips=self._round_trips,
            mode=self._mode,
        )

    def _make_progress(self) -> Progress:
        return self._tally.progress(PHASES[self._stage.state], self._bytes_out, self._bytes_in)

    # --- the conversation --------------------------------------------------------------------------------------------

    def _converse(self) -> Effects[tuple[int, bytes, bool]]:
        kept: SketchedSet = yield from self._read_summary()
        mine = kept.summary
        modes = self._modes if kept.sketch else self._modes & ~MODES["sketch"]
        self._stage.enter(SessionEvent.HELLO_SENT)
        yield Hello(modes, self._fleet[:FLEET_TAG_BYTES], mine.count, mine.root, self._location_hint)
        yield EMIT_PROGRESS
        hello = yield from self._receive_hello(modes)
        theirs: SetSummary = hello
        rounds = 0
        while mine.root != theirs.root and rounds < MAX_ROUNDS:
            rounds += 1
            self._stage.enter(SessionEvent.OTHER_ROOT)
            yield EMIT_PROGRESS
            send, admit_change = yield from self._reconcile(kept, theirs)
            self._stage.enter(SessionEvent.DIFFERENCE_KNOWN)
            yield EMIT_PROGRESS
            sent, received = yield from self._exchange.run(
                send, admit_change, location_hint=hello.location_hint, joining=mine.count == 0
            )
            self._stage.enter(SessionEvent.ALL_MOVED)
            expected = mine.count + received, theirs.count + sent
            before = mine.root, theirs.root
            kept = yield from self._read_summary(expected[0])
            mine = kept.summary
            yield Summary(mine.count, mine.root)
            theirs = yield from receive_message(Summary)
            if mine.root != theirs.root and expected == (mine.count, theirs.count):
                if self._method.state is Method.MERKLE and before == (mine.root, theirs.root):
                    raise RemoteProtocolError(Reason.INCONSISTENT)
                self._method.enter(MethodEvent.COLLIDED)
        # Also where nothing was moved: an earlier session may have been cut when all had come.
        is_equal = mine.root == theirs.root
        if is_equal:
            yield ClearObsoleteHints()
            self._equal_set = mine
            self._stage.enter(SessionEvent.SAME_ROOT)
            yield from report_holdings(mine.root, bool(self._shared_modes & HOLDINGS_BIT))
            self._stage.enter(SessionEvent.REPORTED)
        else:
            self._stage.enter(SessionEvent.ROUNDS_USED_UP)
        return mine.count, mine.root, is_equal

    def _read_summary(self, expected: int | None = None) -> Effects[SketchedSet]:
        """Read which set is held now, with its sketch if that may be needed.

        Not if the count is as `expected`.
        """
        summary: SetSummary = yield GetSummary()
        if self._method.state is not Method.SKETCH or summary.count == expected:
            return SketchedSet(summary)
        kept: SketchedSet = yield GetSketch()
        return kept

    def _receive_hello(self, modes: int) -> Effects[Hello]:
        hello = yield from receive_message(Hello)
        if hello.fleet != self._fleet[:FLEET_TAG_BYTES]:
            raise RemoteProtocolError(Reason.OTHER_FLEET)
        if not hello.modes & MERKLE_BIT:
            raise RemoteProtocolError(Reason.OTHER_VERSION)
        self._shared_modes = hello.modes & modes
        if self._shared_modes & SKETCH_BIT:
            self._mode = "sketch"
        else:
            self._method.enter(MethodEvent.NOT_SPOKEN)
            self._mode = "merkle"
        return hello

    def _reconcile(self, kept: SketchedSet, theirs: SetSummary) -> Effects[tuple[list[bytes], Callable[[bytes], bool]]]:
        """Find the ids that the peer lacks, and a function that admits what it may send."""
        mine = kept.summary
        if mine.count == 0 or theirs.count == 0:
            send = [] if mine.count == 0 else list((yield GetHashes()))
            return send, lambda change: mine.count == 0
        while True:
            reconciler = self._make_reconciler(kept, theirs)
            self._mode = reconciler.mode
            found = yield from reconciler.run()
            self._round_trips += reconciler.round_trips
            if found is not None:
                return found, reconciler.admit_change
            self._method.enter(MethodEvent.NOT_FOUND)

    def _make_reconciler(self, kept: SketchedSet, theirs: SetSummary) -> Reconciler:
        mine = kept.summary
        if self._method.state is not Method.MERKLE:
            salt = b"" if self._method.state is Method.SKETCH else run_salt(mine.root, theirs.root)
            has_lists = bool(self._shared_modes & COARSE_LISTS_BIT)
            return SketchReconciler(mine, theirs, kept, self._initiator, salt, has_coarse_lists=has_lists)
        is_lopsided = 2 * min(mine.count, theirs.count) <= max(mine.count, theirs.count)
        return MerkleReconciler(mine, theirs, is_opener=mine.count < theirs.count if is_lopsided else self._initiator)

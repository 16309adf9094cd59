"""Find the highest rate that a cable carries, and go back from it. Pure.

The initiator of the session proposes a rate and sends nothing else; the other end accepts and switches; so does the
initiator, and sends probes; the other end replies that they arrived, and probes the way back. Only then do both go on,
at the new rate. An end that hears nothing in time goes back to the rate that it came from. Later, an end that loses too
much, or hears nothing for a while, goes back to the first rate, and so does the other, which then hears nothing either.
The session does not notice.

Bodies of frames: 7, step (1), index of the rate (1), and in probes arbitrary bytes. A line that carries no more at a
higher rate, as that of a USB gadget, stays at the rate that it has.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum
from math import inf

from core.sync.links.serial.framing import FRAME_OVERHEAD_BYTES, FrameType
from core.sync.states import StateMachine

BAUD_RATES = (115_200, 230_400, 460_800, 921_600, 1_500_000, 3_000_000)
"""In bits a second, the one that all begin with first: what the usual adapters take."""

PROBE_COUNT, PROBE_PAYLOAD = 2, bytes(range(256)) * 2 + bytes(88)
"""Every value of a byte, and a run of zeros, which slip first: what carries these carries anything."""
ACCEPT_TIMEOUT_S = 1.0
"""At the old rate, behind what the other end had under way."""
SWITCH_DELAY_S = 0.1
"""How long the other end gets to set its port."""
RESPONDER_TIMEOUT_S, INITIATOR_TIMEOUT_S = 0.5, 0.7
"""The end that was asked gives up before the one that asks, so that it hears what comes at the old rate."""
SILENCE_TIMEOUT_S = 2.5
"""After so long without a whole frame an end goes back to the first rate: two pings went missing."""

MAX_PROBE_TIME_RATIO, PROBE_SLACK_S = 1.6, 0.05
"""Probes that take so many times longer than they should, and a little, show a line with a pace of its own."""
MAX_PACED_PROBES = 2
"""If that is seen so often; once, it may have been an end that was busy."""
REVERT_COPIES = 3
"""The line loses much when this is sent, and the other end would else wait for its timeout."""
MIN_CARRIED_BYTES = 1 << 17
"""An attempt costs half a second, which so many bytes to and fro make up for; a failed one doubles it."""
MAX_RAISE_FACTOR = 4
"""How many times higher an attempt goes: the higher, the more often it fails, and each costs half a second."""


class BaudMessage(IntEnum):
    """What a frame about rates says. The numbers are on the wire."""

    PROPOSE = 1
    ACCEPT = 2
    PROBE = 3
    PROBE_REPLY = 4
    COMMIT = 5
    REVERT = 6


class BaudState(Enum):
    """Where the negotiation stands at one end."""

    STEADY = "Data goes at `baud`; watches for silence if that was raised."
    PROPOSING = "Asks: PROPOSE is sent, nothing else may be; ACCEPT is awaited."
    AGREED = "Asks: ACCEPT came; gives the other end time to switch."
    SWITCHING = "Asks: `baud` is the new rate; the port is not set yet."
    PROBING = "Asks: probes are sent at the new rate; PROBE_REPLY is awaited."
    ACCEPTING = "Asked: ACCEPT is queued and `baud` is the new rate; the port is not set yet."
    AWAITING_PROBES = "Asked: at the new rate; the probes are awaited."
    PROBED = "Asked: all probes came, PROBE_REPLY is queued; COMMIT or REVERT is awaited."


class BaudEvent(Enum):
    """What moves the negotiation on.

    An event that has no row is ignored: a line makes noise.
    """

    RAISE = "this end wants a higher rate"
    PROPOSE = "PROPOSE came, and may be accepted"
    ACCEPT = "ACCEPT came"
    ALL_PROBES = "the last PROBE came"
    IN_TIME = "PROBE_REPLY came as soon as it should: COMMIT is sent"
    TOO_SLOW = "PROBE_REPLY came too late: REVERT is sent"
    COMMIT = "COMMIT came"
    REVERT = "REVERT came"
    SWITCHED = "the port has the rate `baud`"
    OTHER_FRAME = "a whole frame of another kind came"
    TOO_LOSSY = "this end loses too much at a raised rate: REVERT is sent"
    TIMEOUT = "the time of this state is over"
    PORT_OPENED = "the port was opened anew, at the first rate"


BAUD: Mapping[BaudState, Mapping[BaudEvent, BaudState]] = {
    BaudState.STEADY: {
        BaudEvent.RAISE: BaudState.PROPOSING,
        BaudEvent.PROPOSE: BaudState.ACCEPTING,
        BaudEvent.SWITCHED: BaudState.STEADY,
        BaudEvent.OTHER_FRAME: BaudState.STEADY,
        BaudEvent.TOO_LOSSY: BaudState.STEADY,
        BaudEvent.TIMEOUT: BaudState.STEADY,
        BaudEvent.REVERT: BaudState.STEADY,
        BaudEvent.PORT_OPENED: BaudState.STEADY,
    },
    BaudState.PROPOSING: {
        BaudEvent.ACCEPT: BaudState.AGREED,
        BaudEvent.TIMEOUT: BaudState.STEADY,
        BaudEvent.REVERT: BaudState.STEADY,
        BaudEvent.PORT_OPENED: BaudState.STEADY,
    },
    BaudState.AGREED: {
        BaudEvent.TIMEOUT: BaudState.SWITCHING,
        BaudEvent.REVERT: BaudState.STEADY,
        BaudEvent.PORT_OPENED: BaudState.STEADY,
    },
    BaudState.SWITCHING: {
        BaudEvent.SWITCHED: BaudState.PROBING,
        BaudEvent.REVERT: BaudState.STEADY,
        BaudEvent.PORT_OPENED: BaudState.STEADY,
    },
    BaudState.PROBING: {
        BaudEvent.IN_TIME: BaudState.STEADY,
        BaudEvent.TOO_SLOW: BaudState.STEADY,
        BaudEvent.TIMEOUT: BaudState.STEADY,
        BaudEvent.REVERT: BaudState.STEADY,
        BaudEvent.PORT_OPENED: BaudState.STEADY,
    },
    BaudState.ACCEPTING: {
        BaudEvent.SWITCHED: BaudState.AWAITING_PROBES,
        BaudEvent.TIMEOUT: BaudState.STEADY,
        BaudEvent.REVERT: BaudState.STEADY,
        BaudEvent.PORT_OPENED: BaudState.STEADY,
    },
    BaudState.AWAITING_PROBES: {
        BaudEvent.ALL_PROBES: BaudState.PROBED,
        BaudEvent.TIMEOUT: BaudState.STEADY,
        BaudEvent.REVERT: BaudState.STEADY,
        BaudEvent.PORT_OPENED: BaudState.STEADY,
    },
    BaudState.PROBED: {
        BaudEvent.COMMIT: BaudState.STEADY,
        BaudEvent.OTHER_FRAME: BaudState.STEADY,
        BaudEvent.TIMEOUT: BaudState.STEADY,
        BaudEvent.REVERT: BaudState.STEADY,
        BaudEvent.PORT_OPENED: BaudState.STEADY,
    },
}


@dataclass(frozen=True, slots=True)
class BaudTiming:
    """When to begin an attempt, and how long its steps may take.

    The module's constants say why.
    """

    min_carried_bytes: int = MIN_CARRIED_BYTES
    accept_timeout_s: float = ACCEPT_TIMEOUT_S
    responder_timeout_s: float = RESPONDER_TIMEOUT_S
    initiator_timeout_s: float = INITIATOR_TIMEOUT_S
    probe_slack_s: float = PROBE_SLACK_S
    silence_timeout_s: float = SILENCE_TIMEOUT_S


DEFAULT_TIMING = BaudTiming()


class BaudNegotiation:
    """The negotiation at one end.

    `baud` is the rate, in bits a second, that the port should have once all is sent that was handed to it; `due_at` is
    when to call `on_time`. `supported` are the rates that this end's port can be set to; only the first one if it shall
    stay as it is. Times are seconds of a monotonic clock.
    """

    def __init__(self, supported: tuple[int, ...], timing: BaudTiming = DEFAULT_TIMING) -> None:
        self._timing = timing
        self.baud = supported[0]
        self.due_at = inf
        self._machine: StateMachine[BaudState, BaudEvent] = StateMachine(BAUD, BaudState.STEADY)
        self._supported = supported
        self._usable = supported
        self._previous_baud = self._proposed_baud = supported[0]
        self._has_proposed = False
        self._probes_received = self._failure_count = 0
        self._probes_sent_at = 0.0
        self._paced_probes = 0
        self._outgoing: deque[bytes] = deque()

    @property
    def state(self) -> BaudState:
        return self._machine.state

    @property
    def is_exclusive(self) -> bool:
        """Whether nothing but frames about rates may be sent."""
        return self.state is not BaudState.STEADY

    @property
    def supported_mask(self) -> int:
        """The rates that this end takes, a bit each, the first of `BAUD_RATES` lowest."""
        return sum(1 << BAUD_RATES.index(rate) for rate in self._supported if rate in BAUD_RATES)

    @property
    def is_raised(self) -> bool:
        """Whether the line is faster than in the beginning."""
        return self.baud != self._supported[0]

    def set_peer_mask(self, mask: int) -> None:
        """Narrow the rates down to those that the other end takes, too."""
        common = tuple(rate for rate in self._supported if rate in BAUD_RATES and mask >> BAUD_RATES.index(rate) & 1)
        self._usable = common or self._supported[:1]

    @property
    def can_rise(self) -> bool:
        """Whether there is a higher rate that has not failed yet."""
        return not self.is_exclusive and max(self._usable) > self.baud

    @property
    def failure_count(self) -> int:
        """How many attempts failed."""
        return self._failure_count

    def propose_raise(self, now: float) -> None:
        """Begin an attempt at a rate about four times as high.

        Only the initiator of the session does.
        """
        if not self.can_rise:
            return
        higher = [rate for rate in self._usable if rate > self.baud]
        rate = max((rate for rate in higher if rate <= MAX_RAISE_FACTOR * self.baud), default=higher[0])
        self._machine.enter(BaudEvent.RAISE)
        self._has_proposed = True
        self._previous_baud, self._proposed_baud = self.baud, rate
        self.due_at = now + self._timing.accept_timeout_s
        self._queue(BaudMessage.PROPOSE, rate)

    def revert_to_first(self, now: float) -> None:
        """Go back to the first rate, since this one loses too much."""
        if not self.is_raised or self.is_exclusive:
            return
        self._exclude(self.baud)
        for _ in range(REVERT_COPIES):
            self._queue(BaudMessage.REVERT, self.baud)
        self._revert(BaudEvent.TOO_LOSSY, now)

    def reset(self) -> None:
        """Take note that the port was opened anew, at the first rate."""
        self._machine.enter(BaudEvent.PORT_OPENED)
        self.baud = self._previous_baud = self._supported[0]
        self._outgoing.clear()
        self._watch_silence(0.0)

    def on_baud_refused(self) -> None:
        """Take note that the port does not take the rate `baud`.

        As one that was exchanged for another adapter.
        """
        first, *others = self._supported
        self._supported = (first, *(rate for rate in others if rate < self.baud))
        self._exclude(self.baud)

    def next_body(self) -> bytes | None:
        """Take the body of the next frame about rates; None if there is none to send."""
        return self._outgoing.popleft() if self._outgoing else None

    def on_baud_switched(self, now: float) -> None:
        """Take note that the port has the rate `baud` now."""
        if not self._machine.allows(BaudEvent.SWITCHED):
            return
        self._machine.enter(BaudEvent.SWITCHED)
        if self.state is BaudState.PROBING:
            self._probes_sent_at = now
            for _ in range(PROBE_COUNT):
                self._queue(BaudMessage.PROBE, self.baud, PROBE_PAYLOAD)
            self.due_at = now + self._timing.initiator_timeout_s
        elif self.state is BaudState.AWAITING_PROBES:
            self.due_at = now + self._timing.responder_timeout_s
        else:
            self._watch_silence(now)

    def on_other_frame(self, now: float) -> None:
        """Take note that a whole frame of another kind came: this rate works."""
        if self._machine.allows(BaudEvent.OTHER_FRAME):
            self._end_attempt(BaudEvent.OTHER_FRAME, now)

    def receive_body(self, body: bytes, now: float) -> None:
        """Handle a frame about rates; one that does not fit is ignored."""
        if len(body) < 3 or body[2] >= len(BAUD_RATES):
            return
        message, rate = body[1], BAUD_RATES[body[2]]
        match message:
            case BaudMessage.PROPOSE if self._can_accept(rate):
                self._machine.enter(BaudEvent.PROPOSE)
                self._previous_baud, self._probes_received = self.baud, 0
                self._queue(BaudMessage.ACCEPT, rate)
                self.baud = rate
            case BaudMessage.ACCEPT if self._machine.allows(BaudEvent.ACCEPT):
                self._machine.enter(BaudEvent.ACCEPT)
                self.due_at = now + SWITCH_DELAY_S
            case BaudMessage.PROBE if self._machine.allows(BaudEvent.ALL_PROBES):
                self._receive_probe(rate, now)
            case BaudMessage.PROBE_REPLY if self._machine.allows(BaudEvent.IN_TIME):
                self._check_probe_time(now)
            case BaudMessage.COMMIT if self._machine.allows(BaudEvent.COMMIT):
                self._end_attempt(BaudEvent.COMMIT, now)
            case BaudMessage.REVERT if self.is_raised or self.is_exclusive:
                # What was to be said of the attempt that is over means nothing any more, or another one.
                self._outgoing.clear()
                self._exclude(rate)
                self._revert(BaudEvent.REVERT, now)

    def on_time(self, now: float) -> None:
        """Do what the end of a timeout asks for, if it has come."""
        if now < self.due_at:
            return
        self.due_at = inf
        if self.state is BaudState.AGREED:
            self._machine.enter(BaudEvent.TIMEOUT)
            self.baud = self._proposed_baud
        elif (self.is_exclusive or self.is_raised) and self._machine.allows(BaudEvent.TIMEOUT):
            asks = self.state in (BaudState.PROPOSING, BaudState.PROBING)
            self._exclude(self._proposed_baud if asks else self.baud)
            self._revert(BaudEvent.TIMEOUT, now)

    def _can_accept(self, rate: int) -> bool:
        may = self._machine.allows(BaudEvent.PROPOSE) and not self._has_proposed
        return may and rate in self._supported and rate > self.baud

    def _receive_probe(self, rate: int, now: float) -> None:
        self._probes_received += 1
        if self._probes_received == PROBE_COUNT:
            self._machine.enter(BaudEvent.ALL_PROBES)
            self.due_at = now + self._timing.responder_timeout_s
            self._queue(BaudMessage.PROBE_REPLY, rate, PROBE_PAYLOAD)

    def _check_probe_time(self, now: float) -> None:
        """Commit if the probes took as long as this rate takes, else revert."""
        expected_s = (PROBE_COUNT + 1) * (len(PROBE_PAYLOAD) + FRAME_OVERHEAD_BYTES) / (self.baud / 10)
        if now - self._probes_sent_at > MAX_PROBE_TIME_RATIO * expected_s + self._timing.probe_slack_s:
            self._paced_probes += 1
            self._failure_count += 1
            if self._paced_probes == MAX_PACED_PROBES:
                self._usable = self._supported[:1]
            self._queue(BaudMessage.REVERT, self.baud)
            self._revert(BaudEvent.TOO_SLOW, now)
            return
        self._queue(BaudMessage.COMMIT, self.baud)
        self._end_attempt(BaudEvent.IN_TIME, now)

    def _revert(self, event: BaudEvent, now: float) -> None:
        """Go back: from an attempt to the rate before it, else to the first one."""
        self.baud = self._previous_baud if self.is_exclusive else self._supported[0]
        self._end_attempt(event, now)

    def _exclude(self, rate: int) -> None:
        """Use neither this rate nor those above it on this cable any more."""
        self._failure_count += 1
        self._usable = tuple(each for each in self._usable if each < rate) or self._supported[:1]

    def _end_attempt(self, event: BaudEvent, now: float) -> None:
        self._machine.enter(event)
        self._watch_silence(now)

    def _watch_silence(self, now: float) -> None:
        self.due_at = now + self._timing.silence_timeout_s if self.is_raised else inf

    def _queue(self, message: BaudMessage, rate: int, payload: bytes = b"") -> None:
        self._outgoing.append(bytes([FrameType.RATE, message, BAUD_RATES.index(rate)]) + payload)

"""How two ends of a cable find the highest rate that it carries, and go back when it does not any more. Pure.

The initiator of the session proposes a rate and sends nothing else; the other end agrees and changes over; so does the
initiator, and sends probes; the other end says that they arrived, and probes the way back. Only then do both go on, at
the new rate. Whoever hears nothing in time goes back to the rate that it came from. Later, an end that loses too much,
or hears nothing for a while, goes back to the rate that all begin with, and so does the other, which then hears nothing
either. The session does not notice.

Bodies of frames: 7, step (1), index of the rate (1), and in probes arbitrary bytes. A line that carries no more at a
higher rate, as that of a USB gadget, stays at the rate that it has.
"""

from __future__ import annotations

from collections import deque
from enum import IntEnum
from math import inf

from core.sync.links.serial.framing import FRAME_OVERHEAD_BYTES, FrameType

BAUD_RATES = (115_200, 230_400, 460_800, 921_600, 1_500_000, 3_000_000)
"""In bits a second, the one that all begin with first."""

PROBE_COUNT, PROBE_PAYLOAD = 2, bytes(range(256)) * 2 + bytes(88)
ACCEPT_TIMEOUT_S, SWITCH_DELAY_S = 1.0, 0.1
# The end that was asked gives up before the one that asks, so that it hears what comes at the old rate.
RESPONDER_TIMEOUT_S, INITIATOR_TIMEOUT_S = 0.5, 0.7
SILENCE_TIMEOUT_S = 2.5
"""After so long without a frame that is whole an end goes back to the first rate."""

MAX_PROBE_TIME_RATIO, PROBE_SLACK_S = 1.6, 0.05
"""Probes that take so many times longer than they should, and a little, show a line with a pace of its own."""

MAX_PACED_PROBES = 2
"""If that is seen so often; once, it may have been an end that was busy."""


class BaudMessage(IntEnum):
    """What a frame about rates says."""

    PROPOSE = 1
    ACCEPT = 2
    PROBE = 3
    PROBE_REPLY = 4
    COMMIT = 5
    REVERT = 6


class BaudNegotiation:
    """One end. `baud` is the rate that the port should have, once all is sent that was handed to it; `holding` whether
    nothing but frames about rates may be sent; `due` when to look again.

    `takes` are the rates that this end's port can be set to; only the first one if it shall stay as it is.
    """

    def __init__(self, supported: tuple[int, ...]) -> None:
        self.baud = supported[0]
        self.is_exclusive = False
        self.due_at = inf
        self._supported = supported
        self._usable = supported
        self._previous_baud = self._proposed_baud = supported[0]
        self._state: BaudMessage | None = None
        self._initiator = False
        self._probes_received = self._failure_count = 0
        self._probes_sent_at = 0.0
        self._paced_probes = 0
        self._heard_at = 0.0
        self._outgoing: deque[bytes] = deque()

    @property
    def supported_mask(self) -> int:
        """The rates that this end takes, a bit each."""
        return sum(1 << BAUD_RATES.index(rate) for rate in self._supported if rate in BAUD_RATES)

    @property
    def is_raised(self) -> bool:
        """Whether the line is faster than in the beginning."""
        return self.baud != self._supported[0]

    def set_peer_mask(self, mask: int) -> None:
        """The other end takes these rates."""
        common = tuple(rate for rate in self._supported if rate in BAUD_RATES and mask >> BAUD_RATES.index(rate) & 1)
        self._usable = common or self._supported[:1]

    @property
    def can_rise(self) -> bool:
        """Whether there is a higher rate that has not failed yet."""
        return self._state is None and max(self._usable) > self.baud

    def propose_raise(self, now: float) -> None:
        """Try one about four times as high; only the initiator of the session does."""
        if not self.can_rise:
            return
        self._initiator = True
        higher = [rate for rate in self._usable if rate > self.baud]
        self._propose(max((rate for rate in higher if rate <= 4 * self.baud), default=higher[0]), now)

    @property
    def failure_count(self) -> int:
        """How many attempts came to nothing."""
        return self._failure_count

    def revert_to_first(self, now: float) -> None:
        """Go back to the first rate, since this one loses too much."""
        if not self.is_raised or self._state is not None:
            return
        self._exclude(self.baud)
        self._outgoing.extend([self._make_body(BaudMessage.REVERT, self.baud)] * 3)
        self._revert(now)

    def reset(self) -> None:
        """The port was opened anew, at the first rate."""
        self.baud = self._previous_baud = self._supported[0]
        self._outgoing.clear()
        self._end_attempt(0.0)

    def on_baud_refused(self) -> None:
        """The port does not take the rate `baud` after all, as one that was exchanged for another one."""
        first, *others = self._supported
        self._supported = (first, *(rate for rate in others if rate < self.baud))
        self._exclude(self.baud)

    def next_body(self) -> bytes | None:
        """The body of the next frame about rates."""
        return self._outgoing.popleft() if self._outgoing else None

    def on_baud_switched(self, now: float) -> None:
        """The port has the rate `baud` now."""
        self._heard_at = now
        if self._state == BaudMessage.PROBE:
            self._probes_sent_at = now
            self._outgoing.extend([self._make_body(BaudMessage.PROBE, self.baud) + PROBE_PAYLOAD] * PROBE_COUNT)
            self.due_at = now + INITIATOR_TIMEOUT_S
        elif self._state == BaudMessage.ACCEPT:
            self.due_at = now + RESPONDER_TIMEOUT_S
        elif self._state is None:
            self._end_attempt(now)

    def on_other_frame(self, now: float) -> None:
        """A whole frame of another kind came: at this rate the other end is heard."""
        self._heard_at = now
        if self._state in (BaudMessage.PROBE_REPLY, None):
            self._end_attempt(now)

    def receive_body(self, body: bytes, now: float) -> None:
        """Take in a frame about rates."""
        if len(body) < 3 or body[2] >= len(BAUD_RATES):
            return
        step, rate = body[1], BAUD_RATES[body[2]]
        self._heard_at = now
        if step == BaudMessage.PROPOSE and self._can_accept(rate):
            self._previous_baud, self._probes_received = self.baud, 0
            self.is_exclusive = True
            self._outgoing.append(self._make_body(BaudMessage.ACCEPT, rate))
            self._state, self.baud = BaudMessage.ACCEPT, rate
        elif step == BaudMessage.ACCEPT and self._state == BaudMessage.PROPOSE:
            # Once the other end has changed over.
            self._state, self.due_at = BaudMessage.ACCEPT, now + SWITCH_DELAY_S
        elif (
            step == BaudMessage.PROBE
            and self._state in (BaudMessage.ACCEPT, BaudMessage.PROBE_REPLY)
            and not self._initiator
        ):
            self._probes_received += 1
            if self._probes_received == PROBE_COUNT:
                self._state, self.due_at = BaudMessage.PROBE_REPLY, now + RESPONDER_TIMEOUT_S
                self._outgoing.append(self._make_body(BaudMessage.PROBE_REPLY, rate) + PROBE_PAYLOAD)
        elif step == BaudMessage.PROBE_REPLY and self._state == BaudMessage.PROBE:
            self._check_probe_time(now)
        elif step == BaudMessage.COMMIT and self._state == BaudMessage.PROBE_REPLY:
            self._end_attempt(now)
        elif step == BaudMessage.REVERT and (self.is_raised or self._state is not None):
            # What was to be said of the attempt that is over means nothing any more, or another one.
            self._outgoing.clear()
            self._exclude(rate)
            self._revert(now)

    def _can_accept(self, rate: int) -> bool:
        return self._state is None and not self._initiator and rate in self._supported and rate > self.baud

    def on_time(self, now: float) -> None:
        """The time that was waited for has come."""
        if now < self.due_at:
            return
        self.due_at = inf
        if self._state == BaudMessage.ACCEPT and self._initiator:
            self._state, self.baud = BaudMessage.PROBE, self._proposed_baud
        elif self._state is not None or self.is_raised:
            self._exclude(self._proposed_baud if self._initiator and self._state is not None else self.baud)
            self._revert(now)

    def _propose(self, rate: int, now: float) -> None:
        self._previous_baud, self._proposed_baud = self.baud, rate
        self.is_exclusive = True
        self._state, self.due_at = BaudMessage.PROPOSE, now + ACCEPT_TIMEOUT_S
        self._outgoing.append(self._make_body(BaudMessage.PROPOSE, rate))

    def _check_probe_time(self, now: float) -> None:
        """The probes arrived there, and back: in the time that they take at this rate?"""
        takes = (PROBE_COUNT + 1) * (len(PROBE_PAYLOAD) + FRAME_OVERHEAD_BYTES) / (self.baud / 10)
        if now - self._probes_sent_at > MAX_PROBE_TIME_RATIO * takes + PROBE_SLACK_S:
            self._paced_probes += 1
            self._failure_count += 1
            if self._paced_probes == MAX_PACED_PROBES:
                self._usable = self._supported[:1]
            self._outgoing.append(self._make_body(BaudMessage.REVERT, self.baud))
            self._revert(now)
            return
        self._outgoing.append(self._make_body(BaudMessage.COMMIT, self.baud))
        self._end_attempt(now)

    def _revert(self, now: float) -> None:
        """Go back: from an attempt to the rate before it, else to the first one."""
        self.baud = self._previous_baud if self._state is not None else self._supported[0]
        self._end_attempt(now)

    def _exclude(self, rate: int) -> None:
        """This rate and those above it are not for this cable."""
        self._failure_count += 1
        self._usable = tuple(each for each in self._usable if each < rate) or self._supported[:1]

    def _end_attempt(self, now: float) -> None:
        self._state, self.is_exclusive = None, False
        self.due_at = now + SILENCE_TIMEOUT_S if self.is_raised else inf

    def _make_body(self, step: BaudMessage, rate: int) -> bytes:
        return bytes([FrameType.RATE, step, BAUD_RATES.index(rate)])

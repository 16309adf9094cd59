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

from core.sync.links.frames import OVERHEAD, Kind

RATES = (115_200, 230_400, 460_800, 921_600, 1_500_000, 3_000_000)
"""In bits a second, the one that all begin with first."""

PROBES, PROBE = 2, bytes(range(256)) * 2 + bytes(88)
ANSWER_SECONDS, TURN_SECONDS = 1.0, 0.1
# The end that was asked gives up before the one that asks, so that it hears what comes at the old rate.
ASKED_SECONDS, ASKING_SECONDS = 0.5, 0.7
SILENCE_SECONDS = 2.5
"""After so long without a frame that is whole an end goes back to the first rate."""

PACED, SLACK_SECONDS = 1.6, 0.05
"""Probes that take so many times longer than they should, and a little, show a line with a pace of its own."""

PACED_TIMES = 2
"""If that is seen so often; once, it may have been an end that was busy."""


class Step(IntEnum):
    """What a frame about rates says."""

    PROPOSE = 1
    ACCEPT = 2
    PROBE = 3
    PROBED = 4
    COMMIT = 5
    BACK = 6


class Rates:
    """One end. `baud` is the rate that the port should have, once all is sent that was handed to it; `holding` whether
    nothing but frames about rates may be sent; `due` when to look again.

    `takes` are the rates that this end's port can be set to; only the first one if it shall stay as it is.
    """

    def __init__(self, takes: tuple[int, ...]) -> None:
        self.baud = takes[0]
        self.holding = False
        self.due = inf
        self._takes = takes
        self._best = takes
        self._from = self._wanted = takes[0]
        self._step: Step | None = None
        self._initiator = False
        self._seen = self._failures = 0
        self._probed_since = 0.0
        self._paced = 0
        self._heard = 0.0
        self._out: deque[bytes] = deque()

    @property
    def mask(self) -> int:
        """The rates that this end takes, a bit each."""
        return sum(1 << RATES.index(rate) for rate in self._takes if rate in RATES)

    @property
    def raised(self) -> bool:
        """Whether the line is faster than in the beginning."""
        return self.baud != self._takes[0]

    def met(self, mask: int) -> None:
        """The other end takes these rates."""
        common = tuple(rate for rate in self._takes if rate in RATES and mask >> RATES.index(rate) & 1)
        self._best = common or self._takes[:1]

    @property
    def can_rise(self) -> bool:
        """Whether there is a higher rate that has not failed yet."""
        return self._step is None and max(self._best) > self.baud

    def rise(self, now: float) -> None:
        """Try one about four times as high; only the initiator of the session does."""
        if not self.can_rise:
            return
        self._initiator = True
        higher = [rate for rate in self._best if rate > self.baud]
        self._propose(max((rate for rate in higher if rate <= 4 * self.baud), default=higher[0]), now)

    @property
    def failures(self) -> int:
        """How many attempts came to nothing."""
        return self._failures

    def fall(self, now: float) -> None:
        """Go back to the first rate, since this one loses too much."""
        if not self.raised or self._step is not None:
            return
        self._forget(self.baud)
        self._out.extend([self._body(Step.BACK, self.baud)] * 3)
        self._return(now)

    def restart(self) -> None:
        """The port was opened anew, at the first rate."""
        self.baud = self._from = self._takes[0]
        self._out.clear()
        self._done(0.0)

    def refused(self) -> None:
        """The port does not take the rate `baud` after all, as one that was exchanged for another one."""
        first, *others = self._takes
        self._takes = (first, *(rate for rate in others if rate < self.baud))
        self._forget(self.baud)

    def take(self) -> bytes | None:
        """The body of the next frame about rates."""
        return self._out.popleft() if self._out else None

    def switched(self, now: float) -> None:
        """The port has the rate `baud` now."""
        self._heard = now
        if self._step == Step.PROBE:
            self._probed_since = now
            self._out.extend([self._body(Step.PROBE, self.baud) + PROBE] * PROBES)
            self.due = now + ASKING_SECONDS
        elif self._step == Step.ACCEPT:
            self.due = now + ASKED_SECONDS
        elif self._step is None:
            self._done(now)

    def alive(self, now: float) -> None:
        """A whole frame of another kind came: at this rate the other end is heard."""
        self._heard = now
        if self._step in (Step.PROBED, None):
            self._done(now)

    def heard(self, body: bytes, now: float) -> None:
        """Take in a frame about rates."""
        if len(body) < 3 or body[2] >= len(RATES):
            return
        step, rate = body[1], RATES[body[2]]
        self._heard = now
        if step == Step.PROPOSE and self._may_agree(rate):
            self._from, self._seen = self.baud, 0
            self.holding = True
            self._out.append(self._body(Step.ACCEPT, rate))
            self._step, self.baud = Step.ACCEPT, rate
        elif step == Step.ACCEPT and self._step == Step.PROPOSE:
            # Once the other end has changed over.
            self._step, self.due = Step.ACCEPT, now + TURN_SECONDS
        elif step == Step.PROBE and self._step in (Step.ACCEPT, Step.PROBED) and not self._initiator:
            self._seen += 1
            if self._seen == PROBES:
                self._step, self.due = Step.PROBED, now + ASKED_SECONDS
                self._out.append(self._body(Step.PROBED, rate) + PROBE)
        elif step == Step.PROBED and self._step == Step.PROBE:
            self._judge(now)
        elif step == Step.COMMIT and self._step == Step.PROBED:
            self._done(now)
        elif step == Step.BACK and (self.raised or self._step is not None):
            # What was to be said of the attempt that is over means nothing any more, or another one.
            self._out.clear()
            self._forget(rate)
            self._return(now)

    def _may_agree(self, rate: int) -> bool:
        return self._step is None and not self._initiator and rate in self._takes and rate > self.baud

    def tick(self, now: float) -> None:
        """The time that was waited for has come."""
        if now < self.due:
            return
        self.due = inf
        if self._step == Step.ACCEPT and self._initiator:
            self._step, self.baud = Step.PROBE, self._wanted
        elif self._step is not None or self.raised:
            self._forget(self._wanted if self._initiator and self._step is not None else self.baud)
            self._return(now)

    def _propose(self, rate: int, now: float) -> None:
        self._from, self._wanted = self.baud, rate
        self.holding = True
        self._step, self.due = Step.PROPOSE, now + ANSWER_SECONDS
        self._out.append(self._body(Step.PROPOSE, rate))

    def _judge(self, now: float) -> None:
        """The probes arrived there, and back: in the time that they take at this rate?"""
        takes = (PROBES + 1) * (len(PROBE) + OVERHEAD) / (self.baud / 10)
        if now - self._probed_since > PACED * takes + SLACK_SECONDS:
            self._paced += 1
            self._failures += 1
            if self._paced == PACED_TIMES:
                self._best = self._takes[:1]
            self._out.append(self._body(Step.BACK, self.baud))
            self._return(now)
            return
        self._out.append(self._body(Step.COMMIT, self.baud))
        self._done(now)

    def _return(self, now: float) -> None:
        """Go back: from an attempt to the rate before it, else to the first one."""
        self.baud = self._from if self._step is not None else self._takes[0]
        self._done(now)

    def _forget(self, rate: int) -> None:
        """This rate and those above it are not for this cable."""
        self._failures += 1
        self._best = tuple(each for each in self._best if each < rate) or self._takes[:1]

    def _done(self, now: float) -> None:
        self._step, self.holding = None, False
        self.due = now + SILENCE_SECONDS if self.raised else inf

    def _body(self, step: Step, rate: int) -> bytes:
        return bytes([Kind.RATE, step, RATES.index(rate)])

"""Automatic repeat request: a stream of bytes each way, in order and whole, over a line that flips, loses and stops.

Pure: bytes from the line go in with the time, frames for the line come out. Selective repeat as in HDLC and TCP with
SACK (RFC 2018), with what a private cable allows: the line is first in, first out, so that whatever was sent before
the newest frame that arrived, and did not arrive, is lost, and is sent again at once. Every transmission has a number
of its own for this, which the other end gives back.

Bodies of frames, integers big-endian, after one byte that says which:

    SYN   version (1), own id (8), the peer's id or zeros (8), 1 if this end is open, its rates (1): see `rates`
    DATA  sequence number (2), transmission (1), all before this one have arrived here (2), payload
    FIN   as DATA, without payload: nothing follows
    ACK   all before this one have arrived (2), newest transmission (1), how many frames more are welcome (1), bits of
          those that arrived behind the first that did not, lowest first
    PING  transmission (1): asks for an ACK
    RST   this session is over
    RATE  see `rates`

Two ends that do not know each other exchange SYN until both know both ids. An id is made for every session, so a peer
that was started anew is noticed, and one whose cable was pulled goes on where it was. All other frames have both ids in
their checksums.
"""

from __future__ import annotations

from enum import IntEnum
from math import inf
from zlib import crc32

from core.sync.links.frames import END, HEADER_SIZE, LONGEST, Kind, Splitter, body_of, frame, mended
from core.sync.links.rates import Rates
from core.sync.links.receiving import Receiving
from core.sync.links.sending import Counters, Sending

VERSION = 1
ID_SIZE = 8
SYN_SECONDS = (0.0, 0.1, 0.25, 0.5, 1.0)
ASK_SECONDS, QUIET_SECONDS = 1.0, 5.0
BITS = 10
"""What a byte takes on the line."""

WORTH, MUCH = 1 << 15, 1 << 17
"""It is worth while to look for a higher rate when so many bytes are still to come, or, where nobody knows, when so
many have gone to and fro: an attempt costs half a second, a vain one a second. Each vain one doubles both."""

GADGET, GADGET_RATE = 1 << 7, 1_000_000
"""What a gadget says of itself beside its rates, and what is handed to it at most, in bytes a second: about what USB
carries at full speed."""

SLOWER = 0.8
"""A line that carries less than this part of its rate has a pace of its own: a higher rate is of no use."""

LITTLE_LOSS, MOST_LOSS = 0.05, 0.25
WORRIED = 2
"""After so many times in a row without an answer the other end is asked whether it is still the same."""

_NOBODY = bytes(ID_SIZE)


class State(IntEnum):
    """How far two ends are: only answering, calling, joined, over."""

    LISTENING = 0
    CALLING = 1
    OPEN = 2
    OVER = 3


class Arq:
    """One end. `own` is an id that no other session has, `takes` the rates in bits a second that the port can be set
    to, the one that it has first; a `gadget` has none, and takes what it can send.
    """

    def __init__(self, own: bytes, takes: tuple[int, ...], *, calling: bool, gadget: bool = False) -> None:
        self.own = own
        self.peer = _NOBODY
        self.state = State.CALLING if calling else State.LISTENING
        self.reset = False
        """The other end was started anew, or is over: nothing of this session can go on."""
        self.rates = Rates(takes)
        self.baud = takes[0]
        self.gadget = gadget
        """Whether one of the ends is: then the line has a pace of its own, and nobody has to hold back."""
        self.sending = Sending(self._pace)
        self.receiving = Receiving(self._pace)
        self.coming = 0
        """Bytes that are still to be carried, to and fro, as far as those above know."""
        self._carried = 0
        self._splitter = Splitter(LONGEST)
        self._key = 0
        self._syn_due, self._syns = (0.0 if calling else inf), 0
        self._ask_due = inf
        self._who_are_you = False
        self._heard_last = 0.0

    # --- what is above -----------------------------------------------------------------------------------------------

    def call(self, now: float) -> None:
        """Call the other end, if this one has only listened so far."""
        if self.state == State.LISTENING:
            self.state = State.CALLING
            self._syn_due = now

    @property
    def initiator(self) -> bool:
        """Of two ends exactly one is this."""
        return self.own > self.peer

    @property
    def counters(self) -> Counters:
        """What this session came to so far."""
        return self.sending.counters

    @property
    def rate(self) -> float:
        """What the line carries in bytes a second, as far as is known."""
        return self.sending.rate

    @property
    def finished(self) -> bool:
        """Whether both ends have sent all they had to, and know it of each other."""
        return self.sending.finished and self.receiving.ended and self.receiving.due == inf

    def silent(self, now: float) -> bool:
        """Whether the other end has not answered for so long that it may be gone."""
        return self.state == State.OPEN and (self._is_quiet(now) or self.sending.worried >= WORRIED)

    def farewell(self) -> bytes:
        """The frame that tells the other end that this session is over, whatever was under way."""
        was, self.state = self.state, State.OVER
        return frame(bytes([Kind.RST]), self._key) if was == State.OPEN else b""

    def resumed(self, now: float) -> None:
        """The line is back: all that was on it is lost, and the other end may be another one."""
        self.rates.restart()
        self._tuned(now)
        if self.state == State.OPEN:
            self._ask_who(now)
            self._ask_due = now
        elif self.state == State.CALLING:
            self._syn_due, self._syns = now, 0
        else:
            self.call(now)

    def switched(self, now: float) -> None:
        """The port has the rate now that `rates` wants."""
        self._tuned(now)
        self.rates.switched(now)

    @property
    def _pace(self) -> float:
        return GADGET_RATE if self.gadget else self.baud / BITS

    def _tuned(self, now: float) -> None:
        self.baud = self.rates.baud
        self._carried = 0
        self.sending.retune(self._pace, now)
        self.receiving.rate = self._pace
        self.sending.cut()
        self._ask_due = now + ASK_SECONDS

    # --- what is below -----------------------------------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> bool:
        """Take in what came from the line, whatever it is; gives whether that may have changed anything."""
        found = self._splitter.split(data)
        for checked in found:
            if self.state == State.OVER:
                break
            if (body := self._understood(checked)) is None:
                self.counters.damaged += 1
            else:
                self._heard(body, now)
        return bool(found)

    def _understood(self, checked: bytes) -> bytes | None:
        if not self._key or (body := body_of(checked, self._key)) is None:
            body = body_of(checked)
            body = body if body is not None and body[0] == Kind.SYN else None
        if body is None and self._key and (body := mended(checked, self._key)) is not None:
            self.counters.mended += 1
        return body

    def take(self, now: float) -> bytes | None:
        """The next frame for the line, if there is one to be sent now."""
        if self._syn_due <= now and self.state in (State.CALLING, State.OPEN):
            return self._syn(now)
        if self.state != State.OPEN:
            return None
        body = self._body(now)
        if body is None:
            return None
        # Before a frame about rates may have come half of one at another rate.
        return (END if body[0] == Kind.RATE else b"") + frame(body, self._key)

    def _body(self, now: float) -> bytes | None:
        self.rates.tick(now)
        if self.rates.baud == self.baud:
            self._consider(now)
        if (body := self.rates.take()) is not None:
            return body
        if self.rates.baud != self.baud:
            return None
        if self.receiving.due <= now:
            return self.receiving.ack()
        if self.rates.holding:
            return None
        if self.sending.deadline() <= now:
            self.sending.doubt(now)
            if self.sending.worried >= WORRIED:
                self._ask_who(now)
        if (body := self.sending.take(self.receiving.expected, now)) is not None:
            self._carried += len(body)
            return body
        if self.sending.blocked:
            self._ask_due = min(self._ask_due, now + ASK_SECONDS)
        if self._ask_due > now:
            return None
        self._ask_due = now + ASK_SECONDS
        if self._is_quiet(now):
            self._ask_who(now)
        return self.sending.ask()

    def _is_quiet(self, now: float) -> bool:
        return now - self._heard_last > QUIET_SECONDS + ASK_SECONDS

    def _consider(self, now: float) -> None:
        """Try a higher rate when there is much to do, and go back from one that loses too much."""
        if self.rates.raised and self.sending.loss > MOST_LOSS:
            self.rates.fall(now)
            return
        may_rise = self.initiator and self.rates.can_rise and not self.gadget
        if may_rise and self._is_much() and self._is_good():
            self._carried = 0
            self.rates.rise(now)

    def _is_much(self) -> bool:
        vain = self.rates.failures
        return self.coming >= WORTH << vain or self._carried >= MUCH << vain

    def _is_good(self) -> bool:
        return self.sending.loss < LITTLE_LOSS and self.sending.rate >= SLOWER * self.baud / BITS

    def wake(self) -> float:
        """When to ask `take` again though nothing else happens."""
        if self.state == State.OVER:
            return inf
        if self.state != State.OPEN:
            return self._syn_due
        if self.rates.baud != self.baud or self.rates.holding:
            return min(self._syn_due, self.rates.due)
        return min(self._syn_due, self.receiving.due, self._ask_due, self.rates.due, self.sending.deadline())

    # --- joining -----------------------------------------------------------------------------------------------------

    def _syn(self, now: float) -> bytes:
        is_open = self.state == State.OPEN
        if is_open:
            self._syn_due = inf
        else:
            self._syns += 1
            self._syn_due = now + SYN_SECONDS[min(self._syns, len(SYN_SECONDS) - 1)]
        knows, self._who_are_you = is_open and not self._who_are_you, False
        mask = self.rates.mask | GADGET * self.gadget
        return frame(bytes([Kind.SYN, VERSION]) + self.own + self.peer + bytes([knows, mask]))

    def _ask_who(self, now: float) -> None:
        """Have the other end say whether it is still the same."""
        self._who_are_you = True
        self._syn_due = now

    def _heard_syn(self, body: bytes, now: float) -> None:
        if len(body) != 4 + 2 * ID_SIZE or body[1] != VERSION:
            return
        peer, echo, is_open = body[2 : 2 + ID_SIZE], body[2 + ID_SIZE : -2], body[-2] == 1
        if peer in (self.own, _NOBODY):
            # A plug that has its own wires joined, or noise.
            return
        if self.state == State.OPEN:
            if peer != self.peer or echo not in (self.own, _NOBODY):
                self._over()
            elif not is_open:
                self._syn_due = now
            return
        if self.peer != peer or self.state == State.LISTENING:
            self.peer = peer
            self.state = State.CALLING
            self._syn_due = now
        self._key = crc32(min(self.own, peer) + max(self.own, peer)) or 1
        self.rates.met(body[-1])
        if body[-1] & GADGET and not self.gadget:
            self.gadget = True
            self._tuned(now)
        if echo == self.own:
            self._opened(now)
            if not is_open:
                self._syn_due = now

    def _opened(self, now: float) -> None:
        self.state = State.OPEN
        self._syn_due = inf
        self.sending.joined(now)

    def _over(self) -> None:
        self.reset = True
        self.state = State.OVER

    # --- hearing -----------------------------------------------------------------------------------------------------

    def _heard(self, body: bytes, now: float) -> None:
        self._heard_last = now
        quiet = not self.sending.blocked and not self.rates.raised
        self._ask_due = now + (QUIET_SECONDS if quiet else ASK_SECONDS)
        kind = body[0]
        if kind == Kind.SYN:
            self._heard_syn(body, now)
            return
        if self.state != State.OPEN:
            # Whoever makes this checksum knows both ids.
            self._opened(now)
        if kind == Kind.RATE:
            self.rates.heard(body, now)
            return
        self.rates.alive(now)
        self._carried += len(body)
        if kind in (Kind.DATA, Kind.FIN) and len(body) >= HEADER_SIZE:
            self.sending.released(body[4:HEADER_SIZE], now)
            self.receiving.heard(Kind(kind), body, now)
        elif kind == Kind.ACK and len(body) >= HEADER_SIZE - 1:
            self.sending.heard(body, now)
        elif kind == Kind.PING and len(body) == 2:
            self.receiving.asked(body[1], now)
        elif kind == Kind.RST:
            self._over()

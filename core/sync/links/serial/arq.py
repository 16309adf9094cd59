"""Automatic repeat request: ordered, whole streams over a bad line.

The line flips bits, loses bytes and stops.

Pure: bytes from the line go in with the time, frames for the line come out. Selective repeat as in HDLC and TCP with
SACK (RFC 2018), with what a private cable allows: the line is first in, first out, so that whatever was sent before
the newest frame that arrived, and did not arrive, is lost, and is sent again at once. Every transmission has a number
of its own for this, which the other end gives back.

Bodies of frames, integers big-endian, after one byte that says which:

    SYN   version (1), own id (8), the peer's id or zeros (8), 1 if this end is open, its rates (1): see below
    DATA  sequence number (2), transmission (1), all before this one have arrived here (2), payload
    FIN   as DATA, without payload: nothing follows
    ACK   all before this one have arrived (2), newest transmission (1), how many frames more are welcome (1), bits of
          those that arrived behind the first that did not, lowest first
    PING  transmission (1): asks for an ACK
    RST   this session is over
    RATE  see `baud_negotiation`, as for the rates of a SYN

Two ends that do not know each other exchange SYN until both know both ids. An id is made for every session, so a peer
that was started anew is noticed, and one whose cable was pulled goes on where it was. All other frames have both ids in
their checksums.
"""

from __future__ import annotations

from math import inf
from zlib import crc32

from core.sync.links.serial.arq_receiver import ArqReceiver
from core.sync.links.serial.arq_sender import ArqSender, LineCounters
from core.sync.links.serial.arq_states import ARQ, ArqEvent, ArqState
from core.sync.links.serial.baud_negotiation import DEFAULT_TIMING, BaudNegotiation, BaudTiming
from core.sync.links.serial.framing import (
    FRAME_END,
    FRAME_HEADER_BYTES,
    MAX_LINE_FRAME_BYTES,
    FrameSplitter,
    FrameType,
    correct_frame,
    decode_frame,
    encode_frame,
)
from core.sync.states import StateMachine

ARQ_VERSION = 1
SESSION_ID_BYTES = 8
"""Random: two sessions on one cable have the same id by chance once in 2**64."""
SYN_RETRY_S = (0.0, 0.1, 0.25, 0.5, 1.0)
"""Between SYN frames, the last one for ever: quick while a program starts, quiet on an empty line."""
PING_INTERVAL_S, IDLE_PING_INTERVAL_S = 1.0, 5.0
"""While something is awaited, and while all is quiet: a cable that was pulled shows after the second."""
BITS_PER_BYTE = 10
"""What a byte takes on the line: a start bit, eight, and a stop bit."""

MIN_PENDING_BYTES = 1 << 15
"""It is worth while to look for a higher rate when so many bytes are still to come; where nobody knows, see
`baud_negotiation.MIN_CARRIED_BYTES`. Each failed attempt doubles both."""

GADGET_FLAG, MAX_GADGET_BYTES_PER_S = 1 << 7, 1_000_000
"""What a gadget says of itself beside its rates, and what is handed to it at most, in bytes a second: about what USB
carries at full speed."""

MIN_LINE_RATIO = 0.8
"""A line that carries less than this part of its rate has a pace of its own: a higher rate is of no use."""

MAX_LOSS_TO_RAISE, MAX_LOSS = 0.05, 0.25
"""Parts of the frames that are lost: above the first no higher rate is tried, above the second the first is gone
back to, which carries no less than three quarters of twice as much."""
MAX_DOUBTS = 2
"""After so many timeouts in a row the other end is asked whether it is still the same."""

_NO_ID = bytes(SESSION_ID_BYTES)


class Arq:
    """One end of a line.

    `own_id` is an id that no other session has; `supported` are the rates, in bits a second, that the port can be set
    to, the one that it has first; a gadget has none, and takes what it can send. Times are seconds of a monotonic
    clock.
    """

    def __init__(
        self,
        own_id: bytes,
        supported: tuple[int, ...],
        *,
        dials: bool,
        is_gadget: bool = False,
        timing: BaudTiming = DEFAULT_TIMING,
    ) -> None:
        self.own_id = own_id
        self.peer_id = _NO_ID
        self._machine: StateMachine[ArqState, ArqEvent] = StateMachine(ARQ, ArqState.SYN if dials else ArqState.LISTEN)
        self.negotiation = BaudNegotiation(supported, timing)
        self._min_carried_bytes = timing.min_carried_bytes
        self.baud = supported[0]
        self.is_gadget = is_gadget
        """Whether one of the ends is: then the line has a pace of its own, and nobody has to hold back."""
        self.sender = ArqSender(self._nominal_rate)
        self.receiver = ArqReceiver(self._nominal_rate)
        self.pending_bytes = 0
        """Bytes that are still to be carried, to and fro, as far as those above know."""
        self._carried_bytes = 0
        self._splitter = FrameSplitter(MAX_LINE_FRAME_BYTES)
        self._key = 0
        self._syn_at, self._syn_count = (0.0 if dials else inf), 0
        self._ping_at = inf
        self._wants_syn = False
        self._received_at = 0.0

    # --- what is above -----------------------------------------------------------------------------------------------

    def dial(self, now: float) -> None:
        """Dial the other end, if this one has only listened so far."""
        if self._machine.allows(ArqEvent.DIAL):
            self._machine.enter(ArqEvent.DIAL)
            self._syn_at = now

    @property
    def state(self) -> ArqState:
        return self._machine.state

    @property
    def is_peer_restarted(self) -> bool:
        """Whether the other end was started anew, or is over.

        Nothing of this session can go on.
        """
        return self.state is ArqState.RESET

    @property
    def is_initiator(self) -> bool:
        """Whether this end is the initiator: of two ends exactly one is."""
        return self.own_id > self.peer_id

    @property
    def counters(self) -> LineCounters:
        """What this session came to so far."""
        return self.sender.counters

    @property
    def line_rate(self) -> float:
        """What the line carries in bytes a second, as far as is known."""
        return self.sender.line_rate

    @property
    def is_finished(self) -> bool:
        """Whether both ends have sent all they had to, and know it of each other."""
        return self.sender.is_finished and self.receiver.has_ended and self.receiver.ack_at == inf

    def is_silent(self, now: float) -> bool:
        """Say whether the other end has sent nothing for so long that it may be gone."""
        return self.state is ArqState.OPEN and (self._is_overdue(now) or self.sender.doubts >= MAX_DOUBTS)

    def make_rst(self) -> bytes:
        """End this session, whatever was under way; give the frame that says so, or b""."""
        was_open = self.state is ArqState.OPEN
        if self._machine.allows(ArqEvent.FAREWELL):
            self._machine.enter(ArqEvent.FAREWELL)
        return encode_frame(bytes([FrameType.RST]), self._key) if was_open else b""

    def on_port_opened(self, now: float) -> None:
        """Take note that the line is back.

        All on it is lost, and the other end may be another one.
        """
        self.negotiation.reset()
        self._apply_baud(now)
        if not self._machine.allows(ArqEvent.PORT_OPENED):
            return
        was_listening = self.state is ArqState.LISTEN
        self._machine.enter(ArqEvent.PORT_OPENED)
        if self.state is ArqState.OPEN:
            self._request_syn(now)
            self._ping_at = now
        else:
            self._syn_at, self._syn_count = now, self._syn_count if was_listening else 0

    def on_baud_switched(self, now: float) -> None:
        """Take note that the port has the rate that `negotiation` wants."""
        self._apply_baud(now)
        self.negotiation.on_baud_switched(now)

    @property
    def _is_over(self) -> bool:
        return self.state in (ArqState.RESET, ArqState.CLOSED)

    @property
    def _nominal_rate(self) -> float:
        return MAX_GADGET_BYTES_PER_S if self.is_gadget else self.baud / BITS_PER_BYTE

    def _apply_baud(self, now: float) -> None:
        self.baud = self.negotiation.baud
        self._carried_bytes = 0
        self.sender.set_rate(self._nominal_rate, now)
        self.receiver.line_rate = self._nominal_rate
        self.sender.mark_line_cut()
        self._ping_at = now + PING_INTERVAL_S

    # --- what is below -----------------------------------------------------------------------------------------------

    def receive_data(self, data: bytes, now: float) -> bool:
        """Handle what came from the line, whatever it is.

        Give whether it may have changed anything.
        """
        found = self._splitter.split(data)
        for checked in found:
            if self._is_over:
                break
            if (body := self._decode(checked)) is None:
                self.counters.damaged += 1
            else:
                self._receive_body(body, now)
        return bool(found)

    def _decode(self, checked: bytes) -> bytes | None:
        if not self._key or (body := decode_frame(checked, self._key)) is None:
            body = decode_frame(checked)
            body = body if body is not None and body[0] == FrameType.SYN else None
        if body is None and self._key and (body := correct_frame(checked, self._key)) is not None:
            self.counters.corrected += 1
        return body

    def next_frame(self, now: float) -> bytes | None:
        """Make the next frame for the line; None if there is none to be sent now."""
        if self._syn_at <= now and self.state is not ArqState.LISTEN and not self._is_over:
            return self._make_syn(now)
        if self.state is not ArqState.OPEN:
            return None
        body = self._next_body(now)
        if body is None:
            return None
        # Before a frame about rates may have come half of one at another rate.
        return (FRAME_END if body[0] == FrameType.RATE else b"") + encode_frame(body, self._key)

    def _next_body(self, now: float) -> bytes | None:
        self.negotiation.on_time(now)
        if self.negotiation.baud == self.baud:
            self._consider_baud(now)
        if (body := self.negotiation.next_body()) is not None:
            return body
        if self.negotiation.baud != self.baud:
            return None
        if self.receiver.ack_at <= now:
            return self.receiver.make_ack()
        if self.negotiation.is_exclusive:
            return None
        if self.sender.timeout_at() <= now:
            self.sender.on_timeout(now)
            if self.sender.doubts >= MAX_DOUBTS:
                self._request_syn(now)
        if (body := self.sender.next_body(self.receiver.expected_field, now)) is not None:
            self._carried_bytes += len(body)
            return body
        if self.sender.is_blocked:
            self._ping_at = min(self._ping_at, now + PING_INTERVAL_S)
        if self._ping_at > now:
            return None
        self._ping_at = now + PING_INTERVAL_S
        if self._is_overdue(now):
            self._request_syn(now)
        return self.sender.make_ping()

    def _is_overdue(self, now: float) -> bool:
        return now - self._received_at > IDLE_PING_INTERVAL_S + PING_INTERVAL_S

    def _consider_baud(self, now: float) -> None:
        """Try a higher rate when there is much to do; revert one that loses too much."""
        if self.negotiation.is_raised and self.sender.loss_ratio > MAX_LOSS:
            self.negotiation.revert_to_first(now)
            return
        may_rise = self.is_initiator and self.negotiation.can_rise and not self.is_gadget
        if may_rise and self._has_much_to_carry() and self._is_line_good():
            self._carried_bytes = 0
            self.negotiation.propose_raise(now)

    def _has_much_to_carry(self) -> bool:
        failures = self.negotiation.failure_count
        is_much_pending = self.pending_bytes >= MIN_PENDING_BYTES << failures
        return is_much_pending or self._carried_bytes >= self._min_carried_bytes << failures

    def _is_line_good(self) -> bool:
        return (
            self.sender.loss_ratio < MAX_LOSS_TO_RAISE
            and self.sender.line_rate >= MIN_LINE_RATIO * self.baud / BITS_PER_BYTE
        )

    def next_wake_at(self) -> float:
        """Give when to call `next_frame` again though nothing else happens."""
        if self._is_over:
            return inf
        if self.state is not ArqState.OPEN:
            return self._syn_at
        if self.negotiation.baud != self.baud or self.negotiation.is_exclusive:
            return min(self._syn_at, self.negotiation.due_at)
        return min(self._syn_at, self.receiver.ack_at, self._ping_at, self.negotiation.due_at, self.sender.timeout_at())

    # --- joining -----------------------------------------------------------------------------------------------------

    def _make_syn(self, now: float) -> bytes:
        is_open = self.state is ArqState.OPEN
        if is_open:
            self._syn_at = inf
        else:
            self._syn_count += 1
            self._syn_at = now + SYN_RETRY_S[min(self._syn_count, len(SYN_RETRY_S) - 1)]
        knows, self._wants_syn = is_open and not self._wants_syn, False
        mask = self.negotiation.supported_mask | GADGET_FLAG * self.is_gadget
        return encode_frame(bytes([FrameType.SYN, ARQ_VERSION]) + self.own_id + self.peer_id + bytes([knows, mask]))

    def _request_syn(self, now: float) -> None:
        """Have the other end say whether it is still the same."""
        self._wants_syn = True
        self._syn_at = now

    def _receive_syn(self, body: bytes, now: float) -> None:
        if len(body) != 4 + 2 * SESSION_ID_BYTES or body[1] != ARQ_VERSION:
            return
        peer, echo, is_open = body[2 : 2 + SESSION_ID_BYTES], body[2 + SESSION_ID_BYTES : -2], body[-2] == 1
        if peer in (self.own_id, _NO_ID):
            # A plug that has its own wires joined, or noise.
            return
        if self.state is ArqState.OPEN:
            if peer != self.peer_id or echo not in (self.own_id, _NO_ID):
                self._machine.enter(ArqEvent.OTHER_SESSION)
            elif not is_open:
                self._syn_at = now
            return
        if self.peer_id != peer:
            self._machine.enter(ArqEvent.NEW_PEER)
            self.peer_id = peer
            self._syn_at = now
        self._key = crc32(min(self.own_id, peer) + max(self.own_id, peer)) or 1
        self.negotiation.set_peer_mask(body[-1])
        if body[-1] & GADGET_FLAG and not self.is_gadget:
            self.is_gadget = True
            self._apply_baud(now)
        if echo == self.own_id:
            self._open(ArqEvent.ECHOED, now)
            if not is_open:
                self._syn_at = now

    def _open(self, event: ArqEvent, now: float) -> None:
        self._machine.enter(event)
        self._syn_at = inf
        self.sender.on_open(now)

    # --- receiving ---------------------------------------------------------------------------------------------------

    def _receive_body(self, body: bytes, now: float) -> None:
        self._received_at = now
        quiet = not self.sender.is_blocked and not self.negotiation.is_raised
        self._ping_at = now + (IDLE_PING_INTERVAL_S if quiet else PING_INTERVAL_S)
        kind = body[0]
        if kind == FrameType.SYN:
            self._receive_syn(body, now)
            return
        if self.state is not ArqState.OPEN:
            # Whoever makes this checksum knows both ids.
            self._open(ArqEvent.KEYED_FRAME, now)
        if kind == FrameType.RATE:
            self.negotiation.receive_body(body, now)
            return
        self.negotiation.on_other_frame(now)
        self._carried_bytes += len(body)
        if kind in (FrameType.DATA, FrameType.FIN) and len(body) >= FRAME_HEADER_BYTES:
            self.sender.receive_expected(body[4:FRAME_HEADER_BYTES], now)
            self.receiver.receive_segment(FrameType(kind), body, now)
        elif kind == FrameType.ACK and len(body) >= FRAME_HEADER_BYTES - 1:
            self.sender.receive_ack(body, now)
        elif kind == FrameType.PING and len(body) == 2:
            self.receiver.receive_ping(body[1], now)
        elif kind == FrameType.RST:
            self._machine.enter(ArqEvent.RST)

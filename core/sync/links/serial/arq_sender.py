"""The sending half of an ARQ end: cut up, and repeat what is lost. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf, sqrt

from core.sync.links.serial.framing import (
    ACK_BATCH_FRAMES,
    FRAME_OVERHEAD_BYTES,
    MAX_PAYLOAD_BYTES,
    MAX_WINDOW_FRAMES,
    MIN_PAYLOAD_BYTES,
    MIN_WINDOW_FRAMES,
    WINDOW_S,
    FrameType,
    signed_difference,
)

INITIAL_TIMEOUT_S, MIN_TIMEOUT_S, MAX_TIMEOUT_S = 0.25, 0.05, 3.0
MIN_LONGEST_PAYLOAD_BYTES = 512
"""A payload may be as long on the slowest line, though it takes half a second there."""

RATE_HEADROOM = 1.2
_SMOOTHING = 1 / 32


@dataclass(slots=True)
class Segment:
    """Bytes that have a sequence number, until they have arrived. `number`.

    Its last transmission.
    """

    kind: FrameType
    payload: bytes
    transmission: int = -1
    sent_at: float = 0.0
    is_lost: bool = True


@dataclass(slots=True)
class LineCounters:
    """Frames of a session.

    Sent, sent again, received with one wrong bit, and of no use.
    """

    sent: int = 0
    resent: int = 0
    corrected: int = 0
    damaged: int = 0


class ArqSender:
    """The sending half.

    Bytes to send, segments under way, and an estimate of the line.

    `line_rate` is what the line carries in bytes a second; `doubts` counts timeouts in a row without any ACK.
    """

    def __init__(self, rate: float) -> None:
        self.line_rate = rate
        self.counters = LineCounters()
        self.doubts = 0
        self._nominal_rate = rate
        # Sequence numbers count on here, and have 16 bits on the wire.
        self._unsent = bytearray()
        self._segments: dict[int, Segment] = {}
        self._next_number = self._base_number = 0
        self._peer_limit = MIN_WINDOW_FRAMES
        self._transmissions = 0
        self._closing = self._is_fin_queued = False
        self._is_line_cut = False
        self._wants_ping = False
        self._round_trip, self._variation = 0.0, 0.0
        self._min_round_trip = inf
        self._progress_at = inf
        self._sent_bytes, self._lost_frames = 20_000.0, 0.0
        # What was resolved, in bytes on the line, since this was the next number.
        self._resolved_bytes, self._round_number, self._round_started_at = 0, 0, 0.0
        self._rates: list[float] = []

    # --- what is above -----------------------------------------------------------------------------------------------

    @property
    def backlog_bytes(self) -> int:
        """Bytes that were written and have not arrived yet, as far as is known."""
        return len(self._unsent) + self._unacked_bytes()

    @property
    def feed_rate(self) -> float:
        """How fast to hand over frames, in bytes a second.

        A little faster than they leave, as far as is known, so that the estimate can rise.
        """
        return min(self._nominal_rate, RATE_HEADROOM * self.line_rate)

    @property
    def window_bytes(self) -> int:
        """Bytes that may be under way at a time.

        Who has more to send should write more than this.
        """
        return max(MIN_WINDOW_FRAMES * self.payload_size(), int(WINDOW_S * self.line_rate))

    @property
    def is_finished(self) -> bool:
        """Whether all that was written has arrived, and that it was all."""
        return self._is_fin_queued and not self._segments

    @property
    def is_blocked(self) -> bool:
        """Whether there is more to send than the other end wants to have."""
        return bool(self._unsent) and not self._segments and self._next_number >= self._peer_limit

    def write(self, data: bytes) -> None:
        """Queue bytes; the caller looks at `backlog_bytes` for how much it is."""
        self._unsent += data

    def close(self) -> None:
        """End the stream: nothing more is written."""
        self._closing = True

    # --- what goes out -----------------------------------------------------------------------------------------------

    def next_body(self, expected: bytes, now: float) -> bytes | None:
        """Make the body of the next frame, lost ones first.

        `expected` acknowledges what came here.
        """
        number = next((number for number, segment in self._segments.items() if segment.is_lost), None)
        if number is None:
            number = self._make_segment()
        if number is None:
            return self.make_ping() if self._wants_ping else None
        segment = self._segments[number]
        again = segment.transmission >= 0
        self.counters.sent += 1
        self.counters.resent += again
        if not self._has_unacked():
            self._progress_at = now
        segment.sent_at, segment.is_lost = now, False
        segment.transmission = self._next_transmission()
        # If this one is lost again, nothing behind it would tell.
        self._wants_ping = again
        head = bytes([segment.kind]) + (number & 0xFFFF).to_bytes(2, "big") + bytes([segment.transmission & 0xFF])
        return head + expected + segment.payload

    def make_ping(self) -> bytes:
        """Make the body of a PING.

        Its ACK tells what of all that was sent before has arrived.
        """
        self._wants_ping = False
        return bytes([FrameType.PING, self._next_transmission() & 0xFF])

    def _next_transmission(self) -> int:
        self._transmissions += 1
        return self._transmissions - 1

    def timeout_at(self) -> float:
        """Give when to doubt that what is under way arrives."""
        if not self._has_unacked():
            return inf
        # An ACK comes after some frames, not after all.
        line = (
            min(self._unacked_bytes(), ACK_BATCH_FRAMES * MAX_PAYLOAD_BYTES) + 2 * MAX_PAYLOAD_BYTES
        ) / self.line_rate
        factor = 1 + min(self.doubts, 3)
        if self._min_round_trip == inf:
            return self._progress_at + INITIAL_TIMEOUT_S + line * factor
        wait = max(MIN_TIMEOUT_S, self._min_round_trip + 4 * self._variation) + line
        return self._progress_at + min(max(MAX_TIMEOUT_S, line), wait * factor)

    def on_timeout(self, now: float) -> None:
        """Doubt what is under way: all may be lost, or the line slow.

        A PING costs little.
        """
        self._progress_at = now
        self.doubts += 1
        self._wants_ping = True

    def mark_line_cut(self) -> None:
        """Take note that all that is on the line is lost, but for what the next ACK says."""
        self._is_line_cut = True
        self.doubts = 0

    def set_rate(self, rate: float, now: float) -> None:
        """Take note that the line has another rate from now on, in bytes a second."""
        self.line_rate = self._nominal_rate = rate
        self._min_round_trip, self._round_trip, self._rates = inf, 0.0, []
        self._lost_frames = 0.0
        self._progress_at = now
        self._begin_round(now)

    @property
    def loss_ratio(self) -> float:
        """How many of the last frames were lost, as a part of one."""
        return self._lost_frames * _SMOOTHING

    def on_open(self, now: float) -> None:
        """Begin to send: from now on something arrives."""
        self._is_line_cut = False
        self._begin_round(now)

    def payload_size(self) -> int:
        """Compute the payload, in bytes, that carries most at the measured error rate.

        Long frames cost little, short ones are hit less. The optimum for independent errors.
        """
        errors = self._lost_frames / self._sent_bytes
        best = sqrt(FRAME_OVERHEAD_BYTES / errors) if errors else inf
        longest = min(MAX_PAYLOAD_BYTES, max(MIN_LONGEST_PAYLOAD_BYTES, int(self._nominal_rate * 0.09)))
        return int(min(longest, max(MIN_PAYLOAD_BYTES, best)))

    def _make_segment(self) -> int | None:
        """Give the next bytes that wait a sequence number."""
        if self._next_number >= self._peer_limit or self._next_number - self._base_number >= MAX_WINDOW_FRAMES:
            return None
        if self._unacked_bytes() >= self.window_bytes:
            return None
        if self._unsent:
            size = self.payload_size()
            segment = Segment(FrameType.DATA, bytes(self._unsent[:size]))
            del self._unsent[:size]
        elif self._closing and not self._is_fin_queued:
            segment = Segment(FrameType.FIN, b"")
            self._is_fin_queued = True
        else:
            return None
        number = self._next_number
        self._segments[number] = segment
        self._next_number += 1
        return number

    def _unacked_bytes(self) -> int:
        return sum(len(segment.payload) for segment in self._segments.values())

    def _has_unacked(self) -> bool:
        return any(not segment.is_lost for segment in self._segments.values())

    # --- what the other end has received -----------------------------------------------------------------------------

    def receive_ack(self, body: bytes, now: float) -> None:
        """Handle an ACK of the other end."""
        newest, room = body[3], body[4]
        base = self._base_number + signed_difference(int.from_bytes(body[1:3], "big") - self._base_number)
        if not self._base_number <= base <= self._next_number:
            return
        last = self._transmissions - 1
        number = last - ((last - newest) & 0xFF)
        self._peer_limit = base + min(room, MAX_WINDOW_FRAMES)
        bits = int.from_bytes(body[5:13], "little")
        self._on_arrived(base, [base + 1 + bit for bit in range(bits.bit_length()) if bits >> bit & 1], number, now)
        was_cut, self._is_line_cut = self._is_line_cut, False
        # The line is first in, first out.
        for segment in self._segments.values():
            if (was_cut or segment.transmission < number) and not segment.is_lost:
                segment.is_lost = True
                if not was_cut:
                    # What a cut took says nothing about the line.
                    self._lost_frames += 1
                    self._count_resolved(segment)

    def receive_expected(self, acknowledged: bytes, now: float) -> None:
        """Handle the sequence number that the other end expects next."""
        base = self._base_number + signed_difference(int.from_bytes(acknowledged, "big") - self._base_number)
        if self._base_number < base <= self._next_number:
            self._on_arrived(base, (), -1, now)

    def _on_arrived(self, base: int, more: Iterable[int], number: int, now: float) -> None:
        gone = [self._segments.pop(one, None) for one in (*range(self._base_number, base), *more)]
        arrived = [segment for segment in gone if segment is not None]
        self._base_number = base
        for segment in arrived:
            self._count_resolved(segment)
            if segment.transmission == number:
                self._add_round_trip(now - segment.sent_at)
        if arrived:
            self.doubts = 0
            self._progress_at = now
            self._measure_rate(now)

    def _count_resolved(self, segment: Segment) -> None:
        """Count a transmission that arrived or was lost, for the estimates."""
        size = len(segment.payload) + FRAME_OVERHEAD_BYTES
        self._sent_bytes = self._sent_bytes * (1 - _SMOOTHING) + size
        self._lost_frames *= 1 - _SMOOTHING
        self._resolved_bytes += size

    def _add_round_trip(self, seconds: float) -> None:
        """Add the time that a frame and its ACK took; the variation as in RFC 6298."""
        if not self._round_trip:
            self._round_trip, self._variation = seconds, seconds / 2
        else:
            self._variation += (abs(seconds - self._round_trip) - self._variation) / 4
            self._round_trip += (seconds - self._round_trip) / 8
        self._min_round_trip = min(self._min_round_trip, seconds)

    def _measure_rate(self, now: float) -> None:
        """Measure what the line carries: it may be slower than its rate says.

        Then less has to be under way at once. ACKs may come in bunches: so count from one send until something has
        arrived that was sent later, and only while more waits, so that the line was never idle.
        """
        seconds = now - self._round_started_at
        if self._unsent and (self._base_number <= self._round_number or seconds < WINDOW_S):
            return
        if self._unsent:
            self._rates = [*self._rates[-4:], self._resolved_bytes / seconds]
            if len(self._rates) > 2:
                # The highest of a few may be due to a bunch that came late.
                self.line_rate = min(self._nominal_rate, sorted(self._rates)[-2])
        self._begin_round(now)

    def _begin_round(self, now: float) -> None:
        self._resolved_bytes, self._round_number, self._round_started_at = 0, self._next_number, now

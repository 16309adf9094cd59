"""What one end of a line does with what is to be sent: cuts it up, and repeats what is lost until it arrived. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf, sqrt

from core.sync.links.frames import (
    BATCH_FRAMES,
    LEAST_FRAMES,
    LEAST_PAYLOAD,
    MOST_FRAMES,
    MOST_PAYLOAD,
    OVERHEAD,
    WINDOW_SECONDS,
    Kind,
    signed,
)

FIRST_TIMEOUT, LEAST_TIMEOUT, MOST_TIMEOUT = 0.25, 0.05, 3.0
LONG_FROM = 512
"""A payload may be as long on the slowest line, though it takes half a second there."""

HEADROOM = 1.2
_MEMORY = 1 / 32


@dataclass(slots=True)
class Segment:
    """Bytes that have a sequence number, until they have arrived. `number` is that of its last transmission."""

    kind: Kind
    payload: bytes
    number: int = -1
    sent: float = 0.0
    lost: bool = True


@dataclass(slots=True)
class Counters:
    """What a session came to: frames sent, sent again, received with one wrong bit, and received of no use."""

    sent: int = 0
    again: int = 0
    mended: int = 0
    damaged: int = 0


class Sending:
    """Bytes to send, those under way, and what is known of the line: `rate` is what it carries in bytes a second.

    `worried` counts how often in a row nothing was heard of what is under way.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.counters = Counters()
        self.worried = 0
        self._nominal = rate
        # Sequence numbers count on here, and have 16 bits on the wire.
        self._waiting = bytearray()
        self._segments: dict[int, Segment] = {}
        self._next = self._base = 0
        self._limit = LEAST_FRAMES
        self._transmissions = 0
        self._closing = self._fin_made = False
        self._cut = False
        self._asking = False
        self._round_trip, self._variation = 0.0, 0.0
        self._quickest = inf
        self._progress = inf
        self._sent_bytes, self._lost_frames = 20_000.0, 0.0
        # What was resolved, in bytes on the line, since a moment at which this was the next number.
        self._resolved, self._round, self._round_since = 0, 0, 0.0
        self._rates: list[float] = []

    # --- what is above -----------------------------------------------------------------------------------------------

    @property
    def backlog(self) -> int:
        """Bytes that were written and have not arrived yet, as far as is known."""
        return len(self._waiting) + self._under_way()

    @property
    def pace(self) -> float:
        """How fast to hand over frames, in bytes a second: a little faster than they leave, as far as is known, so that
        what is known may be too little.
        """
        return min(self._nominal, HEADROOM * self.rate)

    @property
    def window(self) -> int:
        """Bytes that may be under way at a time. Who has more to send should write more than this."""
        return max(LEAST_FRAMES * self.payload_size(), int(WINDOW_SECONDS * self.rate))

    @property
    def finished(self) -> bool:
        """Whether all that was written has arrived, and that it was all."""
        return self._fin_made and not self._segments

    @property
    def blocked(self) -> bool:
        """Whether there is more to send than the other end wants to have."""
        return bool(self._waiting) and not self._segments and self._next >= self._limit

    def write(self, data: bytes) -> None:
        """Send these bytes; the caller looks at `backlog` for how much it is."""
        self._waiting += data

    def close(self) -> None:
        """Nothing more is written."""
        self._closing = True

    # --- what goes out -----------------------------------------------------------------------------------------------

    def take(self, expected: bytes, now: float) -> bytes | None:
        """The body of the next frame, lost ones first; `expected` is what it says to have arrived here."""
        number = next((number for number, segment in self._segments.items() if segment.lost), None)
        if number is None:
            number = self._make()
        if number is None:
            return self.ask() if self._asking else None
        segment = self._segments[number]
        again = segment.number >= 0
        self.counters.sent += 1
        self.counters.again += again
        if not self._waited_for():
            self._progress = now
        segment.sent, segment.lost = now, False
        segment.number = self._transmission()
        # If this one is lost again, nothing behind it would tell.
        self._asking = again
        head = bytes([segment.kind]) + (number & 0xFFFF).to_bytes(2, "big") + bytes([segment.number & 0xFF])
        return head + expected + segment.payload

    def ask(self) -> bytes:
        """The body of a PING: its answer tells what of all that was sent before it has arrived."""
        self._asking = False
        return bytes([Kind.PING, self._transmission() & 0xFF])

    def _transmission(self) -> int:
        self._transmissions += 1
        return self._transmissions - 1

    def deadline(self) -> float:
        """When to doubt that what is under way arrives."""
        if not self._waited_for():
            return inf
        # An ACK comes after some frames, not after all.
        line = (min(self._under_way(), BATCH_FRAMES * MOST_PAYLOAD) + 2 * MOST_PAYLOAD) / self.rate
        patience = 1 + min(self.worried, 3)
        if self._quickest == inf:
            return self._progress + FIRST_TIMEOUT + line * patience
        wait = max(LEAST_TIMEOUT, self._quickest + 4 * self._variation) + line
        return self._progress + min(max(MOST_TIMEOUT, line), wait * patience)

    def doubt(self, now: float) -> None:
        """Nothing has been heard for too long. All may be lost, or the line slow: ask, which costs little."""
        self._progress = now
        self.worried += 1
        self._asking = True

    def cut(self) -> None:
        """All that is on the line is lost, but for what the next ACK says to have arrived."""
        self._cut = True
        self.worried = 0

    def retune(self, rate: float, now: float) -> None:
        """The line has another rate from now on."""
        self.rate = self._nominal = rate
        self._quickest, self._round_trip, self._rates = inf, 0.0, []
        self._lost_frames = 0.0
        self._progress = now
        self._begin_round(now)

    @property
    def loss(self) -> float:
        """How many of the last frames were lost, as a part of one."""
        return self._lost_frames * _MEMORY

    def joined(self, now: float) -> None:
        """From now on something arrives."""
        self._cut = False
        self._begin_round(now)

    def payload_size(self) -> int:
        """What carries most: long frames cost little, short ones are hit less. The optimum for independent errors."""
        errors = self._lost_frames / self._sent_bytes
        best = sqrt(OVERHEAD / errors) if errors else inf
        longest = min(MOST_PAYLOAD, max(LONG_FROM, int(self._nominal * 0.09)))
        return int(min(longest, max(LEAST_PAYLOAD, best)))

    def _make(self) -> int | None:
        """Give the next bytes that wait a sequence number."""
        if self._next >= self._limit or self._next - self._base >= MOST_FRAMES:
            return None
        if self._under_way() >= self.window:
            return None
        if self._waiting:
            size = self.payload_size()
            segment = Segment(Kind.DATA, bytes(self._waiting[:size]))
            del self._waiting[:size]
        elif self._closing and not self._fin_made:
            segment = Segment(Kind.FIN, b"")
            self._fin_made = True
        else:
            return None
        number = self._next
        self._segments[number] = segment
        self._next += 1
        return number

    def _under_way(self) -> int:
        return sum(len(segment.payload) for segment in self._segments.values())

    def _waited_for(self) -> bool:
        return any(not segment.lost for segment in self._segments.values())

    # --- what is heard of it -----------------------------------------------------------------------------------------

    def heard(self, body: bytes, now: float) -> None:
        """Take in an ACK of the other end."""
        newest, room = body[3], body[4]
        base = self._base + signed(int.from_bytes(body[1:3], "big") - self._base)
        if not self._base <= base <= self._next:
            return
        last = self._transmissions - 1
        number = last - ((last - newest) & 0xFF)
        self._limit = base + min(room, MOST_FRAMES)
        bits = int.from_bytes(body[5:13], "little")
        self._arrived(base, [base + 1 + bit for bit in range(bits.bit_length()) if bits >> bit & 1], number, now)
        was_cut, self._cut = self._cut, False
        # The line is first in, first out.
        for segment in self._segments.values():
            if (was_cut or segment.number < number) and not segment.lost:
                segment.lost = True
                if not was_cut:
                    # What a cut took says nothing about the line.
                    self._lost_frames += 1
                    self._resolve(segment)

    def released(self, acknowledged: bytes, now: float) -> None:
        """A frame of the other end says how far it has come."""
        base = self._base + signed(int.from_bytes(acknowledged, "big") - self._base)
        if self._base < base <= self._next:
            self._arrived(base, (), -1, now)

    def _arrived(self, base: int, more: Iterable[int], number: int, now: float) -> None:
        gone = [self._segments.pop(one, None) for one in (*range(self._base, base), *more)]
        arrived = [segment for segment in gone if segment is not None]
        self._base = base
        for segment in arrived:
            self._resolve(segment)
            if segment.number == number:
                self._sample(now - segment.sent)
        if arrived:
            self.worried = 0
            self._progress = now
            self._measure(now)

    def _resolve(self, segment: Segment) -> None:
        """A transmission has arrived or not: for the estimate of errors, and of what the line carries."""
        size = len(segment.payload) + OVERHEAD
        self._sent_bytes = self._sent_bytes * (1 - _MEMORY) + size
        self._lost_frames *= 1 - _MEMORY
        self._resolved += size

    def _sample(self, seconds: float) -> None:
        """How long a frame and its ACK took; the variation as in RFC 6298."""
        if not self._round_trip:
            self._round_trip, self._variation = seconds, seconds / 2
        else:
            self._variation += (abs(seconds - self._round_trip) - self._variation) / 4
            self._round_trip += (seconds - self._round_trip) / 8
        self._quickest = min(self._quickest, seconds)

    def _measure(self, now: float) -> None:
        """A line may be slower than its rate says: then less has to be under way at once. ACKs may come in bunches: so
        count from one moment until something has arrived that was sent later, and only while more waits, so that the
        line was never idle.
        """
        seconds = now - self._round_since
        if self._waiting and (self._base <= self._round or seconds < WINDOW_SECONDS):
            return
        if self._waiting:
            self._rates = [*self._rates[-4:], self._resolved / seconds]
            if len(self._rates) > 2:
                # The highest of a few may be due to a bunch that came late.
                self.rate = min(self._nominal, sorted(self._rates)[-2])
        self._begin_round(now)

    def _begin_round(self, now: float) -> None:
        self._resolved, self._round, self._round_since = 0, self._next, now

"""The repeat of frames on a line that works on bytes, not on frames.

They flip, go missing, come twice, late and in another order, noise comes between them, the cable is pulled, readers
stop reading, programs are started anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.sync.links.serial.arq import Arq
from core.sync.links.serial.arq_receiver import MAX_UNREAD_BYTES
from core.sync.links.serial.arq_states import ArqState
from core.sync.links.serial.framing import FRAME_END, MAX_LINE_FRAME_BYTES, MAX_WINDOW_FRAMES, FrameType, encode_frame

RATE, SLOW = 11520.0, 2880.0
SOME, MANY = 250, 12_000
WEATHER_SECONDS = 20.0
AHEAD_SECONDS = 0.02
BUSY = 200
"""Frames that one end may want to send at one moment: more is a loop that never ends."""


@dataclass(frozen=True)
class Weather:
    """What a line does to bytes.

    Probabilities for each byte, and for each piece of some bytes that arrives at once.
    """

    flip: float = 0.0
    drop: float = 0.0
    twice: float = 0.0
    late: float = 0.0
    noise: float = 0.0
    latency: float = 0.0

    @classmethod
    def random(cls, chance: Random) -> Weather:
        def some(*values: float) -> float:
            return chance.choice((0.0, 0.0, *values))

        return cls(
            some(1e-4, 1e-3, 4e-3),
            some(1e-4, 1e-3),
            some(0.01, 0.1),
            some(0.01, 0.1),
            some(0.01, 0.2),
            some(0.016, 0.2),
        )


class Wire:
    """One direction of a line that carries `rate` bytes a second."""

    def __init__(self, chance: Random, weather: Weather, rate: float) -> None:
        self.chance, self.weather, self.rate = chance, weather, rate
        self.free = 0.0
        self.cut = False
        self.due: list[tuple[float, bytes]] = []

    def put(self, data: bytes, now: float) -> None:
        while data:
            size = self.chance.choice((1, 7, 64, 300, 2000))
            piece, data = data[:size], data[size:]
            self.free = max(self.free, now) + len(piece) / self.rate
            if self.cut:
                continue
            for one in [self._hit(piece)] * (1 + (self.chance.random() < self.weather.twice)):
                self.due.append((self.free + self.weather.latency, one))
            if len(self.due) > 1 and self.chance.random() < self.weather.late:
                (earlier, one), (later, other) = self.due[-2:]
                self.due[-2:] = [(earlier, other), (later, one)]

    def arrived(self, now: float) -> bytes:
        data = b""
        while self.due and self.due[0][0] <= now:
            data += self.due.pop(0)[1]
        return data

    def _hit(self, piece: bytes) -> bytes:
        weather, chance = self.weather, self.chance
        if weather.flip or weather.drop:
            kept = bytearray()
            for byte in piece:
                if weather.drop and chance.random() < weather.drop:
                    continue
                flips = weather.flip and chance.random() < weather.flip
                kept.append(byte ^ (1 << chance.randrange(8)) if flips else byte)
            piece = bytes(kept)
        if chance.random() < weather.noise:
            piece += chance.randbytes(chance.randrange(40))
        return piece


class Pair:
    """Two ends in a time of their own.

    As at a port, what an end hands over is paced by what it thinks the line takes, and the line, which may be slower
    than `rate` says, has a buffer before it.
    """

    def __init__(
        self, chance: Random, weather: Weather, *, rate: float = RATE, real: float = RATE, dialing: int = 0b11
    ) -> None:
        self.chance = chance
        self.rate = rate
        self.now = chance.random() * 1e6
        # wires[0] leads from end 0 to end 1.
        self.wires = [Wire(chance, weather, real) for _ in range(2)]
        self.free = [0.0, 0.0]
        self.ends = [self.end(bool(dialing >> side & 1)) for side in (0, 1)]
        self.received = [bytearray(), bytearray()]
        self.reading = [True, True]

    def end(self, dialing: bool = True) -> Arq:
        end = Arq(self.chance.randbytes(8), (int(self.rate * 10),), dials=dialing)
        end.receive_data(FRAME_END, self.now)
        return end

    def step(self, until: float = inf) -> None:
        """Go on to when something happens, at most to `until`."""
        due = [until]
        for side, end in enumerate(self.ends):
            if data := self.wires[1 - side].arrived(self.now):
                end.receive_data(data, self.now)
            if self.reading[side]:
                self.received[side] += end.receiver.read(self.now)
        for side, end in enumerate(self.ends):
            due.append(self._send(side, end))
            within_bounds(end)
        due += [wire.due[0][0] for wire in self.wires if wire.due]
        self.now = max(self.now + 1e-5, min(due))

    def _send(self, side: int, end: Arq) -> float:
        """Hand over what the line takes now; gives when to go on, as the transport does."""
        for _ in range(BUSY):
            if self.free[side] - self.now > AHEAD_SECONDS:
                return self.free[side] - AHEAD_SECONDS
            data = end.next_frame(self.now)
            if data is None:
                return end.next_wake_at()
            self.free[side] = max(self.now, self.free[side]) + len(data) / end.sender.feed_rate
            self.wires[side].put(data, self.now)
        raise AssertionError("sends without end")

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.step(end)

    def calm(self) -> None:
        """From now on nothing goes wrong any more."""
        self.reading = [True, True]
        for wire in self.wires:
            wire.cut, wire.weather = False, Weather(latency=wire.weather.latency)


def within_bounds(end: Arq) -> None:
    assert len(end.receiver._unread) <= MAX_UNREAD_BYTES
    assert len(end.receiver._out_of_order) <= MAX_WINDOW_FRAMES
    assert len(end.sender._segments) <= MAX_WINDOW_FRAMES
    assert len(end._splitter._partial) <= MAX_LINE_FRAME_BYTES


def begin_anywhere(pair: Pair) -> None:
    """Sequence numbers have 16 bits, and so go around in a session of some MB."""
    for side, end in enumerate(pair.ends):
        other = pair.ends[1 - side]
        number = pair.chance.choice((0, 65_500, 65_535, 3 * 65_536 - 20))
        end.sender._peer_limit += number
        end.sender._next_number = end.sender._base_number = other.receiver._expected = number


def carry(seed: int) -> None:
    """A random schedule: what goes in comes out in order, and ends soon."""
    chance = Random(seed)
    rate = chance.choice((960.0, RATE, 92_160.0))
    real = rate * chance.choice((1, 1, 1, 0.3))
    pair = Pair(chance, Weather.random(chance), rate=rate, real=real, dialing=chance.choice((1, 2, 3)))
    begin_anywhere(pair)
    sizes = [chance.randrange(chance.choice((2, 2000, 40_000))) for _ in range(2)]
    sent = [chance.randbytes(size) for size in sizes]
    waiting = list(sent)
    storm = pair.now + chance.random() * WEATHER_SECONDS
    while pair.now < storm and any(waiting):
        disturb(pair)
        for side, end in enumerate(pair.ends):
            size = chance.randint(1, 5000)
            end.sender.write(waiting[side][:size])
            waiting[side] = waiting[side][size:]
        pair.wait(chance.choice((0.01, 0.1, 1.0)))
        check(pair, sent)
    pair.calm()
    for side, end in enumerate(pair.ends):
        end.sender.write(waiting[side])
        end.sender.close()
    deadline = pair.now + 30 + 3 * max(sizes) / real
    while not all(end.is_finished for end in pair.ends):
        pair.step()
        assert pair.now < deadline, "does not end"
    assert [bytes(got) for got in pair.received] == [sent[1], sent[0]]
    assert not any(end.is_peer_restarted for end in pair.ends)


def check(pair: Pair, sent: list[bytes]) -> None:
    for side, got in enumerate(pair.received):
        assert sent[1 - side].startswith(got)


def disturb(pair: Pair) -> None:
    """Somebody pulls the cable or plugs it in; somebody stops reading.

    At a port that notices, or one that does not.
    """
    chance = pair.chance
    what = chance.randrange(20)
    if what == 0:
        for wire in pair.wires:
            wire.cut = True
            wire.due.clear()
    elif what < 4 and pair.wires[0].cut:
        for wire in pair.wires:
            wire.cut = False
        for end in pair.ends:
            if chance.random() < 0.7:
                end.on_port_opened(pair.now)
    elif what < 8:
        pair.reading[chance.randrange(2)] ^= True


@pytest.mark.parametrize("part", range(2))
def test_what_comes_out_is_what_went_in(part: int) -> None:
    for seed in range(part * SOME // 2, (part + 1) * SOME // 2):
        carry(seed)


@pytest.mark.soak
@pytest.mark.parametrize("part", range(12))
def test_what_comes_out_is_what_went_in_for_long(part: int) -> None:
    for seed in range(SOME + part * MANY // 12, SOME + (part + 1) * MANY // 12):
        carry(seed)


@given(st.integers(SOME + MANY, 2**40))
def test_it_holds_for_random_schedules(seed: int) -> None:
    carry(seed)


class Program:
    """What runs at one end.

    A session, begun anew when the other end was, or when this one died.
    """

    def __init__(self, pair: Pair, side: int) -> None:
        self.pair, self.side = pair, side
        self.wrote: dict[bytes, bytearray] = {}
        self.read: dict[bytes, tuple[bytes, bytearray]] = {}
        self.begin()

    @property
    def end(self) -> Arq:
        return self.pair.ends[self.side]

    def begin(self) -> None:
        self.pair.ends[self.side] = self.pair.end()
        self.wrote[self.end.own_id] = bytearray()
        self.pair.received[self.side] = bytearray()

    def work(self) -> None:
        if self.pair.received[self.side]:
            self.read[self.end.own_id] = (self.end.peer_id, self.pair.received[self.side])
        if self.end.is_peer_restarted:
            self.begin()
        elif self.end.state == ArqState.OPEN and self.end.sender.backlog_bytes < 3000:
            data = self.pair.chance.randbytes(self.pair.chance.randrange(2000))
            self.end.sender.write(data)
            self.wrote[self.end.own_id] += data


def restarted(seed: int) -> None:
    """Programs die and start again at any moment, on a first-in, first-out line."""
    chance = Random(seed)
    weather = Weather(
        flip=chance.choice((0, 1e-4, 1e-3)), drop=chance.choice((0, 1e-3)), latency=chance.choice((0, 0.2))
    )
    pair = Pair(chance, weather, rate=SLOW, real=SLOW)
    programs = [Program(pair, side) for side in (0, 1)]
    for _ in range(chance.randrange(5)):
        for _ in range(chance.randrange(60)):
            pair.wait(0.05)
            for program in programs:
                program.work()
        chance.choice(programs).begin()
    pair.calm()
    before = 0
    for second in range(40):
        if second == 30:
            # Both have had the time to notice; from here on they are together.
            before = min(len(got) for got in pair.received)
        for _ in range(10):
            pair.wait(0.1)
            for program in programs:
                program.work()
    one, other = pair.ends
    assert (one.state, one.peer_id, other.state, other.peer_id) == (
        ArqState.OPEN,
        other.own_id,
        ArqState.OPEN,
        one.own_id,
    )
    assert min(len(got) for got in pair.received) > before
    for program, counterpart in (programs, programs[::-1]):
        for peer, data in program.read.values():
            # Nothing of one session gets into another.
            assert counterpart.wrote[peer].startswith(data)


def test_programs_that_are_started_anew_find_each_other_and_mix_nothing_up() -> None:
    for seed in range(30):
        restarted(seed)


@pytest.mark.soak
def test_programs_that_are_started_anew_find_each_other_for_long() -> None:
    for seed in range(30, 2000):
        restarted(seed)


numbers = st.integers(0, 0xFFFF) | st.integers(0, 80) | st.integers(0xFFC0, 0xFFFF)
bytes_of_it = st.integers(0, 255)
known = st.one_of(
    st.tuples(st.sampled_from((FrameType.DATA, FrameType.FIN)), numbers, bytes_of_it, numbers, st.integers(0, 1100)),
    st.tuples(st.just(FrameType.ACK), numbers, bytes_of_it, bytes_of_it, st.binary(max_size=12)),
    st.tuples(st.sampled_from((FrameType.PING, FrameType.SYN))),
)


def body_from(fields: tuple[object, ...], end: Arq) -> bytes:
    match fields:
        case (FrameType.ACK as kind, int(number), int(newest), int(room), bytes(bits)):
            return bytes([kind]) + number.to_bytes(2, "big") + bytes([newest, room]) + bits
        case (kind, int(number), int(transmission), int(expected), int(size)):
            head = bytes([kind]) + number.to_bytes(2, "big") + bytes([transmission])  # type: ignore[list-item]
            return head + expected.to_bytes(2, "big") + bytes(size)
        case (FrameType.PING,):
            return bytes([FrameType.PING])
    return bytes([FrameType.SYN, 1]) + end.peer_id + end.own_id + b"\0"


@given(st.lists(st.tuples(known, st.sampled_from((0.0, 0.001, 0.1, 5.0, 1000.0))), max_size=60), st.booleans())
def test_a_peer_that_knows_the_session_and_lies_does_not_get_far(
    frames: list[tuple[tuple[object, ...], float]], reading: bool
) -> None:
    pair = Pair(Random(1), Weather())
    while not all(end.state == ArqState.OPEN for end in pair.ends):
        pair.step()
    end, now = pair.ends[0], pair.now
    end.sender.write(Random(2).randbytes(200_000))
    for fields, pause_s in frames:
        end.receive_data(encode_frame(body_from(fields, end), end._key), now)
        taken = [end.next_frame(now) for _ in range(BUSY)]
        assert taken[-1] is None
        within_bounds(end)
        if reading:
            end.receiver.read(now)
            while end.next_frame(now) is not None:
                pass
        assert end.next_wake_at() > now
        assert 0 < end.line_rate <= RATE
        now += pause_s

"""What the repeat of frames must hold.

What comes out is what went in, whatever the line does.
"""

from __future__ import annotations

from math import inf
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.sync.links.serial.arq import Arq
from core.sync.links.serial.arq_receiver import MAX_UNREAD_BYTES
from core.sync.links.serial.arq_states import ArqState
from core.sync.links.serial.framing import (
    FRAME_END,
    MAX_PAYLOAD_BYTES,
    MAX_WINDOW_FRAMES,
    FrameSplitter,
    FrameType,
    decode_frame,
    encode_frame,
)

BAUD = 115_200
RATE = BAUD / 10
SCHEDULES, MANY_SCHEDULES = 1_200, 10_000


class Line:
    """Two ends and a line between them in a time of its own.

    Frames are lost, damaged and doubled as `chance` wants.
    """

    def __init__(self, chance: Random, trouble: float = 0.0, *, latency: float = 0.0, dialing: int = 0b11) -> None:
        self.chance = chance
        self.trouble = trouble
        self.latency = latency
        self.now = 0.0
        self.ends = [self.end(bool(dialing >> side & 1)) for side in (0, 1)]
        self.free = [0.0, 0.0]
        self.under_way: list[list[tuple[float, bytes]]] = [[], []]
        self.received = [b"", b""]
        self.carried = [0, 0]
        self.cut = False

    def end(self, dialing: bool = True) -> Arq:
        end = Arq(self.chance.randbytes(8), (BAUD,), dials=dialing)
        end.receive_data(FRAME_END, self.now)
        return end

    def step(self, reading: int = 0b11) -> bool:
        """Go on to when something happens; False if nothing will."""
        for side, end in enumerate(self.ends):
            while self.free[side] <= self.now and (data := end.next_frame(self.now)) is not None:
                self.free[side] = max(self.now, self.free[side]) + len(data) / RATE
                self.carried[side] += len(data)
                for one in self.weather(data):
                    self.under_way[1 - side].append((self.free[side] + self.latency, one))
        for side, end in enumerate(self.ends):
            while self.under_way[side] and self.under_way[side][0][0] <= self.now:
                end.receive_data(self.under_way[side].pop(0)[1], self.now)
            if reading >> side & 1:
                self.received[side] += end.receiver.read(self.now)
        due = [queue[0][0] for queue in self.under_way if queue]
        due += [max(end.next_wake_at(), self.free[side]) for side, end in enumerate(self.ends)]
        due += [free for side, free in enumerate(self.free) if free > self.now]
        if min(due) == inf:
            return False
        self.now = max(self.now + 1e-6, min(due))
        return True

    def weather(self, data: bytes) -> list[bytes]:
        if self.cut or self.chance.random() < self.trouble / 3:
            return []
        if self.chance.random() < self.trouble / 3:
            broken = bytearray(data)
            for _ in range(self.chance.randint(1, 5)):
                broken[self.chance.randrange(len(broken))] ^= 1 << self.chance.randrange(8)
            return [bytes(broken)]
        if self.chance.random() < self.trouble / 3:
            return [data, data]
        return [data]

    def until(self, holds: object, timeout_s: float = 600.0, reading: int = 0b11) -> None:
        while not holds():  # type: ignore[operator]
            assert self.now < timeout_s, (self.received, [vars(end) for end in self.ends])
            self.step(reading)

    def join(self) -> None:
        self.until(lambda: all(end.state == ArqState.OPEN for end in self.ends))


def carry(seed: int) -> None:
    """One random schedule: two streams over a bad line, both to their ends."""
    chance = Random(seed)
    line = Line(
        chance, chance.random() * 0.6, latency=chance.choice((0.0, 0.016, 0.2)), dialing=chance.choice((1, 2, 3))
    )
    sent = [chance.randbytes(chance.randrange(chance.choice((10, 3000)))) for _ in range(2)]
    waiting = list(sent)
    while not all(end.is_finished for end in line.ends):
        for side, end in enumerate(line.ends):
            size = chance.randint(1, 1500)
            if waiting[side]:
                end.sender.write(waiting[side][:size])
                waiting[side] = waiting[side][size:]
            elif end.state == ArqState.OPEN:
                end.sender.close()
        line.step()
        assert line.now < 900
    assert line.received == [sent[1], sent[0]]
    assert not any(end.is_peer_restarted for end in line.ends)


def test_what_comes_out_is_what_went_in() -> None:
    for seed in range(SCHEDULES):
        carry(seed)


@pytest.mark.soak
@pytest.mark.parametrize("part", range(4))
def test_what_comes_out_is_what_went_in_many_times(part: int) -> None:
    for seed in range(part * MANY_SCHEDULES // 4, (part + 1) * MANY_SCHEDULES // 4):
        carry(seed)


@given(st.integers(MANY_SCHEDULES, 2**40))
def test_it_holds_for_random_schedules(seed: int) -> None:
    carry(seed)


@given(st.lists(st.binary(max_size=400), max_size=30), st.integers(0, 2**32))
def test_nothing_that_the_peer_sends_raises_or_grows_without_bound(noise: list[bytes], seed: int) -> None:
    line = Line(chance := Random(seed))
    end = line.ends[0]
    if chance.random() < 0.7:
        line.join()
    for data in noise:
        kind = chance.choice([0, *FrameType])
        body = bytes([kind]) + data
        for one in (
            data,
            encode_frame(body),
            encode_frame(body, end._key),
            encode_frame(bytes([FrameType.SYN, 1]) + data[:18], 0),
        ):
            end.receive_data(one, line.now)
        line.now += chance.random()
        while end.next_frame(line.now) is not None:
            pass
        assert end.next_wake_at() > line.now
        assert len(end.receiver._unread) <= MAX_UNREAD_BYTES
        assert len(end.receiver._out_of_order) <= MAX_WINDOW_FRAMES
        end.receiver.read(line.now)


def test_a_peer_that_sends_more_than_is_welcome_is_not_kept() -> None:
    line = Line(Random(1))
    line.join()
    one, other = line.ends
    for number in range(300):
        head = bytes([FrameType.DATA]) + (number & 0xFFFF).to_bytes(2, "big") + bytes([number & 0xFF, 0, 0])
        other.receive_data(encode_frame(head + bytes(MAX_PAYLOAD_BYTES), one._key), line.now)
        other.receive_data(encode_frame(head + bytes(MAX_PAYLOAD_BYTES + 50), one._key), line.now)
    assert len(other.receiver._unread) <= MAX_UNREAD_BYTES
    assert len(other.receiver.read(line.now)) == MAX_UNREAD_BYTES


def test_a_slow_reader_stops_the_sender_and_lets_it_go_on() -> None:
    line = Line(Random(2))
    line.join()
    data = Random(3).randbytes(3 * MAX_UNREAD_BYTES)
    line.ends[0].sender.write(data)
    line.until(lambda: len(line.ends[1].receiver._unread) > MAX_UNREAD_BYTES - MAX_PAYLOAD_BYTES, reading=0b01)
    for _ in range(2000):
        line.step(reading=0b01)
    assert len(line.ends[1].receiver._unread) <= MAX_UNREAD_BYTES
    assert line.ends[0].counters.resent == 0
    line.until(lambda: len(line.received[1]) == len(data))
    assert line.received[1] == data


def test_a_clean_line_is_used_for_little_else_than_payload() -> None:
    line = Line(Random(4))
    line.join()
    begun = line.now
    data = Random(5).randbytes(100_000)
    line.ends[0].sender.write(data)
    line.until(lambda: len(line.received[1]) == len(data))
    assert line.ends[0].counters.resent == 0
    assert len(data) / line.carried[0] > 0.98
    # In the time of the line, which this machine has no part in: it was hardly ever idle.
    assert line.now - begun < line.carried[0] / RATE + 0.2


def test_frames_are_shorter_where_more_of_them_are_hit() -> None:
    sizes = {}
    for trouble in (0.0, 0.1, 0.5):
        line = Line(Random(6), trouble)
        line.join()
        line.ends[0].sender.write(bytes(60_000))
        line.until(lambda line=line: len(line.received[1]) == 60_000)
        sizes[trouble] = line.ends[0].sender.payload_size()
    assert sizes[0.0] == MAX_PAYLOAD_BYTES > sizes[0.1] > sizes[0.5]


def test_a_pulled_line_goes_on_where_it_was() -> None:
    line = Line(Random(7))
    line.join()
    data = Random(8).randbytes(50_000)
    line.ends[0].sender.write(data)
    line.until(lambda: len(line.received[1]) > 20_000)
    line.cut = True
    line.under_way = [[], []]
    begun = line.now
    line.until(lambda: line.now > begun + 30)
    line.cut = False
    for end in line.ends:
        end.on_port_opened(line.now)
    line.until(lambda: len(line.received[1]) == len(data), timeout_s=line.now + 4)
    assert line.received[1] == data
    assert not any(end.is_peer_restarted for end in line.ends)


@pytest.mark.parametrize("dialing", [True, False])
@pytest.mark.parametrize("sending", [True, False])
def test_a_peer_that_was_started_anew_is_noticed(dialing: bool, sending: bool) -> None:
    line = Line(Random(9))
    line.join()
    if sending:
        line.ends[0].sender.write(bytes(5000))
    line.step()
    line.ends[1] = line.end(dialing)
    line.until(lambda: line.ends[0].is_peer_restarted, timeout_s=line.now + 15)
    assert line.ends[0].next_frame(line.now) is None
    line.ends[0] = line.end()
    line.join()
    line.ends[0].sender.write(b"again")
    line.until(lambda: line.received[1].endswith(b"again"))


def test_an_end_that_only_listens_sends_nothing_before_it_dials() -> None:
    line = Line(Random(10), dialing=0b00)
    assert not line.step()
    line.ends[0].dial(line.now)
    line.join()


def test_exactly_one_end_is_the_initiator() -> None:
    for seed in range(20):
        line = Line(Random(seed))
        line.join()
        assert sorted(end.is_initiator for end in line.ends) == [False, True]


def test_rst_ends_the_session_at_once() -> None:
    line = Line(Random(11))
    line.join()
    line.ends[1].receive_data(line.ends[0].make_rst(), line.now)
    assert line.ends[1].is_peer_restarted
    assert line.ends[0].next_frame(line.now) is None


def test_a_line_that_only_echoes_is_no_peer() -> None:
    one = Arq(b"12345678", (BAUD,), dials=True)
    one.receive_data(FRAME_END, 0.0)
    for now in range(20):
        while (data := one.next_frame(float(now))) is not None:
            one.receive_data(data, float(now))
    assert one.state == ArqState.SYN


def test_the_frames_as_they_are_described() -> None:
    one, other = Arq(b"11111111", (BAUD,), dials=True), Arq(b"22222222", (BAUD,), dials=False)
    splitter = FrameSplitter(2000)
    splitter.split(FRAME_END)
    bodies = []
    for now in (0.0, 0.05):
        for here, there in ((one, other), (other, one)):
            while (data := here.next_frame(now)) is not None:
                (checked,) = splitter.split(data)
                bodies.append(decode_frame(checked) or decode_frame(checked, here._key))
                there.receive_data((FRAME_END + data) if now == 0.0 else data, now)
        if now == 0.0:
            one.sender.write(b"hello")
    assert bodies[:3] == [
        b"\x01\x01" + b"11111111" + bytes(8) + b"\0\1",
        b"\x01\x01" + b"22222222" + b"11111111" + b"\0\1",
        b"\x01\x01" + b"11111111" + b"22222222" + b"\1\1",
    ]
    assert b"\x02\0\0\0\0\0hello" in bodies
    other.receive_data(FRAME_END, 0.1)
    assert other.receiver.read(0.1) == b"hello"

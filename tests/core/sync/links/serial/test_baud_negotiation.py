"""Two ends that look for a higher rate on a line of UARTs.

Whatever goes wrong meanwhile, both end at the same rate, and the streams do not notice.
"""

from __future__ import annotations

from math import inf
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.sync.links.serial.arq import BITS_PER_BYTE, Arq
from core.sync.links.serial.arq_states import ArqState
from core.sync.links.serial.baud_negotiation import BAUD_RATES, PROBE_PAYLOAD, BaudMessage
from core.sync.links.serial.framing import FRAME_END, FrameType, encode_frame

FIRST = BAUD_RATES[0]
SOME, MANY = 60, 3000
TIMEOUT_S = 120.0
ALARM_SECONDS = 10.0
SETTLING, IDLE = 0.03, 0.02
BUSY = 500


class Uart:
    """Two ends, each at the rate of its port, in a time of their own.

    What is sent at one rate and heard at another is garbled; above `best` one bit in fifty is wrong. With `fixed` the
    line has a pace of its own and ports take any rate, as USB gadgets do.
    """

    def __init__(self, chance: Random, best: int, *, fixed: int = 0, trouble: float = 0.0) -> None:
        self.chance, self.best, self.fixed, self.trouble = chance, best, fixed, trouble
        self.now = chance.random() * 1e5
        self.ports = [FIRST, FIRST]
        self.supported = [BAUD_RATES, BAUD_RATES]
        self.ends = [self.end(side) for side in (0, 1)]
        self.received = [bytearray(), bytearray()]
        self.free = [0.0, 0.0]
        # What is under way to an end: when it is there, at which rate it was sent, what it is.
        self.due: list[list[tuple[float, int, bytes]]] = [[], []]
        self.cut = False
        self.changes = 0

    def end(self, side: int) -> Arq:
        end = Arq(self.chance.randbytes(8), self.supported[side], dials=True)
        end.receive_data(FRAME_END, self.now)
        return end

    def step(self) -> None:
        for side, end in enumerate(self.ends):
            while self.due[side] and self.due[side][0][0] <= self.now:
                _, rate, data = self.due[side].pop(0)
                end.receive_data(self.transmit(data, rate, self.ports[side]), self.now)
            self.received[side] += end.receiver.read(self.now)
        due = [self.send(side, end) for side, end in enumerate(self.ends)]
        due += [under_way[0][0] for under_way in self.due if under_way]
        assert min(due) < inf or all(end.is_finished for end in self.ends), "nobody waits for anything"
        self.now = max(self.now + 1e-5, min(due))

    def send(self, side: int, end: Arq) -> float:
        for _ in range(BUSY):
            if self.free[side] - self.now > 0.02:
                return self.free[side] - 0.02
            data = end.next_frame(self.now)
            if data is None:
                if end.negotiation.baud == end.baud:
                    return end.next_wake_at()
                if self.now < self.free[side] + SETTLING:
                    return self.free[side] + SETTLING
                self.ports[side] = end.negotiation.baud
                self.changes += 1
                end.on_baud_switched(self.now)
                continue
            if self.now >= self.free[side] + IDLE:
                # As the transport does, since what came while nothing was sent may be half a frame.
                data = FRAME_END + data
            pace = self.fixed or self.ports[side]
            self.free[side] = max(self.now, self.free[side]) + len(data) * BITS_PER_BYTE / pace
            if not self.cut and self.chance.random() >= self.trouble:
                self.due[1 - side].append((self.free[side], self.ports[side], data))
        raise AssertionError("sends without end")

    def transmit(self, data: bytes, sent_at: int, received_at: int) -> bytes:
        if self.fixed:
            return data
        if sent_at != received_at:
            return self.chance.randbytes(len(data))
        if sent_at > self.best:
            return bytes(
                byte ^ (1 << self.chance.randrange(8)) if self.chance.random() < 0.15 else byte for byte in data
            )
        return data

    def run(self, holds: object, timeout_s: float = TIMEOUT_S) -> None:
        end = self.now + timeout_s
        while not holds():  # type: ignore[operator]
            assert self.now < end, (self.ports, [vars(each.negotiation) for each in self.ends])
            self.step()

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end and not all(each.is_finished for each in self.ends):
            self.step()

    def join(self) -> None:
        self.run(lambda: all(end.state == ArqState.OPEN for end in self.ends))

    def pull(self, seconds: float) -> None:
        """The ports vanish, and come back at the first rate."""
        self.cut = True
        self.due = [[], []]
        self.wait(seconds)
        self.due = [[], []]
        self.cut = False
        for side, end in enumerate(self.ends):
            self.ports[side] = FIRST
            end.on_port_opened(self.now)


def is_agreed(line: Uart) -> bool:
    one, other = line.ends
    return line.ports[0] == line.ports[1] == one.negotiation.baud == other.negotiation.baud and not (
        one.negotiation.is_exclusive or other.negotiation.is_exclusive
    )


def carry(line: Uart, size: int) -> float:
    """Seconds that so many bytes took from end 0 to end 1."""
    data = line.chance.randbytes(size)
    begun, before = line.now, len(line.received[1])
    line.ends[0].sender.write(data)
    line.run(lambda: len(line.received[1]) >= before + size)
    assert line.received[1][before:] == data
    return line.now - begun


@pytest.mark.parametrize("best", BAUD_RATES)
def test_both_find_the_highest_rate_that_the_line_carries(best: int) -> None:
    line = Uart(Random(best), best)
    line.join()
    for _ in range(8):
        carry(line, 400_000)
        line.run(lambda: is_agreed(line), 10)
        # It does not go back to the beginning when a higher one fails.
        assert line.ports[0] >= min(best, BAUD_RATES[2])
    assert line.ports == [best, best]


@pytest.mark.parametrize("takes", [BAUD_RATES[:1], BAUD_RATES[:3], (FIRST, BAUD_RATES[-1])])
def test_only_what_both_ports_take_is_tried(takes: tuple[int, ...]) -> None:
    line = Uart(Random(1), BAUD_RATES[-1])
    line.supported = [BAUD_RATES, takes]
    line.ends = [line.end(side) for side in (0, 1)]
    line.join()
    carry(line, 400_000)
    assert line.ports == [takes[-1]] * 2


def test_a_pinned_rate_stays() -> None:
    line = Uart(Random(2), BAUD_RATES[-1])
    line.supported = [(9600,), (9600,)]
    line.ends = [line.end(side) for side in (0, 1)]
    line.ports = [9600, 9600]
    line.join()
    carry(line, 60_000)
    assert (line.ports, line.changes) == ([9600, 9600], 0)


@pytest.mark.parametrize("fixed", [9600, FIRST])
def test_a_line_with_a_pace_of_its_own_is_used_as_fast_as_it_is(fixed: int) -> None:
    line = Uart(Random(3), BAUD_RATES[-1], fixed=fixed)
    line.join()
    size = fixed * 4
    assert carry(line, size) < size * BITS_PER_BYTE / fixed / 0.85
    line.run(lambda: is_agreed(line), 10)
    assert line.ports == [FIRST, FIRST]
    counters = line.ends[0].counters
    assert counters.resent < counters.sent / 8


def test_an_end_that_was_busy_once_does_not_keep_a_line_slow() -> None:
    line = Uart(Random(7), BAUD_RATES[-1])
    line.join()
    initiator = next(end for end in line.ends if end.is_initiator)
    probed = initiator.negotiation._check_probe_time

    def busy(now: float) -> None:
        initiator.negotiation._check_probe_time = probed  # type: ignore[method-assign]
        probed(now + 0.2)

    initiator.negotiation._check_probe_time = busy  # type: ignore[method-assign]
    for _ in range(3):
        carry(line, 400_000)
    assert line.ports == [BAUD_RATES[-1]] * 2


def test_a_line_that_gets_worse_is_gone_back_on() -> None:
    line = Uart(Random(4), BAUD_RATES[-1])
    line.join()
    carry(line, 400_000)
    assert line.ports == [BAUD_RATES[-1]] * 2
    line.best = FIRST
    carry(line, 100_000)
    line.run(lambda: is_agreed(line), 10)
    assert line.ports == [FIRST, FIRST]
    assert not any(end.is_peer_restarted for end in line.ends)


def schedule(seed: int) -> None:
    """Frames are lost, the cable is pulled or silent, the line changes, both ways."""
    chance = Random(seed)
    line = Uart(chance, chance.choice(BAUD_RATES), trouble=chance.choice((0.0, 0.02, 0.2)))
    line.supported = [chance.choice((BAUD_RATES, BAUD_RATES, BAUD_RATES[:4])) for _ in range(2)]
    line.ends = [line.end(side) for side in (0, 1)]
    sent = [bytearray(), bytearray()]
    for _ in range(chance.randrange(1, 6)):
        for side, end in enumerate(line.ends):
            data = chance.randbytes(chance.choice((0, 500, 60_000)))
            sent[side] += data
            end.sender.write(data)
            end.pending_bytes = chance.choice((0, 1 << 20))
        line.wait(chance.random() * 2)
        what = chance.randrange(5)
        if what == 0:
            line.pull(chance.random() * 6)
        elif what == 1:
            line.cut = True
            line.wait(chance.random() * 6)
            line.cut = False
        elif what == 2:
            line.best = chance.choice(BAUD_RATES)
    line.trouble = 0.0
    for end in line.ends:
        end.sender.close()
    line.run(lambda: all(end.is_finished for end in line.ends))
    assert [line.received[1], line.received[0]] == sent
    assert not any(end.is_peer_restarted for end in line.ends)


def test_streams_do_not_notice() -> None:
    # In the last ones an answer to a second attempt is lost.
    for seed in (*range(SOME), 95, 106, 132):
        schedule(seed)


@pytest.mark.soak
@pytest.mark.parametrize("part", range(4))
def test_streams_do_not_notice_for_long(part: int) -> None:
    for seed in range(SOME + part * MANY // 4, SOME + (part + 1) * MANY // 4):
        schedule(seed)


rate_frames = st.tuples(
    st.sampled_from([*BaudMessage, 0, 9]) | st.integers(0, 255),
    st.integers(0, len(BAUD_RATES) - 1) | st.integers(0, 255),
    st.sampled_from((b"", PROBE_PAYLOAD)),
    st.sampled_from((0.0, 0.01, 0.2, 1.0, 5.0)),
)


@given(st.lists(rate_frames, max_size=40), st.booleans())
def test_who_lies_about_rates_leaves_no_end_without_an_alarm(
    frames: list[tuple[int, int, bytes, float]], initiator: bool
) -> None:
    line = Uart(Random(5), BAUD_RATES[-1])
    line.join()
    end = next(each for each in line.ends if each.is_initiator == initiator)
    end.sender.write(bytes(50_000))
    now = line.now
    for step, rate, rest, pause_s in frames:
        end.receive_data(encode_frame(bytes([FrameType.RATE, step, rate]) + rest, end._key), now)
        for _ in range(BUSY):
            if end.next_frame(now) is None:
                if end.negotiation.baud == end.baud:
                    break
                assert end.negotiation.baud in BAUD_RATES
                end.on_baud_switched(now)
        else:
            raise AssertionError("sends without end")
        assert now < end.next_wake_at() < now + ALARM_SECONDS
        now += pause_s


def test_who_goes_on_proposing_fills_nothing() -> None:
    line = Uart(Random(6), BAUD_RATES[-1])
    line.join()
    end = next(each for each in line.ends if not each.is_initiator)
    for _ in range(1000):
        for step in (BaudMessage.PROPOSE, BaudMessage.REVERT):
            end.receive_data(encode_frame(bytes([FrameType.RATE, step, 1]), end._key), line.now)
    sent = 0
    while end.next_frame(line.now) is not None:
        sent += 1
    assert sent < 10

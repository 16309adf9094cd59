"""The simulated cable itself: what it promises to the tests that use it."""

from __future__ import annotations

import errno
import os
import select
import signal
import subprocess
import sys
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cable import Cable, Line, Wire
from tests.support.deadlines import DEADLINE_S

ROOT = Path(__file__).parent.parent.parent
FAST = 4_000_000


@contextmanager
def opened(path: str) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        tty.setraw(descriptor)
        yield descriptor
    finally:
        os.close(descriptor)


def write(descriptor: int, data: bytes) -> None:
    while data:
        select.select([], [descriptor], [], 10)
        data = data[os.write(descriptor, data[:512]) :]


def read(descriptor: int, count: int, deadline_s: float = 10.0) -> bytes:
    """Up to that many bytes; fewer if nothing comes any more."""
    data = b""
    while len(data) < count and select.select([descriptor], [], [], deadline_s)[0]:
        data += os.read(descriptor, count - len(data))
    return data


def hung_up(descriptor: int) -> bool:
    try:
        return os.read(descriptor, 1) == b""
    except BlockingIOError:
        return False
    except OSError as error:
        return error.errno == errno.EIO


def sent(line: Line, data: bytes, seed: int = 0, piece: int = 50) -> tuple[Wire, bytes, float]:
    """What a wire makes of bytes that are all there at once, and how long they take."""
    wire = Wire(line, Random(seed))
    now, arrived = 0.0, b""
    wire.idle(now)
    while data:
        now += piece * 10 / line.baud
        room = wire.room(now)
        wire.carry(data[:room])
        data = data[room:]
        arrived += wire.arrivals(now)
    while wire.next() < float("inf"):
        now = wire.next()
        arrived += wire.arrivals(now)
    return wire, arrived, now


@given(st.binary(max_size=400), st.integers(1, 100))
def test_a_good_wire_carries_what_it_is_given_in_its_time(data: bytes, piece: int) -> None:
    wire, arrived, seconds = sent(Line(baud=9600, latency=0.5), data, piece=piece)
    assert arrived == data
    assert (wire.carried, wire.lost, wire.damaged) == (len(data), 0, 0)
    if data:
        assert seconds == pytest.approx(len(data) / 960 + 0.5)


def test_bits_are_flipped_as_often_as_asked() -> None:
    wire, arrived, _ = sent(Line(ber=1e-3), bytes(100_000))
    wrong = sum(byte.bit_count() for byte in arrived)
    assert len(arrived) == 100_000
    assert 0.8 < wire.damaged / 800 < 1.2
    assert wrong == wire.damaged
    assert sent(Line(ber=1e-3), bytes(100_000))[1] == arrived
    assert sent(Line(ber=1e-3), bytes(100_000), seed=1)[1] != arrived
    assert sent(Line(ber=1), b"\x00\xf0")[1] == b"\xff\x0f"


def test_bytes_and_bursts_are_lost() -> None:
    wire, arrived, _ = sent(Line(drop=0.01), bytes(100_000))
    assert 0.8 < wire.lost / 1000 < 1.2
    assert len(arrived) == 100_000 - wire.lost
    data = Random(0).randbytes(115_200)
    wire, arrived, _ = sent(Line(burst=0.02, every=2.0), data)
    # Ten seconds: five bursts of 230 bytes.
    assert wire.lost == pytest.approx(5 * 230.4, abs=5)
    assert len(arrived) == len(data) - wire.lost
    assert arrived[:1000] in data


def test_no_more_leaves_than_there_was_time_for() -> None:
    wire = Wire(Line(baud=9600), Random(0))
    assert wire.room(5.0) == 0
    wire.idle(5.0)
    assert wire.room(5.0) == 0
    assert wire.room(5.01) == 9
    wire.carry(b"x" * 4)
    assert wire.room(5.01) == 5


def test_both_ends_reach_each_other_at_once() -> None:
    there, back = Random(1).randbytes(3000), Random(2).randbytes(3000)
    with Cable(baud=FAST) as cable, opened(cable.ends[0]) as one, opened(cable.ends[1]) as other:
        write(one, there)
        write(other, back)
        assert read(other, len(there)) == there
        assert read(one, len(back)) == back
        assert [wire.carried for wire in cable.wires] == [3000, 3000]


def test_bytes_arrive_at_the_pace_of_its_baud() -> None:
    now = [0.0]
    with Cable(baud=9600, clock=lambda: now[0]) as cable, opened(cable.ends[0]) as one, opened(cable.ends[1]) as other:
        write(one, bytes(100))
        while not cable.sending():
            time.sleep(0.01)
        now[0] = 0.0501
        assert len(read(other, 48)) == 48
        assert read(other, 1, 0.1) == b""
        now[0] = 1.0
        assert len(read(other, 52)) == 52


def test_unplugged_it_hangs_up_and_comes_back_under_the_same_names() -> None:
    with Cable(baud=FAST) as cable:
        with opened(cable.ends[0]) as one:
            assert not hung_up(one)
            cable.unplug()
            assert not cable.plugged()
            assert not any(Path(end).exists() for end in cable.ends)
            assert hung_up(one)
        cable.plug()
        cable.plug(0)
        assert cable.plugged()
        with opened(cable.ends[0]) as one, opened(cable.ends[1]) as other:
            write(one, b"again")
            assert read(other, 5) == b"again"


def test_one_end_alone_can_be_unplugged() -> None:
    with Cable(baud=FAST) as cable, opened(cable.ends[0]) as one:
        cable.unplug(1)
        write(one, b"nobody")
        with pytest.raises(FileNotFoundError):
            os.open(cable.ends[1], os.O_RDWR)
        cable.plug(1)
        with opened(cable.ends[1]) as other:
            write(one, b"somebody")
            assert read(other, 100, 0.2)[-8:] == b"somebody"


def test_cut_nothing_gets_through_and_the_devices_stay() -> None:
    with Cable(baud=FAST) as cable, opened(cable.ends[0]) as one, opened(cable.ends[1]) as other:
        cable.cut()
        write(one, b"lost")
        assert read(other, 4, 0.1) == b""
        cable.cut(False)
        write(one, b"here")
        assert read(other, 4) == b"here"


def test_what_nobody_reads_is_lost_and_blocks_nobody() -> None:
    with Cable(baud=FAST) as cable, opened(cable.ends[0]) as one, opened(cable.ends[1]) as other:
        write(one, bytes(100_000))
        while cable.wires[0].carried < 100_000:
            time.sleep(0.01)
        write(other, b"back")
        assert read(one, 4) == b"back"
        assert cable.wires[0].lost > 50_000


def test_ports_that_are_set_otherwise_garble() -> None:
    def rate(descriptor: int, code: int) -> None:
        settings = termios.tcgetattr(descriptor)
        settings[4] = settings[5] = code
        termios.tcsetattr(descriptor, termios.TCSANOW, settings)

    text = b"the quick brown fox jumps over the lazy dog"
    line = Line(baud=1_000_000, uart=True)
    with Cable(line) as cable, opened(cable.ends[0]) as one, opened(cable.ends[1]) as other:
        for ours, theirs, good in (
            (termios.B115200, termios.B115200, True),
            (termios.B921600, termios.B115200, False),
            (termios.B921600, termios.B921600, True),
        ):
            rate(one, ours)
            rate(other, theirs)
            write(one, text)
            assert (read(other, len(text)) == text) is good
        assert cable.wires[0].baud == 921600
        # More than this cable carries.
        rate(one, termios.B3000000)
        rate(other, termios.B3000000)
        write(one, text * 20)
        assert read(other, len(text) * 20) != text * 20


def test_by_hand() -> None:
    command = [sys.executable, "-m", "tests.cable", "--baud", str(FAST), "--seed", "3"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        ends = [process.stdout.readline().strip() for _ in range(2)]
        with opened(ends[0]) as one, opened(ends[1]) as other:
            write(one, b"hello")
            assert read(other, 5) == b"hello"
        for message in ("unplugged", "plugged in"):
            process.send_signal(signal.SIGUSR1)
            assert process.stderr.readline().strip() == message
            assert [Path(end).exists() for end in ends] == [message == "plugged in"] * 2
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0
    assert err.startswith("there: 5 bytes, 0 lost, 0 bits flipped\n")
    assert not Path(ends[0]).parent.exists()

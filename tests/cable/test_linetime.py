"""What the cable carries, in the line's own time, however busy the machine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.sync.links.serial.baud_negotiation import BAUD_RATES
from tests.cable import Line
from tests.cable.linetime import LineTime

SOME, MANY = 5, 100
KILOBYTES = 100_000

BUDGETS = {
    "9600": (Line(9600), 0.95),
    "115200": (Line(), 0.97),
    "921600": (Line(921600), 0.97),
    "one bit in 100,000 flipped": (Line(ber=1e-5), 0.90),
    "one bit in 10,000 flipped": (Line(ber=1e-4), 0.60),
    "20 ms lost every 2 s": (Line(burst=0.02), 0.90),
    "16 ms late": (Line(latency=0.016), 0.95),
}
SLOWER = {
    "9600 behind a port of 115200": (Line(9600), BAUD_RATES[:1]),
    "115200 behind 921600": (Line(), BAUD_RATES[3:4]),
}


def worst(line: Line, takes: tuple[int, ...] | None, seeds: range, *back: int) -> float:
    return min(min(LineTime(line, takes, seed=seed).carry(KILOBYTES, *back)) for seed in seeds)


@pytest.mark.parametrize(("line", "budget"), BUDGETS.values(), ids=BUDGETS)
def test_the_line_is_used(line: Line, budget: float) -> None:
    assert worst(line, None, range(SOME)) >= budget


@pytest.mark.soak
@pytest.mark.parametrize(("line", "budget"), BUDGETS.values(), ids=BUDGETS)
def test_the_line_is_used_whatever_happens_on_it(line: Line, budget: float) -> None:
    assert worst(line, None, range(SOME, MANY)) >= budget


def test_both_ways_at_once_do_not_disturb_each_other() -> None:
    assert worst(Line(), None, range(SOME), KILOBYTES) >= 0.96


def test_a_wrong_bit_hardly_ever_costs_a_repeat() -> None:
    mended = again = 0
    for seed in range(SOME):
        machine = LineTime(Line(ber=1e-5), seed=seed)
        machine.carry(KILOBYTES)
        mended += machine.ends[1].counters.corrected
        again += machine.ends[0].counters.resent
    assert mended > 5 * again


@pytest.mark.parametrize(("line", "takes"), SLOWER.values(), ids=SLOWER)
def test_a_line_that_is_slower_than_its_ports_is_used_too(line: Line, takes: tuple[int, ...]) -> None:
    assert worst(line, takes, range(1)) >= 0.95
    assert worst(replace(line, ber=1e-5), takes, range(SOME)) >= 0.90
    for back in ((), (KILOBYTES,)):
        machine = LineTime(line, takes)
        assert min(machine.carry(KILOBYTES, *back)) >= 0.95
        for end in machine.ends[: 1 + len(back)]:
            assert end.counters.resent == 0
            # What is told of the line is what it carries.
            assert 0.9 < end.line_rate / (line.baud / 10) < 1.4


@pytest.mark.parametrize("best", [230_400, 921_600, 3_000_000])
def test_where_much_is_to_come_the_highest_rate_is_found_at_once(best: int) -> None:
    for seed in range(SOME):
        machine = LineTime(Line(best, uart=True), BAUD_RATES, seed=seed)
        machine.carry(KILOBYTES, reported=True)
        assert {end.baud for end in machine.ends} == {best}
        assert machine.now < KILOBYTES / (BAUD_RATES[0] / 10) * (BAUD_RATES[0] / best) + 3


def test_for_a_little_no_rate_is_tried_and_none_that_the_line_cannot_have() -> None:
    few = LineTime(Line(BAUD_RATES[-1], uart=True), BAUD_RATES)
    few.carry(20_000, reported=True)
    assert few.changes == 0
    for seed in range(SOME):
        slow = LineTime(Line(9600), BAUD_RATES, seed=seed)
        # Until it has shown its pace nobody knows.
        slow.carry(30_000)
        slow.carry(KILOBYTES, reported=True)
        assert slow.ends[0].baud == BAUD_RATES[0]


def test_a_gadget_takes_what_the_line_carries_whatever_the_rate_is() -> None:
    for baud in (9600, 8_000_000):
        machine = LineTime(Line(baud), BAUD_RATES, gadget=True)
        assert machine.carry(KILOBYTES, reported=True)[0] >= 0.95
        assert machine.changes == 0

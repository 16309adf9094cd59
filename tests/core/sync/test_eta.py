"""The time that a meeting takes yet."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.sync.eta import ETA_WINDOW_S, EtaEstimator
from core.sync.events import Progress


def exchanging(sent: int, received: int, to_send: int, to_receive: int) -> Progress:
    return Progress("exchange", sent, to_send, received, to_receive)


def test_nothing_is_said_before_there_is_something_to_say() -> None:
    pace = EtaEstimator()
    pace.update(Progress("reconcile"), 0.0)
    assert (pace.total_count, pace.eta_s(100.0)) == (None, None)
    pace.update(exchanging(0, 0, 0, 100), 100.0)
    assert (pace.total_count, pace.done_count, pace.eta_s(200.0)) == (100, 0, None)


@given(st.integers(1, 1000), st.integers(0, 1000), st.floats(0.01, 5), st.integers(2, 200), st.floats(0, 1e6))
def test_at_an_even_pace_the_time_left_is_exact(
    receives: int, sends: int, every: float, batches: int, start: float
) -> None:
    pace = EtaEstimator()
    total = batches * (receives + sends)
    for batch in range(batches + 1):
        now = start + batch * every
        pace.update(exchanging(batch * sends, batch * receives, batches * sends, batches * receives), now)
        left = pace.eta_s(now)
        assert pace.total_count == total
        if left is not None:
            assert abs(left - (batches - batch) * every) < 1e-3 * batches * every + 1e-6
    assert pace.eta_s(now) in (None, 0)


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 50)), min_size=1, max_size=60))
def test_it_is_never_negative_and_keeps_little(steps: list[tuple[float, int]]) -> None:
    pace, now, done = EtaEstimator(), 0.0, 0
    total = sum(count for _, count in steps)
    for pause, count in steps:
        now, done = now + pause, done + count
        pace.update(exchanging(0, done, 0, total), now)
        left = pace.eta_s(now)
        assert left is None or left >= 0
    old = [at for at, _ in pace._samples if at <= now - ETA_WINDOW_S]
    assert len(old) <= 1 or len(pace._samples) <= 2


def test_a_line_that_became_slower_is_reported_by_its_last_seconds() -> None:
    pace = EtaEstimator()
    for second in range(10):
        pace.update(exchanging(0, second * 1000, 0, 20_000), float(second))
    for second in range(10, 60):
        pace.update(exchanging(0, 9000 + (second - 9) * 10, 0, 20_000), float(second))
    left = pace.eta_s(59.0)
    assert left is not None
    assert abs(left - (20_000 - 9500) / 10) < 60

"""Which of two equal hours is meant is said where a time is shown in full."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from core.timestamps import parse_timestamp
from tui.i18n.dates import DateFormatter

BERLIN = ZoneInfo("Europe/Berlin")
FIRST = int(datetime(2025, 10, 26, 0, 30, tzinfo=UTC).timestamp()) * 1_000_000
HOUR_US = 3_600_000_000


@pytest.mark.parametrize(("at", "offset"), [(FIRST, "+02:00"), (FIRST + HOUR_US, "+01:00")])
def test_the_offset_is_shown_in_an_hour_that_comes_twice_and_is_read_again(at: int, offset: str) -> None:
    dates = DateFormatter(lambda: at, BERLIN)
    assert dates.dated(at) == f"26 Oct 2025 02:30 {offset}"
    assert dates.full(at) == f"26 Oct 2025 02:30:00 {offset}"
    assert dates.clock_time(at) == f"02:30 {offset}"
    for text in (dates.dated(at), dates.full(at)):
        assert parse_timestamp(text, at, BERLIN, is_start=True) == at


@pytest.mark.parametrize("hours", [-1, 2, 24])
def test_at_any_other_time_it_is_not(hours: int) -> None:
    dates = DateFormatter(lambda: FIRST, BERLIN)
    assert "+" not in dates.dated(FIRST + hours * HOUR_US) + dates.clock_time(FIRST + hours * HOUR_US)

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Refused
from core.header import MAX_TIMESTAMP_US
from core.timestamps import EPOCH, SECOND_US, ChangePrefix, format_timestamp, parse_timestamp

NOW = 1_772_546_400_123_456  # 2026-03-03T14:00:00.123456Z
BERLIN = ZoneInfo("Europe/Berlin")

instants = st.integers(0, MAX_TIMESTAMP_US)
wall_times = st.integers(366, 2_900_000).flatmap(
    lambda days: st.times().map(lambda at: datetime.combine(EPOCH.date() + timedelta(days), at))
)
zones = st.sampled_from([UTC, BERLIN, ZoneInfo("America/St_Johns"), timezone(timedelta(hours=14))])


def instant(text: str) -> int:
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)


@given(instants, zones)
def test_what_is_shown_is_read_as_the_same_moment(at: int, zone: ZoneInfo) -> None:
    shown = format_timestamp(at)
    covered = at if at % SECOND_US else at + SECOND_US - 1
    assert parse_timestamp(shown, NOW, zone) == covered
    assert parse_timestamp(shown, NOW, zone, is_start=True) == at
    assert shown.endswith("Z")
    assert ("." in shown) == (at % SECOND_US != 0)


@given(wall_times, zones)
def test_without_a_zone_it_is_local_time(wall: datetime, zone: ZoneInfo) -> None:
    text = wall.isoformat()
    offset = wall.replace(tzinfo=zone).isoformat()
    assert parse_timestamp(text, NOW, zone, is_start=True) == instant(offset)
    assert parse_timestamp(text.replace("T", " "), NOW, zone) == parse_timestamp(text, NOW, zone)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-03", "2026-03-03T00:00:00.999999+01:00"),
        ("2026-08-03", "2026-08-03T00:00:00.999999+02:00"),
        ("2026-03-03T14:00", "2026-03-03T14:00:00.999999+01:00"),
        ("3 Mar 2026 14:00", "2026-03-03T14:00:00.999999+01:00"),
        ("3.3.2026 14:00:07", "2026-03-03T14:00:07.999999+01:00"),
        ("03.12.2026", "2026-12-03T00:00:00.999999+01:00"),
        ("2026-03-03 14:00:07", "2026-03-03T14:00:07.999999+01:00"),
        ("2026-03-03T14:00:07.5", "2026-03-03T14:00:07.500000+01:00"),
        ("2026-03-03T14:00:07,000", "2026-03-03T14:00:07.000000+01:00"),
        ("2026-03-03T14:00:07Z", "2026-03-03T14:00:07.999999+00:00"),
        ("2026-03-03T14:00-03:30", "2026-03-03T14:00:00.999999-03:30"),
        ("2026-03-03T14:00+0100", "2026-03-03T14:00:00.999999+01:00"),
        ("1970-01-01T00:00Z", "1970-01-01T00:00:00.999999+00:00"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999999+00:00"),
        # The hour that summer time skips, and the one that happens twice: the first of them.
        ("2026-03-29T02:30", "2026-03-29T03:30:00.999999+02:00"),
        ("2026-10-25T02:30", "2026-10-25T02:30:00.999999+01:00"),
    ],
)
def test_a_time_covers_its_whole_second(text: str, expected: str) -> None:
    assert parse_timestamp(text, NOW, BERLIN) == instant(expected)


@pytest.mark.parametrize(
    ("text", "seconds"), [("-45s", 45), ("-30m", 1800), ("-2h", 7200), ("-3d", 259_200), ("-2w", 1_209_600), ("-0s", 0)]
)
def test_a_time_ago_is_counted_from_now(text: str, seconds: int) -> None:
    assert parse_timestamp(text, NOW, BERLIN) == NOW - seconds * SECOND_US
    assert parse_timestamp(f" {text} ", NOW, is_start=True) == NOW - seconds * SECOND_US


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("today", "2026-03-03T00:00:00+01:00"),
        ("yesterday", "2026-03-02T00:00:00+01:00"),
        ("Yesterday 14:05", "2026-03-02T14:05:00+01:00"),
        ("heute 07:00:09", "2026-03-03T07:00:09+01:00"),
        ("gestern", "2026-03-02T00:00:00+01:00"),
    ],
)
def test_a_day_may_be_named(text: str, expected: str) -> None:
    assert parse_timestamp(text, NOW, BERLIN, is_start=True) == instant(expected)
    assert parse_timestamp(text, NOW, BERLIN) == instant(expected) + SECOND_US - 1


def test_a_day_is_that_of_the_zone() -> None:
    late = instant("2026-03-03T23:30:00+00:00")
    assert parse_timestamp("today", late, BERLIN, is_start=True) == instant("2026-03-04T00:00:00+01:00")


@given(st.binary(min_size=4, max_size=32), st.booleans())
def test_hex_digits_name_a_change(start: bytes, upper: bool) -> None:
    text = start.hex()
    assert parse_timestamp(text.upper() if upper else text, NOW) == ChangePrefix(text)


def test_a_date_without_hyphens_is_the_id_of_a_change() -> None:
    assert parse_timestamp("20260303", NOW) == ChangePrefix("20260303")


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "tomorrow",
            "yesterday noon",
            "now",
            "abcdef1",
            "g" * 8,
            "a" * 65,
            "2h",
            "+2h",
            "-2",
            "-2y",
            "-1.5h",
            "--2h",
            "-2h30m",
        ),
        *("3.13.2026", "30.2.2026", "3 Mär 2026", "3 Mar", "3.3.26", "3.3.2026T14:00"),
        *("2026", "2026-03", "2026-3-3", "2026-02-30", "2026-03-03T", "2026-03-03T14", "2026-03-03T25:00"),
        *(
            "2026-03-03x14:00",
            "2026-03-03T14:00:60",
            "2026-03-03T14:00 Europe/Berlin",
            "2026-W10-2",
            "-9" + "9" * 20 + "w",
        ),
        *("٢٠٢٦-٠٣-٠٣", "2026-03-03T14:00:00.1234567890", "\x1b[2J"),
    ],
)
def test_anything_else_is_refused_with_examples(text: str) -> None:
    with pytest.raises(Refused, match=r"is not a time; .* -2h") as refused:
        parse_timestamp(text, NOW, BERLIN)
    assert "\x1b" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    ["1969-12-31T23:59:58Z", "1970-01-01", "0001-01-01", "-3000w", "9999-12-31T23:59:59-12:00", "-999999999999w"],
)
def test_a_time_outside_of_what_can_be_stated_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="1970"):
        parse_timestamp(text, NOW, BERLIN)


@given(st.text(max_size=20))
def test_no_text_breaks_it(text: str) -> None:
    try:
        found = parse_timestamp(text, NOW, BERLIN)
    except Refused:
        return
    assert isinstance(found, ChangePrefix) or 0 <= found <= MAX_TIMESTAMP_US


@pytest.fixture
def _local_zone_is_berlin() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Europe/Berlin"
    time.tzset()
    yield
    os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
    time.tzset()


@pytest.mark.usefixtures("_local_zone_is_berlin")
@pytest.mark.parametrize("text", ["2026-03-03T14:00", "2026-08-03", "2026-10-25T02:30"])
def test_the_local_zone_is_that_of_the_system(text: str) -> None:
    assert parse_timestamp(text, NOW) == parse_timestamp(text, NOW, BERLIN)


@pytest.mark.parametrize("written", ["2025-10-26T02:30:00", "26 Oct 2025 02:30", "26.10.2025 02:30"])
def test_of_an_hour_that_comes_twice_the_earlier_begins_and_the_later_ends(written: str) -> None:
    first = int(datetime(2025, 10, 26, 0, 30, tzinfo=UTC).timestamp()) * 1_000_000
    second = first + 3600 * 1_000_000
    assert parse_timestamp(written, second, BERLIN, is_start=True) == first
    assert parse_timestamp(written, second, BERLIN) == second + 999_999


@pytest.mark.parametrize("is_start", [True, False])
def test_an_offset_says_which_of_the_two_is_meant(is_start: bool) -> None:
    first = int(datetime(2025, 10, 26, 0, 30, tzinfo=UTC).timestamp()) * 1_000_000
    for written in ("26 Oct 2025 02:30 +02:00", "26.10.2025 02:30 +02:00", "2025-10-26T02:30+02:00"):
        assert parse_timestamp(written, first, BERLIN, is_start=is_start) == first + (0 if is_start else 999_999)


def test_an_hour_that_does_not_come_is_read_as_before() -> None:
    at = int(datetime(2025, 3, 30, 1, 30, tzinfo=UTC).timestamp()) * 1_000_000
    for is_start in (True, False):
        assert parse_timestamp("2025-03-30T02:30:00.0", at, BERLIN, is_start=is_start) == at

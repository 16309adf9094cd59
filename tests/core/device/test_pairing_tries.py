"""Tries to pair are counted on the disk; after three each waits longer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.device.pairing_tries import (
    FIRST_WAIT_S,
    FORGET_AFTER_S,
    FREE_TRIES,
    MAX_WAIT_S,
    TRIES_FILE,
    PairingTries,
    wait_after,
)
from core.errors import FieldlineError

SECOND = 1_000_000


class Clock:
    """A clock that a test sets."""

    now = 1_800_000_000 * SECOND

    def __call__(self) -> int:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.now += int(seconds * SECOND)


def fail(home: Path, clock: Clock, count: int = 1) -> None:
    """Pair, and have it come to nothing."""
    for _ in range(count):
        tries = PairingTries(home, clock)
        tries.count()
        tries.close()


def may(home: Path, clock: Clock) -> bool:
    """Whether a further try is allowed now."""
    try:
        PairingTries(home, clock).close()
    except FieldlineError as error:
        assert "wait" in str(error)
        return False
    return True


def test_three_are_free_then_the_wait_doubles_to_an_hour(tmp_path: Path) -> None:
    clock = Clock()
    fail(tmp_path, clock, FREE_TRIES)
    waited = []
    while not waited or waited[-1] < MAX_WAIT_S:
        expected = FIRST_WAIT_S * 2 ** len(waited)
        assert not may(tmp_path, clock)
        clock.pass_s(min(expected, MAX_WAIT_S) - 1)
        assert not may(tmp_path, clock)
        clock.pass_s(1)
        assert may(tmp_path, clock)
        waited.append(min(expected, MAX_WAIT_S))
        fail(tmp_path, clock)
    assert waited == [60, 120, 240, 480, 960, 1920, 3600]
    clock.pass_s(MAX_WAIT_S)
    assert may(tmp_path, clock)


def test_it_is_on_the_disk_before_anything_more_is_done(tmp_path: Path) -> None:
    clock = Clock()
    for _ in range(FREE_TRIES):
        # A process that is killed has closed nothing.
        tries = PairingTries(tmp_path, clock)
        tries.count()
        assert (tmp_path / TRIES_FILE).read_text().split()[0] != "0"
        tries.close()
    assert not may(tmp_path, clock)
    assert (tmp_path / TRIES_FILE).stat().st_mode & 0o777 == 0o600


def test_one_that_came_to_its_end_clears_them_and_so_does_a_day(tmp_path: Path) -> None:
    clock = Clock()
    fail(tmp_path, clock, FREE_TRIES - 1)
    tries = PairingTries(tmp_path, clock)
    tries.count()
    tries.clear()
    tries.close()
    fail(tmp_path, clock, FREE_TRIES - 1)
    assert may(tmp_path, clock)
    clock.pass_s(FORGET_AFTER_S + 1)
    fail(tmp_path, clock, FREE_TRIES - 1)
    assert may(tmp_path, clock)


@pytest.mark.parametrize("seconds", [-10 * 365 * 86_400, -1])
def test_a_clock_that_was_set_back_makes_the_wait_no_longer(tmp_path: Path, seconds: int) -> None:
    clock = Clock()
    fail(tmp_path, clock, FREE_TRIES)
    clock.pass_s(seconds)
    with pytest.raises(FieldlineError, match=f"wait {FIRST_WAIT_S} s"):
        PairingTries(tmp_path, clock)


def test_one_pairing_at_a_time(tmp_path: Path) -> None:
    tries = PairingTries(tmp_path, Clock())
    with pytest.raises(FieldlineError, match="already"):
        PairingTries(tmp_path, Clock())
    tries.close()
    assert may(tmp_path, Clock())


def test_a_damaged_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / TRIES_FILE).write_text("two hours ago")
    with pytest.raises(FieldlineError, match="delete it"):
        PairingTries(tmp_path, Clock())
    assert wait_after(99) == MAX_WAIT_S


def test_where_tries_cannot_be_counted_nobody_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FieldlineError, match="cannot be counted"):
        PairingTries(tmp_path / "none", Clock())
    tries = PairingTries(tmp_path, Clock())

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(FieldlineError, match="No space left"):
        tries.count()
    tries.close()

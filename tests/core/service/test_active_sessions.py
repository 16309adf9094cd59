"""Who is in a session just now, and when a device was last in sync."""

from __future__ import annotations

import pytest

from core.service.active_sessions import ActiveSessions

ONE, TWO = bytes(16), bytes([1] * 16)


def test_sessions_are_counted_by_device_while_they_run_and_every_change_is_reported() -> None:
    changes: list[tuple[int, bool]] = []
    sessions = ActiveSessions(lambda: 7, lambda: changes.append((len(sessions), ONE in sessions)))
    with sessions.track(ONE), sessions.track(ONE), sessions.track(TWO):
        assert len(sessions) == 3
    assert changes == [(1, True), (2, True), (3, True), (2, True), (1, True), (0, False)]


def test_a_session_that_fails_is_not_under_way_any_more() -> None:
    sessions = ActiveSessions(lambda: 7, lambda: None)
    with pytest.raises(ValueError, match="cut"), sessions.track(ONE):
        raise ValueError("cut")
    assert not sessions
    assert ONE not in sessions


def test_the_last_sync_has_the_time_of_its_end() -> None:
    now_us = iter((11, 22))
    sessions = ActiveSessions(lambda: next(now_us), lambda: None)
    assert sessions.last_sync_us(ONE) is None
    for _ in range(2):
        sessions.record_sync(ONE)
    assert (sessions.last_sync_us(ONE), sessions.last_sync_us(TWO), sessions.last_sync_us(None)) == (22, None, None)

"""A failure is reported when it is new, and not again and again."""

from __future__ import annotations

import pytest

from core.errors import FieldlineError
from core.service.error_reporter import ErrorReporter
from core.service.serve_config import ServeEvent
from core.sync.discovery import dial_scheduler

ENDPOINT = "tcp://192.0.2.1:7420"


@pytest.fixture
def events() -> list[ServeEvent]:
    return []


@pytest.fixture
def errors(events: list[ServeEvent]) -> ErrorReporter:
    return ErrorReporter(events.append)


def failure(why: str) -> FieldlineError:
    return FieldlineError("It failed: {why}.", why=why)


def test_the_same_failure_is_reported_once_for_each_endpoint(events: list[ServeEvent], errors: ErrorReporter) -> None:
    for endpoint in (ENDPOINT, None, ENDPOINT, None):
        errors.report(failure("off"), endpoint)
    assert [(event.endpoint, str(event.error)) for event in events] == [
        (ENDPOINT, "It failed: off."),
        (None, "It failed: off."),
    ]


def test_another_failure_is_reported_and_then_the_first_again(events: list[ServeEvent], errors: ErrorReporter) -> None:
    for why in ("off", "refused", "off"):
        errors.report(failure(why), ENDPOINT)
    assert [str(event.error) for event in events] == ["It failed: off.", "It failed: refused.", "It failed: off."]


def test_after_a_success_the_same_failure_is_new(events: list[ServeEvent], errors: ErrorReporter) -> None:
    errors.report(failure("off"), ENDPOINT)
    errors.clear(ENDPOINT)
    errors.report(failure("off"), ENDPOINT)
    assert len(events) == 2


def test_devices_that_come_and_go_do_not_fill_the_memory(events: list[ServeEvent], errors: ErrorReporter) -> None:
    devices = [number.to_bytes(16, "big") for number in range(dial_scheduler.MAX_PEER_NAMES + 1)]
    for device in devices:
        errors.report_peer(device, failure("unknown"))
    assert [event.peer for event in events] == devices
    assert len(errors._last_messages) <= dial_scheduler.MAX_PEER_NAMES

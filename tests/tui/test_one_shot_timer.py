"""Timers that fire once do so, though the machine is too busy at first."""

from __future__ import annotations

import asyncio
from itertools import count
from pathlib import Path
from time import monotonic

import pytest
from textual import _time

from tests.support.opened_app import LARGE, SMALL, opened
from tui.widgets.message_line import MessageLine


@pytest.fixture
def busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever such a timer looks at the clock, seconds have gone by."""
    seconds = count(0, 10)

    def look() -> float:
        task = asyncio.current_task()
        return float(next(seconds)) if task is not None and task.get_name().startswith("set_timer#") else monotonic()

    monkeypatch.setattr(_time, "get_time", look)


@pytest.mark.usefixtures("busy_machine")
async def test_a_screen_takes_the_new_size(home: Path) -> None:
    async with opened(home) as screen:
        for size in (LARGE, SMALL, LARGE):
            await screen.resize(*size)
            assert screen.app.screen.size == size


@pytest.mark.usefixtures("busy_machine")
async def test_a_message_that_is_shown_for_a_while_goes(home: Path) -> None:
    async with opened(home) as screen:
        line = screen.app.screen.query_one(MessageLine)
        line.show("Saved.", "plain", 0.001)
        while line._message:
            await screen.pilot.pause(0.01)
        await screen.rest()
        assert "Saved." not in screen.text()

"""A screen that does not rest says why; one on a paused machine does rest."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from textual.strip import Strip

from tests.support.deadlines import DEADLINE_S
from tests.support.opened_app import opened
from tui.widgets.lines import Lines

SOON = 0.2
"""Seconds until a test here gives up what never comes."""


async def test_a_machine_that_stands_still_is_no_hang(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(home) as screen:
        loop, ahead = asyncio.get_running_loop(), 0.0
        time = loop.time
        monkeypatch.setattr(loop, "time", lambda: time() + ahead)
        release = asyncio.Event()
        screen.app.screen.call_later(release.wait)
        resting = asyncio.create_task(screen.rest())
        try:
            for _stop in range(3):
                for _turn in range(50):
                    await asyncio.sleep(0)
                ahead += 2 * DEADLINE_S
            assert not resting.done()
        finally:
            release.set()
            await resting
            monkeypatch.undo()


async def test_a_worker_that_does_not_end_is_named_and_goes_on(home: Path) -> None:
    async with opened(home) as screen:
        screen.deadline_s = SOON
        release = asyncio.Event()
        worker = screen.app.run_worker(release.wait, group="reading")
        with pytest.raises(AssertionError, match=r"worker 'reading' of FieldlineApp\(.*locks.py:\d+ wait"):
            await screen.rest()
        assert worker.is_running
        release.set()
        screen.deadline_s = DEADLINE_S
        await screen.rest()


async def test_a_message_whose_handling_does_not_end_is_named(home: Path) -> None:
    async with opened(home, "4") as screen:
        screen.deadline_s = SOON
        release = asyncio.Event()
        screen.app.screen.call_later(release.wait)
        try:
            with pytest.raises(AssertionError, match=r"messages to History\(.*\), which is at .*locks.py:\d+ wait"):
                await screen.rest()
        finally:
            release.set()
            screen.deadline_s = DEADLINE_S


async def test_what_is_drawn_again_and_again_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(home, "4") as screen:
        screen.deadline_s = SOON
        details = screen.app.screen.query_one("#details", Lines)
        draw = details.render_line

        def draw_again(y: int) -> Strip:
            details.refresh()
            return draw(y)

        monkeypatch.setattr(details, "render_line", draw_again)
        details.refresh()
        with pytest.raises(AssertionError, match=r"times before: .*Lines\(id='details'\)"):
            await screen.rest()
        monkeypatch.undo()
        screen.deadline_s = DEADLINE_S

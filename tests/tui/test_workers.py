"""Workers end whole, whoever waits for them or leaves the program."""

from __future__ import annotations

import asyncio
from datetime import UTC
from pathlib import Path
from unittest.mock import patch

import pytest
from textual.app import App

from core.workspace import Workspace
from tests.support.deadlines import deadline
from tests.support.opened_app import NOW, opened, patient_pilot
from tui.app import FieldlineApp
from tui.app_status import Options
from tui.demo.fleet import DEMO_USER
from tui.workers import wait_until_ended


async def test_who_is_cancelled_while_it_waits_ends_and_the_worker_goes_on() -> None:
    app, may_end, went_on = App[None](), asyncio.Event(), False

    async def wait() -> None:
        nonlocal went_on
        await wait_until_ended([worker])
        went_on = True

    async with app.run_test():
        worker = app.run_worker(may_end.wait())
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not went_on
        assert worker.is_running
        may_end.set()
        await wait_until_ended([worker])
        assert worker.is_finished


@pytest.mark.parametrize("on_screen", [False, True])
async def test_what_a_worker_does_at_its_end_is_not_broken_off(home: Path, on_screen: bool) -> None:
    has_ended, has_begun = False, asyncio.Event()

    async def work() -> None:
        nonlocal has_ended
        has_begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            for _turn in range(50):
                await asyncio.sleep(0.001)
            has_ended = True

    async with opened(home) as screen:
        (screen.app.screen if on_screen else screen.app).run_worker(work(), group="watch")
        await has_begun.wait()
    assert has_ended


async def test_workers_that_failed_or_were_cancelled_have_ended() -> None:
    async def fail() -> None:
        raise ValueError

    async with App[None]().run_test() as pilot:
        workers = [pilot.app.run_worker(fail(), exit_on_error=False), pilot.app.run_worker(asyncio.sleep(60))]
        await asyncio.sleep(0)
        workers[1].cancel()
        await wait_until_ended(workers)
        assert [worker.is_finished for worker in workers] == [True, True]


@pytest.mark.parametrize("turns", range(0, 40, 4))
async def test_a_program_that_has_just_begun_can_be_left(home: Path, turns: int) -> None:
    """Also while what goes on beside the screens waits for the first of them."""
    async with await Workspace.open(home, user=DEMO_USER, clock=lambda: NOW) as workspace:
        app = FieldlineApp(workspace, lambda: NOW, Options(zone=UTC))
        with patient_pilot():
            async with deadline(), app.run_test():
                while not any(worker.group == "inbox" for worker in app.workers):  # noqa: ASYNC110
                    await asyncio.sleep(0)
                for _turn in range(turns):
                    await asyncio.sleep(0)


async def test_what_goes_on_beside_the_screens_may_begin_while_they_are_closed(home: Path) -> None:
    async with opened(home) as screen:
        closed = screen.app.base_screen
        with patch.object(closed, "_running", False), patch.object(closed, "_task", None):
            async with deadline():
                await screen.app._run_background_work()

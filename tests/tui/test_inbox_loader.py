"""What waits for a decision is read beside the screens, and may be stopped."""

from __future__ import annotations

import asyncio
from datetime import UTC
from pathlib import Path

from core.workspace import Workspace
from tests.support.opened_app import NOW
from tui.app import FieldlineApp
from tui.app_status import Options
from tui.demo.fleet import DEMO_USER
from tui.inbox_loader import InboxLoader


async def test_who_leaves_while_it_is_read_learns_nothing(home: Path) -> None:
    """However far it is, the store is closed after the reading has stopped."""
    stopped = set()
    async with await Workspace.open(home, user=DEMO_USER) as workspace:
        for step in range(60):
            waiting = InboxLoader(workspace, lambda changed: None)
            waiting.request(NOW, as_known=False)
            reading = asyncio.create_task(waiting.load())
            await asyncio.sleep(step * 0.0005)
            await waiting.close()
            (outcome,) = await asyncio.gather(reading, return_exceptions=True)
            assert outcome is None or isinstance(outcome, asyncio.CancelledError), outcome
            stopped.add(outcome is not None)
    assert True in stopped


async def test_its_store_is_closed_when_all_have_stopped_reading(home: Path) -> None:
    has_ended = False
    async with await Workspace.open(home, user=DEMO_USER, clock=lambda: NOW) as workspace:
        app = FieldlineApp(workspace, lambda: NOW, Options(zone=UTC))

        async def read_to_its_end() -> None:
            nonlocal has_ended
            store = (await app.inbox_loader._open_workspace()).store
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                for _turn in range(20):
                    await store.summary()
                has_ended = True

        begun = asyncio.Event()
        async with app.run_test():
            app.run_worker(read_to_its_end())
            await begun.wait()
    assert has_ended

"""What waits for a decision is read beside the screens, and may be stopped."""

from __future__ import annotations

import asyncio
from pathlib import Path

from core.workspace import Workspace
from tests.support.opened_app import NOW
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

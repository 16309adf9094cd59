"""What waits for a decision is read beside the screens, and may be stopped whenever they end."""

from __future__ import annotations

import asyncio
from pathlib import Path

from core.workspace import Workspace
from tests.tui.opened import NOW
from tui.cli.demo_fleet import USER
from tui.waiting import Waiting


async def test_who_leaves_while_it_is_read_is_told_nothing(home: Path) -> None:
    """However far it is, the store is closed after the reading has stopped."""
    stopped = set()
    async with await Workspace.open(home, user=USER) as workspace:
        for step in range(60):
            waiting = Waiting(workspace, lambda changed: None)
            waiting.want(NOW, known=False)
            reading = asyncio.create_task(waiting.read())
            await asyncio.sleep(step * 0.0005)
            await waiting.close()
            (outcome,) = await asyncio.gather(reading, return_exceptions=True)
            assert outcome is None or isinstance(outcome, asyncio.CancelledError), outcome
            stopped.add(outcome is not None)
    assert True in stopped

"""What a sync beside the screens costs whoever looks at them over a slow line.

Real devices, a real terminal.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path

import pytest

from core.workspace import Workspace
from tests.support.pty_app import Program, started
from tests.tui.screens.test_sync import answering

BYTES = 300
"""A second, at most, while others sync more than once a second."""
SECONDS = 4.0
PAUSE = 0.4


async def written(program: Program, seconds: float) -> int:
    """How many bytes the program writes meanwhile."""
    deadline, count = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        count += len(await asyncio.to_thread(program.read, 0.1))
    return count


async def keep_syncing(target: str, other: Path) -> None:
    """Say something new again and again, and bring it here at once."""
    async with await Workspace.open(other, user="Jones") as workspace:
        turn = 0
        while True:
            turn += 1
            await workspace.create("locality", {"code": f"{700 + turn}", "name": f"TSC {turn}"})
            await workspace.sync(target)
            await asyncio.sleep(PAUSE)


@pytest.mark.parametrize("place", ["2", "4"])
async def test_a_sync_in_the_background_costs_a_slow_line_little(
    made: Path, home: Path, tmp_path: Path, place: str
) -> None:
    other = shutil.copytree(made / "K3", tmp_path / "K3")
    with started(home, "tui", "--no-mouse", "--no-discovery") as program:
        await asyncio.to_thread(program.wait_for, "TSC")
        async with answering(home) as target:
            syncing = asyncio.create_task(keep_syncing(target, other))
            program.send(place.encode())
            await written(program, 3.0)  # what had not come before, and the place itself
            before = await held(home)
            cost = await written(program, SECONDS)
            assert await held(home) - before > SECONDS, "more than once a second"
            syncing.cancel()
        assert cost <= BYTES * SECONDS, cost
        assert program.alive()


async def held(home: Path) -> int:
    """How many changes a device holds."""
    async with await Workspace.open(home, user="Jones") as workspace:
        return (await workspace.store.summary()).count

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
"""A second, at most, while others sync again and again."""
CHANGES = 5
SECONDS = 1.0
PAUSE = 0.4


async def written(program: Program, seconds: float) -> int:
    """How many bytes the program writes meanwhile."""
    deadline, count = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        count += len(await asyncio.to_thread(program.read, 0.1))
    return count


async def bytes_a_second(program: Program, home: Path, syncing: asyncio.Task[None]) -> float:
    """What the program writes a second until enough has come from others."""
    begun, count, before = time.monotonic(), 0, await held(home)
    while await held(home) - before < CHANGES:
        count += await written(program, SECONDS)
        assert not syncing.done()
    return count / (time.monotonic() - begun)


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
            cost = await bytes_a_second(program, home, syncing)
            syncing.cancel()
        assert cost <= BYTES
        assert program.alive()


async def held(home: Path) -> int:
    """How many changes a device holds."""
    async with await Workspace.open(home, user="Jones") as workspace:
        return (await workspace.store.summary()).count

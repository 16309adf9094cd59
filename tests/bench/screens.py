"""The terminal UI at 1M facts and 10,000 matters.

CPU of a key in History and Inbox, in this process.

The home has the shapes of the real history beside the repository; set FIELDLINE_BENCH_HOME to a folder to keep it.
Prints figures; nothing is asserted.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from datetime import UTC
from pathlib import Path

from textual.pilot import Pilot
from textual.worker import WorkerCancelled

from core.service.location import read_location
from core.workspace import Workspace, system_clock
from tests.bench import _bighome
from tui.app import FieldlineApp
from tui.app_status import Options

BUDGET = 50
_WALK = ["down"] * 40 + ["pagedown"] * 20 + ["up"] * 20 + ["pageup"] * 10 + ["G", "up", "g"]
_ERASE = ["backspace"] * 5
KEYS: dict[str, tuple[list[str], list[str]]] = {
    "History": (["4"], _WALK),
    "Inbox": (["3"], [*_WALK, *["right", "left"] * 10, *["space"] * 20]),
    "Fleet": (["2"], [*_WALK, *["right", "down", "left", "left"] * 10]),
    "a form": (["2", "g", "enter"], ["down"] * 20 + ["up"] * 10),
    "search": (
        ["escape", "2", "slash"],
        [*"10.23", *["backspace"] * 5, *"kern", "down", "down", *["backspace"] * 4, *"core"],
    ),
    "Here": (["escape", "c", "1"], ["down"] * 20 + ["up"] * 10),
    "Sync": (["5"], ["down", "up"] * 10),
    "Members": (["6"], ["down", "up"] * 10),
}
"""For each place the keys that lead there, and those that are measured."""
_LASTING = {"watch"}


async def _rest(pilot: Pilot[None]) -> None:
    """Wait until nothing is under way."""
    busy = True
    while busy:
        await pilot.pause()
        workers = [w for w in pilot.app.workers if w.group not in _LASTING and not w.is_finished]
        busy = bool(workers)
        for worker in workers:
            try:
                await worker.wait()
            except WorkerCancelled:
                continue


async def _pressed(pilot: Pilot[None], key: str) -> float:
    """Milliseconds of CPU from a key to rest, all threads of this process."""
    begun = time.process_time()
    await pilot.press(key)
    await _rest(pilot)
    return (time.process_time() - begun) * 1000


async def _screens(home: Path) -> None:
    async with await Workspace.open(home, user=_bighome.USER) as workspace:
        counts = await workspace.store.counts()
        app = FieldlineApp(workspace, system_clock, Options(zone=UTC), here=await read_location(workspace))
        begun = time.process_time()
        async with app.run_test(size=(80, 24)) as pilot:
            await _rest(pilot)
            opened = time.process_time() - begun
            gc.freeze()  # as the program does once it has started
            print(
                f"  {counts.facts:,} facts in {counts.changes:,} changes, {len(app.inbox_items):,} matters;"
                f" opened with {opened:.2f} s of CPU"
            )
            for name, (place, keys) in KEYS.items():
                first = max([await _pressed(pilot, key) for key in place])
                times = sorted([await _pressed(pilot, key) for key in keys])
                p95 = times[int(len(times) * 0.95)]
                middle = statistics.median(times)
                print(
                    f"  {name:8} to get there {first:6.1f} ms; {len(keys):3} keys: median {middle:5.1f},"
                    f" p95 {p95:5.1f}, most {times[-1]:5.1f} ms (budget p95 {BUDGET} ms)"
                )


def run() -> None:
    """Print the figures."""
    facts, conflicts = _bighome.FACTS, _bighome.CONFLICTS
    print(f"screens: CPU of a key at {facts:,} facts and {conflicts:,} conflicts, 80x24")
    with _bighome.kept() as home:
        if home is not None:
            asyncio.run(_screens(home))


if __name__ == "__main__":
    run()

"""The terminal UI at 1M facts and 10,000 matters: CPU of a key in History and Inbox, in this process.

The home has the shapes of the real history beside the repository; set FIELDLINE_BENCH_HOME to a folder to keep it.
Prints figures; nothing is asserted.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from datetime import UTC
from pathlib import Path

from textual.pilot import Pilot
from textual.worker import WorkerCancelled

from core.workspace import Workspace, system_clock
from tests.bench import _bighome
from tui.app import FieldlineApp
from tui.status import Options

FACTS, CONFLICTS = 1_000_000, 10_000
BUDGET = 50
KEYS = {
    "History": ("4", ["down"] * 60 + ["pagedown"] * 20 + ["G"] + ["pageup"] * 20 + ["up"] * 30 + ["g"]),
    "Inbox": ("3", ["down"] * 60 + ["right", "left"] * 10 + ["space"] * 20 + ["pagedown"] * 20 + ["G", "up", "g"]),
}
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
        app = FieldlineApp(workspace, system_clock, Options(zone=UTC))
        begun = time.process_time()
        async with app.run_test(size=(80, 24)) as pilot:
            await _rest(pilot)
            opened = time.process_time() - begun
            print(
                f"  {counts.facts:,} facts in {counts.changes:,} changes, {len(app.matters):,} matters;"
                f" opened with {opened:.2f} s of CPU"
            )
            for name, (place, keys) in KEYS.items():
                first = await _pressed(pilot, place)
                times = sorted([await _pressed(pilot, key) for key in keys])
                p95 = times[int(len(times) * 0.95)]
                print(
                    f"  {name:8} to get there {first:6.1f} ms; a key: median {statistics.median(times):5.1f},"
                    f" p95 {p95:5.1f}, most {times[-1]:5.1f} ms (budget p95 {BUDGET} ms)"
                )


def run() -> None:
    """Print the figures."""
    print(f"screens: CPU of a key at {FACTS:,} facts and {CONFLICTS:,} conflicts, 80x24")
    if not _bighome.HISTORY.exists():
        print("  left out: there is no ../shared/data/site-history.jsonl to take the shapes from")
        return
    kept = os.environ.get("FIELDLINE_BENCH_HOME")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(kept or folder) / "big"
        if not home.exists():
            begun = time.perf_counter()
            asyncio.run(_bighome.build(home, facts=FACTS, conflicts=CONFLICTS))
            print(f"  the home was built in {time.perf_counter() - begun:.0f} s")
        asyncio.run(_screens(home))


if __name__ == "__main__":
    run()

"""The terminal UI at 1M facts, as a process.

The time from its start to the first frame and to the first rows on the terminal, and its memory, then and after a walk
through all places; beside an empty Textual application with the same widgets, whose rows are there with its first
frame, in turn with it.

The home has the shapes of the real history beside the repository; set FIELDLINE_BENCH_HOME to a folder to keep it.
Prints figures; nothing is asserted.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.workspace import Workspace
from tests.bench import _bighome, _empty
from tests.support.pty_app import Program

RUNS = 7
FRAMED = "Devices"
"""The last of the places, in the second line."""
FRAME, MEMORY = 1.5, 2.5
QUIET = 1.0
WALK = "3j4jG5612jjl/anx\x1b3G"
"""Through all places, to the ends of lists, and a search."""


@dataclass(frozen=True)
class Figures:
    """Seconds from the start to the first frame and to the first rows.

    Seconds of CPU by then; MB of memory then, once it is quiet, and at the end of the walk.
    """

    frame: float
    seconds: float
    cpu: float
    shown: float
    quiet: float
    walked: float


def _memory(pid: int) -> float:
    """Resident memory of a process in MB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


def _cpu(pid: int) -> float:
    """Seconds of CPU that a process has used (proc(5): utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _run(arguments: Sequence[str], framed: str, mark: str, walk: str) -> Figures:
    environ = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": tempfile.gettempdir(),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "FIELDLINE_USER": _bighome.USER,
        "TZ": "UTC",
    }
    begun = time.perf_counter()
    program = Program([sys.executable, *arguments], environ)
    try:
        frame = 0.0
        while mark.encode() not in program.output:
            program.read(0.002)
            if not frame and framed.encode() in program.output:
                frame = time.perf_counter() - begun
            if not program.alive():
                raise RuntimeError(f"it ended before {mark!r} was shown: {program.output[-300:]!r}")
        seconds, cpu, shown = time.perf_counter() - begun, _cpu(program.pid), _memory(program.pid)
        program.read(QUIET)
        while (before := _cpu(program.pid)) is not None:
            program.read(QUIET)
            if _cpu(program.pid) - before < QUIET / 20:
                break
        quiet = _memory(program.pid)
        for key in walk:
            program.send(key.encode())
            program.read(QUIET / 2)
        program.read(2 * QUIET)
        return Figures(frame or seconds, seconds, cpu, shown, quiet, _memory(program.pid))
    finally:
        program.close()


async def _first_title(home: Path) -> str:
    """The title of the first row, which tells that rows are shown.

    Also brings a store of an older version up to date and lets what waits be read, as any other opening before this one
    would have done.
    """
    async with await Workspace.open(home, user=_bighome.USER) as workspace:
        await workspace.inbox()
        schema = await workspace.schema()
        row = (await workspace.view().page(schema.roots()[0].name, schema, limit=1))[0]
        counts = await workspace.store.counts()
        print(f"  {counts.facts:,} facts, {counts.entities:,} entities")
        return row.title


def run() -> None:
    """Print the figures."""
    print(f"opening: the terminal UI of {_bighome.FACTS:,} facts beside an empty Textual application, 80x24")
    with _bighome.kept() as home:
        if home is None:
            return
        title = asyncio.run(_first_title(home))
        ours = ["-m", "tui.cli", "--home", str(home), "tui", "--no-mouse"]
        pairs = []
        for turn in range(RUNS + 1):
            last = turn == RUNS
            empty = _run(["-m", "tests.bench._empty"], _empty.MARK, _empty.MARK, "jjG" if last else "")
            pairs.append((_run(ours, FRAMED, title, WALK if last else ""), empty))
    for what, unit, factor, budget in (
        ("frame", "ms", 1000, f"budget x{FRAME}"),
        ("seconds", "ms", 1000, f"budget x{FRAME}"),
        ("cpu", "ms of CPU", 1000, ""),
        ("shown", "MB", 1, f"budget x{MEMORY}"),
        ("quiet", "MB", 1, f"budget x{MEMORY}"),
    ):
        _print(what, [(getattr(a, what), getattr(b, what)) for a, b in pairs[1:]], unit, factor, budget)
    _print("walked", [(pairs[-1][0].walked, pairs[-1][1].walked)], "MB", 1, f"budget x{MEMORY}")


_WHAT = {
    "frame": "from the start to the first frame",
    "seconds": "from the start to the first rows",
    "cpu": "CPU by then",
    "shown": "memory with the first rows",
    "quiet": "memory when nothing is read any more",
    "walked": "memory after all places",
}


def _print(what: str, pairs: list[tuple[float, float]], unit: str, factor: float, budget: str) -> None:
    ours, empty = (statistics.median(figures) * factor for figures in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"  {_WHAT[what]:<38} {ours:7.0f} {unit:<9} beside {empty:5.0f}: x{ratio:.2f}   {budget}".rstrip())


if __name__ == "__main__":
    run()

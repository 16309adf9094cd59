"""What the terminal UI writes to a terminal of 80 by 24, and how long its first frame takes, beside the budgets.

The real program on a pseudo-terminal, TERM=xterm-256color, mouse off, with a made-up fleet.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

from core.workspace import system_clock
from tests.support.pty_app import Program, started
from tui.demo.fleet import DEMO_DEVICE, make_fleet

QUIET = 0.4
DOWN = b"\x1b[B"
IDLE = 10
LISTS = {"Fleet": ("2", 350), "Inbox": ("3", 350), "History": ("4", 350), "Members": ("6", 350)}
FORM, PLACE = 1_000, 12_000


def _answered(program: Program, key: bytes) -> int:
    program.send(key)
    return next((len(came) for _ in range(10) if (came := program.read(QUIET))), 0)


def _print(what: str, figure: str, budget: str) -> None:
    print(f"  {what:<34} {figure:>16}   budget {budget}")


def run() -> None:
    """Print the figures."""
    print("terminal: bytes at 80x24, a pseudo-terminal, the mouse off")
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(make_fleet(Path(folder), system_clock()))
        begun = time.perf_counter()
        with started(Path(folder) / DEMO_DEVICE, "tui", "--no-mouse") as program:
            program.wait_for("TSC")
            first = time.perf_counter() - begun
            _print("first frame", f"{len(program.output) + len(program.read(2 * QUIET)):,} B", "-")
            _print("from start to the first frame", f"{first * 1000:,.0f} ms", "-")
            places = [_answered(program, key.encode()) for key in "3456134562"]
            _print("another place, at most", f"{max(places):,} B", f"{PLACE:,} B")
            for name, (key, budget) in LISTS.items():
                _answered(program, key.encode())
                costs = [_answered(program, DOWN) for _ in range(8)]
                _print(f"cursor key in {name}, at most", f"{max(costs):,} B", f"{budget:,} B")
            for sent in (b"2", b"l", DOWN, b"\r"):
                _answered(program, sent)
            costs = [_answered(program, DOWN) for _ in range(6)]
            _print("cursor key in a form, at most", f"{max(costs):,} B", f"{FORM:,} B")
            _answered(program, b"4")
            _print(f"nobody does anything for {IDLE} s", f"{len(program.read(IDLE)):,} B", "0 B")

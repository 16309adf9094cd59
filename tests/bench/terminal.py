"""Bytes to a terminal of 80 by 24, and the first frame, beside the budgets.

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
LISTS = {"Fleet": "2", "Inbox": "3", "History": "4", "Devices": "6"}
ROW, PLACE = 450, 12_000
RESTED = 0.1


def _answered(program: Program, key: bytes) -> int:
    program.send(key)
    return next((len(came) for _ in range(10) if (came := program.read(QUIET))), 0)


def _moved(program: Program) -> tuple[int, int]:
    """The bytes that a cursor key brings: its rows, and the details that follow."""
    program.send(DOWN)
    rows = next((len(came) for _ in range(40) if (came := program.read(RESTED))), 0)
    return rows, len(program.read(QUIET))


def _print_moves(program: Program, where: str, count: int) -> None:
    costs = [_moved(program) for _ in range(count)]
    _print(f"cursor key in {where}, at most", f"{max(rows for rows, _ in costs):,} B", f"{ROW:,} B")
    _print(f"details that follow in {where}, at most", f"{max(details for _, details in costs):,} B", "-")


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
            for name, key in LISTS.items():
                _answered(program, key.encode())
                _print_moves(program, name, 8)
            for sent in (b"2", b"l", DOWN, b"\r"):
                _answered(program, sent)
            _print_moves(program, "a form", 6)
            _answered(program, b"4")
            _print(f"nobody does anything for {IDLE} s", f"{len(program.read(IDLE)):,} B", "0 B")

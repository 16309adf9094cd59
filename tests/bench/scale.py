"""Verbs at 1M facts as people call them.

CPU with the start of the program included, and memory, beside what is wanted.

The ratio is to the same verb on a home of a tenth: what reads everything may grow by 9.9 (n log n), the rest by less.
The homes have the shapes of the real history beside the repository; FIELDLINE_BENCH_HOME names a folder for them.
Prints figures; nothing is asserted.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.bench import _bighome

TENTH = 100_000, 1_000
MIDDLE, LATER = "2024-03-01", "2024-06-01"
"""Times that verbs ask for: the real history has most of its changes from December 2023 to December 2024."""


@dataclass(frozen=True)
class Verb:
    """A call of the program.

    Wanted: seconds of CPU and MB of memory at 1M facts, None where nothing is said.
    """

    arguments: tuple[str, ...]
    seconds: float | None = None
    megabytes: float | None = None
    completes: bool = False
    """Whether Tab is pressed behind the arguments, as bash asks then."""

    def __str__(self) -> str:
        return " ".join(self.arguments) + ("<Tab>" if self.completes else "")

    @property
    def environ(self) -> dict[str, str]:
        """What bash sets besides."""
        asked = {"_FIELDLINE_COMPLETE": "bash_complete", "COMP_WORDS": "fieldline " + " ".join(self.arguments)}
        return asked if self.completes else {}


VERBS = [
    Verb(("status",), 0.4),
    Verb(("inbox",), 0.8),
    Verb(("list", "network"), 4, 120),
    Verb(("list", "network", "--json"), 4, 120),
    Verb(("list", "network", "--where", "vid=42"), 1),
    Verb(("list", "network", "--at", MIDDLE), 4, 120),
    Verb(("diff", MIDDLE, LATER), 4, 120),
    Verb(("log", "--limit", "20")),
    Verb(("doctor",)),
    Verb(("verify",), 15),
    Verb(("show", "host:0."), 0.15, completes=True),
    Verb(("show", "network:"), 0.15, completes=True),
    Verb(("revoke", ""), 0.15, completes=True),
]


def measure(home: Path, verb: Verb) -> tuple[float, float, int]:
    """Call the program; gives CPU seconds, MB of memory at most, and exit code.

    The seconds are with those of its children.
    """
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "tui.cli", *verb.arguments],
            env={**os.environ, **verb.environ, "FIELDLINE_HOME": str(home)},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        _pid, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, process.returncode


def run() -> None:
    """Print the table."""
    with _bighome.kept() as big:
        if big is None:
            return
        tenth = big.parent / "tenth"
        if not tenth.exists():
            asyncio.run(_bighome.build(tenth, facts=TENTH[0], conflicts=TENTH[1]))
        print(f"  {'verb':36}{'CPU s':>8}{'wanted':>8}{'MB':>7}{'wanted':>8}{'x of 100k':>11}")
        for verb in VERBS:
            small, _, _ = measure(tenth, verb)
            seconds, megabytes, code = measure(big, verb)
            name = str(verb) + ("" if code == 0 else f" (exit {code})")
            print(
                f"  {name:36}{seconds:8.2f}{verb.seconds or '':>8}{megabytes:7.0f}{verb.megabytes or '':>8}"
                f"{seconds / small:11.1f}",
                flush=True,
            )

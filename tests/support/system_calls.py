"""System calls of a real program.

Recorded, or failed or killed at the n-th (strace, its fault injection).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support.cli import ROOT, Answer
from tests.support.deadlines import DEADLINE_S

# What changes a disk, or makes it durable.
WRITING = ("pwrite64", "write", "ftruncate", "fdatasync", "fsync", "rename", "unlink")
READING = ("pread64",)
_CALL = re.compile(r"(\d+) +(\w+)\((.*)\) += (-?\d+|\?)")
_ENVIRONMENT = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}


@cache
def cannot_trace() -> str | None:
    """Say why system calls cannot be traced here; None if they can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    return f"strace cannot trace here: {tried.stderr.strip()}" if tried.returncode else None


@dataclass(frozen=True)
class Call:
    """The `number`-th call of its name in its thread (from 1): what a fault is put on."""

    name: str
    number: int
    arguments: str


@dataclass(frozen=True)
class Fault:
    """What befalls one call.

    An error (`EIO`, `ENOSPC`) or, before it is carried out, `SIGKILL`.
    """

    call: Call
    what: str

    @property
    def option(self) -> str:
        """The option of strace for it.

        A call that is killed does not take place: it gets an error first.
        """
        how = "error=EIO:signal=KILL" if self.what == "SIGKILL" else f"error={self.what}"
        return f"inject={self.call.name}:{how}:when={self.call.number}"


def run_traced(options: Sequence[str], arguments: Sequence[str], log: Path) -> Answer:
    done = subprocess.run(
        ["strace", "-f", "-qq", "-y", "-o", str(log), *options, sys.executable, "-m", "tui.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=DEADLINE_S,
        env={**os.environ, **_ENVIRONMENT},
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def completed_lines(log: Path) -> Iterator[str]:
    """Read the lines of a trace, each call in one.

    Those that another thread interrupted are joined.
    """
    begun: dict[str, str] = {}
    for line in log.read_text(errors="replace").splitlines():
        thread, _, rest = line.partition(" ")
        if rest.endswith("<unfinished ...>"):
            begun[thread] = line.removesuffix("<unfinished ...>")
        elif "resumed>" in rest:
            yield begun.pop(thread, "") + rest.partition("resumed>")[2]
        else:
            yield line


def _calls(log: Path, folder: Path) -> list[Call]:
    """Read those calls that concern a folder, numbered as fault injection counts them.

    By thread and name.

    A number that a call on something else has too, in another thread, is left out: the fault would fall on both.
    """
    counts: Counter[tuple[str, str]] = Counter()
    calls: list[Call] = []
    others: set[tuple[str, int]] = set()
    for line in completed_lines(log):
        found = _CALL.match(line)
        if found is None:
            continue
        thread = found[1]
        counts[thread, found[2]] += 1
        number = counts[thread, found[2]]
        if str(folder) in found[3]:
            calls.append(Call(found[2], number, found[3]))
        else:
            others.add((found[2], number))
    return [call for call in calls if (call.name, call.number) not in others]


def recorded(arguments: Sequence[str], names: Sequence[str], folder: Path, log: Path) -> tuple[Answer, list[Call]]:
    """Run the program, and list its system calls about a folder, in order."""
    answer = run_traced(["-e", f"trace={','.join(names)}"], arguments, log)
    return answer, _calls(log, folder)


def faulted(arguments: Sequence[str], fault: Fault, log: Path) -> Answer:
    """Run the program with a fault.

    Its code is that of the signal when it was killed: -9.
    """
    return run_traced(["-e", f"trace={fault.call.name}", "-e", fault.option], arguments, log)

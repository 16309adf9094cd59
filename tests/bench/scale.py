"""Verbs at many facts as people call them, and at a tenth of them.

CPU with the start of the program included, and memory, beside what is wanted at a million facts.

`make bench scale FACTS=1000000` takes more facts than the 100,000 of the default. The ratio is that of the CPU without
the start, to the same verb on a home of a tenth: what reads everything may grow as n log n does, the rest by less. The
homes have the shapes of the real history beside the repository; FIELDLINE_BENCH_HOME names a folder for them. Verbs
that write do so in a copy. Prints figures; nothing is asserted.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from tests.bench import _bighome

FACTS = int(os.environ.get("FACTS", "100000"))
MIDDLE, LATER = "2024-03-01", "2024-06-01"
YEAR_BEGIN, YEAR_END = "2023-12-01", "2024-12-01"
"""Times that verbs ask for: the real history has most of its changes in this year."""


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
    Verb(("--version",)),
    Verb(("status",), 0.4),
    Verb(("inbox",), 0.8),
    Verb(("list", "network"), 4, 120),
    Verb(("list", "network", "--json"), 4, 120),
    Verb(("list", "network", "--where", "vid=42"), 1),
    Verb(("list", "network", "--at", MIDDLE), 4, 120),
    Verb(("diff", MIDDLE, LATER), 4, 120),
    Verb(("diff", YEAR_BEGIN, YEAR_END), 4, 120),
    Verb(("diff", YEAR_BEGIN, YEAR_END, "--json"), 4, 120),
    Verb(("log", "--limit", "20")),
    Verb(("doctor",)),
    Verb(("show", "host:0."), 0.15, completes=True),
    Verb(("show", "network:"), 0.15, completes=True),
    Verb(("revoke", ""), 0.15, completes=True),
    Verb(("new", "site", "key=bench", "code=BENCH"), 0.3),
    Verb(("verify",), 15),
]
FIRST_STATUS = Verb(("status",), 0.5)
START = VERBS[0]


@dataclass(frozen=True)
class Cost:
    """What a call took: seconds of CPU, MB of memory at most, and its exit code."""

    seconds: float
    megabytes: float
    code: int = 0


@dataclass(frozen=True)
class Figure:
    """One line of the table; wanted is what is wanted at 1M facts, None for nothing."""

    name: str
    cost: Cost
    wanted_seconds: float | None = None
    wanted_megabytes: float | None = None


def start(
    home: Path, arguments: tuple[str, ...], out: int, environ: dict[str, str], errors: int = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    """Start a verb on a home."""
    return subprocess.Popen(
        [sys.executable, "-m", "tui.cli", *arguments],
        env={**os.environ, **environ, "FIELDLINE_HOME": str(home)},
        stdout=out,
        stderr=errors,
    )


def finish(process: subprocess.Popen[bytes]) -> Cost:
    """Wait for the program; its CPU is with that of its children."""
    _pid, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, process.returncode)


def _call(home: Path, verb: Verb) -> Cost:
    with tempfile.TemporaryFile() as out:
        return finish(start(home, verb.arguments, out.fileno(), verb.environ))


def ask(home: Path, *arguments: str) -> Any:
    """Call the program for what is only prepared; gives its JSON."""
    with tempfile.TemporaryFile() as out:
        cost = finish(start(home, (*arguments, "--json"), out.fileno(), {}))
        out.seek(0)
        data = out.read()
        assert cost.code == 0, (arguments, data)
        return json.loads(data)


def _measure(home: Path, folder: Path) -> Iterator[Figure]:
    """Call all verbs in a home, and meet it from empty ones."""
    for verb in VERBS:
        yield Figure(str(verb), _call(home, verb), verb.seconds, verb.megabytes)
    fleet = ask(home, "status")["fleet"]
    bundle, taker, meeter = folder / "all.fieldline", folder / "taker", folder / "meeter"
    yield Figure("export a bundle", _call(home, Verb(("export", str(bundle), "--plain"))))
    ask(taker, "join", fleet)
    yield Figure("import it, empty before", _call(taker, Verb(("import", str(bundle)))), 20)
    yield Figure("the first status after it", _call(taker, FIRST_STATUS), FIRST_STATUS.seconds)
    device = ask(meeter, "join", fleet)["device"]
    ask(home, "admit", device, "--role", "technician", "--name", "of the bench")
    yield from _first_sync(home, meeter)


def _first_sync(home: Path, empty: Path) -> Iterator[Figure]:
    arguments = ("serve", "--bind", "127.0.0.1", "--port", "0", "--no-discovery")
    serving = start(home, arguments, subprocess.DEVNULL, {}, subprocess.PIPE)
    try:
        assert serving.stderr is not None
        port = serving.stderr.readline().rsplit(b":", 1)[1].strip().decode()
        yield Figure("first sync", _call(empty, Verb(("sync", f"tcp://127.0.0.1:{port}"))), 18)
    finally:
        serving.send_signal(signal.SIGINT)
        sender = finish(serving)
    yield Figure("first sync: the sender", sender, 8, 120)


def run() -> None:
    """Print the table."""
    with _bighome.kept(FACTS) as big, _bighome.kept(FACTS // 10) as tenth:
        if big is None or tenth is None:
            return
        with tempfile.TemporaryDirectory() as folder:
            _print_table(*(_figures(home, Path(folder)) for home in (tenth, big)))


_NUMBERS = count()


def _figures(home: Path, folder: Path) -> Iterator[Figure]:
    """Measure in a copy of a home."""
    own = folder / str(next(_NUMBERS))
    shutil.copytree(home, own / "home")
    yield from _measure(own / "home", own)
    shutil.rmtree(own)


def _print_table(tenth: Iterator[Figure], big: Iterator[Figure]) -> None:
    """Measure both, a verb of each after the other, and print a line for each verb."""
    allowed = 10 * math.log(FACTS) / math.log(FACTS // 10)
    print(f"  {FACTS:,} facts beside {FACTS // 10:,}; n log n: x {allowed:.1f}; wanted: at 1,000,000")
    print(f"  {'verb':36}{'CPU s':>8}{'wanted':>8}{'MB':>7}{'wanted':>8}{'x of a tenth':>14}")
    starts: tuple[float, float] | None = None
    for small, figure in zip(tenth, big, strict=True):
        starts = starts or (small.cost.seconds, figure.cost.seconds)
        more, before = figure.cost.seconds - starts[1], small.cost.seconds - starts[0]
        # Of less than a tenth of a second the ratio is noise.
        ratio = more / before if before >= 0.1 else None
        growth = "" if ratio is None else f"{ratio:.1f}{' !' if ratio > allowed else ''}"
        name = figure.name + ("" if figure.cost.code == 0 else f" (exit {figure.cost.code})")
        print(
            f"  {name:36}{figure.cost.seconds:8.2f}{figure.wanted_seconds or '':>8}"
            f"{figure.cost.megabytes:7.0f}{figure.wanted_megabytes or '':>8}{growth:>14}",
            flush=True,
        )

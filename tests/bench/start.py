"""How long a command takes to start, beside the imports that it cannot do without."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 15
BASELINE = "import asyncio, sqlite3, cryptography.hazmat.primitives.asymmetric.ed25519"


def _seconds(command: list[str], home: Path) -> float:
    begun = time.perf_counter()
    subprocess.run(command, env={**os.environ, "FIELDLINE_HOME": str(home)}, check=True, capture_output=True)
    return time.perf_counter() - begun


def run() -> None:
    """Print the figures."""
    fieldline = [sys.executable, "-m", "tui.cli"]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")
        _seconds([*fieldline, "init", "--fleet", "Bench", "--schema", "service-centre", "--device", "K1"], home)
        _seconds([*fieldline, "new", "locality", "code=241", "name=North"], home)
        show = [*fieldline, "show", "locality:241", "--json"]
        plain = [sys.executable, "-c", BASELINE]
        pairs = [(_seconds(show, home), _seconds(plain, home)) for _ in range(RUNS + 1)][1:]
    ours, base = (statistics.median(times) * 1000 for times in zip(*pairs, strict=True))
    ratio = statistics.median(show / plain for show, plain in pairs)
    print(
        f"start: `fieldline show` {ours:.0f} ms, the imports alone {base:.0f} ms: x{ratio:.2f} (budget: at most x2.5)"
    )

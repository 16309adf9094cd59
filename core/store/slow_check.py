"""Check all changes and facts of a store slowly: a program beside one that serves.

`python -m core.store.slow_check STORE FLEET SHARE` prints a line of JSON: how many changes there are, and what is
damaged first (an error's text and its values), null if nothing is. It writes nothing, takes at most SHARE of the time
of one processor, and ends with the program that started it.

What is derived for looking something up is left to `verify`, which needs room for a second store.
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

from core.errors import FieldlineError
from core.store.connection import BUSY_TIMEOUT_S
from core.store.spot_check import find_damage
from core.store.verify import find_bad_signatures

MAX_PAUSE_S = 0.5
"""After so long it looks whether its parent is still there."""
STEPS_BETWEEN_LOOKS = 5000
"""Of SQLite's machine: a fraction of a millisecond of work."""
MAX_NICENESS = 19
"""The lowest priority that there is."""


class Pacer:
    """Sleeps so long that a share of the time is not exceeded; told of by SQLite."""

    def __init__(self, share: float, parent: int) -> None:
        self._share = share
        self._parent = parent
        self._begun_s, self._begun_cpu_s = time.monotonic(), time.process_time()

    def __call__(self) -> int:
        """Give 1, which ends the work, once the parent is gone."""
        if os.getppid() != self._parent:
            return 1
        wanted_s = (time.process_time() - self._begun_cpu_s) / self._share
        ahead_s = wanted_s - (time.monotonic() - self._begun_s)
        if ahead_s > 0:
            time.sleep(min(ahead_s, MAX_PAUSE_S))
        return 0


def check_slowly(path: Path, fleet: bytes, pacer: Pacer) -> tuple[int, FieldlineError | None]:
    """Check a store; gives how many changes it has, and what is damaged first."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_TIMEOUT_S)) as connection:
        connection.set_progress_handler(pacer, STEPS_BETWEEN_LOOKS)
        (count,) = connection.execute("SELECT count(*) FROM changes").fetchone()
        found = find_damage(connection, sampled=None)
        if found is None:
            found = next(iter(find_bad_signatures(connection, fleet)), None)
        return count, found


def main(arguments: Sequence[str]) -> int:
    """Check the store that is named, and print what was found."""
    path, fleet, share = arguments
    with suppress(OSError):  # a service may be forbidden to; its share is kept in any case
        os.nice(MAX_NICENESS)
    try:
        count, found = check_slowly(Path(path), bytes.fromhex(fleet), Pacer(float(share), os.getppid()))
    except sqlite3.OperationalError:
        return 1
    damage = found and [found.template, {name: str(value) for name, value in found.params.items()}]
    sys.stdout.write(json.dumps({"changes": count, "damage": damage}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

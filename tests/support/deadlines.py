"""How long a test waits for what has to come, however busy the machine is; only what hangs takes so long."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 120.0
"""Seconds."""

POLL_INTERVAL_S = 0.05


def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so; fails when it takes too long."""
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end, "it did not come"
        time.sleep(POLL_INTERVAL_S)

"""How long a test waits for what has to come, however busy the machine is; only what hangs takes so long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PATIENCE = 120.0
"""Seconds."""
POLL_INTERVAL_S = 0.01


async def wait_until(holds: Callable[[], bool], timeout_s: float = PATIENCE) -> None:
    """Poll until something holds; raises TimeoutError if it does not in time."""
    async with asyncio.timeout(timeout_s):
        while not holds():  # noqa: ASYNC110 - what is polled knows of no event
            await asyncio.sleep(POLL_INTERVAL_S)

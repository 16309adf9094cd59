"""Wait in a test of asyncio for what no event tells of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tests.support.deadlines import DEADLINE_S

POLL_INTERVAL_S = 0.01


async def wait_until(holds: Callable[[], bool], timeout_s: float = DEADLINE_S) -> None:
    """Poll until something holds. Raises TimeoutError if it does not in time."""
    async with asyncio.timeout(timeout_s):
        while not holds():  # noqa: ASYNC110 - what is polled knows of no event
            await asyncio.sleep(POLL_INTERVAL_S)

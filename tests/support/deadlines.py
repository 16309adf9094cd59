"""How long a test waits for what has to come, however busy the machine is.

Only what hangs takes so long.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

DEADLINE_S = 120.0
"""Seconds."""
POLL_INTERVAL_S = 0.05
_STEPS = 100
"""Parts of a deadline: a machine that stands still uses up one of them at most."""


@asynccontextmanager
async def deadline(seconds: float = DEADLINE_S) -> AsyncIterator[None]:
    """Raise TimeoutError after so many seconds in which the event loop ran.

    Of the time that a virtual machine stands still, the clock counts all and this next to nothing.
    """
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as timeout:

        def step(left: int) -> None:
            nonlocal timer
            if left:
                timer = loop.call_later(seconds / _STEPS, step, left - 1)
            else:
                timeout.reschedule(loop.time())

        timer: asyncio.Handle = loop.call_soon(step, _STEPS)
        try:
            yield
        finally:
            timer.cancel()


def until(is_so: Callable[[], object], seconds: float = DEADLINE_S) -> None:
    """Wait until something is so; fails when it takes too long."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not come"
        time.sleep(POLL_INTERVAL_S)

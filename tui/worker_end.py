"""Wait for workers of Textual to end.

`Worker.wait` takes a cancellation of who waits for one of the worker: who was to end would go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from textual.worker import Worker


async def wait_until_ended(workers: Iterable[Worker[Any]]) -> None:
    """Return when workers have ended, in whatever way.

    Who is cancelled meanwhile ends at once, and the workers go on.
    """
    await asyncio.gather(*(asyncio.shield(each.wait()) for each in workers), return_exceptions=True)

"""Keep a mirror up to date until cancelled; wait while the database fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from core.device.context import DeviceContext
from core.errors import FieldlineError
from core.mirror.inbox_reader import ReadInbox
from core.mirror.mirror import Mirror, MirrorResult
from core.store.connection import StoreGone

MIN_RETRY_S, MAX_RETRY_S = 1.0, 60.0
"""How long to wait for a database that does not take the mirror; twice as long each time."""


async def follow(
    device: DeviceContext,
    read_inbox: ReadInbox,
    dsn: str,
    *,
    on_result: Callable[[MirrorResult], None],
    on_error: Callable[[FieldlineError, float], bool],
    min_retry_s: float = MIN_RETRY_S,
) -> None:
    """Mirror whatever comes.

    `device` has to be one of its own, as nobody else may wait for its changes.

    `on_result` is called after each run. `on_error` gets what went wrong and how many seconds lie before the next try,
    which there is only if it gives True; else that is raised. Raises StoreGone.
    """
    wait_s = min_retry_s
    while True:
        try:
            async with await Mirror.open(device, read_inbox, dsn) as mirror:
                while True:
                    on_result(await mirror.update())
                    wait_s = min_retry_s
                    await device.store.wait_for_change()
        except StoreGone:
            raise
        except FieldlineError as error:
            if not on_error(error, wait_s):
                raise
        await asyncio.sleep(wait_s)
        wait_s = min(2 * wait_s, MAX_RETRY_S)

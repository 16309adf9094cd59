"""Find out whether an older copy of the store was put back."""

from __future__ import annotations

import asyncio

from core.device.home import Home
from core.errors import FieldlineError
from core.store.store import Store


async def check_last_change(home: Home, store: Store) -> FieldlineError | None:
    """Say so if the store lacks what was last saved here."""
    last = await asyncio.to_thread(home.read_last_change)
    query = "SELECT 1 FROM changes WHERE hash = ?"
    if last is None or await store.run(lambda connection: connection.execute(query, (last,)).fetchone()):
        return None
    return FieldlineError(
        "An older copy of the store was put back, without change {change} that was saved here: sync before anybody"
        " saves something, or the chain of this device forks.",
        change=last.hex()[:8],
    )

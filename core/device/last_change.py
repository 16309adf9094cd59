"""Find out whether an older copy of the store was put back."""

from __future__ import annotations

from core.device.home import Home
from core.errors import FieldlineError
from core.store.queries.stats import Connection
from core.store.store import Store


def _find_missing_change(home: Home, connection: Connection) -> bytes | None:
    last = home.read_last_change()
    if last is None or connection.execute("SELECT 1 FROM changes WHERE hash = ?", (last,)).fetchone() is not None:
        return None
    return last


async def check_last_change(home: Home, store: Store) -> FieldlineError | None:
    """Say so if the store lacks what was last saved here."""
    # On the store's thread, so that it is one hop for every command that opens it.
    last = await store.run(lambda connection: _find_missing_change(home, connection))
    if last is None:
        return None
    return FieldlineError(
        "An older copy of the store was put back, without change {change} that was saved here: sync before anybody"
        " saves something, or the chain of this device forks.",
        change=last.hex()[:8],
    )

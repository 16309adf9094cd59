"""Find out whether the store lacks changes of this device's own chain.

An older copy of it was put back, or a session that brought them was cut.
"""

from __future__ import annotations

from core.device.home import Home
from core.errors import FieldlineError
from core.store.connection import read_meta, write_meta
from core.store.queries.stats import Connection
from core.store.store import Store

UNCONFIRMED_META_KEY = "unconfirmed"
"""Set in a copy that was put back where nothing notes what was saved last; the next session with another device clears
it."""


class OwnChainGap(FieldlineError):
    """Some of this device's latest changes are here, and some before them are not."""


def _find_missing_change(home: Home, connection: Connection) -> bytes | None:
    last = home.read_last_change()
    if last is None or connection.execute("SELECT 1 FROM changes WHERE hash = ?", (last,)).fetchone() is not None:
        return None
    return last


def _find_doubt(home: Home, connection: Connection) -> FieldlineError | None:
    if last := _find_missing_change(home, connection):
        return FieldlineError(
            "An older copy of the store was put back, without change {change} that was saved here: sync before anybody"
            " saves something, or the chain of this device forks.",
            change=last.hex()[:8],
        )
    if read_meta(connection, UNCONFIRMED_META_KEY):
        return FieldlineError(
            "A copy of the store was put back, and no other device has confirmed since that nothing is missing that was"
            " saved here: sync before anybody saves something, or the chain of this device may fork."
        )
    return None


def _find_gap(connection: Connection, device: bytes) -> OwnChainGap | None:
    waiting = connection.execute(
        "SELECT 1 FROM changes INDEXED BY changes_waiting"
        " WHERE linked = 0 AND device = (SELECT id FROM devices WHERE device = ?) LIMIT 1",
        (device,),
    ).fetchone()
    if waiting is None:
        return None
    return OwnChainGap("What this device wrote before has not all come back yet: sync first, then save.")


async def check_last_change(home: Home, store: Store) -> FieldlineError | None:
    """Say so if the store lacks what was last saved here, or may lack it."""
    # On the store's thread, so that it is one hop for every command that opens it.
    return await store.run(lambda connection: _find_doubt(home, connection))


async def check_own_chain(home: Home, store: Store, device: bytes) -> FieldlineError | None:
    """Say so if a change that this device made now might fork its chain."""
    return await store.run(lambda connection: _find_doubt(home, connection) or _find_gap(connection, device))


async def note_confirmed(store: Store) -> None:
    """Note that a session with another device came to its end."""
    if await store.read_meta(UNCONFIRMED_META_KEY):
        await store.write_meta(UNCONFIRMED_META_KEY, b"")


def mark_unconfirmed(connection: Connection, device: bytes) -> None:
    """Mark a copy that holds changes of a device, and may not hold its latest."""
    if connection.execute("SELECT 1 FROM devices WHERE device = ?", (device,)).fetchone() is not None:
        write_meta(connection, UNCONFIRMED_META_KEY, b"1")

"""Read what files for the fleet are sealed with, and for whom.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from core.changes import FLEET_ENTITY
from core.epoch_keys import EpochKeys
from core.fleet_secrets import EPOCH_PROPERTY
from core.header import HEADER_PREFIX, KEY_BYTES, device_id
from core.membership import Membership
from core.store import block_table
from core.store.connection import VALUE_SQL, load_value
from core.store.indexes.member_facts import OF_ROLES, read_recovery_key
from core.store.indexes.short_ids import read_secret
from core.timestamps import SECOND_US
from core.value_codec import MAX_FACTS

NEWCOMER_US = 30 * 24 * 3600 * SECOND_US
"""For so long a device that was admitted may open a file by its id alone; who was not heard of by then syncs first."""


def read_epoch_keys(connection: sqlite3.Connection) -> EpochKeys:
    """The epoch keys that are known here; none before the genesis has come."""
    rows = connection.execute(
        f"SELECT {VALUE_SQL}, f.current FROM facts f WHERE f.entity = (SELECT id FROM entities WHERE entity = ?)"
        " AND f.property = (SELECT id FROM properties WHERE name = ?)",
        (FLEET_ENTITY, EPOCH_PROPERTY),
    ).fetchall()
    every = [load_value(value) for value, _ in rows]
    return EpochKeys.of(read_secret(connection), every, [load_value(value) for value, current in rows if current])


def read_recipients(
    connection: sqlite3.Connection, membership: Membership, fleet: bytes, *, is_first: bool, now_us: int
) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The public keys of who may not know the epoch, and the ids of newcomers."""
    active = [device for device in membership.members if membership.may_connect(device)]
    query = "SELECT device FROM devices d WHERE EXISTS (SELECT 1 FROM changes c WHERE c.device = d.id)"
    writers = {device for (device,) in connection.execute(query)}
    admitted_since = connection.execute(
        "SELECT DISTINCT e.entity FROM contents v CROSS JOIN facts f ON f.content = v.id"
        f" JOIN changes c ON c.id = f.id / {MAX_FACTS} JOIN entities e ON e.id = f.entity"
        f" WHERE {OF_ROLES} AND f.current = 1 AND c.received_at > ?",
        (now_us - NEWCOMER_US,),
    )
    lately = {device for (device,) in admitted_since}
    newcomers = tuple(sorted(device for device in active if device not in writers and device in lately))
    keys = () if is_first else _read_public_keys(connection, (device for device in active if device in writers))
    recovery = read_recovery_key(connection, fleet)
    return ((recovery, *keys) if recovery else tuple(keys)), newcomers


def _read_public_keys(connection: sqlite3.Connection, devices: Iterable[bytes]) -> list[bytes]:
    found = []
    for device in devices:
        query = "SELECT c.id FROM changes c WHERE c.device = (SELECT id FROM devices WHERE device = ?) LIMIT 1"
        row = connection.execute(query, (device,)).fetchone()
        data = block_table.read_block(connection, row[0]) if row else None
        key = data[len(HEADER_PREFIX) : len(HEADER_PREFIX) + KEY_BYTES] if data else b""
        if device_id(key) == device:
            found.append(key)
    return found

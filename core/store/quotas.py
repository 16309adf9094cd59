"""Bound how much is kept of one member, and count what was refused for that.

Who was never an admin has a number of changes, which an admin may raise. A change beyond it, by its position in its
device's chain, is refused on every device alike. What a device makes its chain branch for, large changes, and those
that speak of members though nobody listens, have bounds of their own; which of them are kept depends on what came
first, since an honest device comes near none of these.

All functions run on the store's thread with the plain connection, in the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.authority import may_succeed
from core.changes import Block
from core.errors import OverLimit
from core.member_values import LIMIT_PROPERTY, ROLE_PROPERTY, may_limit
from core.membership import Membership
from core.store.connection import VALUE_SQL, load_value, read_meta, write_meta
from core.store.indexes.member_facts import read_ever_admins, read_successions, speaks_of_members
from core.value_codec import MAX_FACTS

DEFAULT_LIMIT = 50_000
"""A change every ten minutes of all working hours for four years; at about a kilobyte each, 50 MB."""
MAX_LIMIT = 2**32
"""As many as there are positions in a chain."""
MAX_FORKED_CHANGES = 1000
"""Changes of one device beside its longest branch: a copied home that worked on for weeks."""
LARGE_BYTES = 4096
"""A change larger than that is rare: eight times the average of the made-up fleet."""
MAX_LARGE_BYTES = 64 << 20
"""All large changes of one member."""
MAX_MEMBER_CHANGES = 100
"""Of a device that was never an admin, changes that speak of members: an honest one writes one for each new key."""

_LARGE_META_KEY = "large "
_MEMBER_META_KEY = "spoken "
_OVER_META_KEY = "over "


@dataclass(frozen=True, slots=True)
class OverLimitCount:
    """How many changes of a member were refused because it has too many.

    `at_us` is when the last one was (microseconds since 1970 UTC), `limit` how many are kept.
    """

    device: bytes
    count: int
    at_us: int
    limit: int


def split_by_limits(
    connection: sqlite3.Connection, blocks: Sequence[Block], membership: Membership, fleet: bytes
) -> tuple[list[Block], list[Block]]:
    """Split new blocks into those within their devices' limits and those beyond."""
    by_device: dict[bytes, list[Block]] = defaultdict(list)
    for block in blocks:
        if not membership.authority(block.device).has_admin_role:
            by_device[block.device].append(block)
    lineages = _Lineages(connection, (block for block in blocks if block.device in by_device))
    suspects = {
        device: own for device, own in by_device.items() if _beyond(connection, lineages, device, own, DEFAULT_LIMIT)
    }
    if suspects:
        admins = read_ever_admins(connection, fleet)
        suspects = {device: own for device, own in suspects.items() if device not in admins}
    limits = _read_limits(connection, lineages, suspects, fleet) if suspects else {}
    refused = {
        block.id
        for device, own in suspects.items()
        for block in _beyond(connection, lineages, device, own, limits[device])
    }
    kept = [block for block in blocks if block.id not in refused]
    _note_kept(connection, [block for block in kept if block.device in by_device])
    return kept, [block for block in blocks if block.id in refused]


def read_limit(connection: sqlite3.Connection, device: bytes, fleet: bytes) -> int | None:
    """How many changes of a device are kept; None if there is no limit."""
    if device in read_ever_admins(connection, fleet):
        return None
    return _read_limits(connection, _Lineages(connection), [device], fleet)[device]


def read_offset(connection: sqlite3.Connection, device: bytes) -> int:
    """How many changes the devices have written that a device goes on for."""
    return _Lineages(connection).offset(device)


def note_refused(connection: sqlite3.Connection, blocks: Iterable[Block], at_us: int) -> None:
    """Count blocks that were refused for being beyond a limit."""
    counts: dict[bytes, int] = defaultdict(int)
    for block in blocks:
        counts[block.device] += 1
    for device, count in counts.items():
        key = _OVER_META_KEY + device.hex()
        before = read_meta(connection, key)
        total = count + (int.from_bytes(before[:8], "big") if before else 0)
        write_meta(connection, key, total.to_bytes(8, "big") + at_us.to_bytes(8, "big"))


def read_over_limit(connection: sqlite3.Connection, fleet: bytes) -> list[OverLimitCount]:
    """The members of which changes were refused for being too many, and how many."""
    found = _read_refused(connection)
    limits = _read_limits(connection, _Lineages(connection), found, fleet)
    return [
        OverLimitCount(device, int.from_bytes(data[:8], "big"), int.from_bytes(data[8:], "big"), limits[device])
        for device, data in found.items()
    ]


def read_flooding(connection: sqlite3.Connection) -> set[bytes]:
    """The members of which changes were refused for being too many."""
    return set(_read_refused(connection))


def _read_refused(connection: sqlite3.Connection) -> dict[bytes, bytes]:
    rows = connection.execute(
        "SELECT key, value FROM meta WHERE key >= ? AND key < ? ORDER BY key", (_OVER_META_KEY, _OVER_META_KEY + "g")
    ).fetchall()
    return {bytes.fromhex(key.removeprefix(_OVER_META_KEY)): value for key, value in rows}


def over_limit_error(block: Block) -> OverLimit:
    """The sentence about a block that is beyond its device's limit."""
    return OverLimit("device {device} has more changes than are kept of it", device=block.device.hex()[:8])


class _Lineages:
    """Which devices go on for others, and so have one limit together.

    A new key is no new room.

    From what is here and what is about to come. Where a device named several, which an honest one does not, what was
    kept of them depends on what came first.
    """

    def __init__(self, connection: sqlite3.Connection, blocks: Iterable[Block] = ()) -> None:
        self._before: dict[bytes, tuple[bytes, int]] = {}
        self._after: dict[bytes, list[bytes]] = defaultdict(list)
        coming = [
            (block.device, fact.entity, block.header.fields.position)
            for block in blocks
            for fact in block.facts
            if fact.property == ROLE_PROPERTY and may_succeed(fact.value)
        ]
        for device, successor, position in sorted([*read_successions(connection), *coming]):
            if successor not in self._before and successor not in (device, *self._all_before(device)):
                self._before[successor] = device, position
                self._after[device].append(successor)

    def _all_before(self, device: bytes) -> list[bytes]:
        found: list[bytes] = []
        while device in self._before:
            device = self._before[device][0]
            found.append(device)
        return found

    def members(self, device: bytes) -> list[bytes]:
        """A device with all that it goes on for, and all that go on for any of these."""
        found = [[device, *self._all_before(device)][-1]]
        for each in found:
            found += self._after.get(each, ())
        return found

    def offset(self, device: bytes) -> int:
        """How many changes lie before a device's first."""
        offset = 0
        while device in self._before:
            device, position = self._before[device]
            offset += position + 1
        return offset

    def place(self, block: Block) -> int:
        """The position of a change behind those of the devices that its own goes on for."""
        return self.offset(block.device) + block.header.fields.position


def _beyond(
    connection: sqlite3.Connection, lineages: _Lineages, device: bytes, blocks: Sequence[Block], limit: int
) -> list[Block]:
    """Those of a device's new blocks that are too many if this is its limit."""
    held, top = 0, max(lineages.place(block) for block in blocks)
    for each in lineages.members(device):
        count, highest = connection.execute(
            "SELECT count(*), coalesce(max(position), -1) FROM changes"
            " WHERE device = (SELECT id FROM devices WHERE device = ?)",
            (each,),
        ).fetchone()
        held, top = held + count, max(top, lineages.offset(each) + highest)
    room = min(top + 1, limit) + MAX_FORKED_CHANGES - held
    large, spoken = (_read_number(connection, key, device) for key in (_LARGE_META_KEY, _MEMBER_META_KEY))
    found = []
    for block in blocks:
        size = len(block.data)
        large += size if size > LARGE_BYTES else 0
        is_large = size > LARGE_BYTES and large > MAX_LARGE_BYTES
        spoken += speaks_of_members(block)
        is_idle = spoken > MAX_MEMBER_CHANGES and speaks_of_members(block)
        if room <= 0 or is_large or is_idle or lineages.place(block) >= limit:
            found.append(block)
        else:
            room -= 1
    return found


def _read_limits(
    connection: sqlite3.Connection, lineages: _Lineages, devices: Iterable[bytes], fleet: bytes
) -> dict[bytes, int]:
    """The limits of these devices, the highest that any admin ever stated."""
    wanted = list(devices)
    if not wanted:
        return {}
    admins = read_ever_admins(connection, fleet)
    limits = dict.fromkeys(wanted, DEFAULT_LIMIT)
    for device in wanted:
        for each in lineages.members(device):
            rows = connection.execute(
                f"SELECT d.device, {VALUE_SQL} FROM facts f JOIN changes c ON c.id = f.id / {MAX_FACTS}"
                " JOIN devices d ON d.id = c.device WHERE f.entity = (SELECT id FROM entities WHERE entity = ?)"
                " AND f.property = (SELECT id FROM properties WHERE name = ?)",
                (each, LIMIT_PROPERTY),
            )
            stated = [load_value(value) for author, value in rows if author in admins]
            limits[device] = max([limits[device], *(value for value in stated if may_limit(value))])
    return limits


def _read_number(connection: sqlite3.Connection, key: str, device: bytes) -> int:
    return int.from_bytes(read_meta(connection, key + device.hex()) or b"", "big")


def _note_kept(connection: sqlite3.Connection, blocks: Iterable[Block]) -> None:
    """Note the size of the large ones, and how many speak of members."""
    more: dict[tuple[str, bytes], int] = defaultdict(int)
    for block in blocks:
        if len(block.data) > LARGE_BYTES:
            more[_LARGE_META_KEY, block.device] += len(block.data)
        if speaks_of_members(block):
            more[_MEMBER_META_KEY, block.device] += 1
    for (key, device), number in more.items():
        total = _read_number(connection, key, device) + number
        write_meta(connection, key + device.hex(), total.to_bytes(8, "big"))

"""What this store offers a peer: blocks by their ids, and the set in figures.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_right

from core.chain_links import State
from core.changes import SCHEMA_ENTITY
from core.member_values import LIMIT_PROPERTY
from core.mountain_range import Range
from core.store import block_table
from core.store.connection import chunks, placeholders
from core.store.indexes import chain_table, merkle_table, short_ids
from core.store.indexes.member_facts import (
    FIRST_MEMBER_PROPERTY,
    LAST_MEMBER_PROPERTY,
    read_ever_admins,
    read_successions,
)
from core.store.quotas import read_flooding
from core.store.row_ids import row_ids_of
from core.sync.reconcile.set_sketch import SetSketch
from core.value_codec import ID_BYTES, MAX_FACTS

_GENESIS, _MEMBERSHIP, _SCHEMA, _NEARBY, _CURRENT, _HISTORY, _FLOOD = range(7)
"""The parts of an order."""
MAX_BRANCHES = 4
"""Of a chain that forks, so many branches are looked at: what is left out on the way is no more than spared."""


def read_summary(connection: sqlite3.Connection) -> tuple[int, bytes]:
    """How many changes, and the root.

    Rows are numbered from 1 and never deleted, so the last number is the count.
    """
    count = connection.execute("SELECT coalesce(max(id), 0) FROM changes").fetchone()[0]
    return count, merkle_table.read_root(connection)


def read_summary_and_cells(connection: sqlite3.Connection) -> tuple[int, bytes, SetSketch | None]:
    """Read the summary and the cells of the same set.

    Though other processes may write meanwhile.
    """
    while True:
        count, root = read_summary(connection)
        cells = short_ids.read_sketch(connection)
        if cells is None or cells.count == count:
            return count, root, cells


def read_hashes(connection: sqlite3.Connection) -> list[bytes]:
    """All change ids in ascending order."""
    return [change for (change,) in connection.execute("SELECT hash FROM changes ORDER BY hash")]


def filter_missing(connection: sqlite3.Connection, wanted: list[bytes]) -> list[bytes]:
    """Those of these changes that are not here, in the order given."""
    known = row_ids_of(connection, wanted)
    return [change for change in wanted if change not in known]


def find_chain_starts(connection: sqlite3.Connection, wanted: list[bytes]) -> tuple[set[bytes], set[bytes]]:
    """Find at which changes the receiver can make what is left out.

    Those of these changes, the lowest of their device among them, that are linked and alone at their positions above
    0; and those of all that are not linked.
    """
    rows: list[tuple[bytes, int, int, int]] = []
    for some in chunks(wanted):
        query = f"SELECT hash, device, position, linked FROM changes WHERE hash IN ({placeholders(some)})"
        rows += connection.execute(query, some).fetchall()
    lowest: dict[int, int] = {}
    for _, device, position, _ in rows:
        lowest[device] = min(position, lowest.get(device, position))
    starts = {
        change
        for change, device, position, linked in rows
        if linked == State.LINKED and 0 < position == lowest[device] and _is_alone(connection, device, position)
    }
    return starts, {change for change, _, _, linked in rows if linked != State.LINKED}


def _is_alone(connection: sqlite3.Connection, device: int, position: int) -> bool:
    query = "SELECT count(*) FROM changes WHERE device = ? AND position = ?"
    return int(connection.execute(query, (device, position)).fetchone()[0]) == 1


def read_chain_ids(connection: sqlite3.Connection, change: bytes) -> list[bytes]:
    """The ids of the linked chain that this change is part of, up to its end.

    None if it is not linked.
    """
    query = "SELECT d.device, c.position FROM changes c JOIN devices d ON d.id = c.device WHERE hash = ? AND linked = 1"
    for device, position in connection.execute(query, (change,)).fetchall():
        for tip in chain_table.read_tips(connection, device)[:MAX_BRANCHES]:
            ids = [*chain_table.read_ids_below(connection, tip.id), tip.id]
            if position < len(ids) and ids[position] == change:
                return ids
    return []


def read_tips_at(
    connection: sqlite3.Connection, places: list[tuple[bytes, int]]
) -> list[tuple[bytes, int, bytes, Range | None]]:
    """(device, position, change, range) for what is here at these places.

    No range where it is no end of a chain.
    """
    found: list[tuple[bytes, int, bytes, Range | None]] = []
    for device, position in places:
        rows = connection.execute(
            "SELECT c.hash, t.peaks FROM changes c LEFT JOIN tips t ON t.hash = c.hash"
            " WHERE c.device = (SELECT id FROM devices WHERE device = ?) AND c.position = ? LIMIT 8",
            (device, position),
        )
        for change, peaks in rows:
            upto = None if peaks is None else Range.from_bytes(position + 1, peaks)
            found.append((device, position, change, upto))
    return found


def read_blocks(connection: sqlite3.Connection, wanted: list[bytes]) -> list[bytes]:
    """The exact bytes of those of these changes that are here, in the order given."""
    rows = row_ids_of(connection, wanted)
    found = block_table.read_blocks(connection, rows.values())
    return [found[row] for change in wanted if (row := rows.get(change)) in found]


def order_for_sending(
    connection: sqlite3.Connection, wanted: list[bytes], fleet: bytes, near: list[bytes]
) -> tuple[list[bytes], int, int, int]:
    """Order these changes as a peer needs them.

    Genesis, membership, schema, what is current of the entities that are near to it, what else is current, history; and
    last what devices wrote of which too much came: the peer may end a session for that, and has all else then.
    What is near and history come newest first, the rest oldest first: along the chains, where least has to be sent.

    Also how many of them, from the start, are the genesis and changes of membership, how many make up what is current
    near the peer, and how many all that is current.
    """
    local = _changes_of_entities(connection, near)
    founding = connection.execute("SELECT id FROM entities WHERE entity = ?", (SCHEMA_ENTITY,)).fetchone() or (0,)
    admins, named, flooding = (
        read_ever_admins(connection, fleet),
        _first_successions(connection),
        read_flooding(connection),
    )
    span = f"BETWEEN c.id * {MAX_FACTS} AND c.id * {MAX_FACTS} + {MAX_FACTS - 1}"
    found: list[tuple[int, int, int, int, bytes, bytes]] = []
    for some in chunks(wanted):
        rows = connection.execute(
            f"""SELECT CASE
                  WHEN substr(c.hash, 1, {ID_BYTES}) = ? THEN {_GENESIS}
                  WHEN EXISTS (SELECT 1 FROM facts WHERE id {span}
                               AND (property BETWEEN {FIRST_MEMBER_PROPERTY} AND {LAST_MEMBER_PROPERTY}
                                    OR property = (SELECT id FROM properties WHERE name = ?)))
                    THEN {_MEMBERSHIP}
                  WHEN EXISTS (SELECT 1 FROM facts WHERE id {span} AND entity = ?) THEN {_SCHEMA}
                  ELSE {_HISTORY} END,
                EXISTS (SELECT 1 FROM facts WHERE id {span} AND current), c.ordered_at, c.position, d.device, c.hash
                FROM changes c JOIN devices d ON d.id = c.device WHERE c.hash IN ({placeholders(some)})""",
            [fleet, LIMIT_PROPERTY, *founding, *some],
        )
        found.extend(rows)
    ordered: list[tuple[int, int, int, bytes]] = []
    for part, is_current, at, position, device, change in found:
        where = part
        # What others say of members and schema has no effect: nobody puts a flood in front of all else by that.
        is_authority = device in admins or (part == _MEMBERSHIP and named.get(device) == position)
        if part == _HISTORY or (part != _GENESIS and not is_authority):
            where = (_NEARBY if change in local else _CURRENT) if is_current else _HISTORY
            where = _FLOOD if device in flooding else where
        # History goes newest first: what a change obsoletes must not come before it.
        ordered.append((where, -at if where in (_NEARBY, _HISTORY, _FLOOD) else at, position, change))
    ordered.sort()
    parts = [part for part, *_ in ordered]
    return (
        [change for *_, change in ordered],
        bisect_right(parts, _MEMBERSHIP),
        bisect_right(parts, _NEARBY) if near else 0,
        bisect_right(parts, _CURRENT),
    )


def _first_successions(connection: sqlite3.Connection) -> dict[bytes, int]:
    """Where each device first named the one that goes on for it.

    What it names behind that is void.
    """
    found: dict[bytes, int] = {}
    for device, _successor, position in read_successions(connection):
        found[device] = min(position, found.get(device, position))
    return found


def _changes_of_entities(connection: sqlite3.Connection, entities: list[bytes]) -> set[bytes]:
    """The changes that hold something current about these entities."""
    found: set[bytes] = set()
    for some in chunks(entities):
        found.update(
            change
            for (change,) in connection.execute(
                f"""SELECT c.hash FROM entities e JOIN facts f ON f.entity = e.id AND f.current = 1
                    JOIN changes c ON c.id = f.id / {MAX_FACTS} WHERE e.entity IN ({placeholders(some)})""",
                some,
            )
        )
    return found

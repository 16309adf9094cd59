"""Add blocks to the tables: the record itself and everything that is derived from it, in the caller's transaction.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from core.changes import Block, parent_ids
from core.membership import Membership
from core.store.connection import chunks, placeholders
from core.store.indexes.acceptance import update_acceptance
from core.store.indexes.leaves import SlotRow, refresh_contested
from core.store.indexes.merkle_table import add_to_merkle_tree
from core.store.indexes.search_index import index_facts
from core.store.indexes.short_ids import add_short_ids
from core.store.row_ids import intern_values, row_ids_of
from core.value_codec import CHANGE_ID_BYTES, MAX_FACTS, encode_value

ObsoletesEdge = tuple[int, int]
"""(row id of the target, row id of the fact that obsoletes it)"""


@dataclass(frozen=True, slots=True)
class Receipt:
    """When a change reached this device (microseconds since 1970 UTC), from which device, and over which link."""

    received_at_us: int
    source_device: bytes | None = None
    link: str = "own"


def add_blocks(
    connection: sqlite3.Connection,
    blocks: Sequence[Block],
    receipt: Receipt,
    membership: Membership,
    fleet: bytes,
    *,
    is_ordered: bool = False,
) -> int:
    """Add verified blocks that are not in the store yet; gives how many. Blocks that are there already are passed over.

    Parents get their rows before their children; with `keep_order` the caller sees to that.
    """
    known = row_ids_of(connection, [block.id for block in blocks])
    fresh = list({block.id: block for block in blocks if block.id not in known}.values())
    if not fresh:
        return 0
    ordered = fresh if is_ordered else sort_causally(fresh)
    start = connection.execute("SELECT coalesce(max(id), 0) FROM changes").fetchone()[0] + 1
    rows = {block.id: start + place for place, block in enumerate(ordered)}
    older = row_ids_of(connection, list({p for block in ordered for p in parent_ids(block)} - rows.keys()))

    facts = _fact_rows(connection, ordered, rows)
    edges, waiting = _find_edges(connection, ordered, rows, older, facts)
    arrived = _take_awaited_edges(connection, rows, facts)
    effective = _effective_times(connection, ordered, rows, edges)
    accepted = {rows[block.id]: membership.limit(block.change.device) is None for block in ordered}

    _insert_changes(connection, ordered, rows, effective, accepted, receipt)
    connection.executemany(
        "INSERT INTO facts (id, entity, property, value, current) VALUES (?, ?, ?, ?, ?)",
        [(fact, *place, value, accepted[fact // MAX_FACTS]) for fact, (place, value) in facts.items()],
    )
    connection.executemany("INSERT OR IGNORE INTO obsoletes (target, fact) VALUES (?, ?)", edges + arrived)
    connection.executemany("INSERT OR IGNORE INTO awaited (target, fact) VALUES (?, ?)", waiting)
    _unset_current(connection, edges + arrived, accepted)
    _propagate_effective_times(connection, arrived)
    refresh_contested(connection, {place for place, _ in facts.values()})
    index_facts(connection, range(start * MAX_FACTS, (start + len(ordered)) * MAX_FACTS))
    _update_heads(connection, ordered, rows)
    add_to_merkle_tree(connection, [block.id for block in ordered])
    add_short_ids(connection, ordered, rows, fleet)
    update_acceptance(connection, membership, ordered, rows, fleet)
    return len(ordered)


def sort_causally(blocks: Sequence[Block]) -> list[Block]:
    """Parents before children, otherwise by time and id, so that equal sets give equal orders."""
    by_id = {block.id: block for block in sorted(blocks, key=lambda block: (block.change.at_us, block.id))}
    done: dict[bytes, Block] = {}
    for root in by_id.values():
        stack = [root]
        while stack:
            block = stack[-1]
            if block.id in done:
                stack.pop()
                continue
            open_parents = [by_id[p] for p in sorted(parent_ids(block)) if p in by_id and p not in done]
            if open_parents:
                stack.extend(open_parents)
            else:
                done[block.id] = stack.pop()
    return list(done.values())


def _fact_rows(
    connection: sqlite3.Connection, blocks: list[Block], rows: dict[bytes, int]
) -> dict[int, tuple[SlotRow, bytes]]:
    entities = intern_values(connection, "entities", "entity", (f.entity for b in blocks for f in b.change.facts))
    properties = intern_values(connection, "properties", "name", (f.property for b in blocks for f in b.change.facts))
    return {
        rows[block.id] * MAX_FACTS + index: ((entities[f.entity], properties[f.property]), encode_value(f.value))
        for block in blocks
        for index, f in enumerate(block.change.facts)
    }


def _find_edges(
    connection: sqlite3.Connection,
    blocks: list[Block],
    rows: dict[bytes, int],
    older: dict[bytes, int],
    facts: dict[int, tuple[SlotRow, bytes]],
) -> tuple[list[ObsoletesEdge], list[tuple[bytes, int]]]:
    """The edges of these blocks' facts to facts of their own slots, and those to changes that are not here yet."""
    pairs: list[ObsoletesEdge] = []
    waiting: list[tuple[bytes, int]] = []
    for block in blocks:
        for index, fact in enumerate(block.change.facts):
            row = rows[block.id] * MAX_FACTS + index
            for target in fact.obsoletes:
                change, place = target[:CHANGE_ID_BYTES], int.from_bytes(target[CHANGE_ID_BYTES:], "big")
                parent = rows.get(change) or older.get(change)
                if parent is None:
                    waiting.append((target, row))
                elif place < MAX_FACTS:
                    pairs.append((parent * MAX_FACTS + place, row))
    places = _slots_of_facts(connection, [t for t, _ in pairs if t not in facts]) | {
        f: p for f, (p, _) in facts.items()
    }
    return [(target, row) for target, row in pairs if places.get(target) == places[row]], waiting


def _slots_of_facts(connection: sqlite3.Connection, facts: list[int]) -> dict[int, SlotRow]:
    found: dict[int, SlotRow] = {}
    for some in chunks(facts):
        query = f"SELECT id, entity, property FROM facts WHERE id IN ({placeholders(some)})"
        found.update((fact, (entity, name)) for fact, entity, name in connection.execute(query, some))
    return found


def _take_awaited_edges(
    connection: sqlite3.Connection, rows: dict[bytes, int], facts: dict[int, tuple[SlotRow, bytes]]
) -> list[ObsoletesEdge]:
    """The edges that waited for these blocks; they wait no longer."""
    if connection.execute("SELECT 1 FROM awaited LIMIT 1").fetchone() is None:
        return []
    edges: list[ObsoletesEdge] = []
    for change, row in rows.items():
        span = (change + b"\x00\x00", change + b"\xff\xff")
        found = connection.execute("SELECT target, fact FROM awaited WHERE target BETWEEN ? AND ?", span).fetchall()
        if not found:
            continue
        connection.execute("DELETE FROM awaited WHERE target BETWEEN ? AND ?", span)
        places = _slots_of_facts(connection, [fact for _, fact in found])
        for target, fact in found:
            index = int.from_bytes(target[CHANGE_ID_BYTES:], "big")
            own = facts.get(row * MAX_FACTS + index) if index < MAX_FACTS else None
            if own is not None and own[0] == places[fact]:
                edges.append((row * MAX_FACTS + index, fact))
    return edges


def _effective_times(
    connection: sqlite3.Connection, blocks: list[Block], rows: dict[bytes, int], edges: list[ObsoletesEdge]
) -> dict[int, int]:
    """The moment from which a change counts when the past is read: its own time, or a later one of what it obsoletes.

    An id from another slot obsoletes nothing and does not count here either.
    """
    parents_of: dict[int, set[int]] = {}
    for target, fact in edges:
        parents_of.setdefault(fact // MAX_FACTS, set()).add(target // MAX_FACTS)
    effective: dict[int, int] = {}
    own = set(rows.values())
    for some in chunks(list({row for found in parents_of.values() for row in found} - own)):
        effective.update(
            connection.execute(f"SELECT id, effective FROM changes WHERE id IN ({placeholders(some)})", some)
        )
    for block in blocks:
        row = rows[block.id]
        effective[row] = max([block.change.at_us, *(effective[parent] for parent in parents_of.get(row, ()))])
    return effective


def _insert_changes(
    connection: sqlite3.Connection,
    blocks: list[Block],
    rows: dict[bytes, int],
    effective: dict[int, int],
    accepted: dict[int, bool],
    receipt: Receipt,
) -> None:
    sources = [receipt.source_device] if receipt.source_device else []
    devices = intern_values(connection, "devices", "device", [b.change.device for b in blocks] + sources)
    users = intern_values(connection, "users", "name", (block.change.user for block in blocks))
    source = devices[receipt.source_device] if receipt.source_device else None
    connection.executemany(
        "INSERT INTO changes"
        " (id, hash, device, previous, user, at, effective, accepted, note, received_at, source, link)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                rows[b.id],
                b.id,
                devices[b.change.device],
                b.change.previous,
                users[b.change.user],
                b.change.at_us,
                effective[rows[b.id]],
                accepted[rows[b.id]],
                b.change.note,
                receipt.received_at_us,
                source,
                receipt.link,
            )
            for b in blocks
        ],
    )
    connection.executemany("INSERT INTO blocks (change, data) VALUES (?, ?)", [(rows[b.id], b.data) for b in blocks])


def _unset_current(connection: sqlite3.Connection, edges: list[ObsoletesEdge], accepted: dict[int, bool]) -> None:
    """What an accepted fact obsoletes is a leaf no longer."""
    before = [fact // MAX_FACTS for _, fact in edges if fact // MAX_FACTS not in accepted]
    standing = dict(accepted)
    for some in chunks(before):
        standing.update(
            connection.execute(f"SELECT id, accepted FROM changes WHERE id IN ({placeholders(some)})", some)
        )
    targets = [(target,) for target, fact in edges if standing[fact // MAX_FACTS]]
    connection.executemany("UPDATE facts SET current = 0 WHERE id = ?", targets)


def _propagate_effective_times(connection: sqlite3.Connection, arrived: list[ObsoletesEdge]) -> None:
    """Let the effective time of a late parent reach its children, and theirs."""
    work = {target // MAX_FACTS for target, _ in arrived}
    while work:
        parent = work.pop()
        span = (parent * MAX_FACTS, parent * MAX_FACTS + MAX_FACTS - 1)
        raised = connection.execute(
            f"""UPDATE changes SET effective = (SELECT effective FROM changes WHERE id = ?)
                WHERE id IN (SELECT DISTINCT fact / {MAX_FACTS} FROM obsoletes WHERE target BETWEEN ? AND ?)
                  AND effective < (SELECT effective FROM changes WHERE id = ?)
                RETURNING id""",
            (parent, *span, parent),
        ).fetchall()
        work.update(row for (row,) in raised)


def _update_heads(connection: sqlite3.Connection, blocks: list[Block], rows: dict[bytes, int]) -> None:
    """Keep the ends of each device's chain, also when its changes arrive newest first."""
    devices = intern_values(connection, "devices", "device", (block.change.device for block in blocks))
    for block in blocks:
        previous = block.change.previous
        if previous is not None:
            gone = connection.execute("DELETE FROM heads WHERE hash = ?", (previous,)).rowcount
            if not gone and previous not in rows and not row_ids_of(connection, [previous]):
                connection.execute("INSERT OR IGNORE INTO awaited_previous (hash) VALUES (?)", (previous,))
        if not connection.execute("DELETE FROM awaited_previous WHERE hash = ?", (block.id,)).rowcount:
            connection.execute(
                "INSERT INTO heads (hash, device) VALUES (?, ?)", (block.id, devices[block.change.device])
            )

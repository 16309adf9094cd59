"""Which new facts obsolete which, and what follows for their times and the log.

All functions run on the store's thread with the plain connection, in the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping

from core.changes import Block
from core.store.connection import chunks, placeholders
from core.store.indexes.leaves import SlotRow
from core.store.scope import effective_sql
from core.value_codec import CHANGE_ID_BYTES, MAX_FACTS

ObsoletesEdge = tuple[int, int]
"""(row id of the target, row id of the fact that obsoletes it)"""


def find_edges(
    connection: sqlite3.Connection, blocks: Iterable[Block], rows: Mapping[bytes, int], slots: Mapping[int, SlotRow]
) -> tuple[list[ObsoletesEdge], list[tuple[bytes, int]]]:
    """Find the edges of facts within their slots, and those that wait.

    To facts of changes that are not here yet. `rows` are the row ids of these blocks, which are in that order, and of
    those that they name; `slots` are those of the new facts. Edges come in the order of the facts that obsolete.
    """
    pairs: list[ObsoletesEdge] = []
    waiting: list[tuple[bytes, int]] = []
    for block in blocks:
        for row, fact in enumerate(block.facts, rows[block.id] * MAX_FACTS):
            for target in fact.obsoletes:
                change, place = target[:CHANGE_ID_BYTES], int.from_bytes(target[CHANGE_ID_BYTES:], "big")
                parent = rows.get(change)
                if parent is None:
                    waiting.append((target, row))
                elif place < MAX_FACTS:
                    pairs.append((parent * MAX_FACTS + place, row))
    older = _slots_of_facts(connection, [target for target, _ in pairs if target not in slots])
    return [pair for pair in pairs if (slots.get(pair[0]) or older.get(pair[0])) == slots[pair[1]]], waiting


def _slots_of_facts(connection: sqlite3.Connection, facts: list[int]) -> dict[int, SlotRow]:
    found: dict[int, SlotRow] = {}
    for some in chunks(facts):
        query = f"SELECT id, entity, property FROM facts WHERE id IN ({placeholders(some)})"
        found.update((fact, (entity, name)) for fact, entity, name in connection.execute(query, some))
    return found


def take_awaited_edges(
    connection: sqlite3.Connection, rows: Mapping[bytes, int], slots: Mapping[int, SlotRow]
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
            if index < MAX_FACTS and slots.get(row * MAX_FACTS + index) == places[fact]:
                edges.append((row * MAX_FACTS + index, fact))
    return edges


def later_times(
    connection: sqlite3.Connection, times: Mapping[int, int], edges: Iterable[ObsoletesEdge]
) -> dict[int, int]:
    """By how much later than their changes new facts count, if they do.

    From the time on of what they obsolete, if that is later. An id from another slot obsoletes nothing and does not
    count here either. `times` are those of the new changes by row.
    """
    before: dict[int, int] = {}
    for some in chunks(list({target for target, _ in edges if target // MAX_FACTS not in times})):
        before.update(
            connection.execute(f"SELECT id, {effective_sql()} FROM facts f WHERE id IN ({placeholders(some)})", some)
        )
    later: dict[int, int] = {}
    # What a fact obsoletes has a lower row, so its time is known by then.
    for target, fact in edges:
        change = target // MAX_FACTS
        effective = times[change] + later.get(target, 0) if change in times else before[target]
        by = effective - times[fact // MAX_FACTS]
        if by > later.get(fact, 0):
            later[fact] = by
    return later


def log_order(
    connection: sqlite3.Connection, times: Mapping[int, int], edges: Iterable[ObsoletesEdge]
) -> dict[int, int]:
    """Give the place of each new change in the log.

    Its time, or just behind that of a change whose facts it obsoletes. `times` are those of the new changes by row.
    """
    order = dict(times)
    for some in chunks(list({target // MAX_FACTS for target, _ in edges} - times.keys())):
        order.update(connection.execute(f"SELECT id, ordered_at FROM changes WHERE id IN ({placeholders(some)})", some))
    for target, fact in edges:
        parent, change = target // MAX_FACTS, fact // MAX_FACTS
        if parent != change:
            order[change] = max(order[change], order[parent] + 1)
    return order


def propagate_effective_times(connection: sqlite3.Connection, arrived: list[ObsoletesEdge]) -> None:
    """Let the effective time of a late fact reach those that obsolete it, and theirs."""
    work = [target for target, _ in arrived]
    while work:
        target = work.pop()
        raised = connection.execute(
            f"""UPDATE facts AS f
                SET state = state
                  + 8 * ((SELECT {effective_sql("g")} FROM facts g WHERE g.id = :target) - {effective_sql()})
                WHERE id IN (SELECT fact FROM obsoletes WHERE target = :target)
                  AND {effective_sql()} < (SELECT {effective_sql("g")} FROM facts g WHERE g.id = :target)
                RETURNING id""",
            {"target": target},
        ).fetchall()
        work += [fact for (fact,) in raised]


def propagate_log_order(connection: sqlite3.Connection, arrived: list[ObsoletesEdge]) -> None:
    """Move what was made knowing of a late change behind it in the log.

    And what was made in knowledge of that.
    """
    work = {target // MAX_FACTS for target, _ in arrived}
    while work:
        parent = work.pop()
        span = {"first": parent * MAX_FACTS, "last": parent * MAX_FACTS + MAX_FACTS - 1}
        moved = connection.execute(
            f"""UPDATE changes SET ordered_later = (SELECT ordered_at + 1 FROM changes WHERE id = :parent) - at
                WHERE id IN (SELECT DISTINCT fact / {MAX_FACTS} FROM obsoletes WHERE target BETWEEN :first AND :last)
                  AND id <> :parent AND ordered_at <= (SELECT ordered_at FROM changes WHERE id = :parent)
                RETURNING id""",
            {"parent": parent, **span},
        ).fetchall()
        work.update(row for (row,) in moved)

"""Add blocks to the tables: the record and all that is derived from it.

In the caller's transaction.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from core.chain_links import State
from core.changes import Block, parent_ids, sort_causally
from core.membership import Membership
from core.store import block_table
from core.store.connection import chunks, placeholders
from core.store.indexes.acceptance import initial_acceptance, update_acceptance
from core.store.indexes.chain_table import link_chains
from core.store.indexes.leaves import SlotRow, refresh_contested, refresh_current
from core.store.indexes.merkle_table import add_to_merkle_tree
from core.store.indexes.person_names import add_persons
from core.store.indexes.search_index import index_facts
from core.store.indexes.short_ids import add_short_ids
from core.store.indexes.withdrawals import add_withdrawals, refresh_void
from core.store.row_ids import intern_values, row_ids_of
from core.store.scope import effective_sql
from core.value_codec import (
    CHANGE_ID_BYTES,
    MAX_FACTS,
    ParentRef,
    Value,
    encode_value,
    parents_of,
    plain_reference,
    withdrawn_by,
)

_MAY_NAME_PARENTS = (ParentRef, tuple)
"""The types of values that name parents, or may."""
ObsoletesEdge = tuple[int, int]
"""(row id of the target, row id of the fact that obsoletes it)"""


@dataclass(frozen=True, slots=True)
class Receipt:
    """When and from which device a change came, and over which link.

    In microseconds since 1970 UTC.
    """

    received_at_us: int
    source_device: bytes | None = None
    link: str = "own"


@dataclass(frozen=True, slots=True)
class _NewChange:
    """A block with its row id and what is derived from it.

    Its place in the log, the state of its chain, and whether it has effect.
    """

    block: Block
    row: int
    ordered_at_us: int
    state: State
    is_accepted: bool


def add_blocks(
    connection: sqlite3.Connection,
    blocks: Sequence[Block],
    receipt: Receipt,
    membership: Membership,
    fleet: bytes,
    *,
    is_ordered: bool = False,
) -> int:
    """Add verified blocks that are not in the store yet; gives how many.

    Blocks that are there already are passed over.

    Parents get their rows before their children; with `is_ordered` the caller sees to that.
    """
    parents = {parent for block in blocks for parent in parent_ids(block)}
    known = row_ids_of(connection, [*{block.id for block in blocks} | parents])
    fresh = list({block.id: block for block in blocks if block.id not in known}.values())
    if not fresh:
        return 0
    ordered = fresh if is_ordered else sort_causally(fresh)
    start = connection.execute("SELECT coalesce(max(id), 0) FROM changes").fetchone()[0] + 1
    rows = {block.id: start + place for place, block in enumerate(ordered)}

    (known_entities,) = connection.execute("SELECT coalesce(max(id), 0) FROM entities").fetchone()
    entities = _intern_entities(connection, ordered)
    facts = _fact_rows(connection, ordered, rows, entities)
    edges, waiting = _find_edges(connection, ordered, known | rows, facts)
    arrived = _take_awaited_edges(connection, rows, facts)
    effective = _effective_times(connection, ordered, rows, edges)
    order = _log_order(connection, ordered, rows, edges)

    withdrawals = _withdrawal_rows(ordered, rows)
    sources = [receipt.source_device] if receipt.source_device else []
    devices = intern_values(connection, "devices", "device", [block.device for block in ordered] + sources)
    linked = link_chains(connection, ordered, rows, devices)
    accepted = initial_acceptance(membership, ordered, rows, linked.faulty)
    _insert_changes(
        connection,
        [_NewChange(b, row := rows[b.id], order[row], linked.states[b.id], accepted.changes[row]) for b in ordered],
        devices,
        entities,
        receipt,
    )
    times = {rows[block.id]: block.at_us for block in ordered}
    contents = intern_values(connection, "contents", "value", (value for _, value in facts.values()))
    connection.executemany(
        "INSERT INTO facts (id, entity, property, content, later, accepted, current) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                fact,
                *place,
                contents[value],
                effective[fact] - times[fact // MAX_FACTS],
                accepted.facts[fact],
                accepted.facts[fact] and fact not in withdrawals,
            )
            for fact, (place, value) in facts.items()
        ],
    )
    add_withdrawals(connection, ((fact, facts[fact][0]) for fact in withdrawals))
    connection.executemany("INSERT OR IGNORE INTO obsoletes (target, fact) VALUES (?, ?)", edges + arrived)
    connection.executemany("INSERT OR IGNORE INTO awaited (target, fact) VALUES (?, ?)", waiting)
    _unset_current(connection, edges + arrived, accepted.facts)
    _propagate_effective_times(connection, arrived)
    _propagate_log_order(connection, arrived)
    stated = Counter(place for place, _ in facts.values())
    places = stated.keys()
    if taken := refresh_void(connection, places):
        refresh_current(connection, taken | {target for target, _ in edges + arrived})
    # What nobody spoke of before has one leaf in each slot that is stated once.
    new_slots = {place for place, times in stated.items() if times == 1 and place[0] > known_entities}
    refresh_contested(connection, places, new_slots)
    index_facts(connection, range(start * MAX_FACTS, (start + len(ordered)) * MAX_FACTS))
    add_to_merkle_tree(connection, [block.id for block in ordered])
    add_short_ids(connection, ordered, rows, fleet)
    update_acceptance(connection, membership, ordered, linked.settled, linked.faulty, fleet)
    return len(ordered)


def _intern_entities(connection: sqlite3.Connection, blocks: list[Block]) -> dict[bytes, int]:
    """Give the row ids of what blocks speak of, and of who wrote them."""
    authors = [block.header.fields.author for block in blocks]
    return intern_values(
        connection, "entities", "entity", [*(fact.entity for block in blocks for fact in block.facts), *authors]
    )


def _fact_rows(
    connection: sqlite3.Connection, blocks: list[Block], rows: dict[bytes, int], entities: Mapping[bytes, int]
) -> dict[int, tuple[SlotRow, bytes]]:
    properties = intern_values(connection, "properties", "name", (f.property for b in blocks for f in b.facts))
    return {
        rows[block.id] * MAX_FACTS + index: ((entities[f.entity], properties[f.property]), _kept_value(f.value, data))
        for block in blocks
        for index, (f, data) in enumerate(zip(block.facts, block.body.values, strict=True))
    }


def _withdrawal_rows(blocks: list[Block], rows: dict[bytes, int]) -> set[int]:
    """The rows of the facts that withdraw others."""
    return {
        rows[block.id] * MAX_FACTS + index
        for block in blocks
        for index, fact in enumerate(block.facts)
        if withdrawn_by(fact.value)
    }


def _kept_value(value: Value, data: bytes) -> bytes:
    """Give the bytes by which a value is kept.

    Whether a reference is tagged as one to a parent is no difference.
    """
    if type(value) not in _MAY_NAME_PARENTS:
        return data
    return encode_value(plain_reference(value)) if parents_of(value) else data


def _find_edges(
    connection: sqlite3.Connection,
    blocks: list[Block],
    rows: dict[bytes, int],
    facts: dict[int, tuple[SlotRow, bytes]],
) -> tuple[list[ObsoletesEdge], list[tuple[bytes, int]]]:
    """Find the edges of facts within their slots, and those that wait.

    To facts of changes that are not here yet. `rows` are the row ids of these blocks and of those that they name.
    """
    pairs: list[ObsoletesEdge] = []
    waiting: list[tuple[bytes, int]] = []
    for block in blocks:
        for index, fact in enumerate(block.facts):
            row = rows[block.id] * MAX_FACTS + index
            for target in fact.obsoletes:
                change, place = target[:CHANGE_ID_BYTES], int.from_bytes(target[CHANGE_ID_BYTES:], "big")
                parent = rows.get(change)
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
    """Give the time from which each new fact counts.

    Its change's, or that of a fact that it obsoletes, if that is later.

    An id from another slot obsoletes nothing and does not count here either.
    """
    targets: dict[int, list[int]] = {}
    for target, fact in edges:
        targets.setdefault(fact, []).append(target)
    effective: dict[int, int] = {}
    own = set(rows.values())
    older = list({target for target, _ in edges if target // MAX_FACTS not in own})
    for some in chunks(older):
        effective.update(
            connection.execute(f"SELECT id, {effective_sql()} FROM facts f WHERE id IN ({placeholders(some)})", some)
        )
    for block in blocks:
        for index in range(len(block.facts)):
            fact = rows[block.id] * MAX_FACTS + index
            effective[fact] = max([block.at_us, *(effective[target] for target in targets.get(fact, ()))])
    return effective


def _log_order(
    connection: sqlite3.Connection, blocks: list[Block], rows: dict[bytes, int], edges: list[ObsoletesEdge]
) -> dict[int, int]:
    """Give the place of each new change in the log.

    Its time, or just behind that of a change whose facts it obsoletes.
    """
    parents: dict[int, set[int]] = {}
    for target, fact in edges:
        parents.setdefault(fact // MAX_FACTS, set()).add(target // MAX_FACTS)
    order: dict[int, int] = {}
    own = set(rows.values())
    for some in chunks(list({row for found in parents.values() for row in found} - own)):
        order.update(connection.execute(f"SELECT id, ordered_at FROM changes WHERE id IN ({placeholders(some)})", some))
    for block in blocks:
        row = rows[block.id]
        order[row] = max([block.at_us, *(order[parent] + 1 for parent in parents.get(row, ()) if parent != row)])
    return order


def _insert_changes(
    connection: sqlite3.Connection,
    changes: list[_NewChange],
    devices: Mapping[bytes, int],
    entities: Mapping[bytes, int],
    receipt: Receipt,
) -> None:
    fields = {new.row: new.block.header.fields for new in changes}
    add_persons(connection, {entities[each.author] for each in fields.values()})
    source = devices[receipt.source_device] if receipt.source_device else None
    connection.executemany(
        "INSERT INTO changes (id, hash, device, position, previous, author, batch, lead, at, ordered_at, linked,"
        " accepted, note, received_at, source, link) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                new.row,
                new.block.id,
                devices[new.block.device],
                fields[new.row].position,
                fields[new.row].previous,
                entities[fields[new.row].author],
                fields[new.row].batch,
                new.row,
                new.block.at_us,
                new.ordered_at_us,
                int(new.state),
                new.is_accepted,
                new.block.note,
                receipt.received_at_us,
                source,
                receipt.link,
            )
            for new in changes
        ],
    )
    block_table.add_blocks(connection, [(new.row, new.block.data) for new in changes])
    batches = {(devices[new.block.device], batch) for new in changes if (batch := fields[new.row].batch)}
    _choose_leads(connection, batches)


def _choose_leads(connection: sqlite3.Connection, batches: Iterable[tuple[int, bytes]]) -> None:
    """Let the first change here of each batch stand for all of it in the log."""
    places = set(batches)
    parts: dict[tuple[int, bytes], list[tuple[int, bytes, int, int]]] = {}
    for some in chunks(list({batch for _, batch in places})):
        query = (
            "SELECT device, batch, position, hash, id, lead FROM changes INDEXED BY changes_batch"
            f" WHERE batch IN ({placeholders(some)})"
        )
        for device, batch, *part in connection.execute(query, some):
            parts.setdefault((device, batch), []).append((part[0], part[1], part[2], part[3]))
    moved = []
    for place in places:
        lead = min(parts[place])[2]
        moved += [(lead, row) for _, _, row, before in parts[place] if before != lead]
    connection.executemany("UPDATE changes SET lead = ? WHERE id = ?", moved)


def _unset_current(connection: sqlite3.Connection, edges: list[ObsoletesEdge], accepted: Mapping[int, bool]) -> None:
    """What an accepted fact obsoletes is a leaf no longer."""
    known = dict(accepted)
    for some in chunks([fact for _, fact in edges if fact not in accepted]):
        known.update(connection.execute(f"SELECT id, accepted FROM facts WHERE id IN ({placeholders(some)})", some))
    targets = [(target,) for target, fact in edges if known[fact]]
    connection.executemany("UPDATE facts SET current = 0 WHERE id = ?", targets)


def _propagate_effective_times(connection: sqlite3.Connection, arrived: list[ObsoletesEdge]) -> None:
    """Let the effective time of a late fact reach those that obsolete it, and theirs."""
    work = [target for target, _ in arrived]
    while work:
        target = work.pop()
        raised = connection.execute(
            f"""UPDATE facts AS f
                SET later = later + (SELECT {effective_sql("g")} FROM facts g WHERE g.id = :target) - {effective_sql()}
                WHERE id IN (SELECT fact FROM obsoletes WHERE target = :target)
                  AND {effective_sql()} < (SELECT {effective_sql("g")} FROM facts g WHERE g.id = :target)
                RETURNING id""",
            {"target": target},
        ).fetchall()
        work += [fact for (fact,) in raised]


def _propagate_log_order(connection: sqlite3.Connection, arrived: list[ObsoletesEdge]) -> None:
    """Move what was made knowing of a late change behind it in the log.

    And what was made in knowledge of that.
    """
    work = {target // MAX_FACTS for target, _ in arrived}
    while work:
        parent = work.pop()
        span = {"first": parent * MAX_FACTS, "last": parent * MAX_FACTS + MAX_FACTS - 1}
        moved = connection.execute(
            f"""UPDATE changes SET ordered_at = (SELECT ordered_at + 1 FROM changes WHERE id = :parent)
                WHERE id IN (SELECT DISTINCT fact / {MAX_FACTS} FROM obsoletes WHERE target BETWEEN :first AND :last)
                  AND id <> :parent AND ordered_at <= (SELECT ordered_at FROM changes WHERE id = :parent)
                RETURNING id""",
            {"parent": parent, **span},
        ).fetchall()
        work.update(row for (row,) in moved)

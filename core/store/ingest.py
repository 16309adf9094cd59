"""Add blocks to the tables: the record and all that is derived from it.

In the caller's transaction.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from core.chain_links import State
from core.changes import Block, parent_ids, sort_causally
from core.membership import Membership
from core.store import block_table
from core.store.connection import chunks, placeholders
from core.store.content_table import intern_contents
from core.store.fact_edges import (
    ObsoletesEdge,
    find_edges,
    later_times,
    log_order,
    propagate_effective_times,
    propagate_log_order,
    take_awaited_edges,
)
from core.store.indexes.acceptance import initial_acceptance, update_acceptance
from core.store.indexes.chain_table import link_chains
from core.store.indexes.leaves import NO_LEAF_SQL, SlotRow, refresh_contested, refresh_current
from core.store.indexes.merkle_table import add_to_merkle_tree
from core.store.indexes.person_names import add_persons
from core.store.indexes.search_index import index_contents
from core.store.indexes.short_ids import add_short_ids
from core.store.indexes.withdrawals import add_withdrawals, refresh_void
from core.store.row_ids import intern_values, row_ids_of
from core.value_codec import (
    MAX_FACTS,
    ParentRef,
    Value,
    Withdrawal,
    encode_value,
    parents_of,
    plain_reference,
    withdrawn_by,
)

_MAY_NAME_PARENTS = (ParentRef, tuple)
"""The types of values that name parents, or may."""
_MAY_WITHDRAW = (Withdrawal, tuple)
"""The types of values that withdraw facts, or may."""


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


@dataclass(frozen=True, slots=True)
class _Stated:
    """Facts about to be added: their slots by row, in order, and what is known.

    By how many microseconds some count from later than their change, which have no effect, and which are no leaves.
    """

    slots: Mapping[int, SlotRow]
    later: Mapping[int, int]
    without_effect: AbstractSet[int]
    no_leaves: AbstractSet[int]


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
    named = {fact.property: None for block in ordered for fact in block.facts}
    properties = intern_values(connection, "properties", "name", named)
    slots = {
        row: (entities[fact.entity], properties[fact.property])
        for block in ordered
        for row, fact in enumerate(block.facts, rows[block.id] * MAX_FACTS)
    }
    times = {rows[block.id]: block.at_us for block in ordered}
    edges, waiting = find_edges(connection, ordered, known | rows, slots)
    arrived = take_awaited_edges(connection, rows, slots)
    order = log_order(connection, times, edges)

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
    withdrawals = _withdrawal_rows(ordered, rows)
    # What an accepted fact obsoletes is no leaf.
    obsolete = {target for target, fact in edges if fact not in accepted.without_effect}
    obsolete |= _targets_in_effect(connection, arrived)
    stated = _Stated(slots, later_times(connection, times, edges), accepted.without_effect, withdrawals | obsolete)
    _insert_facts(connection, ordered, stated, properties)
    add_withdrawals(connection, ((fact, slots[fact]) for fact in withdrawals))
    connection.executemany("INSERT OR IGNORE INTO obsoletes (target, fact) VALUES (?, ?)", edges + arrived)
    connection.executemany("INSERT OR IGNORE INTO awaited (target, fact) VALUES (?, ?)", waiting)
    older = obsolete - slots.keys()
    connection.executemany(f"UPDATE facts SET {NO_LEAF_SQL} WHERE id = ?", [(fact,) for fact in older])
    propagate_effective_times(connection, arrived)
    propagate_log_order(connection, arrived)
    count = Counter(slots.values())
    if taken := refresh_void(connection, count):
        refresh_current(connection, taken | {target for target, _ in edges + arrived})
    # What nobody spoke of before has one leaf in each slot that is stated once.
    new_slots = {place for place, times in count.items() if times == 1 and place[0] > known_entities}
    refresh_contested(connection, count, new_slots)
    add_to_merkle_tree(connection, [block.id for block in ordered])
    add_short_ids(connection, ordered, rows, fleet)
    update_acceptance(connection, membership, ordered, linked.settled, linked.faulty, fleet)
    return len(ordered)


def _insert_facts(
    connection: sqlite3.Connection, blocks: Sequence[Block], new: _Stated, properties: Mapping[str, int]
) -> None:
    values = [
        data if type(fact.value) not in _MAY_NAME_PARENTS else _kept_value(fact.value, data)
        for block in blocks
        for fact, data in zip(block.facts, block.body.values, strict=True)
    ]
    (known,) = connection.execute("SELECT coalesce(max(id), 0) FROM contents").fetchone()
    contents = intern_contents(
        connection, ((of, value) for (_, of), value in zip(new.slots.values(), values, strict=True))
    )
    names = {row: name for name, row in properties.items()}
    index_contents(connection, [(row, names[of], value) for (of, value), row in contents.items() if row > known])
    later, without_effect, no_leaves = new.later, new.without_effect, new.no_leaves | new.without_effect
    connection.executemany(
        "INSERT INTO facts (id, entity, property, content, state) VALUES (?, ?, ?, ?, ?)",
        [
            (
                fact,
                entity,
                of,
                contents[of, value],
                8 * later.get(fact, 0) + 4 * (fact in without_effect) + (fact in no_leaves),
            )
            for (fact, (entity, of)), value in zip(new.slots.items(), values, strict=True)
        ],
    )


def _targets_in_effect(connection: sqlite3.Connection, arrived: list[ObsoletesEdge]) -> set[int]:
    """What facts with effect obsolete that were here before it."""
    in_effect: set[int] = set()
    for some in chunks([fact for _, fact in arrived]):
        query = f"SELECT id FROM facts WHERE accepted AND id IN ({placeholders(some)})"
        in_effect.update(fact for (fact,) in connection.execute(query, some))
    return {target for target, fact in arrived if fact in in_effect}


def _intern_entities(connection: sqlite3.Connection, blocks: list[Block]) -> dict[bytes, int]:
    """Give the row ids of what blocks speak of, and of who wrote them."""
    authors = [block.header.fields.author for block in blocks]
    named = {fact.entity: None for block in blocks for fact in block.facts}
    return intern_values(connection, "entities", "entity", [*named, *authors])


def _withdrawal_rows(blocks: list[Block], rows: dict[bytes, int]) -> set[int]:
    """The rows of the facts that withdraw others."""
    return {
        row
        for block in blocks
        for row, fact in enumerate(block.facts, rows[block.id] * MAX_FACTS)
        if type(fact.value) in _MAY_WITHDRAW and withdrawn_by(fact.value)
    }


def _kept_value(value: Value, data: bytes) -> bytes:
    """Give the bytes by which a value is kept.

    Whether a reference is tagged as one to a parent is no difference.
    """
    return encode_value(plain_reference(value)) if parents_of(value) else data


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
        "INSERT INTO changes (id, hash, device, position, previous, author, batch, lead, at, ordered_later, linked,"
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
                new.ordered_at_us - new.block.at_us,
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

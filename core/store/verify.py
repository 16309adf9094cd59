"""Check the store against its own changes, and rebuild what is derived from them.

The blocks are replayed through the same code that saved them, into a store beside this one; then the two are
compared. So a mistake in a derived table is found whatever caused it, and there is no second description of what the
tables should hold.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from core.changes import Block, change_id, decode_block, parent_ids
from core.changes import verify_block as verify_signature
from core.errors import BlockRefused
from core.schema import Schema
from core.store.connection import transaction
from core.store.indexes import conflict_index, inbox_cache, obsolete_hints, search_index, short_ids
from core.store.indexes.acceptance import MembershipCache
from core.store.ingest import Receipt, add_blocks
from core.store.migrations import initialize_store

MAX_BLOCKS_PER_BATCH = 500
DERIVED_QUERIES = {
    "changes": "SELECT c.id, c.hash, d.device, c.position, c.previous, a.entity, c.batch, c.lead, c.at, c.ordered_at,"
    " c.linked, c.accepted, c.note"
    " FROM {db}.changes c JOIN {db}.devices d ON d.id = c.device JOIN {db}.entities a ON a.id = c.author",
    "persons": "SELECT e.entity, p.name FROM {db}.persons p JOIN {db}.entities e ON e.id = p.entity",
    "facts": "SELECT f.id, e.entity, p.name, f.value, f.effective, f.accepted, f.current"
    " FROM {db}.facts f JOIN {db}.entities e ON e.id = f.entity JOIN {db}.properties p ON p.id = f.property",
    "obsoletes": "SELECT target, fact FROM {db}.obsoletes",
    "awaited": "SELECT target, fact FROM {db}.awaited",
    "contested": "SELECT e.entity, p.name FROM {db}.contested g"
    " JOIN {db}.entities e ON e.id = g.entity JOIN {db}.properties p ON p.id = g.property",
    "tips": "SELECT t.hash, d.device, t.position, t.peaks FROM {db}.tips t JOIN {db}.devices d ON d.id = t.device",
    "faults": "SELECT change, fault, peaks FROM {db}.faults",
    "shorts": "SELECT short, change FROM {db}.shorts",
    "said": "SELECT fact, text FROM {db}.said",
    "branches": "SELECT prefix, count, children FROM {db}.branches",
}
REBUILT_TABLES = ("devices", "entities", "properties", "changes", "blocks", *list(DERIVED_QUERIES)[1:])


@dataclass(slots=True)
class Verification:
    """How many changes were checked, and what is wrong, a sentence each."""

    checked_count: int = 0
    problems: list[str] = field(default_factory=list)


def verify_store(
    connection: sqlite3.Connection,
    fleet: bytes,
    schema: Schema | None,
    repair: bool,
    on_progress: Callable[[int, int], None],
) -> Verification:
    """Check every block and signature and every derived table; with `repair` put what a replay gives in their place.

    What is only known from a peer's word is dropped first.

    A damaged block cannot be repaired; `repair` drops it, so that the next sync brings it again. `progress` is told
    the changes checked and their number.
    """
    result = Verification()
    transaction(connection, obsolete_hints.clear_hints)
    check = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if check != "ok":
        result.problems.append(f"SQLite finds the file damaged: {check}")
    with tempfile.TemporaryDirectory(prefix="fieldline-") as folder:
        path = Path(folder, "replay.db")
        damaged = _replay_blocks(connection, path, fleet, result, on_progress)
        connection.execute("ATTACH ? AS replay", (str(path),))
        try:
            if not damaged:
                result.problems += _compare_tables(connection)
            result.problems += short_ids.find_problems(connection) + search_index.find_problems(connection)
            result.problems += (
                (conflict_index.find_problems(connection, schema) or inbox_cache.find_problems(connection, schema))
                if schema
                else []
            )
            if repair and result.problems:
                transaction(connection, _replace_derived)
        finally:
            connection.execute("DETACH replay")
    return result


def _replay_blocks(
    connection: sqlite3.Connection, path: Path, fleet: bytes, result: Verification, progress: Callable[[int, int], None]
) -> bool:
    """Save all good blocks into a new store, in the order in which they came; says whether any was not good."""
    total = connection.execute("SELECT count(*) FROM changes").fetchone()[0]
    copy = sqlite3.connect(path, isolation_level=None)
    damaged = False
    try:
        copy.execute("PRAGMA synchronous = OFF")
        initialize_store(copy)
        authorities = MembershipCache()
        batch: list[Block] = []
        expected: set[bytes] = set()
        last: Receipt | None = None
        rows = connection.execute(
            "SELECT c.hash, b.data, c.received_at, s.device, c.link FROM changes c"
            " LEFT JOIN blocks b ON b.change = c.id LEFT JOIN devices s ON s.id = c.source ORDER BY c.id"
        )

        def flush() -> None:
            if batch and last is not None:
                receipt = last
                transaction(
                    copy,
                    lambda c: add_blocks(
                        c, batch, receipt, authorities.read_membership(c, fleet), fleet, is_ordered=True
                    ),
                )
                batch.clear()
                expected.clear()

        for change, data, received_at, source, link in rows:
            progress(result.checked_count, total)
            result.checked_count += 1
            receipt = Receipt(received_at, source, link)
            try:
                if data is None or change_id(data) != change:
                    raise BlockRefused("its bytes are damaged")
                # The id is the header's alone: that the body belongs to it is checked by decoding.
                block = decode_block(data)
                verify_signature(block, fleet)
            except BlockRefused as reason:
                damaged = True
                result.problems.append(
                    f"change {change.hex()}: {reason}; repair drops it, and the next sync brings it again"
                )
                continue
            # A batch keeps the order of rows, so it must not hold a child before its parent, nor two receipts.
            if last != receipt or len(batch) == MAX_BLOCKS_PER_BATCH or block.id in expected:
                flush()
            last = receipt
            batch.append(block)
            expected |= parent_ids(block)
        flush()
        progress(total, total)
    finally:
        copy.close()
    return damaged


def _compare_tables(connection: sqlite3.Connection) -> list[str]:
    problems = []
    for table, query in DERIVED_QUERIES.items():
        here, there = query.format(db="main"), query.format(db="replay")
        wrong = connection.execute(f"SELECT count(*) FROM ({here} EXCEPT {there})").fetchone()[0]
        lacking = connection.execute(f"SELECT count(*) FROM ({there} EXCEPT {here})").fetchone()[0]
        if wrong or lacking:
            problems.append(f"{table}: {wrong} rows are wrong and {lacking} are missing, by what the changes say")
    return problems


def _replace_derived(connection: sqlite3.Connection) -> None:
    short_ids.drop_cells(connection)
    for table in REBUILT_TABLES:
        connection.execute(f"DELETE FROM main.{table}")
        connection.execute(f"INSERT INTO main.{table} SELECT * FROM replay.{table}")
    search_index.rebuild_index(connection)
    conflict_index.reset_index(connection)

"""Check the store against its own changes.

What is wrong, core/store/repair.py builds anew.

The blocks are replayed through the same code that saved them, into a store beside this one; then the two are
compared. So a mistake in a derived table is found whatever caused it, and there is no second description of what the
tables should hold.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import ParamSpec

from core.errors import BlockRefused, FieldlineError
from core.header import decode_header, header_size, verify
from core.schema import Schema
from core.store import block_table, content_table
from core.store.check_process import run_beside
from core.store.connection import StoreError
from core.store.indexes import (
    active_members,
    conflict_index,
    inbox_cache,
    search_index,
    short_ids,
)
from core.store.indexes.member_facts import load_membership
from core.store.ingest import Receipt
from core.store.intake import clear_hints
from core.store.migrations import initialize_store
from core.store.replay import StoredBlock, replay_blocks
from core.store.types import Verification

P = ParamSpec("P")

_MAX_FILE_PROBLEMS = 3
MIN_CHANGES_FOR_TWO = 1000
"""Another process takes about as long to start as so many changes take to check."""
_COPY_SETTINGS = ("synchronous = OFF", "journal_mode = OFF", "locking_mode = EXCLUSIVE", "cache_size = -65536")
"""Nobody wants the second store back; 64 MB of it are held in memory."""
_NO_SEARCH_INDEX_SQL = """
DROP TABLE said_index;
CREATE VIEW said_index AS SELECT 0 AS rowid, '' AS text;
CREATE TRIGGER said_index_insert INSTEAD OF INSERT ON said_index BEGIN SELECT 1; END;
"""
"""The index of the search is compared with its own texts, so the second store has none."""
_DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_IOERR_READ")
"""What SQLite calls a file that it cannot make sense of, or cannot read."""
DERIVED_QUERIES = {
    "changes": "SELECT c.id, c.hash, d.device, c.position, c.previous, a.entity, c.batch, c.lead, c.at, c.ordered_at,"
    " c.linked, c.accepted, c.note"
    " FROM {db}.changes c JOIN {db}.devices d ON d.id = c.device JOIN {db}.entities a ON a.id = c.author",
    "persons": "SELECT e.entity, p.name FROM {db}.persons p JOIN {db}.entities e ON e.id = p.entity",
    "facts": "SELECT f.id, e.entity, p.name, v.value, f.later, f.accepted, f.current"
    " FROM {db}.facts f JOIN {db}.entities e ON e.id = f.entity JOIN {db}.properties p ON p.id = f.property"
    " JOIN {db}.contents v ON v.id = f.content AND v.property = f.property",
    "obsoletes": "SELECT target, fact FROM {db}.obsoletes",
    "withdrawals": "SELECT w.fact, e.entity, p.name FROM {db}.withdrawals w"
    " JOIN {db}.entities e ON e.id = w.entity JOIN {db}.properties p ON p.id = w.property",
    "void": "SELECT fact, timeline, since, until FROM {db}.void",
    "awaited": "SELECT target, fact FROM {db}.awaited",
    "contested": "SELECT e.entity, p.name FROM {db}.contested g"
    " JOIN {db}.entities e ON e.id = g.entity JOIN {db}.properties p ON p.id = g.property",
    "tips": "SELECT t.hash, d.device, t.position, t.peaks FROM {db}.tips t JOIN {db}.devices d ON d.id = t.device",
    "faults": "SELECT change, fault, peaks FROM {db}.faults",
    "shorts": "SELECT short, change FROM {db}.shorts",
    "branches": "SELECT prefix, count, children FROM {db}.branches",
}


def verify_store(
    connection: sqlite3.Connection, fleet: bytes, schema: Schema | None, on_progress: Callable[[int, int], None]
) -> Verification:
    """Check every block and signature and every derived table.

    Changes nothing but that what is only known from a peer's word, or from proofs that are not kept, is dropped first.
    Of many changes, half of the work is done on a second core.

    `on_progress` is told the changes checked and their number. What SQLite cannot read is a problem like others.
    """
    result = Verification()
    _note_problems(result, _clear_hints, connection, fleet)
    (path,) = connection.execute("SELECT file FROM pragma_database_list WHERE name = 'main'").fetchone()
    is_long = _count_changes(connection) >= MIN_CHANGES_FOR_TWO
    with run_beside(Path(path), check_beside, fleet, schema) if is_long else nullcontext() as other:
        with _temporary_folder(connection) as folder:
            copy_path = folder / "replay.db"
            with closing(sqlite3.connect(copy_path, isolation_level=None)) as copy:
                for setting in _COPY_SETTINGS:
                    copy.execute(f"PRAGMA {setting}")
                initialize_store(copy)
                copy.executescript(_NO_SEARCH_INDEX_SQL)
                _note_problems(result, _check_blocks, connection, copy, fleet, result, on_progress)
            if not result.problems:
                connection.execute("ATTACH ? AS replay", (str(copy_path),))
                try:
                    _note_problems(result, _compare_tables, connection)
                finally:
                    connection.execute("DETACH replay")
        found = other.result() if other is not None else None
    result.problems += check_beside(connection, fleet, schema) if found is None else found
    return result


def check_beside(connection: sqlite3.Connection, fleet: bytes, schema: Schema | None) -> list[FieldlineError]:
    """Check what can be checked while the blocks are replayed.

    The file, the signatures, and what serves to find something.
    """
    result = Verification()
    for check in (_check_file, short_ids.find_problems, search_index.find_problems, content_table.find_problems):
        _note_problems(result, check, connection)
    _note_problems(result, find_bad_signatures, connection, fleet)
    _note_problems(result, _check_active_members, connection, fleet)
    if schema is not None:
        _note_problems(result, _check_inbox, connection, schema)
    return result.problems


def _check_inbox(connection: sqlite3.Connection, schema: Schema) -> list[FieldlineError]:
    return conflict_index.find_problems(connection, schema) or inbox_cache.find_problems(connection, schema)


def _count_changes(connection: sqlite3.Connection) -> int:
    """About how many changes there are; 0 where that cannot be read."""
    try:
        return int(connection.execute("SELECT coalesce(max(id), 0) FROM changes").fetchone()[0])
    except sqlite3.DatabaseError:
        return 0


def _check_active_members(connection: sqlite3.Connection, fleet: bytes) -> list[FieldlineError]:
    return active_members.find_problems(connection, load_membership(connection, fleet))


def find_bad_signatures(connection: sqlite3.Connection, fleet: bytes) -> list[FieldlineError]:
    """Find the changes whose signature is not their device's."""
    problems = []
    for (change,), data in block_table.iterate_with_blocks(connection, "SELECT id, hash FROM changes"):
        if data is None:
            continue
        with suppress(BlockRefused):  # what is wrong otherwise is found by the replay
            header = decode_header(data[: header_size(data)])
            try:
                verify(header, fleet)
            except BlockRefused as reason:
                problems += [_damaged_change(change, reason)] if header.id == change else []
    return problems


def _damaged_change(change: bytes | None, reason: BlockRefused) -> FieldlineError:
    return FieldlineError("The change {change} is damaged: {reason}.", change=(change or b"").hex(), reason=reason)


@contextmanager
def _temporary_folder(connection: sqlite3.Connection) -> Iterator[Path]:
    """A folder for the second store.

    Raises StoreError if it has too little room, and says which it is.
    """
    row = connection.execute("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()").fetchone()
    base = Path(os.environ.get("TMPDIR") or tempfile.tempdir or "/tmp")  # noqa: S108 - only to be named
    try:
        base = Path(tempfile.gettempdir())
        free = shutil.disk_usage(base).free
        if row[0] > free:
            raise _no_room(base, row[0], free)
        with tempfile.TemporaryDirectory(prefix="fieldline-", dir=base) as folder:
            yield Path(folder)
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_FULL", "SQLITE_IOERR_WRITE")):
            raise _no_room(base, row[0], shutil.disk_usage(base).free) from None
        raise
    except OSError as error:
        raise StoreError(
            "Nothing can be written in {folder} ({why}): name another folder in TMPDIR.",
            folder=str(base),
            why=error.strerror or str(error),
        ) from None


def _no_room(folder: Path, needed: int, free: int) -> StoreError:
    return StoreError(
        "Checking needs {needed} MB in {folder}, and {free} MB are free there: make room, or name another folder in"
        " TMPDIR.",
        needed=(needed >> 20) + 1,
        folder=str(folder),
        free=free >> 20,
    )


def _note_problems(
    result: Verification, check: Callable[P, list[FieldlineError]], *args: P.args, **kwargs: P.kwargs
) -> None:
    """Take in what a check finds.

    One that cannot read what it checks has found something, too.
    """
    try:
        result.problems += check(*args, **kwargs)
    except sqlite3.DatabaseError as error:
        if not str(getattr(error, "sqlite_errorname", "")).startswith(_DAMAGE):
            raise
        result.problems.append(FieldlineError("The file is damaged: {what}.", what=str(error)))


def _clear_hints(connection: sqlite3.Connection, fleet: bytes) -> list[FieldlineError]:
    with suppress(sqlite3.OperationalError):  # of a disk that takes nothing
        clear_hints(connection, lambda connection: load_membership(connection, fleet), fleet)
    return []


def _check_file(connection: sqlite3.Connection) -> list[FieldlineError]:
    rows = connection.execute(f"PRAGMA integrity_check({_MAX_FILE_PROBLEMS})").fetchall()
    return [FieldlineError("The file is damaged: {what}.", what=line) for (line,) in rows if line != "ok"]


def _check_blocks(
    connection: sqlite3.Connection,
    copy: sqlite3.Connection,
    fleet: bytes,
    result: Verification,
    on_progress: Callable[[int, int], None],
) -> list[FieldlineError]:
    total = connection.execute("SELECT count(*) FROM changes").fetchone()[0]
    rows = block_table.iterate_with_blocks(
        connection,
        "SELECT c.id, c.id, c.hash, c.received_at, s.device, c.link FROM changes c"
        " LEFT JOIN devices s ON s.id = c.source",
    )
    stored = (
        StoredBlock(row, change, data, Receipt(at, source, link)) for (row, change, at, source, link), data in rows
    )

    def on_block(_: StoredBlock) -> None:
        on_progress(result.checked_count, total)
        result.checked_count += 1

    bad = replay_blocks(stored, copy, fleet, on_block, is_signed=True)
    on_progress(total, total)
    return [_damaged_change(each.stored.change, each.reason) for each in bad]


def _compare_tables(connection: sqlite3.Connection) -> list[FieldlineError]:
    problems = []
    for table, query in DERIVED_QUERIES.items():
        if table == "facts" and _are_facts_equal(connection):
            continue  # to count what differs, all facts are sorted by what they say, on both sides
        here, there = query.format(db="main"), query.format(db="replay")
        wrong = connection.execute(f"SELECT count(*) FROM ({here} EXCEPT {there})").fetchone()[0]
        lacking = connection.execute(f"SELECT count(*) FROM ({there} EXCEPT {here})").fetchone()[0]
        if wrong or lacking:
            problems.append(
                FieldlineError(
                    "{table}: {wrong} rows are wrong and {lacking} are missing, by what the changes say.",
                    table=table,
                    wrong=wrong,
                    lacking=lacking,
                )
            )
    return problems


def _are_facts_equal(connection: sqlite3.Connection) -> bool:
    """Whether both stores have the same facts, in one pass in the order of their rows.

    What a fact names by a row is compared by that row where the tables of what is named are the same.
    """
    same_properties = _are_rows_equal(connection, "properties", _differs("name"))
    same_entities = _are_rows_equal(connection, "entities", _differs("entity"))
    same_contents = same_properties and _are_rows_equal(
        connection, "contents", f"{_differs('property')} OR {_differs('value')}"
    )
    differs = [_differs("state")]
    for is_same, column, query in (
        (same_entities, "entity", "SELECT entity FROM {db}.entities WHERE id = {fact}.entity"),
        (same_properties, "property", "SELECT name FROM {db}.properties WHERE id = {fact}.property"),
        (
            same_contents,
            "content",
            "SELECT value FROM {db}.contents WHERE id = {fact}.content AND property = {fact}.property",
        ),
    ):
        here, there = query.format(db="main", fact="h"), query.format(db="replay", fact="t")
        differs.append(_differs(column) if is_same else f"({here}) IS NOT ({there})")
    return _are_rows_equal(connection, "facts", " OR ".join(differs))


def _differs(column: str) -> str:
    """The condition that a column is not the same in both rows."""
    return f"h.{column} IS NOT t.{column}"


def _are_rows_equal(connection: sqlite3.Connection, table: str, differs: str) -> bool:
    """Whether a table has the same rows in both stores.

    They are joined by their ids; `differs` is a condition on the rows `h` and `t`.
    """
    (wrong,) = connection.execute(
        f"SELECT EXISTS (SELECT 1 FROM main.{table} h NOT INDEXED LEFT JOIN replay.{table} t ON t.id = h.id"
        f" WHERE t.id IS NULL OR {differs})"
        f" OR (SELECT count(*) FROM main.{table} NOT INDEXED) <> (SELECT count(*) FROM replay.{table})"
    ).fetchone()
    return not wrong

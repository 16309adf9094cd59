"""Look for damage at little cost.

What `verify` would find, but of the derived tables only a part.

All functions run on the store's thread with the plain connection.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path

from core.changes import change_id, decode_block
from core.errors import BlockRefused, FieldlineError
from core.store import block_table
from core.store.connection import VALUE_SQL, chunks, placeholders
from core.value_codec import MAX_FACTS, encode_value, plain_reference

SAMPLED_CHANGES = 200
"""Changes whose facts are compared where not all are: a few tenths of a second."""
_ROWS_PER_STEP = 200

_INTERNED_OTHERWISE_SQL = """
SELECT EXISTS (SELECT 1 FROM main.entities m JOIN before.entities o ON o.id = m.id WHERE o.entity <> m.entity)
  OR EXISTS (SELECT 1 FROM main.properties m JOIN before.properties o ON o.id = m.id WHERE o.name <> m.name)
  OR EXISTS (SELECT 1 FROM main.contents m JOIN before.contents o ON o.id = m.id
    WHERE o.value <> m.value OR o.property <> m.property)
"""
_SAME_IDS_SQL = "SELECT m.id FROM main.changes m JOIN before.changes o ON o.id = m.id AND o.hash = m.hash"
_FACT = "id, entity, property, content"
_OTHER_FACTS_SQL = f"""
SELECT id / {MAX_FACTS} FROM (SELECT {_FACT} FROM main.facts EXCEPT SELECT {_FACT} FROM before.facts)
UNION SELECT id / {MAX_FACTS} FROM (SELECT {_FACT} FROM before.facts EXCEPT SELECT {_FACT} FROM main.facts)
"""


def find_damage(
    connection: sqlite3.Connection, *, sampled: int | None = SAMPLED_CHANGES, checked: Collection[int] = ()
) -> FieldlineError | None:
    """Find what is damaged first; None if nothing that is looked at is.

    The file and its indexes, the id of each change, the chains; the blocks of some changes and the facts that were
    derived from them.

    Args:
        connection: of the store or a copy of it.
        sampled: of how many changes, chosen by chance; None for all.
        checked: rows of changes whose blocks are known to be right.
    """
    try:
        found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if found != "ok":
            return FieldlineError("The file is damaged: {what}.", what=found)
        return _find_bad_id(connection) or _find_bad_chain(connection) or _find_bad_facts(connection, sampled, checked)
    except sqlite3.DatabaseError as error:
        if not getattr(error, "sqlite_errorname", "").startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            raise
        return FieldlineError("The file is damaged: {what}.", what=str(error))


def _find_bad_id(connection: sqlite3.Connection) -> FieldlineError | None:
    for (change,), data in block_table.iterate_with_blocks(connection, "SELECT id, hash FROM changes"):
        try:
            if data is not None and change_id(data) == change:
                continue
        except BlockRefused:
            pass
        return _damaged_change(change)
    return None


def _find_bad_chain(connection: sqlite3.Connection) -> FieldlineError | None:
    """A change that is noted to follow from its chain, and does not."""
    row = connection.execute(
        "SELECT c.hash FROM changes c LEFT JOIN changes p ON p.hash = c.previous WHERE c.linked = 1 AND c.position > 0"
        " AND (p.id IS NULL OR p.device <> c.device OR p.position <> c.position - 1 OR p.linked <> 1) LIMIT 1"
    ).fetchone()
    return None if row is None else _damaged_change(row[0])


def _find_bad_facts(
    connection: sqlite3.Connection, sampled: int | None, checked: Collection[int]
) -> FieldlineError | None:
    rows = [row for (row,) in connection.execute("SELECT id FROM changes")]
    if sampled is not None and len(rows) > sampled:
        rows = sorted(random.sample(rows, sampled))
    unchecked = [row for row in rows if row not in checked]
    for change, data, facts in _changes_with_facts(connection, unchecked):
        try:
            block = decode_block(data)
        except BlockRefused:
            return _damaged_change(change)
        if [(f.entity, f.property, encode_value(plain_reference(f.value))) for f in block.facts] != facts:
            return FieldlineError("The facts of change {change} are not those that it holds.", change=change.hex())
    return None


def _changes_with_facts(
    connection: sqlite3.Connection, rows: list[int]
) -> Iterator[tuple[bytes, bytes, list[tuple[bytes, str, bytes]]]]:
    for some in chunks(rows, _ROWS_PER_STEP):
        facts: dict[int, list[tuple[bytes, str, bytes]]] = {row: [] for row in some}
        for row in some:
            span = (row * MAX_FACTS, row * MAX_FACTS + MAX_FACTS - 1)
            facts[row] = connection.execute(
                f"SELECT e.entity, p.name, {VALUE_SQL} FROM facts f JOIN entities e ON e.id = f.entity"
                " JOIN properties p ON p.id = f.property WHERE f.id BETWEEN ? AND ? ORDER BY f.id",
                span,
            ).fetchall()
        blocks = block_table.read_blocks(connection, some)
        query = f"SELECT id, hash FROM changes WHERE id IN ({placeholders(some)})"
        for row, change in connection.execute(query, some):
            if row in blocks:
                yield change, blocks[row], facts[row]


def rows_as_before(connection: sqlite3.Connection, older: Path) -> set[int]:
    """Give the rows of changes that are the same in an older, sound copy.

    Their blocks and facts.
    """
    try:
        connection.execute("ATTACH ? AS before", (f"{older.absolute().as_uri()}?mode=ro&immutable=1",))
    except sqlite3.DatabaseError:
        return set()
    try:
        if connection.execute(_INTERNED_OTHERWISE_SQL).fetchone()[0]:
            return set()
        same = {row for (row,) in connection.execute(_SAME_IDS_SQL)} & set(_rows_of_same_blocks(connection))
        return same - {row for (row,) in connection.execute(_OTHER_FACTS_SQL)}
    except sqlite3.DatabaseError:
        # It is no copy of a store, or is damaged itself.
        return set()
    finally:
        connection.execute("DETACH before")


def _rows_of_same_blocks(connection: sqlite3.Connection) -> Iterator[int]:
    before = block_table.iterate_blocks(connection, "before")
    other = next(before, None)
    for row, data in block_table.iterate_blocks(connection):
        while other is not None and other[0] < row:
            other = next(before, None)
        if other == (row, data):
            yield row


def _damaged_change(change: bytes) -> FieldlineError:
    return FieldlineError("The change {change} is damaged.", change=change.hex())

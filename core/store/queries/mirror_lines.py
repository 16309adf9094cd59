"""Read facts as lines that PostgreSQL's COPY takes, which SQLite formats.

Row by row in Python that takes twice as long, and nothing else of this process runs meanwhile.

All functions run on the store's thread with the plain connection. The lines are those of PostgreSQL's manual, COPY,
"Text Format": fields between tabs, backslashes doubled, `\\N` for NULL.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from core import cbor
from core.store.queries.mirror_source import EFFECTIVE_SQL, IS_SHOWN, SECRET, read_flag_state
from core.store.scope import effective_sql
from core.value_codec import MAX_FACTS, REFERENCE_HEADS

NULL_FIELD = "\\N"
CHANGES_PER_READ = 256
"""Some thousand facts as a rule, and at most 16 MB: while the server takes them, the next ones are made."""

_SHORT_TEXTS, _TEXTS, _LONGER_TEXTS = (f"x'{cbor.head(cbor.TEXT, size).hex()[:2]}'" for size in (0, 24, 256))
"""First bytes of encoded texts: from the first to the second the length is in it, up to the third in the next byte."""
_IS_REFERENCE = " OR ".join(
    f"(v.value >= x'{head.hex()}' AND v.value < x'{head.hex()[:-2]}{head[-1] + 1:02x}')" for head in REFERENCE_HEADS
)
_IS_SHORT_TEXT = f"v.value >= {_SHORT_TEXTS} AND v.value < {_LONGER_TEXTS} AND instr(v.value, x'00') = 0"
_IS_EASY = f"({_IS_SHORT_TEXT}) OR ({_IS_REFERENCE})"
_FIELD = f"""
CASE
  WHEN {_IS_SHORT_TEXT} THEN replace(
    json_quote(CAST(substr(v.value, CASE WHEN v.value < {_TEXTS} THEN 2 ELSE 3 END) AS TEXT)), '\\', '\\\\')
  ELSE '{{"ref": "' || lower(hex(substr(v.value, {len(REFERENCE_HEADS[0]) + 1}))) || '"}}'
END
"""


def _time(micros: str) -> str:
    return f"strftime('%Y-%m-%d %H:%M:%S.', {micros} / 1000000, 'unixepoch') || substr(1000000 + {micros} % 1000000, 2)"


# Most facts count from the time of their change, which is put into words once for all of these. A leaf has no end.
_LINES = f"""
WITH some AS MATERIALIZED (
  SELECT id, at, device, {_time("at")} || '+00' AS at_text FROM changes WHERE id >= :first AND id < :end
)
SELECT count(*), group_concat(printf('%d\t%s\t%s\t%d\t%d\t%d\t%d\t%s',
  f.id, CASE WHEN f.later = 0 THEN c.at_text ELSE {_time(EFFECTIVE_SQL)} || '+00' END,
  CASE WHEN f.current = 1 THEN '{NULL_FIELD}' ELSE coalesce((
    SELECT {_time(f"min({effective_sql('g')})")} || '+00' FROM obsoletes o CROSS JOIN facts g ON g.id = o.fact
    WHERE o.target = f.id AND g.accepted), '{NULL_FIELD}') END,
  f.entity, f.property, c.device, f.accepted, v.field), char(10)) || char(10)
FROM some c
CROSS JOIN facts f ON f.id >= c.id * {MAX_FACTS} AND f.id < (c.id + 1) * {MAX_FACTS}
JOIN temp.value_fields v ON v.content = f.content
WHERE {IS_SHOWN} AND (NOT EXISTS (SELECT 1 FROM withdrawals)
  OR NOT EXISTS (SELECT 1 FROM withdrawals w WHERE w.entity = f.entity AND w.property = f.property))
"""


@contextmanager
def same_state(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection | None]:
    """Give another connection to the same state of a store, for another thread.

    None where there can be none, or somebody has just written. `connection` is in a transaction.
    """
    (_, _, path) = connection.execute("PRAGMA database_list").fetchone()
    uri = f"{Path(path).absolute().as_uri()}?mode=ro"
    try:
        other = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=0)
    except sqlite3.OperationalError:
        yield None
        return
    with closing(other):
        try:
            other.execute("BEGIN")
            is_same = _read_tip(other) == _read_tip(connection)
        except sqlite3.OperationalError:
            is_same = False
        yield other if is_same else None


def _read_tip(connection: sqlite3.Connection) -> tuple[object, ...]:
    """Read what no commit leaves as it is, if it changes what a mirror shows."""
    row: tuple[object, ...] = connection.execute("SELECT max(id), count(*) FROM changes").fetchone()
    return (*row, read_flag_state(connection))


def prepare_fact_lines(connection: sqlite3.Connection, to_field: Callable[[bytes], str]) -> None:
    """Note the field of each value for `read_fact_lines`.

    Most values are said several times. `to_field` gives that of an encoded value that SQLite cannot format.
    """
    connection.execute("DROP TABLE IF EXISTS temp.value_fields")
    connection.execute("CREATE TEMP TABLE value_fields (content INTEGER PRIMARY KEY, field TEXT NOT NULL)")
    connection.execute(f"INSERT INTO value_fields SELECT v.id, {_FIELD} FROM contents v WHERE {_IS_EASY}")
    others = connection.execute(f"SELECT v.id, v.value FROM contents v WHERE NOT ({_IS_EASY})")
    connection.executemany(
        "INSERT INTO value_fields VALUES (?, ?)", ((content, to_field(value)) for content, value in others)
    )


def read_fact_lines(connection: sqlite3.Connection) -> Iterator[tuple[int, bytes]]:
    """Read all facts of slots without withdrawals: how many, and their lines."""
    (last,) = connection.execute("SELECT coalesce(max(id), 0) FROM changes").fetchone()
    for first in range(0, last + 1, CHANGES_PER_READ):
        span = {"first": first, "end": first + CHANGES_PER_READ}
        count, lines = connection.execute(_LINES, {**span, **SECRET}).fetchone()
        if count:
            yield count, lines.encode()

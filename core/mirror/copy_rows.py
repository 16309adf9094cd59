"""Rows of the mirror's tables, and COPY in its binary form for many rows of facts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from struct import Struct
from typing import IO, Literal

from psycopg import sql

from core.mirror import row_values
from core.mirror.database import Connection
from core.store.connection import load_value
from core.store.queries.mirror_source import FactRow

COLUMNS = {
    "changes": (
        "change_id", "position", "at", "received_at", "device_id", "person_id", "accepted", "change", "note",
    ),
    "facts": (
        "fact_id", "effective_at", "ended_at", "entity_id", "property_id", "device_id", "accepted", "value",
    ),
    "obsoletes": ("target_id", "fact_id"),
    "gaps": ("fact_id", "since", "until"),
    "leaf_details": ("fact_id", "entity_id", "in_use", "provisional", "fits", "value", "refs"),
    "entities": ("entity_id", "entity", "retired", "kind", "key", "title", "lies_in"),
    "persons": ("person_id", "person", "name"),
    "properties": ("property_id", "property"),
    "devices": ("device", "device_id", "name", "role", "state"),
    "inbox": ("item", "type", "entity", "kind", "key", "property", "message", "entities", "candidates", "since"),
    "kinds": ("kind", "key_property", "within_property"),
    "source_flags": ("id", "flag"),
    "events": (
        "reason", "fact", "change", "entity", "kind", "key", "property", "before", "after", "at", "user_name",
        "device_name",
    ),
}  # fmt: skip
_COLUMN_TYPES = {
    "flag": "int2", **dict.fromkeys(("value", "before", "after"), "jsonb"),
    **dict.fromkeys(("refs", "entities", "candidates"), "bytea[]"),
    **dict.fromkeys(("position", "id", "change_id", "fact_id", "target_id"), "int8"),
    **dict.fromkeys(("at", "effective_at", "ended_at", "received_at", "since", "until"), "timestamptz"),
    **dict.fromkeys(("accepted", "in_use", "provisional", "fits", "retired"), "bool"),
    **dict.fromkeys(("entity_id", "property_id", "device_id", "person_id"), "int4"),
    **dict.fromkeys(("item", "fact", "change", "device", "person", "entity", "lies_in"), "bytea"),
}  # fmt: skip
"""Of the columns that are not text."""
Row = Sequence[object]

ROWS_PER_WRITE = 500
BYTES_PER_WRITE = 1 << 16
_EPOCH_US = 946_684_800_000_000
"""Times are counted from the year 2000 there."""
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
NULL = b"\xff\xff\xff\xff"
"""A field of nothing."""
# Each field has its length before it; the first number is that of the fields.
_FACT_IN_USE = Struct("!hiqiqiiiiiiii?")
_ENDED_FACT = Struct("!hiqiqiqiiiiiii?")
_DETAIL_START = Struct("!hiqiii?i?i?")
_EDGE = Struct("!hiqiq")
_JSON_HEAD = Struct("!ib")
_ENTITY_START = Struct("!hii")
_FALSE, _TRUE = b"\0\0\0\1\0", b"\0\0\0\1\1"


def identifier(table: str) -> sql.Identifier:
    """The name of a table of the mirror."""
    return sql.Identifier("fieldline", table)


def copy_rows(mirror: Connection, table: str, rows: Iterable[Row], into: sql.Composable | None = None) -> int:
    """Write rows into a table of the mirror, or one with its columns; gives how many."""
    columns, count = COLUMNS[table], 0
    with mirror.cursor() as cursor, cursor.copy(_copy_statement(table, into)) as copy:
        copy.set_types([_COLUMN_TYPES.get(column, "text") for column in columns])
        for row in rows:
            copy.write_row(row)
            count += 1
    return count


def copy_packed(mirror: Connection, table: str, rows: Iterable[bytes]) -> int:
    """Write rows that are packed already; gives how many."""
    count = 0
    source = iter(rows)
    with mirror.cursor() as cursor, cursor.copy(_copy_statement(table, None)) as copy:
        copy.write(_HEADER)
        while some := list(islice(source, ROWS_PER_WRITE)):
            copy.write(b"".join(some))
            count += len(some)
        copy.write(_TRAILER)
    return count


def copy_lines(mirror: Connection, table: str, lines: Iterable[tuple[int, bytes]]) -> int:
    """Write lines of text, each piece with how many rows it holds; gives how many."""
    count = 0
    with mirror.cursor() as cursor, cursor.copy(_copy_statement(table, None, "TEXT")) as copy:
        for rows, some in lines:
            copy.write(some)
            count += rows
    return count


def json_field(value: bytes) -> str:
    """The field of such a line that holds an encoded value."""
    text = row_values.json_text(load_value(value), None)
    return "\\N" if text is None else text.replace("\\", "\\\\")


class PackedRows:
    """Packed rows of a table that wait in a file until the server is free."""

    def __init__(self, table: str, file: IO[bytes]) -> None:
        self._table = table
        self._file = file

    def add(self, rows: Iterable[bytes]) -> None:
        """Put rows behind those that wait."""
        self._file.writelines(rows)

    def copy(self, mirror: Connection) -> None:
        """Write what waits into the mirror."""
        self._file.seek(0)
        with mirror.cursor() as cursor, cursor.copy(_copy_statement(self._table, None)) as copy:
            copy.write(_HEADER)
            while some := self._file.read(BYTES_PER_WRITE):
                copy.write(some)
            copy.write(_TRAILER)
        self._file.seek(0)
        self._file.truncate()


def _copy_statement(
    table: str, into: sql.Composable | None, form: Literal["BINARY", "TEXT"] = "BINARY"
) -> sql.Composed:
    return sql.SQL("COPY {} ({}) FROM STDIN WITH (FORMAT {})").format(
        into or identifier(table), sql.SQL(", ").join(map(sql.Identifier, COLUMNS[table])), sql.SQL(form)
    )


def pack_facts(rows: Iterable[FactRow]) -> Iterator[bytes]:
    """Pack rows of `facts`."""
    in_use, out_of_use, packed = _FACT_IN_USE.pack, _ENDED_FACT.pack, _packed_value
    for fact, since, ended, entity, name, device, accepted, value in rows:
        at = since - _EPOCH_US
        if ended is None:
            yield in_use(8, 8, fact, 8, at, -1, 4, entity, 4, name, 4, device, 1, accepted) + packed(value)
        else:
            until = ended - _EPOCH_US
            yield out_of_use(8, 8, fact, 8, at, 8, until, 4, entity, 4, name, 4, device, 1, accepted) + packed(value)


def pack_detail(
    fact: int, entity: int, in_use: bool, provisional: bool, fits: bool, *, value: bytes, refs: bytes
) -> bytes:
    """Pack a row of `leaf_details`, its last two fields already packed."""
    return _DETAIL_START.pack(7, 8, fact, 4, entity, 1, in_use, 1, provisional, 1, fits) + value + refs


def pack_edges(rows: Iterable[tuple[int, int]]) -> Iterator[bytes]:
    """Pack rows of `obsoletes`."""
    return (_EDGE.pack(2, 8, target, 8, fact) for target, fact in rows)


def pack_entity(
    number: int,
    entity: bytes,
    retired: bool,
    kind: str | None,
    key: str | None,
    title: str,
    lies_in: bytes | None,
) -> bytes:
    """Pack a row of `entities`."""
    start = _ENTITY_START.pack(7, 4, number) + _pack_bytes(entity) + (_TRUE if retired else _FALSE)
    return start + _pack_text(kind) + _pack_text(key) + _pack_text(title) + _pack_bytes(lies_in)


def _pack_text(text: str | None) -> bytes:
    return NULL if text is None else _pack_bytes(text.encode())


def _pack_bytes(data: bytes | None) -> bytes:
    return NULL if data is None else len(data).to_bytes(4, "big") + data


def pack_json(text: str | None) -> bytes:
    """Pack a field of JSON."""
    if text is None:
        return NULL
    data = text.encode()
    return _JSON_HEAD.pack(len(data) + 1, 1) + data


def pack_references(ids: Sequence[bytes]) -> bytes:
    """Pack a field that is a list of ids of entities, or NULL for none."""
    if not ids:
        return NULL
    items = b"".join(len(each).to_bytes(4, "big") + each for each in ids)
    head = Struct("!iiiii").pack(1, 0, _BYTEA_OID, len(ids), 1)
    return (len(head) + len(items)).to_bytes(4, "big") + head + items


_BYTEA_OID = 17


@lru_cache(maxsize=16384)  # most values are said again and again
def _packed_value(value: bytes) -> bytes:
    return pack_json(row_values.json_text(load_value(value), None))


def sync_rows(mirror: Connection, table: str, rows: Iterable[Row]) -> None:
    """Make a table hold these rows, of which the first column is the key.

    What is the same is not written.
    """
    incoming = sql.Identifier(f"incoming_{table}")
    mirror.execute(
        sql.SQL("CREATE TEMP TABLE IF NOT EXISTS {} (LIKE {}) ON COMMIT DELETE ROWS").format(
            incoming, identifier(table)
        )
    )
    copy_rows(mirror, table, rows, incoming)
    names = {"table": identifier(table), "incoming": incoming, "key": sql.Identifier(COLUMNS[table][0])}
    mirror.execute(
        sql.SQL(
            "DELETE FROM {table} o WHERE NOT EXISTS (SELECT 1 FROM {incoming} n"
            " WHERE n.{key} = o.{key} AND ROW(n.*) IS NOT DISTINCT FROM ROW(o.*))"
        ).format(**names)
    )
    mirror.execute(
        sql.SQL(
            "INSERT INTO {table} SELECT n.* FROM {incoming} n"
            " WHERE NOT EXISTS (SELECT 1 FROM {table} o WHERE o.{key} = n.{key})"
        ).format(**names)
    )

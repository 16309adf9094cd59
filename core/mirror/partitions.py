"""The partitions of `facts`, one a month of the time from which a fact counts.

Odd times share another one.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from psycopg import sql

from core.mirror.database import Connection
from core.timestamps import EPOCH

FIRST_MONTH = (2000, 1)
"""Nobody means a time before; it bounds how many partitions the clocks of others can make, as the present does."""
_MOVE = (
    "WITH moved AS (DELETE FROM fieldline.facts_other WHERE effective_at >= {start} AND effective_at < {end}"
    " RETURNING *) INSERT INTO {table} SELECT * FROM moved"
)

Month = tuple[int, int]


def months_of(days: Iterable[int], now_us: int) -> set[Month]:
    """The months that have a partition of their own, of these days since 1970 (UTC).

    Until the one of the present.
    """
    last = _month(EPOCH + timedelta(microseconds=now_us))
    found = {_month(EPOCH + timedelta(days=day)) for day in days}
    return {month for month in found if FIRST_MONTH <= month <= last}


def make_partitions(mirror: Connection, months: Iterable[Month]) -> None:
    """Make the missing partitions, and move into them what lay among the odd times."""
    rows = mirror.execute(
        "SELECT relname::text FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid"
        " WHERE inhparent = 'fieldline.facts'::regclass"
    ).fetchall()
    there = {name for (name,) in rows}
    for month in sorted(months):
        name = f"facts_{month[0]:04}_{month[1]:02}"
        if name not in there:
            _make_partition(mirror, sql.Identifier("fieldline", name), *_bounds(month))


def _make_partition(mirror: Connection, table: sql.Identifier, start: datetime, end: datetime) -> None:
    span = {"table": table, "start": sql.Literal(start.isoformat()), "end": sql.Literal(end.isoformat())}
    for statement in (
        "CREATE TABLE {table} (LIKE fieldline.facts INCLUDING ALL)",
        _MOVE,
        "ALTER TABLE fieldline.facts ATTACH PARTITION {table} FOR VALUES FROM ({start}) TO ({end})",
        "COMMENT ON TABLE {table} IS 'Facts of one month'",
    ):
        mirror.execute(sql.SQL(statement).format(**span))


def _month(at: datetime) -> Month:
    return at.year, at.month


def _bounds(month: Month) -> tuple[datetime, datetime]:
    year, number = month
    start = EPOCH.replace(year=year, month=number)
    return start, start.replace(year=year + number // 12, month=number % 12 + 1)

"""Each month has a partition; odd times share one, until their month comes."""

from __future__ import annotations

import psycopg

from core.mirror import partitions
from tests.core.mirror.test_mirror import query
from tests.support.cli import Terminal

DAY_US = 86_400_000_000
WHERE = "SELECT tableoid::regclass::text, count(*) FROM fieldline.facts GROUP BY 1 ORDER BY 1"


def test_a_month_is_made_for_times_that_somebody_can_have_meant() -> None:
    now_us = 20_000 * DAY_US  # 2024-10-04
    days = [0, 10_956, 10_957, 11_000, 19_999, 20_026, 20_027, 40_000]
    assert partitions.months_of(days, now_us) == {(2000, 1), (2000, 2), (2024, 10)}


def test_facts_lie_in_their_months(demo: Terminal, dsn: str) -> None:
    demo.ask("mirror", dsn, "--once")
    found = {name for name, _ in query(dsn, WHERE)}
    months = query(dsn, "SELECT DISTINCT to_char(effective_at AT TIME ZONE 'UTC', 'YYYY_MM') FROM fieldline.facts")
    assert found == {f"fieldline.facts_{month}" for (month,) in months}


def test_a_month_that_comes_takes_what_lay_among_the_odd_times(demo: Terminal, dsn: str) -> None:
    demo.ask("mirror", dsn, "--once")
    columns = "effective_at, ended_at, entity_id, property_id, device_id, accepted, value"
    query(
        dsn,
        f"INSERT INTO fieldline.facts (fact_id, {columns}) SELECT -fact_id, '2100-12-31 23:59Z',"
        f" {columns.removeprefix('effective_at, ')} FROM fieldline.facts LIMIT 1 RETURNING 1",
    )
    before = query(dsn, "SELECT * FROM fieldline.facts ORDER BY fact_id")
    assert ("fieldline.facts_other", 1) in query(dsn, WHERE)
    with psycopg.connect(dsn) as connection:
        partitions.make_partitions(connection, {(2100, 12), (2024, 1)})
    assert ("fieldline.facts_2100_12", 1) in query(dsn, WHERE)
    assert query(dsn, "SELECT 1 FROM fieldline.facts_other") == []
    assert query(dsn, "SELECT * FROM fieldline.facts ORDER BY fact_id") == before

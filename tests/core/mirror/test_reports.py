"""The reports that the document shows are those that can be run, and say something about the demonstration."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg

from tests.support.cli import Terminal

DOCUMENT = (Path(__file__).parents[3] / "docs" / "head-office.md").read_text(encoding="utf-8")
REPORTS = re.findall(r"```sql\n(.*?)```", DOCUMENT, re.DOTALL)


def test_every_report_says_something(demo: Terminal, dsn: str) -> None:
    demo.ask("mirror", dsn, "--once")
    assert len(REPORTS) == 5
    with psycopg.connect(dsn) as connection:
        assert [report for report in REPORTS if not connection.execute(report.encode()).fetchall()] == []
        printers = connection.execute(REPORTS[0].encode()).fetchall()
        wanted = {}
        for place in demo.ask("list", "place"):
            if printer := place["values"].get("printer"):
                slot = (place["key"].partition("/")[0], printer)
                wanted[slot] = wanted.get(slot, 0) + 1
        assert {(locality, printer): count for locality, printer, count in printers} == wanted
        devices = connection.execute(REPORTS[3].encode()).fetchall()
        assert {row[0]: row[3] for row in devices} == {each["name"]: each["changes"] for each in demo.ask("members")}


def test_the_document_names_every_column(demo: Terminal, dsn: str) -> None:
    demo.ask("mirror", dsn, "--once")
    with psycopg.connect(dsn) as connection:
        columns = connection.execute(
            "SELECT table_name::text, string_agg(column_name::text, ', ' ORDER BY ordinal_position)"
            " FROM information_schema.columns WHERE table_schema = 'fieldline' AND table_name <> 'watermark'"
            " AND table_name NOT LIKE 'kind\\_%' GROUP BY table_name"
        ).fetchall()
    plain = DOCUMENT.replace(" jsonb", "")
    assert [table for table, names in columns if names not in plain] == []

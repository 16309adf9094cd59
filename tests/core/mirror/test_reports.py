"""The reports and recipes of the document run, and say something of the demo."""

from __future__ import annotations

import json
import re
from pathlib import Path

import psycopg
import pytest

from tests.core.mirror.test_mirror import query
from tests.support.cli import Terminal

DOCS = Path(__file__).parents[3] / "docs"
DOCUMENT = (DOCS / "head-office.md").read_text(encoding="utf-8")
REPORTS = dict(re.findall(r"^\*\*([^*\n]+)\*\*(?:(?!```).)*?```sql\n(.*?)```", DOCUMENT, re.DOTALL | re.MULTILINE))
RECIPE = re.findall(r"## Rights by region.*?```sql\n(.*?)```", DOCUMENT, re.DOTALL)
DASHBOARD = json.loads((DOCS / "grafana-dashboard.json").read_text(encoding="utf-8"))
MAY_BE_EMPTY = {"What nobody has touched for a year"}
"""In a demonstration of a few weeks."""


def test_every_report_says_something(demo: Terminal, dsn: str) -> None:
    demo.ask("mirror", dsn, "--once")
    assert len(REPORTS) == 20
    empty = {title for title, report in REPORTS.items() if not query(dsn, report)}
    assert empty <= MAY_BE_EMPTY
    printers = query(dsn, REPORTS["Printers in use"])
    wanted: dict[tuple[str, str], int] = {}
    for place in demo.ask("list", "place"):
        if printer := place["values"].get("printer"):
            slot = (place["key"].partition("/")[0], printer)
            wanted[slot] = wanted.get(slot, 0) + 1
    assert {(locality, printer): count for locality, printer, count in printers} == wanted
    devices = query(dsn, REPORTS["Devices that are silent"])
    assert {row[0]: row[3] for row in devices} == {each["name"]: each["changes"] for each in demo.ask("members")}
    assert len(query(dsn, REPORTS["What is open"])) == len(demo.ask("inbox"))
    candidates = sum(len(each["candidates"]) for each in demo.ask("inbox") if each["type"] == "conflict")
    assert len(query(dsn, REPORTS["Conflicts with their candidates"])) == candidates


def test_what_is_otherwise_is_what_diff_says(demo: Terminal, dsn: str) -> None:
    demo.ask("mirror", dsn, "--once")
    ((past,),) = query(dsn, "SELECT max(effective_at) - interval '14 days' FROM fieldline.facts")
    rows = query(dsn, REPORTS["What is configured otherwise than two weeks before the last change"])
    saved = {(f"{kind}:{key}", name) for kind, key, name, _, _ in rows if kind in ("place", "locality")}
    names = {
        each["entity"]: f"{each['kind']}:{each['key']}" for k in ("place", "locality") for each in demo.ask("list", k)
    }
    wanted = {
        (names[each["entity"]], each["property"])
        for each in demo.ask("diff", past.isoformat())
        if each["entity"] in names
    }
    assert wanted == {(key, name) for key, name in saved if key in names.values()}


def test_the_dashboard_shows_the_reports(demo: Terminal, dsn: str) -> None:
    demo.ask("mirror", dsn, "--once")
    panels = {panel["title"]: panel["targets"][0]["rawSql"] for panel in DASHBOARD["panels"]}
    assert panels == {title: report.strip() for title, report in REPORTS.items()}
    for statement in panels.values():
        query(dsn, statement)


def test_the_document_names_every_column(demo: Terminal, dsn: str) -> None:
    demo.ask("mirror", dsn, "--once")
    columns = query(
        dsn,
        "SELECT table_name::text, string_agg(column_name::text, ', ' ORDER BY ordinal_position)"
        " FROM information_schema.columns WHERE table_schema = 'fieldline' AND table_name <> 'watermark'"
        " AND table_name NOT LIKE 'kind\\_%' AND table_name NOT LIKE 'facts\\_%' GROUP BY table_name",
    )
    plain = DOCUMENT.replace(" jsonb", "")
    assert [table for table, names in columns if names not in plain] == []


def test_a_region_sees_its_own(demo: Terminal, dsn: str) -> None:
    server = psycopg.conninfo.conninfo_to_dict(dsn)
    with psycopg.connect(dsn) as connection:
        if connection.info.server_version < 150000:
            pytest.skip("views with the rights of who asks need PostgreSQL 15")
    demo.ask("mirror", dsn, "--once")
    north = f"north_{server['dbname']}"
    (recipe,) = RECIPE
    roles = f"readers_{server['dbname']}"
    query(dsn, f"CREATE ROLE {roles}; CREATE ROLE {north} LOGIN IN ROLE {roles}; SELECT 1")
    query(dsn, f"{recipe.replace('fieldline_readers', roles)}; SELECT 1")
    query(dsn, f"GRANT SELECT ON fieldline.kind_place TO {roles}; SELECT 1")
    key = "SELECT entity FROM fieldline.kind_locality WHERE code = '241'"
    query(dsn, f"INSERT INTO public.regions SELECT '{north}', entity FROM ({key}) l RETURNING 1")
    own = dsn.replace("postgres@", f"{north}@")
    every = query(dsn, "SELECT DISTINCT split_part(key, '/', 1) FROM fieldline.current WHERE kind = 'place'")
    assert len(every) > 1
    for source in ("current WHERE kind = 'place'", "entities WHERE kind = 'place'", "inbox WHERE kind = 'place'"):
        assert query(own, f"SELECT DISTINCT split_part(key, '/', 1) FROM fieldline.{source}") == [("241",)]
    assert query(own, "SELECT DISTINCT locality FROM fieldline.kind_place") == [("241",)]
    facts = "SELECT count(*) FROM fieldline.facts"
    assert 0 < query(own, facts)[0][0] < query(dsn, facts)[0][0]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        query(own, "SELECT note FROM fieldline.changes")
    ((partition,),) = query(
        dsn, "SELECT min(relname::text) FROM pg_class WHERE relname LIKE 'facts\\_2%' AND relkind = 'r'"
    )
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        query(own, f"SELECT 1 FROM fieldline.{partition}")
    # What is granted lasts when the views are made anew.
    query(dsn, "UPDATE fieldline.watermark SET schema_state = '' RETURNING 1")
    demo.ask("set", "locality:241", "name=Anew")
    demo.ask("mirror", dsn, "--once")
    assert query(own, "SELECT DISTINCT locality FROM fieldline.kind_place") == [("241",)]

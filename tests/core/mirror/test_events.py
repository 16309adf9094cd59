"""The feed table has each value in use that changed, exactly once."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.workspace import Workspace, feed
from tests.core.mirror.test_mirror import query
from tests.support.cli import Terminal
from tests.support.postgres import Cluster, find_programs

NAMES = ("change", "entity", "kind", "key", "property", "before", "after", "user")
COLUMNS = "encode(change, 'hex'), encode(entity, 'hex'), kind, key, property, before, after, user_name"


def read_events(dsn: str) -> list[tuple[Any, ...]]:
    return query(dsn, f"SELECT {COLUMNS} FROM fieldline.events ORDER BY event")


async def _read_feed(device: Terminal, since: str) -> list[tuple[Any, ...]]:
    """What `watch` tells of what came after a change."""
    async with await Workspace.open(device.home, user="Maier") as workspace:
        cursor, found = await feed.find_cursor(workspace, since), []
        while True:
            step = await feed.read_step(workspace, cursor)
            found += [tuple(each.as_json()[name] for name in NAMES) for each in step.entries]
            cursor = step.cursor
            if step.is_last:
                return found


def last_change(device: Terminal) -> str:
    return str(json.loads(device.call("log", "--limit", "1", "--json").out)["change"])


def assert_events_lead_to_now(dsn: str, before: dict[tuple[bytes, str], Any]) -> None:
    """Each event begins where the one before ended, and the last gives what is there."""
    now = dict(before)
    rows = query(dsn, "SELECT entity, property, before, after FROM fieldline.events ORDER BY event")
    for entity, name, old, new in rows:
        assert now.get((entity, name)) == old
        assert old != new
        now[entity, name] = new
    assert {slot: value for slot, value in now.items() if value is not None} == values_now(dsn)


def values_now(dsn: str) -> dict[tuple[bytes, str], Any]:
    rows = query(dsn, "SELECT entity, property, value FROM fieldline.current WHERE value IS NOT NULL")
    return {(entity, name): value for entity, name, value in rows}


def test_each_change_is_reported_as_watch_tells_it(demo: Terminal, dsn: str) -> None:
    demo.ask("mirror", dsn, "--once")
    assert read_events(dsn) == []
    before, since = values_now(dsn), last_change(demo)
    for number in range(3):
        demo.ask("set", "locality:241", f"name=Name {number}", "tsc_server=10.9.8.7")
    demo.ask("new", "place", "name=New lane", "locality=locality:241", "printer=Brix")
    demo.ask("retire", "place:241/New lane")
    demo.ask("mirror", dsn, "--once")
    demo.ask("mirror", dsn, "--once")
    events = read_events(dsn)
    assert events == asyncio.run(_read_feed(demo, since))
    assert [event[6] for event in events if event[4] == "name"][:3] == ["Name 0", "Name 1", "Name 2"]
    assert_events_lead_to_now(dsn, before)


def test_what_a_revocation_takes_out_is_reported(demo: Terminal, dsn: str) -> None:
    demo.ask("mirror", dsn, "--once")
    before = values_now(dsn)
    members = demo.ask("members")
    here = demo.ask("status")["device"]
    other = max((each for each in members if each["device"] != here), key=lambda each: each["changes"])["device"]
    demo.ask("revoke", other, "--last", "none")
    demo.ask("mirror", dsn, "--once")
    reasons = dict(query(dsn, "SELECT reason, count(*) FROM fieldline.events GROUP BY reason"))
    assert reasons["effect"] > 10
    assert_events_lead_to_now(dsn, before)


def test_another_store_is_reported_by_what_differs(demo: Terminal, dsn: str, tmp_path: Path) -> None:
    shutil.copytree(demo.home, tmp_path / "older")
    demo.ask("set", "locality:241", "name=Later")
    demo.ask("mirror", dsn, "--once")
    before = values_now(dsn)
    older = Terminal(tmp_path / "older")
    older.ask("set", "locality:241", "name=Instead")
    older.ask("mirror", dsn, "--once")
    events = query(dsn, "SELECT reason, property, before, after FROM fieldline.events")
    assert events == [("store", "name", "Later", "Instead")]
    assert_events_lead_to_now(dsn, before)


@pytest.fixture
def logical() -> Iterator[Cluster]:
    """A server with logical decoding and wal2json."""
    programs = find_programs()
    if programs is None or not (programs.parent / "lib" / "wal2json.so").exists():
        pytest.skip("no wal2json here: install the package postgresql-15-wal2json")
    folder = Path(tempfile.mkdtemp(prefix="flpg"))
    folder.chmod(0o755)
    made = Cluster(folder, programs)
    try:
        made.start("-c wal_level=logical")
        yield made
        made.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_a_logical_slot_gives_the_events_as_json(demo: Terminal, logical: Cluster) -> None:
    dsn = logical.dsn()
    demo.ask("mirror", dsn, "--once")
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SELECT pg_create_logical_replication_slot('feed', 'wal2json')")
        demo.ask("set", "locality:241", "name=By slot")
        demo.ask("mirror", dsn, "--once")
        rows = connection.execute(
            "SELECT data FROM pg_logical_slot_get_changes('feed', NULL, NULL, 'format-version', '2',"
            " 'add-tables', 'fieldline.events', 'include-transaction', 'false')"
        ).fetchall()
    (row,) = [json.loads(str(data)) for (data,) in rows]
    columns = {each["name"]: each["value"] for each in row["columns"]}
    assert (row["action"], columns["property"], json.loads(columns["after"])) == ("I", "name", "By slot")

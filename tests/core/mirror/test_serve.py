"""`serve` keeps the mirror, and goes on serving whatever the database does."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
import tomli_w

from core.mirror.settings import parse_dsn
from tests.cli.test_processes import serving
from tests.core.mirror.test_mirror import query
from tests.support.cli import Terminal
from tests.support.deadlines import DEADLINE_S
from tests.support.postgres import Cluster

NAME = "SELECT name FROM fieldline.kind_locality WHERE code = '241'"
DISK_FULL = """CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN RAISE 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER no_room BEFORE INSERT ON fieldline.changes EXECUTE FUNCTION no_room(); SELECT 1"""


def write_settings(device: Terminal, dsn: str) -> None:
    (device.home / "settings.toml").write_text(tomli_w.dumps({"name": "K1", "mirror": {"dsn": dsn}}))


def next_event(process: subprocess.Popen[str], wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    assert process.stdout is not None
    event: dict[str, Any] = {}
    while not wanted(event):
        line = process.stdout.readline()
        assert line, "it has ended"
        event = json.loads(line)
    return event


def is_mirrored(event: dict[str, Any]) -> bool:
    return event.get("event") == "mirrored"


def is_failed(event: dict[str, Any]) -> bool:
    return event.get("event") == "failed" and event["link"] == "mirror"


def finding(device: Terminal) -> tuple[str, str | None]:
    (found,) = [each for each in device.call("doctor", "--json").json if each["check"] == "mirror"]
    return found["state"], found["message"]


def test_what_is_saved_is_in_sql_and_who_listens_is_reported(demo: Terminal, dsn: str) -> None:
    write_settings(demo, dsn)
    assert "does not run" in (finding(demo)[1] or "")
    with serving(demo) as (_, process), psycopg.connect(dsn, autocommit=True) as listening:
        assert next_event(process, is_mirrored)["root"] == demo.root()
        assert finding(demo) == ("good", None)
        listening.execute("LISTEN fieldline")
        demo.ask("set", "locality:241", "name=Now")
        (note,) = listening.notifies(timeout=DEADLINE_S, stop_after=1)
        assert note.payload == demo.root()
        assert query(dsn, NAME) == [("Now",)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0


def test_a_database_that_is_gone_stops_nothing(demo: Terminal, dsn: str, cluster: Cluster) -> None:
    write_settings(demo, dsn)
    with serving(demo) as (target, process):
        next_event(process, is_mirrored)
        cluster.stop()
        try:
            demo.ask("set", "locality:241", "name=Meanwhile")
            assert "cannot be reached" in next_event(process, is_failed)["message"]
            state, message = finding(demo)
            assert (state, "cannot be reached" in (message or "")) == ("warning", True)
            # Nobody who is no member gets an answer, but it is there.
            assert demo.call("sync", target, "--timeout", "5").code == 1
            assert process.poll() is None
        finally:
            cluster.start()
        assert next_event(process, is_mirrored)["root"] == demo.root()
        assert query(dsn, NAME) == [("Meanwhile",)]
        assert finding(demo) == ("good", None)


@pytest.mark.parametrize(
    ("harm", "mend", "sentence"),
    [
        (DISK_FULL, "DROP TRIGGER no_room ON fieldline.changes; SELECT 1", "full"),
        (
            "UPDATE fieldline.watermark SET fleet = '\\x00' RETURNING 1",
            "DROP SCHEMA fieldline CASCADE; SELECT 1",
            "another fleet",
        ),
        (
            "UPDATE fieldline.watermark SET version = 99 RETURNING 1",
            "DROP SCHEMA fieldline CASCADE; SELECT 1",
            "another version",
        ),
        (
            "DROP SCHEMA fieldline CASCADE; CREATE SCHEMA fieldline; CREATE TABLE fieldline.mine (i integer); SELECT 1",
            "DROP TABLE fieldline.mine; SELECT 1",
            "not a mirror's (mine)",
        ),
    ],
    ids=["full", "other fleet", "other version", "foreign tables"],
)
def test_what_is_in_the_way_is_reported_in_one_sentence_until_it_is_mended(
    demo: Terminal, dsn: str, harm: str, mend: str, sentence: str
) -> None:
    demo.ask("mirror", dsn, "--once")
    query(dsn, harm)
    demo.ask("set", "locality:241", "name=Meanwhile")
    write_settings(demo, dsn)
    with serving(demo) as (_, process):
        assert sentence in next_event(process, is_failed)["message"]
        assert sentence in (finding(demo)[1] or "")
        query(dsn, mend)
        assert next_event(process, is_mirrored)["root"] == demo.root()
    assert query(dsn, NAME) == [("Meanwhile",)]


def test_a_database_that_is_read_only_is_waited_for(demo: Terminal, dsn: str) -> None:
    demo.ask("mirror", dsn, "--once")
    demo.ask("set", "locality:241", "name=Meanwhile")
    database = dsn.split("@/")[1].split("?", maxsplit=1)[0]
    query(dsn, f"ALTER DATABASE {database} SET default_transaction_read_only = on; SELECT 1")
    write_settings(demo, dsn)
    with serving(demo) as (_, process):
        assert "read-only" in next_event(process, is_failed)["message"]
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute(f"ALTER DATABASE {database} RESET default_transaction_read_only")
        assert next_event(process, is_mirrored)["root"] == demo.root()


@pytest.mark.parametrize("setting", ["postgresql://x", {"dsn": 7}, {}, {"dsn": "postgresql://x", "more": 1}])
def test_settings_that_are_wrong_are_reported(demo: Terminal, setting: object) -> None:
    (demo.home / "settings.toml").write_text(tomli_w.dumps({"name": "K1", "mirror": setting}))
    state, message = finding(demo)
    assert (state, "settings.toml: mirror" in (message or "")) == ("problem", True)
    with serving(demo) as (_, process):
        assert "settings.toml: mirror" in next_event(process, is_failed)["message"]
        assert process.poll() is None


def test_without_the_table_there_is_no_mirror(demo: Terminal) -> None:
    assert parse_dsn({}) is None
    assert [each for each in demo.call("doctor", "--json").json if each["check"] == "mirror"] == []

"""Killed at random, with the database restarted and the connection cut meanwhile.

Nothing is lost or doubled.
"""

from __future__ import annotations

import random
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from core.fleet_secrets import is_secret
from tests.core.mirror.test_events import assert_events_lead_to_now, values_now
from tests.core.mirror.test_mirror import query
from tests.support.cli import Terminal
from tests.support.cut_line import CutLine
from tests.support.deadlines import DEADLINE_S
from tests.support.postgres import Cluster
from tests.support.soak_table import soak_row

STATE = """SELECT w.changes, encode(w.root, 'hex'), c.*, f.*, (SELECT count(*) FROM fieldline.slots), l.*
  FROM fieldline.watermark w,
  (SELECT count(*), count(DISTINCT change), max(change_id) FROM fieldline.changes) c,
  (SELECT count(*), count(DISTINCT fact_id) FROM fieldline.facts) f,
  (SELECT count(*) FROM (SELECT DISTINCT entity_id, property_id FROM fieldline.slots_at('infinity')) s) l"""
LONGEST_S, MAX_BYTES = 1.5, 40_000
MANY = 100


@pytest.fixture
def line(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory, dsn: str) -> Iterator[CutLine]:
    socket_folder = Path(dsn.split("host=", maxsplit=1)[1])
    made = CutLine(socket_folder.parent / "cut", next(socket_folder.glob(".s.PGSQL.5432")))
    yield made
    made.close()
    (made.folder / ".s.PGSQL.5432").unlink()
    made.folder.rmdir()


def count_facts(device: Terminal) -> int:
    """How many facts the store holds without the secrets, which are not mirrored."""
    connection = sqlite3.connect(device.home / "store.db")
    rows = connection.execute(
        "SELECT e.entity, p.name FROM facts f JOIN entities e ON e.id = f.entity JOIN properties p ON p.id = f.property"
    ).fetchall()
    connection.close()
    return sum(not is_secret(entity, name) for entity, name in rows)


def assert_is_one_state(device: Terminal, dsn: str) -> None:
    """Whatever was interrupted, what is there is what the store held at the watermark.

    All of it, and once.
    """
    with psycopg.connect(dsn) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        ((changes, root, rows, distinct, last, facts, once, slots, leaves),) = connection.execute(STATE).fetchall()
    assert (rows, distinct, last or 0) == (changes, changes, changes)
    assert facts == once
    assert slots == leaves
    if root == device.root():
        assert facts == count_facts(device)


def interrupt(device: Terminal, dsn: str, cluster: Cluster, line: CutLine, chance: random.Random) -> str:
    """Let the mirror run for a while, until something happens to it; gives what."""
    what = chance.choice(("kill", "kill", "kill", "restart", "cut", "terminate"))
    address = dsn
    if what == "cut":
        line.budget = chance.randrange(MAX_BYTES)
        address = dsn.split("host=", maxsplit=1)[0] + f"host={line.folder}"
    process = device.process("mirror", address, "--once", "--json")
    try:
        process.wait(timeout=DEADLINE_S if what == "cut" else chance.uniform(0, LONGEST_S))
    except subprocess.TimeoutExpired:
        if what == "restart":
            cluster.stop()
            cluster.start()
        elif what == "terminate":
            with psycopg.connect(cluster.dsn(), autocommit=True) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '' "
                    " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
                )
        else:
            process.kill()
    _, err = process.communicate(timeout=DEADLINE_S)
    assert "Traceback" not in err
    assert process.returncode in (0, 1, -9)
    return what


def run_interrupted(demo: Terminal, dsn: str, cluster: Cluster, line: CutLine, rounds: int, seed: int) -> Counter[str]:
    chance = random.Random(seed)
    happened: Counter[str] = Counter()
    before = None
    is_there = "SELECT to_regclass('fieldline.watermark') IS NOT NULL"
    for number in range(rounds):
        if chance.random() < 0.8:
            demo.ask("set", "locality:241", f"name=Name {number}")
        happened[interrupt(demo, dsn, cluster, line, chance)] += 1
        if query(dsn, is_there) == [(True,)]:
            assert_is_one_state(demo, dsn)
            if before is None and query(dsn, "SELECT changes > 0 FROM fieldline.watermark") == [(True,)]:
                before = values_now(dsn)
                assert query(dsn, "SELECT 1 FROM fieldline.events") == []
    demo.ask("mirror", dsn, "--once")
    assert demo.ask("mirror", dsn, "--check")["differences"] == []
    assert_is_one_state(demo, dsn)
    if before is not None:
        assert_events_lead_to_now(dsn, before)
    return happened


def test_interrupted_at_random_nothing_is_lost_or_doubled(
    demo: Terminal, dsn: str, cluster: Cluster, line: CutLine
) -> None:
    run_interrupted(demo, dsn, cluster, line, 6, 1)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_interrupted_often_nothing_is_lost_or_doubled(
    demo: Terminal, dsn: str, cluster: Cluster, line: CutLine, record_property: Callable[[str, object], None]
) -> None:
    happened = run_interrupted(demo, dsn, cluster, line, MANY, 2)
    record_property(*soak_row("mirror: interrupted", happened.total(), happened))

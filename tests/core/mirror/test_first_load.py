"""The first load reads one state of the store, on two connections if it can."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, nullcontext

import pytest

from core.mirror import database, writer
from core.store.queries.mirror_lines import same_state
from core.store.queries.mirror_source import DAY_US, read_days
from core.store.scope import effective_sql
from tests.core.mirror.test_mirror import assert_is_as_if_written_at_once, query
from tests.support.cli import Terminal

COUNT = "SELECT count(*) FROM facts"
KEYS = (
    "SELECT i.indexdef, c.contype FROM pg_indexes i"
    " LEFT JOIN pg_constraint c ON c.conname = i.indexname AND c.connamespace = 'fieldline'::regnamespace"
    " WHERE i.schemaname = 'fieldline' AND i.tablename !~ '^facts_[0-9]' ORDER BY i.tablename, i.indexdef"
)


@pytest.fixture
def store(demo: Terminal) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(demo.home / "store.db", isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.execute(COUNT)
        yield connection


def test_both_see_the_same_whatever_is_written_afterwards(demo: Terminal, store: sqlite3.Connection) -> None:
    with same_state(store) as other:
        assert other is not None
        demo.ask("set", "locality:241", "name=Later")
        assert other.execute(COUNT).fetchall() == store.execute(COUNT).fetchall()


def test_where_somebody_wrote_meanwhile_there_is_none(demo: Terminal, store: sqlite3.Connection) -> None:
    demo.ask("set", "locality:241", "name=Meanwhile")
    with same_state(store) as other:
        assert other is None


def test_where_nobody_else_may_read_there_is_none(demo: Terminal, store: sqlite3.Connection) -> None:
    store.execute("COMMIT")
    store.execute("PRAGMA locking_mode = EXCLUSIVE")
    store.execute("BEGIN IMMEDIATE")
    store.execute("UPDATE meta SET value = value")
    with same_state(store) as other:
        assert other is None
    store.execute("ROLLBACK")


def test_one_connection_writes_the_same(demo: Terminal, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    demo.ask("mirror", dsn, "--once")
    monkeypatch.setattr(writer, "same_state", lambda _: nullcontext(None))
    assert_is_as_if_written_at_once(demo, dsn)


def test_the_keys_that_are_made_afterwards_are_those_of_the_tables(demo: Terminal, dsn: str) -> None:
    with closing(sqlite3.connect(demo.home / "store.db")) as connection:
        (fleet,) = connection.execute("SELECT value FROM meta WHERE key = 'fleet'").fetchone()
    database.connect(dsn, fleet).close()
    made = query(dsn, KEYS)
    demo.ask("mirror", dsn, "--once")
    assert query(dsn, "SELECT 1 FROM fieldline.entities LIMIT 1")
    assert query(dsn, KEYS) == made


def test_days_are_those_from_which_facts_count(demo: Terminal, store: sqlite3.Connection) -> None:
    days = f"SELECT DISTINCT {effective_sql()} / {DAY_US} FROM facts f ORDER BY 1"
    assert read_days(store, is_marked=False) == [day for (day,) in store.execute(days)]

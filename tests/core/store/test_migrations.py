"""A store of an earlier version is brought to this one whole, or stays as it was."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from core.body import Fact
from core.schema_toml import load_builtin_schema
from core.store import migrations, store_file
from core.store.block_table import iterate_blocks
from core.store.store import Store
from tests.support.older_store import (
    make_version_14,
    make_version_17,
    make_version_18,
    make_version_19,
    make_version_21,
    make_version_22,
)
from tests.support.store_fleet import ENTITY, FLEET, FOUNDING, OTHER, Pen

SCHEMA = load_builtin_schema("service-centre")
CHANGES = 300
THING = b"T" * 16
VALUES = (
    "SELECT id, value FROM facts ORDER BY id",
    "SELECT f.id, value FROM facts f JOIN contents v ON v.id = content",
)


WASTE_SQL = """
CREATE TABLE waste (data BLOB); INSERT INTO waste VALUES (zeroblob(1000000)); DROP TABLE waste;
PRAGMA wal_checkpoint(TRUNCATE);
"""
"""Leaves a megabyte of free pages."""
MakeOlder = Callable[[sqlite3.Connection], None]


class Content(NamedTuple):
    """What a store of either version holds."""

    blocks: list[tuple[int, bytes]]
    values: list[tuple[int, bytes]]
    version: int


def schema_of(path: Path) -> list[tuple[str, str]]:
    """The tables and indexes, however their text is laid out and quoted."""
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql NOT NULL")
        return sorted((name, " ".join(sql.replace('"', "").split())) for name, sql in found)


def packs_of(path: Path) -> list[bytes]:
    with closing(sqlite3.connect(path)) as connection:
        return [bytes(data) for (data,) in connection.execute("SELECT data FROM packs ORDER BY first")]


def clock() -> int:
    return 2000


def content_of(path: Path) -> Content:
    with closing(sqlite3.connect(path)) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        old = version == 14
        blocks = connection.execute("SELECT * FROM blocks ORDER BY 1") if old else iterate_blocks(connection)
        return Content(list(blocks), sorted(connection.execute(VALUES[not old])), version)


async def build(path: Path) -> None:
    store = await Store.create(path, fleet=FLEET, clock=lambda: 1000)
    pen = Pen(1)
    facts = [(Fact(ENTITY, f"p{n % 20}", "x" * n), Fact(OTHER, f"q{n}", n % 7)) for n in range(CHANGES)]
    await store.save_blocks([*FOUNDING, *(pen.write(*each, at=10 + n) for n, each in enumerate(facts))])
    things = [Fact(THING, "kind", "locality"), Fact(THING, "code", "241"), Fact(ENTITY, "kind", "place")]
    await store.save_blocks([pen.write(*things, at=1000)])
    while await store.count_unread(SCHEMA):
        await store.update_conflict_index(SCHEMA, 10)
    await store.close()


LONG_STEPS = {
    make_version_14: 6,
    make_version_17: 4,
    make_version_18: 3,
    make_version_19: 3,
    make_version_21: 2,
    make_version_22: 1,
}
"""How many long steps lead from these to this version."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("built") / "store.db"
    asyncio.run(build(path))
    return path


@pytest.fixture
def older(built: Path, tmp_path: Path) -> Path:
    """A store of version 14 to be brought to this version."""
    return copy_as(make_version_14, built, tmp_path)


def copy_as(make_older: MakeOlder, built: Path, folder: Path) -> Path:
    path = folder / "store.db"
    shutil.copy(built, path)
    with closing(sqlite3.connect(path)) as connection:
        make_older(connection)
    return path


@pytest.mark.parametrize("make_older", LONG_STEPS)
async def test_all_bytes_and_values_are_kept_and_how_far_it_is_is_reported(
    make_older: MakeOlder, built: Path, tmp_path: Path
) -> None:
    older = copy_as(make_older, built, tmp_path)
    kept = content_of(older)
    assert kept.version < migrations.STORE_VERSION
    seen: list[tuple[int, int]] = []
    await (await Store.open(older, clock=clock, on_progress=lambda *each: seen.append(each))).close()
    assert content_of(older) == kept._replace(version=migrations.STORE_VERSION)
    assert {total for _, total in seen} == {LONG_STEPS[make_older] * len(kept.blocks)}
    assert seen == sorted(seen)
    assert seen[-1][0] >= (LONG_STEPS[make_older] - 1) * len(kept.blocks)
    again: list[int] = []
    await (await Store.open(older, clock=clock, on_progress=lambda done, total: again.append(done))).close()
    assert again == []


@pytest.mark.parametrize("make_older", LONG_STEPS)
async def test_what_is_derived_is_right_and_goes_on_from_there(
    make_older: MakeOlder, built: Path, tmp_path: Path
) -> None:
    path = copy_as(make_older, built, tmp_path)
    store = await Store.open(path, clock=clock)
    assert schema_of(path) == schema_of(built)
    assert packs_of(path) == packs_of(built)
    assert await store.count_unread(SCHEMA) == 0
    assert (await store.verify(SCHEMA)).problems == []
    await store.save_blocks([Pen(0, FOUNDING).write(Fact(THING, "code", "242"), at=2000)])
    while await store.count_unread(SCHEMA):
        await store.update_conflict_index(SCHEMA, 10)
    assert (await store.verify(SCHEMA)).problems == []
    await store.close()


@pytest.mark.parametrize("calls", [1, 2, 3])
async def test_what_is_stopped_leaves_the_store_as_it_was(older: Path, calls: int) -> None:
    kept = content_of(older)
    left = iter(range(calls - 1))

    def stop(done: int, total: int) -> None:
        if next(left, None) is None:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        await Store.open(older, clock=clock, on_progress=stop)
    assert content_of(older) == kept


@pytest.mark.parametrize("added", [CHANGES, CHANGES // 4])
async def test_pages_are_filled_after_much_was_added(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, added: int
) -> None:
    monkeypatch.setattr(store_file, "_MIN_ADDED_CHANGES", 1)
    path = tmp_path / "store.db"
    shutil.copy(built, path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(WASTE_SQL)
        kept = (path.stat().st_size, content_of(path))
        store_file.fill_pages_after(connection, added)
    assert (path.stat().st_size < kept[0] - 900_000) == (added == CHANGES)
    assert content_of(path) == kept[1]


async def test_the_room_is_given_back_once_nobody_else_writes(older: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_file, "_MIN_FREE_PAGES", 1)
    size = older.stat().st_size
    await (await Store.open(older, clock=clock)).close()
    smaller = older.stat().st_size
    assert smaller < size * 0.8
    with closing(sqlite3.connect(older, isolation_level=None)) as other:
        other.executescript(f"{WASTE_SQL} BEGIN IMMEDIATE;")
        await (await Store.open(older, clock=clock)).close()
        assert older.stat().st_size > smaller + 900_000
    await (await Store.open(older, clock=clock)).close()
    assert older.stat().st_size < smaller + 100_000

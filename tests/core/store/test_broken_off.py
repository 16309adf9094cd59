"""A save that fails at any step of SQLite leaves the store as it was."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from core.body import Fact
from core.records import Edit
from core.store.store import Store
from tests.support.soak_table import soak_row
from tests.support.store_fleet import AUTHORS, ENTITY, FLEET, FOUNDING, OTHER, Pen

GRAIN = 7
"""Instructions of SQLite's machine between two places where it may be broken off."""
SOME, MANY = 25, 1500

Save = Callable[[Store], Awaitable[object]]


async def save_own(store: Store) -> None:
    edits = [Edit(ENTITY, "p", "own"), Edit(OTHER, "q", 3)]
    await store.commit(AUTHORS[0], edits, user="u")


async def save_received(store: Store) -> None:
    pen = Pen(2)
    blocks = [pen.write(Fact(ENTITY, f"p{number}", "received"), at=30 + number) for number in range(12)]
    await store.save_blocks(blocks, source_device=AUTHORS[2].device, link="tcp")


async def save_members(store: Store) -> None:
    block = Pen(0, FOUNDING).write(Fact(AUTHORS[1].device, "member.role", "reader"), at=40, user="admin")
    await store.save_blocks([block], source_device=AUTHORS[1].device, link="tcp")


SAVES: dict[str, Save] = {"own": save_own, "received": save_received, "members": save_members}


def content(connection: sqlite3.Connection) -> dict[str, list[tuple[object, ...]]]:
    """All that the tables hold."""
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {name: connection.execute(f"SELECT * FROM {name}").fetchall() for name in names}


async def make(path: Path) -> Store:
    store = await Store.create(path, fleet=FLEET, clock=lambda: 1000)
    pen = Pen(1)
    await store.save_blocks([*FOUNDING, *(pen.write(Fact(OTHER, "q", number), at=10 + number) for number in range(20))])
    return store


async def count_places(store: Store, save: Save) -> int:
    """At how many places it may be broken off."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    await store.run(lambda connection: connection.set_progress_handler(count, GRAIN))
    await save(store)
    return steps


async def break_off(store: Store, save: Save, place: int) -> bool:
    """Save, and break that off at a place; whether it failed."""
    left = place

    def step() -> int:
        nonlocal left
        left -= 1
        return int(left == 0)

    await store.run(lambda connection: connection.set_progress_handler(step, GRAIN))
    try:
        await save(store)
    except sqlite3.OperationalError as error:
        assert str(error) == "interrupted", place
        return True
    finally:
        await store.run(lambda connection: connection.set_progress_handler(None, 0))
    return False


@pytest.mark.parametrize("count", [SOME, pytest.param(MANY, marks=pytest.mark.soak)])
@pytest.mark.parametrize("name", SAVES)
async def test_a_save_that_is_broken_off_leaves_all_as_it_was(
    tmp_path: Path, name: str, count: int, record_property: Callable[[str, object], None]
) -> None:
    save = SAVES[name]
    trial = await make(tmp_path / "trial")
    places = await count_places(trial, save)
    await trial.close()
    store = await make(tmp_path / "store")
    before = await store.run(content)
    chance = random.Random(count)
    for _ in range(count):
        place = chance.randint(1, places)
        if not await break_off(store, save, place):
            # The steps of the first save of a store are not all those of the next: it was already at its end.
            await store.close()
            for each in tmp_path.glob("store*"):
                each.unlink()
            store = await make(tmp_path / "store")
        assert await store.run(content) == before, place
    await save(store)
    assert (await store.verify()).problems == []
    assert await store.run(content) != before
    await store.close()
    record_property(*soak_row(f"a save ({name}) that SQLite breaks off", count))


async def test_a_save_that_is_broken_off_as_it_begins_keeps_none_from_saving(tmp_path: Path) -> None:
    store = await make(tmp_path / "store")
    failed = 0
    for place in range(1, 30):
        left = place

        def step() -> int:
            nonlocal left
            left -= 1
            return int(left == 0)

        await store.run(lambda connection, step=step: connection.set_progress_handler(step, 1))  # type: ignore[misc]
        try:
            await store._database.write(lambda connection: None)
        except sqlite3.OperationalError:
            failed += 1
        await store.run(lambda connection: connection.set_progress_handler(None, 0))
        assert not await store.run(lambda connection: connection.in_transaction), place
        await save_own(store)
    await store.close()
    assert failed

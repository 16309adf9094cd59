"""What a value costs to read does not depend on how many others have the property."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from core.body import Fact
from core.store import entities
from core.store.scope import Scope
from core.store.store import Store
from tests.support.store_fleet import FLEET, FOUNDING, Pen

CONTESTED = b"c" * 16
OTHERS = [number.to_bytes(16, "big") for number in range(1, 400)]
NOON = 1000


def steps(connection: sqlite3.Connection, scope: Scope) -> int:
    """How many steps SQLite's machine takes to read one value."""
    taken = 0

    def count() -> int:
        nonlocal taken
        taken += 1
        return 0

    connection.set_progress_handler(count, 1)
    try:
        values = entities.read_values(connection, scope, "name", [CONTESTED])
    finally:
        connection.set_progress_handler(None, 0)
    assert values[CONTESTED] == "two"
    return taken


def turn_indexes_round(connection: sqlite3.Connection) -> None:
    """Make the indexes of facts in another order, by which SQLite chooses."""
    connection.execute("DROP INDEX facts_slot")
    connection.execute("CREATE INDEX facts_slot ON facts (entity, property, current)")


@pytest.mark.parametrize("view", ["now", "as_of", "known_at"])
async def test_a_contested_value_is_read_without_those_of_other_entities(tmp_path: Path, view: str) -> None:
    store = await Store.create(tmp_path / "store.db", fleet=FLEET, clock=lambda: 100)
    try:
        pen = Pen(1)
        one = pen.write(Fact(CONTESTED, "name", "one"), at=10)
        await store.save_blocks([*FOUNDING, one, Pen(2).write(Fact(CONTESTED, "name", "two"), at=20)])
        scope = (store.now() if view == "now" else getattr(store, view)(NOON)).scope
        await store.run(turn_indexes_round)
        alone = await store.run(lambda connection: steps(connection, scope))
        await store.save_blocks([pen.write(*(Fact(each, "name", "other") for each in OTHERS), at=30)])
        assert await store.run(lambda connection: steps(connection, scope)) < alone + len(OTHERS) / 10
    finally:
        await store.close()

"""Facts that are not what the changes say are found and counted."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from core.body import Fact
from core.store import verify
from core.store.store import Store
from tests.support.store_fleet import ENTITY, FLEET, FOUNDING, OTHER, Pen

ADD_ONE = """
INSERT INTO facts (id, entity, property, content, state)
SELECT id + 1, entity, property, content, state FROM facts ORDER BY id DESC LIMIT 1
"""
LAST = "WHERE id = (SELECT max(id) FROM facts)"
NAMED = [
    ("entities", [("facts", "entity")]),
    ("properties", [("facts", "property"), ("contents", "property")]),
    ("contents", [("facts", "content")]),
]
"""What facts name by rows, and where these rows stand."""


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A store with some facts, whose copy is there as `replay.db`."""
    found = tmp_path / "store.db"
    store = await Store.create(found, fleet=FLEET, clock=lambda: 100)
    facts = [Fact(each, f"p{n}", f"{each.hex()} {n}") for each in sorted((ENTITY, OTHER)) for n in range(6)]
    await store.save_blocks([*FOUNDING, Pen(1).write(*facts, at=10)])
    await store.checkpoint()
    await store.close()
    shutil.copy(found, tmp_path / "replay.db")
    return found


def compare(path: Path, damage: str = "") -> tuple[bool, list[str]]:
    """Whether the facts are found equal in one pass, and what is said of all tables."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.executescript(damage)
        connection.execute("ATTACH ? AS replay", (str(path.with_name("replay.db")),))
        return verify._are_facts_equal(connection), [str(each) for each in verify._compare_tables(connection)]


def last_two(path: Path, table: str) -> tuple[int, int]:
    """The last two rows of a table."""
    with closing(sqlite3.connect(path)) as connection:
        (other,), (one,) = connection.execute(f"SELECT id FROM {table} ORDER BY id DESC LIMIT 2")
    return one, other


def exchange(path: Path, table: str) -> str:
    """The statements by which these change their rows."""
    one, other = last_two(path, table)
    return (
        f"UPDATE {table} SET id = -1 WHERE id = {one}; UPDATE {table} SET id = {one} WHERE id = {other};"
        f"UPDATE {table} SET id = {other} WHERE id = -1;"
    )


def follow(path: Path, table: str, of: str, column: str) -> str:
    """The statement by which another table names them by their new rows."""
    one, other = last_two(path, table)
    return f"UPDATE {of} SET {column} = {one + other} - {column} WHERE {column} IN ({one}, {other});"


def test_equal_stores_are_equal(path: Path) -> None:
    assert compare(path) == (True, [])


@pytest.mark.parametrize(
    ("damage", "wrong", "lacking"),
    [
        (f"UPDATE facts SET content = (SELECT min(id) FROM contents c WHERE c.property = facts.property) {LAST}", 1, 1),
        (f"UPDATE facts SET entity = entity - 1 {LAST}", 1, 1),
        (f"UPDATE facts SET property = property - 1 {LAST}", 0, 1),
        (f"UPDATE facts SET state = state + 8 {LAST}", 1, 1),
        (f"UPDATE facts SET state = state + 4 {LAST}", 1, 1),
        (f"UPDATE facts SET state = state + 1 {LAST}", 1, 1),
        (f"UPDATE facts SET id = id + 1 {LAST}", 1, 1),
        (f"DELETE FROM facts {LAST}", 0, 1),
        (ADD_ONE, 1, 0),
        ("UPDATE contents SET value = x'01' WHERE id = (SELECT max(content) FROM facts)", 1, 1),
        ("UPDATE contents SET property = 1 WHERE id = (SELECT max(content) FROM facts)", 0, 1),
        ("DELETE FROM contents WHERE id = (SELECT max(content) FROM facts)", 0, 1),
    ],
)  # fmt: skip
def test_one_fact_that_differs_is_counted(path: Path, damage: str, wrong: int, lacking: int) -> None:
    said = f"facts: {wrong} rows are wrong and {lacking} are missing, by what the changes say."
    assert compare(path, damage) == (False, [said])


@pytest.mark.parametrize("table", [table for table, _ in NAMED])
def test_facts_that_name_other_things_by_the_same_rows_are_found(path: Path, table: str) -> None:
    is_equal, problems = compare(path, exchange(path, table))
    assert not is_equal
    assert any(each.startswith("facts: ") for each in problems)


@pytest.mark.parametrize(("table", "columns"), NAMED, ids=[table for table, _ in NAMED])
def test_other_rows_for_the_same_things_are_no_difference(
    path: Path, table: str, columns: list[tuple[str, str]]
) -> None:
    """Which rows they have depends on what came together."""
    moves = "".join(follow(path, table, of, column) for of, column in columns)
    assert compare(path, exchange(path, table) + moves) == (True, [])


def test_a_thing_that_no_fact_names_is_no_difference(path: Path) -> None:
    assert compare(path, "INSERT INTO entities (entity) VALUES (randomblob(16))") == (True, [])

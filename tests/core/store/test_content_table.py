"""Values are kept once, and told apart where their digests are the same."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from core.body import Fact
from core.schema_toml import load_builtin_schema
from core.store import content_table
from core.store.entities import find_entities_with_value
from core.store.scope import NOW
from core.store.store import Store
from core.value_codec import encode_value
from tests.support.store_fleet import ENTITY, FLEET, FOUNDING, OTHER, Pen

TWICE = """
INSERT INTO contents (property, value) SELECT property, value FROM contents WHERE id = 1;
INSERT INTO content_digests SELECT digest, (SELECT max(id) FROM contents) FROM content_digests WHERE content = 1
"""
SCHEMA = load_builtin_schema("service-centre")


def same_digests(prop: int) -> tuple[int, int]:
    """Two integers that are found by the same digest as values of a property."""
    seen: dict[int, int] = {}
    for number in count(1):
        digest = content_table._value_digest(prop, encode_value(number))
        assert digest is not None
        if digest in seen:
            return seen[digest], number
        seen[digest] = number
    raise AssertionError


async def make_store(path: Path, *facts: Fact) -> Store:
    store = await Store.create(path, fleet=FLEET, clock=lambda: 100)
    await store.save_blocks([*FOUNDING, Pen(1).write(*facts, at=10)])
    return store


async def test_values_of_one_digest_are_told_apart(tmp_path: Path) -> None:
    store = await make_store(tmp_path / "store.db", Fact(ENTITY, "p", None))
    query = "SELECT id FROM properties WHERE name = 'p'"
    (prop,) = await store._database.run(lambda connection: connection.execute(query).fetchone())
    one, other = same_digests(prop)
    await store.save_blocks([Pen(0, FOUNDING).write(Fact(ENTITY, "p", one), Fact(OTHER, "p", other), at=20)])
    for value, entity in ((one, ENTITY), (other, OTHER)):
        found = await store._database.run(find_entities_with_value, NOW, "p", value)
        assert found == [entity]
    assert (await store.verify(SCHEMA)).problems == []
    await store.close()


async def test_a_value_that_is_stated_again_of_a_property_is_kept_once(tmp_path: Path) -> None:
    store = await make_store(tmp_path / "store.db", Fact(ENTITY, "p", "same"), Fact(OTHER, "q", "same"))
    more = (Fact(OTHER, "p", "same"), Fact(ENTITY, "q", "same"))
    await store.save_blocks([Pen(0, FOUNDING).write(*more, at=20)])
    query = "SELECT p.name FROM contents v JOIN properties p ON p.id = v.property WHERE v.value = ? ORDER BY 1"
    found = await store._database.run(lambda connection: connection.execute(query, (encode_value("same"),)).fetchall())
    assert found == [("p",), ("q",)]
    await store.close()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE content_digests SET digest = digest + 1 WHERE content = 1",
        "DELETE FROM content_digests WHERE content = 1",
        "INSERT INTO content_digests VALUES (5, 999999)",
        TWICE,
    ],
)
async def test_damage_is_found_and_repaired(tmp_path: Path, damage: str) -> None:
    store = await make_store(tmp_path / "store.db", Fact(ENTITY, "p", "one"))
    for statement in damage.split(";"):
        await store._database.write(lambda connection, sql=statement: connection.execute(sql).rowcount)
    assert ["content_digests" in str(problem) for problem in (await store.verify(SCHEMA)).problems] == [True]
    await store.verify(SCHEMA, repair=True)
    assert (await store.verify(SCHEMA)).problems == []
    await store.close()

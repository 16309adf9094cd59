"""A list page by page is what it is as a whole, whatever changed meanwhile."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from itertools import product
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from core.body import Fact
from core.schema_toml import parse_schema
from core.sort_order import natural_key
from core.store.entities import EntityRow
from core.store.store import Store
from core.store.view import View
from core.value_codec import Value, encode_value
from tests.support.older_store import make_version_14
from tests.support.store_fleet import FLEET, FOUNDING, Pen, fact_of

SCHEMA = parse_schema(
    {
        "site": 'key = "code"\ntitle = "name"\n[properties.code]\ntype = "text"\n[properties.name]\ntype = "text"\n',
        "room": 'key = "code"\n[properties.code]\ntype = "text"\n',
    }
)
THINGS = [bytes([n]) * 16 for n in range(1, 6)]
VALUES: dict[str, list[Value]] = {
    "kind": ["site", "room", None],
    "name": [
        "Straße",
        "STRASSE",
        "Lane 10",
        "lane 9",
        "Ä",
        "a",
        "B",
        "b",
        "",
        None,
        7,
        True,
        ("a", "b"),
        "x" * 300 + "b",
        "x" * 300 + "A",
    ],
    "code": ["a", "b", "", 7, None],
    "retired": [True, None],
}


@st.composite
def batches(draw: st.DrawFn) -> list[tuple[bytes, bool]]:
    """Blocks that name, rename and retire, each with whether titles are kept after."""
    pens = [Pen(number) for number in (1, 2)]
    ids: list[bytes] = []
    made = []
    for _ in range(draw(st.integers(1, 5))):
        about = st.tuples(st.sampled_from(THINGS), st.sampled_from(sorted(VALUES)))
        facts = []
        for entity, name in draw(st.lists(about, min_size=1, max_size=8, unique=True)):
            seen = draw(st.lists(st.sampled_from(ids), unique=True, max_size=3)) if ids else []
            facts.append(Fact(entity, name, draw(st.sampled_from(VALUES[name])), tuple(sorted(seen))))
        data = draw(st.sampled_from(pens)).write(*facts, at=draw(st.integers(10, 30)))
        ids += [fact_of(data, index) for index in range(len(facts))]
        made.append((data, draw(st.booleans())))
    return made


async def paged(view: View, kind: str, limit: int, retired: bool) -> list[EntityRow]:
    rows: list[EntityRow] = []
    while some := await view.page(kind, SCHEMA, after_row=rows[-1] if rows else None, limit=limit, retired=retired):
        rows += some
    return rows


@settings(max_examples=40)
@given(batches(), st.integers(1, 3), st.integers(9, 31))
async def test_pages_together_are_the_list(made: list[tuple[bytes, bool]], limit: int, moment: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = await Store.create(Path(folder) / "store.db", fleet=FLEET, clock=lambda: 100)
        await store.save_blocks(FOUNDING)
        for data, kept in made:
            await store.save_blocks([data])
            while kept and await store.count_unread(SCHEMA):
                await store.update_conflict_index(SCHEMA, 3)
            for view in (store.now(), store.as_of(moment)):
                for kind, retired in product(("site", "room"), (False, True)):
                    whole = await view.page(kind, SCHEMA, retired=retired)
                    assert await paged(view, kind, limit, retired) == whole
                    assert [row.title for row in whole] == sorted((row.title for row in whole), key=natural_key)
        assert (await store.verify(SCHEMA)).problems == []
        await store.close()


@settings(max_examples=15)
@given(batches(), st.integers(9, 31))
async def test_those_with_a_value_are_those_of_the_list_that_have_it(
    made: list[tuple[bytes, bool]], moment: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = await Store.create(Path(folder) / "store.db", fleet=FLEET, clock=lambda: 100)
        await store.save_blocks([*FOUNDING, *(data for data, _ in made)])
        while made[-1][1] and await store.count_unread(SCHEMA):
            await store.update_conflict_index(SCHEMA, 3)
        for view, kind, retired in product((store.now(), store.as_of(moment)), ("site", "room"), (False, True)):
            rows = await view.page(kind, SCHEMA, retired=retired)
            listed = [row.entity for row in rows]
            assert await view.entities(kind, SCHEMA, retired=retired) == listed
            assert await view.conflict_counts(listed) == {r.entity: r.conflict_count for r in rows if r.conflict_count}
            for entity, found in (await view.entity_values(listed)).items():
                slots = (await view.record(entity, SCHEMA)).slots
                assert found.values == {name: slot.value for name, slot in slots.items()}
                assert found.provisional == {name for name, slot in slots.items() if slot.provisional}
            for name, value in (("name", "b"), ("name", None), ("code", 7), ("code", "a")):
                stated = await view.values(name, listed)
                wanted = [entity for entity in listed if encode_value(stated.get(entity)) == encode_value(value)]
                assert await view.entities(kind, SCHEMA, where={name: value}, retired=retired) == wanted
        await store.close()


async def test_pages_are_in_the_order_of_people(tmp_path: Path) -> None:
    store = await Store.create(tmp_path / "store.db", fleet=FLEET, clock=lambda: 100)
    ordered = ["Ärzte", "Arzthaus", "lane 1", "Lane 2", "Lane 10", "Öl", "Ort 08", "Ort 9", "Zebra"]
    facts = [
        fact
        for number, name in enumerate(reversed(ordered))
        for fact in (Fact(bytes([number]) * 16, "kind", "site"), Fact(bytes([number]) * 16, "name", name))
    ]
    await store.save_blocks([*FOUNDING, Pen(1).write(*facts, at=10)])
    for _ in range(2):  # before the order is kept, and after it
        for limit in (1, 4, 100):
            assert [row.title for row in await paged(store.now(), "site", limit, False)] == ordered
        while await store.count_unread(SCHEMA):
            await store.update_conflict_index(SCHEMA, 10)
    await store.close()


async def test_whether_there_are_many_is_known_from_the_kept_order(tmp_path: Path) -> None:
    store = await Store.create(tmp_path / "store.db", fleet=FLEET, clock=lambda: 100)
    facts = [Fact(thing, "kind", "site") for thing in THINGS]
    await store.save_blocks([*FOUNDING, Pen(1).write(*facts, at=10)])
    now = store.now()
    assert not await now.has_many("site", SCHEMA, 1)  # nothing is kept yet
    while await store.count_unread(SCHEMA):
        await store.update_conflict_index(SCHEMA, 10)
    counts = range(1, len(THINGS) + 3)
    assert [count for count in counts if await now.has_many("site", SCHEMA, count)] == [1, 2, 3, 4, 5]
    assert not await now.has_many("room", SCHEMA, 1)
    assert not await store.as_of(50).has_many("site", SCHEMA, 1)
    await store.close()


async def test_a_store_of_the_version_before_gets_the_order(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = await Store.create(path, fleet=FLEET, clock=lambda: 100)
    facts = [Fact(THINGS[n], "kind", "site") for n in (0, 1)]
    facts += [Fact(THINGS[0], "name", "Lane 10"), Fact(THINGS[1], "name", "Lane 9")]
    await store.save_blocks([*FOUNDING, Pen(1).write(*facts, at=10)])
    while await store.count_unread(SCHEMA):
        await store.update_conflict_index(SCHEMA, 10)
    await store.close()
    with closing(sqlite3.connect(path)) as old:
        make_version_14(old)
        old.executescript(
            "DROP TABLE titles; DROP TABLE matters; DROP TABLE proven; DROP TABLE holdings; DROP TABLE contacts;"
            "DROP TABLE standings; DROP TABLE turns;"
            "INSERT INTO said SELECT * FROM said_new; INSERT INTO said_index (rowid, text) SELECT * FROM said_new;"
            "DROP TABLE said_new;"
            "PRAGMA user_version = 9;"
            "CREATE TABLE titles (kind TEXT, title TEXT, entity BLOB, PRIMARY KEY (kind, title, entity)) WITHOUT ROWID;"
            "CREATE INDEX titles_entity ON titles (entity);"
            "CREATE TABLE matters (type INTEGER, kind TEXT, key TEXT, property TEXT, entities BLOB, again INTEGER,"
            " PRIMARY KEY (type, kind, key, property, entities, again)) WITHOUT ROWID;"
            f"INSERT INTO titles VALUES ('site', 'lane 10', x'{THINGS[0].hex()}');"
            "UPDATE meta SET value = x'00' WHERE key = 'clues';"
        )
    store = await Store.open(path, clock=lambda: 100)
    for _ in range(2):  # before the order is kept, and after it
        assert [row.title for row in await paged(store.now(), "site", 1, False)] == ["Lane 9", "Lane 10"]
        while await store.count_unread(SCHEMA):
            await store.update_conflict_index(SCHEMA, 10)
    assert (await store.verify(SCHEMA)).problems == []
    await store.close()


async def test_kept_titles_are_checked(tmp_path: Path) -> None:
    store = await Store.create(tmp_path / "store.db", fleet=FLEET, clock=lambda: 100)
    await store.save_blocks(
        [*FOUNDING, Pen(1).write(Fact(THINGS[0], "kind", "site"), Fact(THINGS[0], "name", "a"), at=10)]
    )
    while await store.count_unread(SCHEMA):
        await store.update_conflict_index(SCHEMA, 10)
    assert (await store.verify(SCHEMA)).problems == []
    await store._database.write(lambda connection: connection.execute("UPDATE clues SET sort = 'z'").rowcount)
    assert (await store.verify(SCHEMA)).problems != []
    await store.verify(SCHEMA, repair=True)
    assert (await store.verify(SCHEMA)).problems == []
    assert [row.title for row in await store.now().page("site", SCHEMA, limit=5)] == ["a"]
    await store.close()

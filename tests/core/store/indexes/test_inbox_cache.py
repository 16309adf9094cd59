"""What is kept of the inbox is used, updated with little, and verified."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

import pytest

from core.body import Fact
from core.conflict_index import ConflictIndexEntry, build_index_entry
from core.inbox import InboxItem, acceptance_property
from core.records import Record
from core.store import entities
from core.store.indexes import conflict_index
from core.store.indexes.ancestry import Ancestry
from core.store.scope import NOW
from core.store.store import Store
from core.value_codec import Ref
from core.workspace import lazy_inbox
from core.workspace.inbox import InboxReader
from tests.core.store.indexes.test_conflict_index import CENTRE, reported
from tests.support.store_fleet import FLEET, FOUNDING, Pen


def entity(number: int) -> bytes:
    return number.to_bytes(16, "big")


def terminals(first: int, count: int) -> list[Fact]:
    """Places of which two each have the same card terminal."""
    return [
        Fact(entity(number), name, value)
        for number in range(first, first + count)
        for name, value in (("kind", "place"), ("card_terminal", f"{number // 2:08}"))
    ]


async def made(path: Path, count: int) -> Store:
    store = await Store.create(path / "store.db", fleet=FLEET, clock=lambda: 100)
    pen = Pen(1)
    blocks = [pen.write(*terminals(start, 100), at=10) for start in range(100, 100 + count, 100)]
    await store.save_blocks([*FOUNDING, *blocks])
    return store


async def read(store: Store) -> list[InboxItem]:
    return await InboxReader(store).read_all(store.now(), CENTRE, lambda done, of: None)


def forbid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody look at everything."""

    def refused(*_: object) -> None:
        raise AssertionError("everything was looked at")

    monkeypatch.setattr(conflict_index, "read_suspects", refused)


async def test_opening_again_and_a_change_do_not_look_at_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await made(tmp_path, 1000)
    found = await read(store)
    assert len(found) == 500 > lazy_inbox.MAX_EAGER_ITEMS
    forbid(monkeypatch)
    assert reported(await read(store)) == reported(found)
    await store.save_blocks([Pen(2).write(Fact(entity(100), "card_terminal", "99999999"), at=20)])
    # Whoever had said that it is another one did not know this: a conflict, whose pick is the later one.
    assert sorted({(item.type, item.entity) for item in await read(store)} ^ {
        (item.type, item.entity) for item in found
    }) == [("conflict", entity(100)), ("duplicate", entity(100))]  # fmt: skip
    await store.close()


async def test_of_many_only_those_in_sight_are_worked_out(tmp_path: Path) -> None:
    store = await made(tmp_path, 1000)
    pending = await InboxReader(store).read_lazily(store.now(), CENTRE, lambda done, of: None)
    assert pending.has_unloaded(0, 499)
    await pending.load_range(490, 600)
    assert not pending.has_unloaded(490, 499)
    assert pending[499] == (await pending.load_all())[499]
    assert pending[0] is None
    await store.close()


async def test_much_is_looked_at_as_a_whole(tmp_path: Path) -> None:
    store = await made(tmp_path, 300)
    before = len(await read(store))
    await store.save_blocks([Pen(2).write(*terminals(1000 + start, 100), at=20) for start in (0, 100, 200)])
    assert len(await read(store)) == 2 * before
    await store.close()


async def test_verify_notices_what_is_wrong_and_has_it_found_again(tmp_path: Path) -> None:
    store = await made(tmp_path, 300)
    found = await read(store)
    assert (await store.verify(CENTRE)).problems == []
    await store._database.write(lambda connection: connection.execute("DELETE FROM matters WHERE key = '00000052'"))
    await store._database.write(lambda connection: connection.execute("DELETE FROM matters WHERE again = 0"))
    assert ["inbox" in str(problem) for problem in (await store.verify(CENTRE, repair=True)).repaired] == [True]
    assert reported(await read(store)) == reported(found)
    assert (await store.verify(CENTRE)).problems == []
    await store.close()


async def test_on_a_full_disk_more_than_one_step_of_reading_comes_to_an_end(tmp_path: Path) -> None:
    store = await made(tmp_path, 600)
    await store._database.run(lambda c: c.execute("PRAGMA max_page_count = 1"))
    steps: list[int] = []
    found = await InboxReader(store).read_all(store.now(), CENTRE, lambda done, _of: steps.append(done))
    assert len(found) == 300
    assert steps == sorted(set(steps))
    await store._database.run(lambda c: c.execute("PRAGMA max_page_count = 1000000"))
    assert reported(await read(store)) == reported(found)
    await store.close()


async def test_what_another_program_writes_is_seen_while_this_one_keeps_its_index_in_memory(tmp_path: Path) -> None:
    store = await made(tmp_path, 300)
    await store._database.run(lambda c: c.execute("PRAGMA max_page_count = 1"))
    assert len(await read(store)) == 150
    other = await Store.open(tmp_path / "store.db", clock=lambda: 200)
    await other.save_blocks([Pen(2).write(*terminals(1000, 100), at=20)])
    await other.close()
    assert len(await read(store)) == 200
    await store.close()


async def test_items_loaded_from_few_properties_are_those_of_whole_records(tmp_path: Path) -> None:
    store = await Store.create(tmp_path / "store.db", fleet=FLEET, clock=lambda: 100)
    one, two = Pen(1), Pen(2)
    here, gone, lane, gate = map(entity, (1, 2, 3, 4))
    first = one.write(
        Fact(here, "kind", "locality"),
        Fact(here, "code", "241"),
        Fact(here, "subnet", "10.24.1.0/24"),
        Fact(gone, "kind", "locality"),
        Fact(gone, "subnet", "10.24.1.0/25"),
        *(Fact(place, "kind", "place") for place in (lane, gate)),
        *(Fact(place, "name", "Lane 1") for place in (lane, gate)),
        *(Fact(place, "locality", Ref(here)) for place in (lane, gate)),
        Fact(lane, "card_terminal", "wrong"),
        Fact(entity(6), "kind", "place"),
        Fact(entity(6), "locality", Ref(gone)),
        Fact(entity(5), "kind", "unknown"),
        Fact(entity(5), "x", "one"),
        at=10,
    )
    second = two.write(Fact(entity(5), "x", "two"), Fact(gone, "code", "7"), at=11)
    retirement = one.write(Fact(gone, "retired", True), at=12)
    await store.save_blocks([*FOUNDING, first, second, retirement])
    reader = InboxReader(store)
    items = await reader.read_all(store.now(), CENTRE, lambda done, of: None)
    duplicate = next(item for item in items if item.type == "duplicate")
    accepting = Fact(duplicate.entity, acceptance_property(duplicate.id), "as it is")
    await store.save_blocks([one.write(accepting, at=13)])
    inbox = await reader.read_lazily(store.now(), CENTRE, lambda done, of: None)
    whole = await reader._find_all_items(store.now(), CENTRE)
    for each in (inbox, inbox.accepted):
        keys = each.keys
        # One at a time, so that nothing is read for another one's sake.
        loaded = [item for key in keys for item in await store.load_inbox_items(CENTRE, [key])]
        assert loaded == [item for item in whole if (item.acceptance is not None) == (each is inbox.accepted)]
        assert [str(item.message) for item in loaded if item] == [
            str(item.message) for item in whole if (item.acceptance is not None) == (each is inbox.accepted)
        ]
    assert {item.type for item in whole} >= {"conflict", "duplicate", "dangling", "retired-edit", "invalid"}
    assert len(inbox.accepted) == 1
    ids = list(map(entity, range(1, 7)))
    by_leaves, by_values = [await store._database.run(read, ids) for read in (_entries_by_leaves, _entries_by_values)]
    assert by_leaves == by_values
    assert len(by_leaves) > 4
    await store.close()


def _entries_by_leaves(connection: sqlite3.Connection, ids: list[bytes]) -> set[ConflictIndexEntry]:
    return _entries(connection, entities.read_records(connection, NOW, ids, CENTRE))


def _entries_by_values(connection: sqlite3.Connection, ids: list[bytes]) -> set[ConflictIndexEntry]:
    return _entries(connection, conflict_index._records_to_index(connection, ids, CENTRE))


def _entries(connection: sqlite3.Connection, records: Iterable[Record]) -> set[ConflictIndexEntry]:
    known = Ancestry(connection)
    return {build_index_entry(record, CENTRE, known.named_by) for record in records}

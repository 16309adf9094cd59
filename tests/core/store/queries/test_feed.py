"""The feed tells each value that came into use once, in order of arrival."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.body import Fact
from core.changes import change_id
from core.store.queries import feed
from core.store.store import Store
from core.value_codec import Value
from tests.support.store_fleet import ENTITY, FLEET, FOUNDING, OTHER, Pen, fact_of

FeedRow = tuple[str, Value, Value]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    made = await Store.create(tmp_path / "store.db", fleet=FLEET, clock=lambda: 1)
    await made.save_blocks(FOUNDING)
    yield made
    await made.close()


async def read_feed(store: Store, cursor: int, entity: bytes | None = None) -> tuple[list[FeedRow], int]:
    """All that is behind a cursor, page by page, and the cursor behind that."""
    found: list[FeedRow] = []
    while True:
        page = await store.run(lambda connection, at=cursor: feed.read_feed_page(connection, at, entity))
        found += [(entry.property, entry.before, entry.after) for entry in page.entries]
        cursor = page.cursor
        if page.is_last:
            return found, cursor


async def test_each_change_of_a_value_is_told_once(store: Store) -> None:
    _, end = await read_feed(store, 0)
    pen = Pen(1)
    first = pen.write(Fact(ENTITY, "printer", "a"), Fact(ENTITY, "vid", 1), at=10)
    second = pen.write(Fact(ENTITY, "printer", "b", (fact_of(first),)), at=11)
    third = pen.write(Fact(ENTITY, "printer", None, (fact_of(second),)), at=12)
    await store.save_blocks([first, second, third])
    found, behind = await read_feed(store, end)
    assert found == [("printer", None, "a"), ("vid", None, 1), ("printer", "a", "b"), ("printer", "b", None)]
    assert await read_feed(store, behind) == ([], behind)


async def test_what_was_superseded_before_it_arrived_is_never_told(store: Store) -> None:
    _, end = await read_feed(store, 0)
    pen = Pen(1)
    first = pen.write(Fact(ENTITY, "printer", "a"), at=10)
    second = pen.write(Fact(ENTITY, "printer", "b", (fact_of(first),)), at=11)
    await store.save_blocks([second])
    await store.save_blocks([first])
    assert (await read_feed(store, end))[0] == [("printer", None, "b")]


async def test_a_conflict_is_told_where_it_changes_the_value_in_use(store: Store) -> None:
    _, end = await read_feed(store, 0)
    one, two = Pen(1), Pen(2)
    early, late = (pen.write(Fact(ENTITY, "printer", v), at=at) for pen, v, at in ((one, "a", 10), (two, "b", 20)))
    lost = two.write(Fact(ENTITY, "printer", "c"), at=5)
    await store.save_blocks([early])
    await store.save_blocks([late])
    await store.save_blocks([lost])
    settled = one.write(Fact(ENTITY, "printer", None, (fact_of(late), fact_of(lost))), at=30)
    await store.save_blocks([settled])
    assert (await read_feed(store, end))[0] == [("printer", None, "a"), ("printer", "a", "b"), ("printer", "b", "a")]


async def test_only_one_entity_is_told_if_that_is_asked(store: Store) -> None:
    _, end = await read_feed(store, 0)
    await store.save_blocks([Pen(1).write(Fact(ENTITY, "printer", "a"), Fact(OTHER, "printer", "b"), at=10)])
    assert (await read_feed(store, end, OTHER))[0] == [("printer", None, "b")]


async def test_a_position_is_found_again_by_its_fact_and_by_its_change(store: Store) -> None:
    block = Pen(1).write(Fact(ENTITY, "printer", "a"), Fact(ENTITY, "vid", 1), Fact(OTHER, "vid", 2), at=10)
    await store.save_blocks([block])
    end = await store.run(feed.read_feed_end)
    assert await store.run(lambda c: feed.read_feed_position(c, end)) == fact_of(block, 2)
    for position, left in ((fact_of(block, 0), 2), (fact_of(block, 2), 0), (change_id(block), 0)):
        cursor = await store.run(lambda c, p=position: feed.find_feed_cursor(c, p))
        assert cursor is not None
        assert len((await read_feed(store, cursor))[0]) == left
    assert await store.run(lambda c: feed.find_feed_cursor(c, b"?" * 32)) is None


def _history() -> list[bytes]:
    """Edits of one slot by two devices that meet, 600 facts of another in between."""
    one, two = Pen(1), Pen(2)
    blocks = [one.write(Fact(ENTITY, "printer", "0"), at=10)]
    seen = (fact_of(blocks[0]),)
    for number in range(1, 8):
        pen = one if number % 3 else two
        blocks.append(pen.write(Fact(ENTITY, "printer", str(number), seen), at=10 + number))
        seen = (fact_of(blocks[-1]),) if number % 2 else seen
    blocks.append(two.write(*(Fact(OTHER, f"p{n:03}", n) for n in range(500)), at=40))
    return blocks


@given(order=st.permutations(range(9)), sizes=st.lists(st.integers(1, 4), min_size=9, max_size=9))
async def test_what_is_told_leads_from_value_to_value_whatever_the_order(
    tmp_path_factory: pytest.TempPathFactory, order: Sequence[int], sizes: Sequence[int]
) -> None:
    store = await Store.create(tmp_path_factory.mktemp("feed") / "store.db", fleet=FLEET, clock=lambda: 1)
    try:
        await store.save_blocks(FOUNDING)
        _, cursor = await read_feed(store, 0)
        history, found, left = _history(), [], list(order)
        for size in sizes:
            await store.save_blocks([history[number] for number in left[:size]])
            left = left[size:]
            more, cursor = await read_feed(store, cursor)
            found += more
        printers = [(before, after) for name, before, after in found if name == "printer"]
        assert [before for before, _ in printers] == [None, *(after for _, after in printers[:-1])]
        assert printers[-1][1] == (await store.now().slot(ENTITY, "printer")).value
        assert sorted(name for name, *_ in found if name != "printer") == [f"p{n:03}" for n in range(500)]
    finally:
        await store.close()

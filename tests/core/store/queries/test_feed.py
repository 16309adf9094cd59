"""The feed tells each value that came into use once, in order of arrival."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.body import Fact
from core.changes import change_id
from core.member_values import REVOKED_PROPERTY, ROLE_PROPERTY, revocation_value
from core.store.queries import feed
from core.store.store import Store
from core.value_codec import Value
from tests.support.store_fleet import AUTHORS, ENTITY, FLEET, FOUNDING, OTHER, Pen, fact_of

FeedRow = tuple[str, Value, Value]
FEW = max(10, settings().max_examples // 10)
"""Examples of what opens a store and reads it again and again."""


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


async def test_each_change_of_a_value_is_reported_once(store: Store) -> None:
    _, end = await read_feed(store, 0)
    pen = Pen(1)
    first = pen.write(Fact(ENTITY, "printer", "a"), Fact(ENTITY, "vid", 1), at=10)
    second = pen.write(Fact(ENTITY, "printer", "b", (fact_of(first),)), at=11)
    third = pen.write(Fact(ENTITY, "printer", None, (fact_of(second),)), at=12)
    await store.save_blocks([first, second, third])
    found, behind = await read_feed(store, end)
    assert found == [("printer", None, "a"), ("vid", None, 1), ("printer", "a", "b"), ("printer", "b", None)]
    assert await read_feed(store, behind) == ([], behind)


async def test_what_was_superseded_before_it_arrived_is_never_reported(store: Store) -> None:
    _, end = await read_feed(store, 0)
    pen = Pen(1)
    first = pen.write(Fact(ENTITY, "printer", "a"), at=10)
    second = pen.write(Fact(ENTITY, "printer", "b", (fact_of(first),)), at=11)
    await store.save_blocks([second])
    await store.save_blocks([first])
    assert (await read_feed(store, end))[0] == [("printer", None, "b")]


async def test_a_conflict_is_reported_where_it_changes_the_value_in_use(store: Store) -> None:
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


async def test_only_one_entity_is_reported_if_that_is_asked(store: Store) -> None:
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


@settings(max_examples=FEW)
@given(order=st.permutations(range(9)), sizes=st.lists(st.integers(1, 4), min_size=9, max_size=9))
async def test_what_is_reported_leads_from_value_to_value_whatever_the_order(
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


# --- what comes and goes as facts gain or lose their effect ----------------------------------------------------------


def revocation(admin: Pen, number: int, at: int) -> bytes:
    """A change that takes the effect of all that a device ever wrote."""
    return admin.write(Fact(AUTHORS[number].device, REVOKED_PROPERTY, revocation_value(())), at=at, user="admin")


def admission(admin: Pen, number: int, at: int) -> bytes:
    """A change that lets a device in as a second admin."""
    device = AUTHORS[number].device
    return admin.write(Fact(device, "kind", "member"), Fact(device, ROLE_PROPERTY, "admin"), at=at, user="admin")


async def test_what_a_revocation_takes_out_of_use_is_reported_behind_it(store: Store) -> None:
    _, end = await read_feed(store, 0)
    one, two = Pen(1), Pen(2)
    first = one.write(Fact(ENTITY, "printer", "a"), at=10)
    wrong = two.write(Fact(ENTITY, "printer", "b", (fact_of(first),)), Fact(OTHER, "vid", 7), at=11)
    await store.save_blocks([first, wrong])
    shown = [("printer", None, "a"), ("printer", "a", "b"), ("vid", None, 7)]
    found, behind = await read_feed(store, end)
    assert found == shown
    revoked = revocation(Pen(0, FOUNDING), 2, 20)
    await store.save_blocks([revoked])
    page = await store.run(lambda c: feed.read_feed_page(c, behind, None))
    taken = [entry for entry in page.entries if entry.reason == feed.EFFECT]
    assert [(each.property, each.before, each.after) for each in taken] == [("printer", "b", "a"), ("vid", 7, None)]
    assert {each.position[:32] for each in taken} == {change_id(revoked)}
    assert {each.user for each in taken} == {"admin"}
    # Who begins anew is told the same, and who goes on behind one of them the rest.
    assert [row for row in (await read_feed(store, end))[0] if row[0] in ("printer", "vid")] == [
        *shown,
        ("printer", "b", "a"),
        ("vid", 7, None),
    ]
    cursor = await store.run(lambda c: feed.find_feed_cursor(c, taken[0].position))
    assert cursor is not None
    assert await store.run(lambda c: feed.read_feed_position(c, cursor)) == taken[0].position
    assert (await read_feed(store, cursor))[0] == [("vid", 7, None)]
    assert (await read_feed(store, await store.run(feed.read_feed_end)))[0] == []
    assert (await read_feed(store, end, OTHER))[0] == [("vid", None, 7), ("vid", 7, None)]


async def test_what_comes_back_into_use_is_reported_behind_what_voids_the_revocation(store: Store) -> None:
    admin, other = Pen(0, FOUNDING), Pen(5)
    await store.save_blocks([Pen(2).write(Fact(ENTITY, "printer", "a"), at=10), admission(admin, 5, 11)])
    end = await store.run(feed.read_feed_end)
    await store.save_blocks([revocation(other, 2, 20)])
    found, behind = await read_feed(store, end)
    assert ("printer", "a", None) in found
    await store.save_blocks([revocation(admin, 5, 21)])
    assert ("printer", None, "a") in (await read_feed(store, behind))[0]
    printers = [row for row in (await read_feed(store, end))[0] if row[0] == "printer"]
    assert printers == [("printer", "a", None), ("printer", None, "a")]


async def test_what_comes_with_the_change_that_voids_it_is_never_reported(store: Store) -> None:
    _, end = await read_feed(store, 0)
    wrong = Pen(2).write(Fact(ENTITY, "printer", "b"), at=11)
    await store.save_blocks([wrong, revocation(Pen(0, FOUNDING), 2, 20)])
    assert [row for row in (await read_feed(store, end))[0] if row[0] == "printer"] == []


async def test_more_than_a_page_goes_out_of_use_at_once(store: Store) -> None:
    names = [f"p{number:03}" for number in range(feed.FACTS_PER_PAGE + 50)]
    await store.save_blocks([Pen(2).write(*(Fact(ENTITY, name, 1) for name in names), at=11)])
    end = await store.run(feed.read_feed_end)
    await store.save_blocks([revocation(Pen(0, FOUNDING), 2, 20), Pen(1).write(Fact(OTHER, "vid", 1), at=21)])
    found = [row for row in (await read_feed(store, end))[0] if row[0] != REVOKED_PROPERTY]
    assert found[:-1] == [(name, 1, None) for name in names]
    assert found[-1] == ("vid", None, 1)


@settings(max_examples=FEW)
@given(order=st.permutations(range(9)), sizes=st.lists(st.integers(1, 4), min_size=9, max_size=9))
async def test_values_lead_from_one_to_the_next_whoever_is_revoked_when(
    tmp_path_factory: pytest.TempPathFactory, order: Sequence[int], sizes: Sequence[int]
) -> None:
    store = await Store.create(tmp_path_factory.mktemp("feed") / "store.db", fleet=FLEET, clock=lambda: 1)
    try:
        await store.save_blocks(FOUNDING)
        _, start = await read_feed(store, 0)
        admin, one, two, five = Pen(0, FOUNDING), Pen(1), Pen(2), Pen(5)
        await store.save_blocks([admission(admin, 5, 5)])
        _, start = await read_feed(store, start)
        blocks = [one.write(Fact(ENTITY, "printer", "0"), at=10)]
        for number, pen in enumerate((two, five, one, two, five, one), 1):
            blocks.append(pen.write(Fact(ENTITY, "printer", str(number), (fact_of(blocks[-1]),)), at=10 + number))
        blocks += [revocation(five, 2, 21), revocation(admin, 5, 22)]
        found, left, cursor = [], list(order), start
        for size in sizes:
            await store.save_blocks([blocks[number] for number in left[:size]])
            left = left[size:]
            more, cursor = await read_feed(store, cursor)
            found += more
        assert (await read_feed(store, start))[0] == found
        printers = [(before, after) for name, before, after in found if name == "printer"]
        in_use = (await store.now().slot(ENTITY, "printer")).value
        assert [before for before, _ in printers] == [None, *(after for _, after in printers)][: len(printers)]
        assert (printers[-1][1] if printers else None) == in_use
    finally:
        await store.close()

"""What a store says of slots in which something was withdrawn.

Now, in the past, in the log and in the feed.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.body import Fact
from core.changes import SCHEMA_ENTITY, change_id
from core.member_values import ROLE_PROPERTY, revocation_value
from core.records import Edit, make_edit
from core.schema import Schema
from core.slots import Conflict
from core.store.queries import feed
from core.store.store import Store
from core.value_codec import Value, withdrawal_of
from tests.support.store_fleet import (
    ADMISSION,
    AUTHORS,
    ENTITY,
    FLEET,
    FOUNDING,
    Pen,
    fact_about,
    fact_of,
    histories,
    person_of,
    save_in_pieces,
)


class Clock:
    """Time that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000

    def __call__(self) -> int:
        return self.now


CLOCK = Clock()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    CLOCK.now = 1000
    made = await Store.create(tmp_path / "store.db", fleet=FLEET, clock=CLOCK)
    await made.write_meta("person u", person_of("u"))
    await made.save_blocks(FOUNDING)
    yield made
    assert (await made.verify()).problems == []
    await made.close()


def withdraw(pen: Pen, *facts: bytes, at: int, name: str = "p") -> bytes:
    return pen.write(Fact(ENTITY, name, withdrawal_of(facts), tuple(sorted(facts))), at=at)


async def value(store: Store, at: int | None = None) -> Value:
    return (await (store.now() if at is None else store.as_of(at)).slot(ENTITY, "p")).value


async def test_a_resolve_that_is_withdrawn_opens_the_conflict_with_its_first_authors(store: Store) -> None:
    one, two, three = Pen(1), Pen(2), Pen(3)
    a, b = one.write(Fact(ENTITY, "p", "a"), at=10, user="Ann"), two.write(Fact(ENTITY, "p", "b"), at=11, user="Bob")
    over = three.write(Fact(ENTITY, "p", "s", tuple(sorted((fact_of(a), fact_of(b))))), at=20, user="Maier")
    await store.save_blocks([a, b])
    before = await store.now().slot(ENTITY, "p")
    await store.save_blocks([over, withdraw(three, fact_of(over), at=30)])
    slot = await store.now().slot(ENTITY, "p")
    assert isinstance(slot, Conflict)
    assert slot == before
    assert [leaf.user for leaf in slot.leaves] == ["Bob", "Ann"]
    assert await store.now().conflicts() == [(ENTITY, "p")]
    assert [await value(store, at) for at in (9, 10, 19, 20, 29, 30)] == [None, "a", "b", "s", "s", "b"]


async def test_the_past_of_this_device_is_as_it_was_too(store: Store) -> None:
    pen = Pen(1)
    first, second = pen.write(Fact(ENTITY, "p", "a"), at=10), pen.write(Fact(ENTITY, "p", "x"), at=11)
    over = pen.write(Fact(ENTITY, "p", "b", (fact_of(first), fact_of(second))[:1]), at=12)
    taken = withdraw(pen, fact_of(over), at=13)
    # The withdrawal reaches this device before what it withdraws.
    for data in (first, taken, over):
        await store.save_blocks([data])
        CLOCK.now += 10
    assert [(await store.known_at(at).slot(ENTITY, "p")).value for at in (1000, 1010, 1020)] == ["a"] * 3
    await store.save_blocks([withdraw(pen, fact_of(taken), at=14), second])
    assert (await store.known_at(1029).slot(ENTITY, "p")).value == "a"
    assert {leaf.value for leaf in (await store.now().slot(ENTITY, "p")).leaves} == {"b", "x"}


async def test_an_edit_after_a_withdrawal_counts_after_it(store: Store) -> None:
    pen = Pen(1)
    first = pen.write(Fact(ENTITY, "p", "a"), at=10)
    over = pen.write(Fact(ENTITY, "p", "b", (fact_of(first),)), at=11)
    await store.save_blocks([first, over, withdraw(pen, fact_of(over), at=5000)])
    record = await store.now().record(ENTITY, Schema())
    edit = make_edit(record, "p", "c")
    assert len(edit.obsoletes) == 2
    await store.commit(AUTHORS[0], [edit], user="u")
    assert await value(store) == "c"
    assert [await value(store, at) for at in (4999, 5000)] == ["b", "c"], "not both at 1000, by this device's clock"
    assert (await store.now().record(ENTITY, Schema())).slot("p").withdrawals == ()


async def test_an_edit_of_what_was_emptied_names_the_withdrawal(store: Store) -> None:
    pen = Pen(1)
    first = pen.write(Fact(ENTITY, "p", "a"), at=10)
    await store.save_blocks([first, taken := withdraw(pen, fact_of(first), at=20)])
    record = await store.now().record(ENTITY, Schema())
    assert (record.slots, record.slot("p").state) == ({}, "absent")
    assert make_edit(record, "p", "c") == Edit(ENTITY, "p", "c", (fact_of(taken),))


async def test_a_withdrawal_of_a_revoked_device_and_one_of_what_it_wrote(store: Store) -> None:
    admin, thief, other = Pen(0, FOUNDING), Pen(1), Pen(2)
    good = other.write(Fact(ENTITY, "p", "good"), at=10)
    bad = thief.write(Fact(ENTITY, "p", "bad", (fact_of(good),)), at=11)
    await store.save_blocks([good, bad, withdraw(other, fact_of(bad), at=12)])
    undone = withdraw(thief, fact_of(good), at=13)
    await store.save_blocks([undone])
    assert await value(store) is None
    await store.save_blocks(
        [admin.write(Fact(AUTHORS[1].device, "member.revoked", revocation_value(())), at=20, user="admin")]
    )
    assert await value(store) == "good"


async def test_of_fleet_and_schema_only_admins_withdraw_and_of_members_nobody(store: Store) -> None:
    admin, technician = Pen(0, FOUNDING), Pen(1)
    schema = admin.write(Fact(SCHEMA_ENTITY, "schema.place", "x"), at=10)
    role = fact_about(ADMISSION, AUTHORS[1].device, ROLE_PROPERTY)
    taken = Fact(SCHEMA_ENTITY, "schema.place", withdrawal_of([fact_of(schema)]), (fact_of(schema),))
    await store.save_blocks([schema, technician.write(taken, at=11)])
    assert (await store.now().slot(SCHEMA_ENTITY, "schema.place")).value == "x"
    await store.save_blocks(
        [
            admin.write(taken, at=12),
            admin.write(Fact(AUTHORS[1].device, ROLE_PROPERTY, withdrawal_of([role]), (role,)), at=13),
        ]
    )
    assert (await store.now().slot(SCHEMA_ENTITY, "schema.place")).state == "absent"
    assert (await store.membership()).members[AUTHORS[1].device].role == "technician"


async def test_ids_of_other_slots_and_of_nothing_withdraw_nothing(store: Store) -> None:
    pen = Pen(1)
    facts = pen.write(Fact(ENTITY, "p", "a"), Fact(ENTITY, "q", "b"), at=10)
    lost = [b"?" * 32 + b"\0\0", fact_of(facts, 7), fact_about(facts, ENTITY, "q")]
    await store.save_blocks([facts, withdraw(pen, *lost, at=11)])
    assert (await store.now().slot(ENTITY, "q")).value == "b"
    assert await value(store) == "a"


async def test_the_log_says_what_a_withdrawal_restored(store: Store) -> None:
    one, two = Pen(1), Pen(2)
    a, b = one.write(Fact(ENTITY, "p", "a"), at=10), two.write(Fact(ENTITY, "p", "b"), at=11)
    over = one.write(Fact(ENTITY, "p", "s", tuple(sorted((fact_of(a), fact_of(b))))), at=20)
    undone = withdraw(one, fact_of(over), at=30)
    redone = withdraw(two, fact_of(undone), at=40)
    await store.save_blocks([a, b, over, undone, redone])
    diffs = [(await store.now().fact_diffs(change_id(data)))[0] for data in (over, undone, redone)]
    assert [(each.old, each.new, each.had_value, each.is_withdrawal, each.is_reopened) for each in diffs] == [
        ("b", "s", True, False, False),
        ("s", "b", True, True, True),
        ("b", "s", True, True, False),
    ]
    both = withdraw(one, fact_of(a), fact_of(over), fact_of(b), at=50)
    await store.save_blocks([both])
    (diff,) = await store.now().fact_diffs(change_id(both))
    assert (diff.old, diff.new) == ("s", None)


async def reported(store: Store) -> list[tuple[Value, Value]]:
    page = await store.run(lambda connection: feed.read_feed_page(connection, 0, ENTITY))
    return [(entry.before, entry.after) for entry in page.entries]


async def test_the_feed_tells_what_came_back_into_use(store: Store) -> None:
    pen = Pen(1)
    first = pen.write(Fact(ENTITY, "p", "a"), at=10)
    over = pen.write(Fact(ENTITY, "p", "b", (fact_of(first),)), at=11)
    undone = withdraw(pen, fact_of(over), at=12)
    for data in (first, over, undone):
        await store.save_blocks([data])
    assert await reported(store) == [(None, "a"), ("a", "b"), ("b", "a")]


@settings(max_examples=30)
@given(histories(), st.randoms(use_true_random=False), st.integers(1, 4))
def test_a_change_is_reported_once_for_each_value_that_it_gave_and_they_follow_one_another(
    tmp_path_factory: pytest.TempPathFactory, blocks: list[bytes], order: random.Random, size: int
) -> None:
    async def run() -> None:
        made = await Store.create(tmp_path_factory.mktemp("s") / "s", fleet=FLEET, clock=CLOCK)
        try:
            shuffled = [*FOUNDING, *blocks]
            order.shuffle(shuffled)
            await save_in_pieces(made, shuffled, size)
            page = await made.run(lambda connection: feed.read_feed_page(connection, 0, ENTITY))
            for name in ("p", "q"):
                entries = [entry for entry in page.entries if entry.property == name]
                values = [None, *(entry.after for entry in entries)]
                assert [entry.before for entry in entries] == values[:-1]
                assert (await made.now().slot(ENTITY, name)).value == values[-1]
        finally:
            await made.close()

    asyncio.run(run())

"""How busy devices and people were, and what came lately."""

from __future__ import annotations

from core.body import Fact
from core.store.queries.activity import DAY_US, Arrival, read_arrivals, read_author_counts, read_daily_counts
from tests.core.conftest import MakeStore
from tests.support.store_fleet import ENTITY, FOUNDING, Pen
from tests.support.strategies import DEVICES

NOW = 1_800_000_000_000_000


async def test_changes_are_counted_by_device_and_day(make_store: MakeStore) -> None:
    pen = Pen(1)
    ages = (0.5, 0.6, 1.5, 13.9, 20)
    blocks = [pen.write(Fact(ENTITY, "p", n), at=NOW - int(age * DAY_US)) for n, age in enumerate(ages)]
    # A clock that goes wrong makes no day of its own.
    blocks.append(pen.write(Fact(ENTITY, "p", 99), at=NOW + DAY_US))
    store = await make_store([*FOUNDING, *blocks])
    found = await store.run(lambda connection: read_daily_counts(connection, NOW, 14))
    assert found == {DEVICES[1]: [1, *[0] * 11, 1, 2]}


async def test_people_are_counted_and_what_came_together_is_one_line(make_store: MakeStore) -> None:
    pen = Pen(1)
    store = await make_store([*FOUNDING, pen.write(Fact(ENTITY, "p", 1), at=10, user="Ann")])
    several = [pen.write(Fact(ENTITY, "p", n), at=20, user="Bob") for n in range(2)]
    await store.save_blocks(several, source_device=DEVICES[1], link="serial")
    assert (await store.run(read_author_counts))[:2] == [("Bob", 2), ("admin", 2)]
    assert await store.run(lambda connection: read_arrivals(connection, 5)) == [
        Arrival(DEVICES[1], "serial", 5000, 2),
    ]

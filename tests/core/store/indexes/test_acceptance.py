"""Of the fleet, its schema and its members only what admins say counts.

Of all else what all say who may write.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from core.body import Fact
from core.changes import FLEET_ENTITY, SCHEMA_ENTITY, decode_block
from core.member_values import (
    REVOKED_PROPERTY,
    ROLE_PROPERTY,
    Cut,
    readmission_value,
    revocation_value,
    role_value,
)
from core.records import Edit
from core.store.store import Store
from core.value_codec import Value
from tests.support.store_fleet import AUTHORS, ENTITY, FLEET, FOUNDING, Pen, fact_about, fact_of

NEW = AUTHORS[6].device


async def make(path: Path, *blocks: bytes) -> Store:
    store = await Store.create(path, fleet=FLEET, clock=lambda: 1000)
    assert not (await store.save_blocks([*FOUNDING, *blocks])).refused
    return store


async def value(store: Store, entity: bytes, name: str) -> Value:
    assert (await store.verify()).problems == []
    return (await store.now().slot(entity, name)).value


@pytest.mark.parametrize("entity", [FLEET_ENTITY, SCHEMA_ENTITY, AUTHORS[2].device])
async def test_what_a_technician_says_of_fleet_schema_and_members_has_no_effect(tmp_path: Path, entity: bytes) -> None:
    admin, technician = Pen(0, FOUNDING), Pen(1)
    good = admin.write(Fact(entity, "x", "good"), at=10)
    bad = technician.write(Fact(entity, "x", "BAD", (fact_of(good),)), Fact(ENTITY, "p", "its own"), at=99)
    store = await make(tmp_path / "s", good, bad)
    assert await value(store, entity, "x") == "good"
    assert await value(store, ENTITY, "p") == "its own"
    assert (await store.as_of(1000).slot(entity, "x")).value == "good"
    await store.close()


async def test_what_was_said_of_a_device_before_it_became_a_member_goes_then(tmp_path: Path) -> None:
    admin, technician = Pen(0, FOUNDING), Pen(1)
    store = await make(tmp_path / "s", technician.write(Fact(NEW, "kind", "locality"), at=10))
    assert await value(store, NEW, "kind") == "locality"
    await store.save_blocks([admin.write(Fact(NEW, ROLE_PROPERTY, "reader"), at=11)])
    assert await value(store, NEW, "kind") is None
    await store.close()


async def test_a_fact_about_a_member_that_does_not_count_is_no_leaf(tmp_path: Path) -> None:
    technician = Pen(1)
    store = await make(tmp_path / "s", technician.write(Fact(AUTHORS[2].device, REVOKED_PROPERTY, "nothing"), at=10))
    assert await value(store, AUTHORS[2].device, REVOKED_PROPERTY) is None
    assert (await store.membership()).may_write(AUTHORS[2].device)
    await store.close()


async def test_a_role_holds_from_a_place_on_and_a_readmission_revives_nothing(tmp_path: Path) -> None:
    admin, pen = Pen(0, FOUNDING), Pen(1)
    device = AUTHORS[1].device
    chain = [pen.write(Fact(ENTITY, f"p{n}", n), at=10 + n) for n in range(8)]
    marks = [(Cut(n, decode_block(data).id),) for n, data in enumerate(chain)]
    seen = (fact_about(FOUNDING[1], device, ROLE_PROPERTY),)
    reader = admin.write(Fact(device, ROLE_PROPERTY, role_value("reader", marks[1]), seen), at=20)
    again = admin.write(Fact(device, ROLE_PROPERTY, role_value("technician", marks[3]), (fact_of(reader),)), at=21)
    revoked = admin.write(Fact(device, REVOKED_PROPERTY, revocation_value(marks[4])), at=22)
    back = admin.write(Fact(device, REVOKED_PROPERTY, readmission_value(marks[6]), (fact_of(revoked),)), at=23)
    store = await make(tmp_path / "s", *chain, reader, again, revoked, back)
    assert [n for n in range(8) if await value(store, ENTITY, f"p{n}") == n] == [0, 1, 4, 7]
    # In pieces, the chain backwards, it comes to the same.
    other = await make(tmp_path / "t", back, reader)
    for block in [again, *chain[::-1], revoked]:
        await other.save_blocks([block])
    assert [n for n in range(8) if await value(other, ENTITY, f"p{n}") == n] == [0, 1, 4, 7]
    await store.commit(AUTHORS[1], [Edit(ENTITY, "p9", 9)], user="u")
    assert await value(store, ENTITY, "p9") == 9
    await store.close()
    await other.close()

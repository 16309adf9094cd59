"""A member's flood keeps nobody else's changes back."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import pytest

from core.body import Fact
from core.changes import change_id
from core.member_values import ROLE_PROPERTY
from core.store import quotas
from core.store.store import Store
from core.sync import exchange
from core.sync.events import Done, Failed, Reason
from core.sync.pump import pump_session
from core.sync.session import Session
from tests.core.conftest import MakeStore
from tests.core.sync.test_store_sessions import devices, link
from tests.support.store_fleet import AUTHORS, ENTITY, FLEET, FOUNDING, OTHER, Pen

HONEST = 5


@pytest.fixture(autouse=True)
def _low(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotas, "MAX_LARGE_BYTES", 8 * 5500)
    monkeypatch.setattr(exchange, "MAX_BEYOND_LIMITS", 3)


def flood(pen: Pen, name: str, count: int = 12) -> list[bytes]:
    """More large changes than are kept of a member, older than all else."""
    chance = random.Random(name)
    return [pen.write(Fact(ENTITY, f"{name}{n}", chance.randbytes(2500).hex()), at=3) for n in range(count)]


def written(number: int) -> list[bytes]:
    pen = Pen(number)
    return [pen.write(Fact(OTHER, f"p{number}", index), at=100 + index) for index in range(HONEST)]


async def meet(a: Store, b: Store) -> Sequence[Done | Failed]:
    """`a` calls `b`, which sends a change or two at a time."""
    one, other = devices(a, b)
    async with link() as (here, there):
        return await asyncio.gather(
            pump_session(Session(FLEET, one.peer, initiator=True, batch_bytes=6000), *here, one),
            pump_session(Session(FLEET, other.peer, initiator=False, batch_bytes=6000), *there, other),
        )


async def flooded(make_store: MakeStore, flood: list[bytes], *blocks: bytes) -> Store:
    """A device that kept what it keeps of a flood, before the rest came."""
    store = await make_store(FOUNDING)
    assert len((await store.save_blocks(flood)).refused) >= 4
    assert not (await store.save_blocks(blocks)).refused
    return store


async def test_two_devices_that_kept_different_parts_of_a_flood_exchange_all_else(make_store: MakeStore) -> None:
    chain = flood(Pen(1), "a", 24)
    a = await flooded(make_store, chain[:12], *written(2))
    b = await flooded(make_store, chain[12:], *written(3))
    ended = await meet(a, b)
    refused = [each for each in ended if isinstance(each, Failed) and each.reason is Reason.REFUSED]
    assert refused, "neither takes what the other kept of the flood"
    for store in (a, b):
        assert await store.missing([change_id(data) for data in [*written(2), *written(3)]]) == []


async def test_who_has_too_much_is_sent_last_whatever_it_speaks_of(make_store: MakeStore) -> None:
    pen = Pen(1)
    named = [pen.write(Fact(AUTHORS[4].device, ROLE_PROPERTY, f"admin {n}"), at=1) for n in range(5)]
    store = await flooded(make_store, [*named, *flood(pen, "a")], *written(2))
    order = await store.order(await store.hashes())
    assert order.membership_count == len(FOUNDING), "what a technician says of members is none"
    honest = {change_id(data) for data in written(2)}
    assert set(order.hashes[len(FOUNDING) : len(FOUNDING) + HONEST]) == honest
    assert order.current_count == len(FOUNDING) + HONEST

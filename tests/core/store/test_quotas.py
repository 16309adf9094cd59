"""What one member can fill all stores with is bounded.

An admin may raise it, and what was refused is counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from core.body import Fact
from core.changes import change_id
from core.errors import OverLimit
from core.member_values import LIMIT_PROPERTY, NAME_PROPERTY, ROLE_PROPERTY
from core.store import quotas
from core.store.quotas import OverLimitCount, read_limit, read_over_limit
from core.store.store import Store
from core.store.types import SaveResult
from core.succession import succession_value
from tests.support.store_fleet import AUTHORS, ENTITY, FLEET, FOUNDING, Pen

LIMIT = 20


@pytest.fixture(autouse=True)
def _low(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotas, "DEFAULT_LIMIT", LIMIT)
    monkeypatch.setattr(quotas, "MAX_FORKED_CHANGES", 5)
    monkeypatch.setattr(quotas, "MAX_LARGE_BYTES", 3 * 8000)


async def make(path: Path, *blocks: bytes) -> Store:
    store = await Store.create(path, fleet=FLEET, clock=lambda: 1000)
    await store.save_blocks([*FOUNDING, *blocks])
    return store


def flood(pen: Pen, count: int, size: int = 1) -> list[bytes]:
    return [pen.write(Fact(ENTITY, f"p{number}", "x" * size), at=10) for number in range(count)]


def raised(value: object, by: int = 0) -> bytes:
    facts = [Fact(AUTHORS[1].device, LIMIT_PROPERTY, value)]  # type: ignore[arg-type]
    return Pen(by, FOUNDING if by == 0 else ()).write(*facts, at=20)


async def limit_of(store: Store, number: int = 1) -> int | None:
    return await store.run(lambda connection: read_limit(connection, AUTHORS[number].device, FLEET))


def refused(saved: SaveResult) -> list[bytes]:
    assert all(isinstance(reason, OverLimit) for _, reason in saved.refused)
    return [change for change, _ in saved.refused]


@pytest.mark.parametrize("is_reversed", [False, True])
@pytest.mark.parametrize("batch", [1, 7, 100])
async def test_what_is_beyond_the_limit_is_refused_in_any_order(tmp_path: Path, is_reversed: bool, batch: int) -> None:
    store = await make(tmp_path / "s")
    blocks = flood(Pen(1), LIMIT + 10)
    offered = blocks[::-1] if is_reversed else blocks
    gone = [
        each
        for at in range(0, len(blocks), batch)
        for each in refused(await store.save_blocks(offered[at : at + batch]))
    ]
    assert sorted(gone) == sorted(change_id(data) for data in blocks[LIMIT:])
    assert (await store.counts()).changes == 2 + LIMIT
    assert await store.run(lambda connection: read_over_limit(connection, FLEET)) == [
        OverLimitCount(AUTHORS[1].device, 10, 1000, LIMIT)
    ]
    assert not (await store.save_blocks([Pen(2).write(Fact(ENTITY, "p", "of others"), at=10)])).refused
    await store.close()


async def test_an_admin_has_no_limit_and_raises_those_of_others(tmp_path: Path) -> None:
    store = await make(tmp_path / "s", *flood(Pen(0, FOUNDING).branch(), LIMIT + 10))
    assert (await store.counts()).changes == 2 + LIMIT + 10
    blocks = flood(Pen(1), LIMIT + 10)
    assert len(refused(await store.save_blocks(blocks))) == 10
    await store.save_blocks([raised(LIMIT + 8)])
    assert await limit_of(store) == LIMIT + 8
    assert len(refused(await store.save_blocks(blocks))) == 2
    await store.close()


@pytest.mark.parametrize("value", [None, True, -1, 0, "many", LIMIT - 5])
async def test_what_is_no_higher_limit_changes_nothing(tmp_path: Path, value: object) -> None:
    store = await make(tmp_path / "s", raised(value))
    assert await limit_of(store) == LIMIT
    await store.close()


async def test_nobody_raises_a_limit_who_never_was_an_admin(tmp_path: Path) -> None:
    store = await make(tmp_path / "s", raised(10 * LIMIT, by=1), raised(10 * LIMIT, by=2))
    assert await limit_of(store) == LIMIT
    assert await limit_of(store, 0) is None
    await store.close()


async def test_a_chain_that_branches_endlessly_is_bounded(tmp_path: Path) -> None:
    store = await make(tmp_path / "s")
    root = Pen(1)
    await store.save_blocks([root.write(Fact(ENTITY, "p", "root"), at=10)])
    branches: Sequence[bytes] = [root.branch().write(Fact(ENTITY, "p", number), at=10) for number in range(40)]
    saved = await store.save_blocks(branches)
    assert len(refused(saved)) == 40 - 1 - 5
    await store.close()


async def test_large_changes_are_bounded_together(tmp_path: Path) -> None:
    store = await make(tmp_path / "s")
    blocks = flood(Pen(1), 10, size=7000)
    assert len(refused(await store.save_blocks(blocks[:5]))) == 2
    assert len(refused(await store.save_blocks(blocks[5:]))) == 5
    assert not (await store.save_blocks(flood(Pen(2), 3, size=7000))).refused, "another member's are its own"
    await store.close()


async def test_changes_that_speak_of_members_to_no_effect_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotas, "MAX_MEMBER_CHANGES", 3)
    store = await make(tmp_path / "s")
    pen = Pen(1)
    spoken = [pen.write(Fact(AUTHORS[4].device, ROLE_PROPERTY, f"admin {n}"), at=10) for n in range(5)]
    other = [pen.write(Fact(ENTITY, "p", "other"), at=10)]
    assert refused(await store.save_blocks([*spoken, *other])) == [change_id(data) for data in spoken[3:]]
    assert len(refused(await store.save_blocks(spoken))) == 2, "nor do they fit in later"
    admins = Pen(0, FOUNDING)
    of_admin = [admins.write(Fact(AUTHORS[4].device, NAME_PROPERTY, f"K{n}"), at=10) for n in range(5)]
    assert not (await store.save_blocks(of_admin)).refused
    await store.close()


@pytest.mark.parametrize("is_reversed", [False, True])
async def test_a_new_key_has_no_new_room(tmp_path: Path, is_reversed: bool) -> None:
    old, new = Pen(1), Pen(5)
    before = flood(old, LIMIT - 5)
    named = old.write(Fact(AUTHORS[5].device, ROLE_PROPERTY, succession(1, 5)), at=11)
    store = await make(tmp_path / "s", *before, named)
    blocks = flood(new, 10)
    beyond = refused(await store.save_blocks(blocks[::-1] if is_reversed else blocks))
    assert sorted(beyond) == sorted(change_id(data) for data in blocks[4:])
    await store.save_blocks([raised(LIMIT + 3)])
    assert await limit_of(store, 5) == LIMIT + 3, "what an admin allowed the old key the new one has, too"
    assert len(refused(await store.save_blocks(blocks))) == 3
    # On branches of the old chain it can name as many as it likes: they share what is kept of one.
    fork = Pen(1, before[:3])
    names = [fork.branch().write(Fact(AUTHORS[6].device, ROLE_PROPERTY, succession(1, 6)), at=12)]
    await store.save_blocks(names)
    assert len(refused(await store.save_blocks(flood(Pen(6), 40)))) > 30
    await store.close()


def succession(old: int, new: int) -> str:
    return succession_value(AUTHORS[new].private_key, AUTHORS[old].device)

"""Who may connect is noted as it is worked out.

And found without working it out again.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from core.body import Fact
from core.member_values import REVOKED_PROPERTY, ROLE_PROPERTY
from core.store.indexes import acceptance
from core.store.indexes.active_members import META_KEY, read_may_connect
from core.store.store import Store
from tests.support.store_fleet import AUTHORS, ENTITY, FLEET, FOUNDING, Pen

DEVICES = [author.device for author in AUTHORS]


async def noted(store: Store) -> list[bool | None]:
    return [await store.run(lambda connection, d=device: read_may_connect(connection, d)) for device in DEVICES]


async def worked_out(store: Store) -> list[bool]:
    membership = await store.membership()
    return [membership.may_connect(device) for device in DEVICES]


async def test_what_is_noted_is_what_holds_after_each_change_of_members(tmp_path: Path) -> None:
    store = await Store.create(tmp_path / "s", fleet=FLEET, clock=lambda: 1)
    assert await noted(store) == [None] * len(DEVICES)
    admin = Pen(0, FOUNDING)
    steps = [
        FOUNDING,
        [admin.write(Fact(DEVICES[5], ROLE_PROPERTY, "technician"), at=3)],
        [admin.write(Fact(DEVICES[1], REVOKED_PROPERTY, "nothing"), at=4)],
        [Pen(2).write(Fact(ENTITY, "p", "x"), at=5)],
    ]
    for blocks in steps:
        await store.save_blocks(blocks)
        assert await noted(store) == await worked_out(store)
    assert (await store.verify()).problems == []
    await store.close()


async def test_a_link_works_nothing_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await Store.create(tmp_path / "s", fleet=FLEET, clock=lambda: 1)
    await store.save_blocks(FOUNDING)
    await store.close()

    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(acceptance, "load_membership", never)
    store = await Store.open(tmp_path / "s", clock=lambda: 1)
    assert (await noted(store))[:2] == [True, True] and await noted(store) != [True] * len(DEVICES)
    await store.close()


async def test_a_wrong_note_is_found_and_mended(tmp_path: Path) -> None:
    store = await Store.create(tmp_path / "s", fleet=FLEET, clock=lambda: 1)
    await store.save_blocks(FOUNDING)
    note = await store.read_meta(META_KEY)
    assert note is not None
    await store.write_meta(META_KEY, note + DEVICES[6])
    assert len((await store.verify()).problems) == 1
    assert (await store.verify(repair=True)).problems == []
    assert (await store.verify()).problems == [] and await noted(store) == await worked_out(store)
    await store.close()


@pytest.mark.parametrize("shift", range(1, 16))
async def test_no_other_bytes_are_taken_for_a_device(tmp_path: Path, shift: int) -> None:
    store = await Store.create(tmp_path / "s", fleet=FLEET, clock=lambda: 1)
    await store.save_blocks(FOUNDING)
    note = (await store.read_meta(META_KEY) or b"")[-32:]
    between = note[shift : shift + 16]
    assert await store.run(lambda connection: read_may_connect(connection, between)) is False
    await store.close()

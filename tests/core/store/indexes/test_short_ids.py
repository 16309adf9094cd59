"""Short ids and cells are those of the changes held, in any order of arrival."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.body import Fact
from core.changes import change_id
from core.store.store import Store
from core.sync.reconcile.prefix_coding import ShortIdPrefix
from core.sync.reconcile.set_sketch import SetSketch, short_id, short_key
from tests.support.store_fleet import ADMISSION, ENTITY, FLEET, FOUNDING, SECRET, Pen

BLOCKS = [Pen(number).write(Fact(ENTITY, "p", str(number), ()), at=number) for number in range(1, 4)]
KEY = short_key(SECRET.encode())


def shorts(blocks: list[bytes]) -> list[int]:
    return sorted(short_id(KEY, change_id(data)) for data in blocks)


async def make(path: Path) -> Store:
    return await Store.create(path, fleet=FLEET, clock=lambda: 1)


async def test_there_are_none_before_the_genesis_and_all_when_it_comes(tmp_path: Path) -> None:
    store = await make(tmp_path / "s")
    await store.save_blocks([ADMISSION, BLOCKS[0]])
    assert list(await store.all_short_ids()) == []
    assert (await store.sketch())[1] is None
    await store.save_blocks([*FOUNDING, *BLOCKS[:2]])
    assert list(await store.all_short_ids()) == shorts([*FOUNDING, *BLOCKS[:2]])
    summary, cells = await store.sketch()
    assert cells is not None
    assert cells.to_bytes() == SetSketch.from_short_ids(shorts([*FOUNDING, *BLOCKS[:2]])).to_bytes()
    assert summary == await store.summary()
    await store.close()


async def test_the_cells_take_in_what_is_new_once(tmp_path: Path) -> None:
    store = await make(tmp_path / "s")
    await store.save_blocks([*FOUNDING, BLOCKS[0]])
    await store.sketch()
    await store.save_blocks(BLOCKS[1:])
    other = await Store.open(tmp_path / "s", clock=lambda: 1)
    for reader in (store, other, store):
        cells = (await reader.sketch())[1]
        assert cells is not None
        assert cells.to_bytes() == SetSketch.from_short_ids(shorts([*FOUNDING, *BLOCKS])).to_bytes()
    await other.close()
    await store.close()


async def test_a_short_id_leads_to_its_change(tmp_path: Path) -> None:
    store = await make(tmp_path / "s")
    await store.save_blocks([*FOUNDING, *BLOCKS])
    wanted = short_id(KEY, change_id(BLOCKS[1]))
    everything, one, none = await store.short_ids(
        [ShortIdPrefix(0, 0), ShortIdPrefix(wanted, 48), ShortIdPrefix(wanted ^ 1, 48)]
    )
    assert [short for short, _ in everything] == shorts([*FOUNDING, *BLOCKS])
    assert one == [(wanted, change_id(BLOCKS[1]))]
    assert none == []
    await store.close()


@pytest.mark.parametrize(
    "damage", ["DELETE FROM shorts", "UPDATE meta SET value = zeroblob(101529) WHERE key = 'cells'"]
)
async def test_verify_finds_and_repairs_them(tmp_path: Path, damage: str) -> None:
    store = await make(tmp_path / "s")
    await store.save_blocks([*FOUNDING, *BLOCKS])
    await store.sketch()
    assert (await store.verify()).problems == []
    await store._database.run(lambda c: c.execute(damage))
    assert len((await store.verify(repair=True)).repaired) == 1
    assert (await store.verify()).problems == []
    cells = (await store.sketch())[1]
    assert cells is not None
    assert cells.to_bytes() == SetSketch.from_short_ids(shorts([*FOUNDING, *BLOCKS])).to_bytes()
    await store.close()

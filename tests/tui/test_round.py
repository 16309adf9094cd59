"""A round: three devices confirm places apart, at most two keys each."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.confirmation import confirm_edits, is_confirmed_since
from core.records import Edit
from core.schema import KIND
from core.schema_toml import load_builtin_schema
from core.service.location import LOCATION_META_KEY
from core.value_codec import Ref
from core.workspace import Workspace
from tests.support.opened_app import NOW, opened

SCHEMA = load_builtin_schema("service-centre")
DAY = 86_400_000_000
USERS = {"K1": "Maier", "K2": "Müller", "K3": "Jones"}
FEW = {"K1": 12, "K2": 10, "K3": 8}
ALL = {"K1": 70, "K2": 70, "K3": 60}
SHARED = 5
"""So many places of K1's locality K2 walks past, too, without knowing."""


async def open_device(folder: Path, name: str, at_us: int = NOW) -> Workspace:
    return await Workspace.open(folder / name, user=USERS[name], clock=lambda: at_us)


async def exchange(folder: Path, *names: str) -> None:
    """Give each device what the others have."""
    for name in (*names, *names):
        async with await open_device(folder, name) as device:
            for other in names:
                if other != name:
                    async with await open_device(folder, other) as peer:
                        await device.store.save_blocks(await peer.store.blocks(await peer.store.hashes()))


async def make_devices(folder: Path, places: dict[str, int]) -> None:
    """Three devices of one fleet, each with a locality that all of them know."""
    then = NOW - 30 * DAY
    admin = await Workspace.init(
        folder / "K1", user="Maier", fleet_name="Nord", schema=SCHEMA, device_name="K1", clock=lambda: then
    )
    async with admin:
        for name in ("K2", "K3"):
            joined = await Workspace.join(
                folder / name, user=USERS[name], fleet=admin.store.fleet.hex(), device_name=name, clock=lambda: then
            )
            await admin.admit(joined.identity.device.hex(), "technician", name)
            await joined.close()
    await exchange(folder, "K1", "K2", "K3")
    for name, count in places.items():
        async with await open_device(folder, name, then) as device:
            locality = (await device.create("locality", {"code": name, "name": f"TSC {name}"})).entity
            edits = []
            for number in range(count):
                place = device.entropy(16)
                values = {KIND: "place", "name": f"Lane {number}", "locality": Ref(locality), "printer": f"P{number}"}
                edits += [Edit(place, prop, value) for prop, value in values.items()]
            await device.save(edits[:480])
            if edits[480:]:
                await device.save(edits[480:])
    await exchange(folder, "K1", "K2", "K3")


async def walk(folder: Path, device: str, locality: int, count: int) -> int:
    """Unfold the locality on this line and confirm its first places.

    Gives how many keys that took.
    """
    keys = 0
    down = ["j"] * locality
    async with opened(folder / device, "2", "g", *down, "right", "j", user=USERS[device]) as screen:
        for _place in range(count):
            await screen.press("equals_sign")
            assert "confirmed today by" in screen.text()
            await screen.press("j")
            keys += 2
    return keys


async def waiting(folder: Path, device: str, since_us: int) -> int:
    """How many places a device still has to look at."""
    async with await open_device(folder, device) as workspace:
        records = await workspace.view().records("place", await workspace.schema())
        confirmations = await workspace.view().confirmations(record.entity for record in records)
        return sum(not is_confirmed_since(record, confirmations[record.entity], since_us) for record in records)


@pytest.mark.parametrize("places", [FEW, pytest.param(ALL, marks=pytest.mark.soak)], ids=["few", "all"])
async def test_places_are_walked_by_three_devices_with_two_keys_each(tmp_path: Path, places: dict[str, int]) -> None:
    count = sum(places.values())
    await make_devices(tmp_path, places)
    assert [await waiting(tmp_path, name, NOW - DAY) for name in USERS] == [count] * 3
    async with await open_device(tmp_path, "K1") as workspace:
        before = await workspace.store.counts()
    keys = [await walk(tmp_path, name, line, each) for line, (name, each) in enumerate(places.items())]
    assert keys == [2 * each for each in places.values()]
    assert await walk(tmp_path, "K2", 0, SHARED) == 2 * SHARED
    await exchange(tmp_path, *USERS)
    assert [await waiting(tmp_path, name, NOW - DAY) for name in USERS] == [0, 0, 0], "none is missed"
    for name in USERS:
        async with await open_device(tmp_path, name) as workspace:
            after = await workspace.store.counts()
            assert after.changes - before.changes == count + SHARED, "one change for each place that one saw"
            assert after.conflicts == 0
            leaves = [
                record.slot("printer").leaves
                for record in await workspace.view().records("place", await workspace.schema())
            ]
            assert sorted(map(len, leaves)) == [1] * (count - SHARED) + [2] * SHARED, "none is doubled"
            assert all(len({leaf.user for leaf in each}) == len(each) for each in leaves)


async def test_a_second_press_confirms_nothing_twice(tmp_path: Path) -> None:
    await make_devices(tmp_path, FEW)
    async with opened(tmp_path / "K1", "2", "g", "right", "j", "equals_sign", user="Maier") as screen:
        before = await screen.app.workspace.store.counts()
        await screen.press("equals_sign")
        assert "already" in screen.text()
        await screen.press("enter", "equals_sign")
        assert "already" in screen.text()
        assert await screen.app.workspace.store.counts() == before


async def test_here_says_who_saw_it_and_how_long_ago(tmp_path: Path) -> None:
    await make_devices(tmp_path, FEW)
    async with await open_device(tmp_path, "K1", NOW - 3 * DAY) as workspace:
        place = await workspace.find("place:K1/Lane 3")
        await workspace.save(confirm_edits(await workspace.record(place)))
        await workspace.store.write_meta(LOCATION_META_KEY, place)
    async with opened(tmp_path / "K1", user="Müller") as screen:
        assert "confirmed 3 days ago by Maier" in screen.text()
        await screen.press("equals_sign")
        assert "confirmed today by Müller" in screen.text()
        await screen.press("e", "ctrl+u")
        await screen.type("Other")
        await screen.press("enter", "equals_sign")
        assert "not applied" in screen.text(), "who has edited it has not seen it as it stands"
        await screen.press("ctrl+s", "enter")
        assert "2 of 3 values confirmed" in screen.text()

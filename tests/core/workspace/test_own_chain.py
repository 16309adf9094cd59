"""A restored device asks for its own latest changes before it writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from core.device.last_change import OwnChainGap
from core.schema_toml import load_builtin_schema
from core.service.serve_config import ServeConfig
from core.service.service_status import PeerStatus, StatusPublisher
from core.service.transfer_backlog import BACKLOG_META_KEY
from core.store.queries.chain_faults import read_forks
from core.workspace import Workspace, store_restore
from core.workspace.own_chain import read_doubt

LOOPBACK = "127.0.0.1"
Pair = tuple[Workspace, Workspace]


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    """Two devices that hold the same, and an older backup of the first.

    It lacks its last two changes.
    """
    one = await Workspace.init(
        tmp_path / "K1", user="Maier", fleet_name="N", schema=load_builtin_schema("service-centre"), device_name="K1"
    )
    two = await Workspace.join(tmp_path / "K2", user="Jones", fleet=one.store.fleet.hex(), device_name="K2")
    await one.admit(two.identity.device.hex(), "technician", "K2")
    await one.create("locality", {"code": "241"})
    await one.backup(tmp_path / "copy.db", plain=True)
    for name in ("Kiel", "Kiel North"):
        await rename(one, name)
    await two.store.save_blocks(
        await one.store.blocks(await one.store.hashes()), source_device=one.identity.device, link="tcp"
    )
    yield one, two
    await two.close()


async def rename(device: Workspace, name: str) -> None:
    await device.set(await device.record(await device.find("locality:241")), {"name": name})


async def name_of(device: Workspace) -> object:
    return (await device.record(await device.find("locality:241"))).value("name")


@asynccontextmanager
async def restored(one: Workspace, copy: Path) -> AsyncIterator[tuple[Workspace, list[str]]]:
    """The first device with the backup in place of its store, and what it tells."""
    await one.close()
    await store_restore.restore_store(one.home.folder, copy, lambda done, total: None)
    notices: list[str] = []
    async with await Workspace.open(one.home.folder, user="Maier") as opened:
        opened.on_notice = lambda notice: notices.append(str(notice))
        yield opened, notices


@asynccontextmanager
async def in_reach(two: Workspace, one: Workspace) -> AsyncIterator[None]:
    """The second device serves, and the first one knows where."""
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    config = ServeConfig(LOOPBACK, 0, is_discovery_on=False)
    serving = asyncio.create_task(
        two.serve(config, on_listening=lambda host, number: port.set_result(number), on_event=lambda event: None)
    )
    publisher = StatusPublisher(one.home.folder)
    publisher.publish([PeerStatus(f"tcp://{LOOPBACK}:{await port}", two.identity.device)])
    try:
        yield
    finally:
        publisher.close()
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving


@pytest.mark.parametrize("is_noted", [True, False], ids=["its last change is noted", "nothing is noted"])
async def test_it_asks_who_is_in_reach_before_it_writes(pair: Pair, tmp_path: Path, is_noted: bool) -> None:
    one, two = pair
    if not is_noted:
        one.home.last_change.unlink()
    async with restored(one, tmp_path / "copy.db") as (device, notices), in_reach(two, device):
        assert await read_doubt(device) is not None
        shown = await device.record(await device.find("locality:241"))
        await device.set(shown, {"subnet": "10.24.1.0/24"})
        assert await read_doubt(device) is None
        assert ["has asked tcp://" in each for each in notices] == [True]
        assert await name_of(device) == "Kiel North", "its own changes have come back"
        assert await device.store.run(read_forks) == []
        await rename(device, "Kiel South")
        assert len(notices) == 1
    await two.store.save_blocks(
        await new_blocks(device_home=one.home.folder, two=two), source_device=one.identity.device, link="tcp"
    )
    assert await two.store.run(read_forks) == []
    assert await name_of(two) == "Kiel South"


async def new_blocks(device_home: Path, two: Workspace) -> list[bytes]:
    async with await Workspace.open(device_home, user="Maier") as device:
        missing = set(await device.store.hashes()) - set(await two.store.hashes())
        return await device.store.blocks(list(missing))


async def test_it_writes_nothing_while_its_chain_is_known_to_be_on_its_way(pair: Pair, tmp_path: Path) -> None:
    """As after a session that was cut, newest changes first."""
    one, two = pair
    last = one.home.read_last_change()
    assert last is not None
    async with restored(one, tmp_path / "copy.db") as (device, _notices):
        device.has_asked_peers = True
        await device.store.save_blocks(await two.store.blocks([last]), source_device=two.identity.device, link="tcp")
        await device.store.write_meta(BACKLOG_META_KEY, b'["%s", 1, 2, 0, 0, 1]' % two.identity.device.hex().encode())
        before = await device.store.hashes()
        with pytest.raises(OwnChainGap, match="sync first"):
            await rename(device, "Kiel South")
        assert await device.store.hashes() == before
        await device.store.save_blocks(
            await two.store.blocks(await two.store.hashes()), source_device=two.identity.device, link="tcp"
        )
        await rename(device, "Kiel South")
        assert await device.store.run(read_forks) == []


async def test_who_is_alone_goes_on_and_is_told(pair: Pair, tmp_path: Path) -> None:
    one, _two = pair
    async with restored(one, tmp_path / "copy.db") as (device, notices):
        device.has_asked_peers = True
        await rename(device, "Kiel South")
        assert [("may fork its chain" in each) for each in notices] == [True]


async def test_a_dry_run_asks_nobody(pair: Pair, tmp_path: Path) -> None:
    one, _two = pair
    async with restored(one, tmp_path / "copy.db") as (device, notices):
        device.planned = []
        await rename(device, "Kiel South")
        assert not device.has_asked_peers
        assert len(notices) == 1


async def test_a_copy_without_changes_of_this_device_needs_no_confirmation(pair: Pair, tmp_path: Path) -> None:
    one, two = pair
    await one.close()
    async with restored(two, tmp_path / "copy.db") as (device, _notices):
        assert await read_doubt(device) is None

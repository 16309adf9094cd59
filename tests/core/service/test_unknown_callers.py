"""Who called and is no member is kept.

The latest few, whoever calls and however often.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from core.schema_toml import load_builtin_schema
from core.service.unknown_callers import CALLERS_META_KEY, MAX_CALLERS, CallerLog, UnknownCaller, read_callers
from core.sync.links import tcp
from core.sync.links.tls import NotAdmitted
from core.workspace import Workspace
from tests.core.service.test_service import LOOPBACK, serving
from tests.support.deadlines import deadline
from tests.support.linked_sessions import THIRD
from tests.support.polling import POLL_INTERVAL_S


@pytest.fixture
async def workspace(tmp_path: Path) -> AsyncIterator[Workspace]:
    async with await Workspace.init(
        tmp_path / "K1", user="Maier", fleet_name="N", schema=load_builtin_schema("service-centre"), device_name="K1"
    ) as workspace:
        yield workspace


@asynccontextmanager
async def running(log: CallerLog) -> AsyncIterator[None]:
    task = asyncio.create_task(log.run())
    try:
        async with deadline():
            yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def callers(workspace: Workspace, count: int) -> list[UnknownCaller]:
    """Wait until so many are written down."""
    while len(found := await read_callers(workspace.store)) < count:  # noqa: ASYNC110 - it knows of no event
        await asyncio.sleep(POLL_INTERVAL_S)
    return found


async def anybody(device: bytes) -> bool:
    return True


async def test_who_dials_a_serving_device_and_is_no_member_is_kept(workspace: Workspace) -> None:
    async with deadline(), serving(workspace) as served:
        with pytest.raises(NotAdmitted):
            await tcp.dial_tcp(LOOPBACK, served.port, THIRD, anybody)
        found = await callers(workspace, 1)
    assert [each.device for each in found] == [THIRD.device]
    assert 0 <= workspace.clock() - found[0].at_us < 3600 * 1_000_000


async def test_the_latest_few_are_kept(workspace: Workspace) -> None:
    log = CallerLog(workspace, write_interval_s=0)
    devices = [bytes([number]) * 16 for number in range(3 * MAX_CALLERS)]
    async with running(log):
        log.record(devices[0])
        await callers(workspace, 1)
        for device in (*devices, devices[1]):
            log.record(device)
        found = await callers(workspace, MAX_CALLERS)
    assert [each.device for each in found] == [devices[1], *devices[:-MAX_CALLERS:-1]]


@pytest.mark.parametrize("data", [b"", b"short", bytes(24 * 100 + 3)])
async def test_a_note_of_any_size_is_read_as_what_it_holds(workspace: Workspace, data: bytes) -> None:
    await workspace.store.write_meta(CALLERS_META_KEY, data)
    assert len(await read_callers(workspace.store)) <= MAX_CALLERS

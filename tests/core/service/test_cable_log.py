"""How good a cable was is kept: bounded, for each device, over a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from core.schema_toml import load_builtin_schema
from core.service.cable_log import (
    CABLE_SESSIONS_META_KEY,
    MAX_SESSIONS,
    MAX_SESSIONS_PER_PEER,
    CableSession,
    add_cable_session,
    read_cable_sessions,
)
from core.workspace import Workspace
from tests.support.deadlines import deadline
from tui.demo.cable import cable_pair

PEER = bytes(range(16))


@asynccontextmanager
async def made(home: Path) -> AsyncIterator[Workspace]:
    schema = load_builtin_schema("service-centre")
    async with await Workspace.init(home, user="Maier", fleet_name="N", schema=schema, device_name="K1") as workspace:
        yield workspace


async def test_the_last_sessions_of_each_device_are_kept_over_a_restart(tmp_path: Path) -> None:
    async with made(tmp_path / "K1") as workspace:
        before = await workspace.store.summary()
        first = CableSession(PEER, 1, 115_200, 92_000, 12, 2, 1, 3, is_complete=False)
        for session in (first, CableSession(PEER, 2, 9600, 9000)):
            await add_cable_session(workspace.store, session)
        assert await workspace.store.summary() == before
    async with await Workspace.open(tmp_path / "K1", user="Maier") as workspace:
        assert await read_cable_sessions(workspace.store) == [CableSession(PEER, 2, 9600, 9000), first]


async def test_however_many_there_are_the_note_stays_small(tmp_path: Path) -> None:
    peers = [bytes([number]) * 16 for number in range(MAX_SESSIONS // MAX_SESSIONS_PER_PEER + 2)]
    async with made(tmp_path / "K1") as workspace:
        for number in range(MAX_SESSIONS_PER_PEER + 2):
            for peer in peers:
                await add_cable_session(workspace.store, CableSession(peer, number, 1 << 40, -1))
        kept = await read_cable_sessions(workspace.store)
        assert len(kept) == MAX_SESSIONS
        assert max(sum(each.peer == peer for each in kept) for peer in peers) <= MAX_SESSIONS_PER_PEER
        assert kept[0].peer == peers[-1] and kept[0].baud == 0xFFFFFFFF and kept[0].bits_per_second == 0


@pytest.mark.parametrize("data", [b"", b"x", b"\xff" * 1000])
async def test_a_note_that_makes_no_sense_stops_nothing(tmp_path: Path, data: bytes) -> None:
    async with made(tmp_path / "K1") as workspace:
        await workspace.store.write_meta(CABLE_SESSIONS_META_KEY, data)
        await add_cable_session(workspace.store, CableSession(PEER, 1, 9600, 9000))
        assert (await read_cable_sessions(workspace.store))[0] == CableSession(PEER, 1, 9600, 9000)


async def test_a_session_over_a_cable_is_noted_at_both_ends(tmp_path: Path) -> None:
    async with made(tmp_path / "K1") as one:
        joining = Workspace.join(tmp_path / "K2", user="Smith", fleet=one.store.fleet.hex(), device_name="K2")
        async with await joining as other:
            await one.admit(other.identity.device.hex(), "technician", "K2")
            with cable_pair() as (here, there):
                async with deadline():
                    await asyncio.gather(one.sync(f"serial://{here}"), other.sync(f"serial://{there}"))
            for end, peer in ((one, other), (other, one)):
                (session,) = await read_cable_sessions(end.store)
                assert session.peer == peer.identity.device and session.is_complete
                assert session.sent > 0 and session.bits_per_second > 0 and session.baud > 0

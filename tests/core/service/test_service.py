"""Devices that serve in one process.

Whom they call, and that two of them hold one meeting at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from core.schema_toml import load_builtin_schema
from core.service.peer_discovery import PeerDiscovery
from core.service.serve_config import ServeConfig, ServeEvent, ServiceIntervals
from core.service.service import Service
from core.service.service_status import read_status
from core.store import store as store_module
from core.sync.discovery import dial_scheduler
from core.sync.discovery.dial_scheduler import loses_tie_break
from core.workspace import Workspace
from tests.support.deadlines import DEADLINE_S

LOOPBACK = "127.0.0.1"
INTERVALS = ServiceIntervals(watch_debounce_s=0.02, status_s=0.05)


@pytest.fixture(autouse=True)
def _attentive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notice at once what is saved: nobody waits for people here."""
    monkeypatch.setattr(store_module, "POLL_INTERVAL_S", 0.02)


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Workspace, Workspace]]:
    """Two devices of one fleet that hold the same.

    The first gives way where both call each other at once.
    """
    one = await Workspace.init(
        tmp_path / "K1", user="Maier", fleet_name="N", schema=load_builtin_schema("service-centre"), device_name="K1"
    )
    two = await Workspace.join(tmp_path / "K2", user="Jones", fleet=one.store.fleet.hex(), device_name="K2")
    await one.admit(two.identity.device.hex(), "technician", "K2")
    await one.create("locality", {"code": "241"})
    await two.store.save_blocks(
        await one.store.blocks(await one.store.hashes()), source_device=one.identity.device, link="tcp"
    )
    first = loses_tie_break(one.identity.device, two.identity.device)
    yield (one, two) if first else (two, one)
    await one.close()
    await two.close()


class Serving:
    """A device at work."""

    def __init__(self, workspace: Workspace, intervals: ServiceIntervals) -> None:
        self.workspace = workspace
        self.events: list[ServeEvent] = []
        self.service = Service(workspace, self.events.append, intervals)
        self.port = 0
        self.is_up = asyncio.Event()

    def listening(self, host: str, port: int) -> None:
        self.port = port
        self.is_up.set()


@asynccontextmanager
async def serving(
    workspace: Workspace, *peers: str, port: int = 0, intervals: ServiceIntervals = INTERVALS
) -> AsyncIterator[Serving]:
    made = Serving(workspace, intervals)
    ways = ServeConfig(LOOPBACK, port, is_discovery_on=False, peer_endpoints=peers)
    task = asyncio.create_task(made.service.run(ways, made.listening))
    up = asyncio.create_task(made.is_up.wait())
    await asyncio.wait([task, up], return_when=asyncio.FIRST_COMPLETED)
    try:
        yield made
    finally:
        up.cancel()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not holds():  # noqa: ASYNC110 - it is what several devices did
            await asyncio.sleep(0.02)


async def until_equal(pair: tuple[Workspace, Workspace]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while len(await roots(pair)) > 1:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def note(workspace: Workspace, name: str) -> None:
    """Save something new on a device."""
    await workspace.set(await workspace.record(await workspace.find("locality:241")), {"name": name})


async def roots(pair: tuple[Workspace, Workspace]) -> set[bytes]:
    return {(await workspace.store.summary()).root for workspace in pair}


async def free_port() -> int:
    server = await asyncio.start_server(lambda r, w: None, LOOPBACK, 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


@pytest.mark.parametrize("delay", [0.0, 0.01, 0.02, 0.05])
async def test_two_that_call_each_other_at_once_hold_one_meeting(
    pair: tuple[Workspace, Workspace], monkeypatch: pytest.MonkeyPatch, delay: float
) -> None:
    """Each knows the other's place.

    Whatever comes first, both tell of the same meetings, and of no failure.
    """
    monkeypatch.setattr(dial_scheduler, "DELAY_AFTER_COMMIT_S", (0.0, delay))
    ports = [await free_port(), await free_port()]
    targets = [f"tcp://{LOOPBACK}:{port}" for port in ports]
    async with (
        serving(pair[0], targets[1], port=ports[0]) as first,
        serving(pair[1], targets[0], port=ports[1]) as second,
    ):
        await until(lambda: first.events and second.events)
        for value in range(4):
            await asyncio.gather(note(pair[0], f"a{value}"), note(pair[1], f"b{value}"))
            await until_equal(pair)
        await until(lambda: received(first) == received(second) == 4)
    trouble = [event.error for each in (first, second) for event in each.events if event.error]
    # The very first call may find nobody there yet.
    assert [str(error) for error in trouble if "Nobody answers" not in str(error)] == []


def received(serving: Serving) -> int:
    return sum(event.result.stats.received for event in serving.events if event.result)


async def test_a_person_who_syncs_is_not_turned_away_by_a_call_under_way(
    pair: tuple[Workspace, Workspace],
) -> None:
    """A device that calls under the name of the one that syncs gets no answer."""
    hung = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hung.wait()
        writer.close()

    server = await asyncio.start_server(silent, LOOPBACK, 0)
    target = f"tcp://{LOOPBACK}:{server.sockets[0].getsockname()[1]}"
    async with serving(pair[1], target, intervals=replace(INTERVALS, tie_break_timeout_s=0.2)) as calling:
        calling.service.dialer.scheduler.on_peer_identified(target, pair[0].identity.device)
        await until(lambda: any(each.is_dialing for each in calling.service.dialer.scheduler.statuses()))
        await note(pair[0], "by hand")
        met = await pair[0].sync(f"tcp://{LOOPBACK}:{calling.port}")
        assert met.stats.sent == 1
        hung.set()
    server.close()
    await server.wait_closed()
    assert len(await roots(pair)) == 1


async def test_what_other_processes_save_is_reported_to_the_peer(pair: tuple[Workspace, Workspace]) -> None:
    async with serving(pair[0]) as first, serving(pair[1], f"tcp://{LOOPBACK}:{first.port}") as second:
        await until(lambda: first.events and second.events)
        other = await Workspace.open(pair[1].home.folder, user="Jansen")
        await note(other, "elsewhere")
        await other.close()
        await until(lambda: received(first) == 1 and len(second.events) == 2)
    assert len(await roots(pair)) == 1
    assert [event.endpoint is None for event in first.events] == [True, True]
    assert [event.endpoint is None for event in second.events] == [False, False]


async def test_other_processes_learn_what_the_one_that_serves_is_doing(
    pair: tuple[Workspace, Workspace], tmp_path: Path
) -> None:
    one, two = pair
    nowhere = f"tcp://{LOOPBACK}:{await free_port()}"
    assert read_status(two.home.folder) is None
    async with serving(one) as first, serving(two, f"tcp://{LOOPBACK}:{first.port}", nowhere) as second:
        await until(
            lambda: {each.endpoint for each in read_status(two.home.folder) or [] if each.failure_count} == {nowhere}
        )
        await until(lambda: any(each.last_sync_us for each in read_status(two.home.folder) or []))
        by_target = {each.endpoint: each for each in read_status(two.home.folder) or []}
        failing, met = by_target.pop(nowhere), by_target.popitem()[1]
        assert (failing.device, failing.state, failing.is_in_sync) == (None, "failing", None)
        assert str(failing.last_error) == str(second.events[0].error or second.events[1].error)
        assert failing.next_try_us is not None
        assert (met.device, met.state, met.is_in_sync, met.last_error) == (one.identity.device, "", True, None)
        # Another one that serves on the same device does not speak for it.
        async with serving(two):
            assert {each.endpoint for each in read_status(two.home.folder) or []} == {failing.endpoint, met.endpoint}
        assert read_status(two.home.folder)
        lookout = PeerDiscovery(two)
        seen = {peer.endpoint: peer for peer in await lookout.list_peers() if peer.endpoint.startswith("tcp://")}
        assert seen[nowhere].state == "failing"
        name = (await two.membership()).members[one.identity.device].name
        assert (seen[met.endpoint].name, seen[met.endpoint].is_member, seen[met.endpoint].is_in_sync) == (
            name,
            True,
            True,
        )
    assert read_status(two.home.folder) is None
    (two.home.folder / "serving.json").write_text("left behind by a crash")
    assert read_status(two.home.folder) is None

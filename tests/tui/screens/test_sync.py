"""Sync: meet a device over a real socket, progress, stopping, and files."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion
from textual.widgets import Input

from core.service import mounted_sticks
from core.service.serial_sync import CableStatus
from core.service.session_runner import TCP_PROFILE, Link, make_peer_filter, run_session
from core.sync.events import Progress
from core.sync.links import tcp
from core.workspace import Workspace
from tests.support.deadlines import DEADLINE_S, until
from tests.support.opened_app import LARGE, NOW, SMALL, Screen, opened
from tests.support.pty_app import started
from tui.screens.sync import Sync
from tui.store_watch import MIN_REFRESH_INTERVAL_S
from tui.view_models.cable_status import cable_status_text
from tui.view_models.peers import SyncMeter, completed_parts, format_bytes, meter_lines

SIZES = {"80x24": SMALL, "120x40": LARGE}


@asynccontextmanager
async def answering(home: Path, silent: bool = False) -> AsyncIterator[str]:
    """A device that answers calls; gives its target.

    A silent one greets and then says nothing.
    """
    async with await Workspace.open(home, user="Müller", clock=lambda: NOW) as workspace:

        async def answer(link: Link) -> None:
            if silent:
                await asyncio.sleep(3600)
            await run_session(workspace, link, TCP_PROFILE, initiator=False)

        server = tcp.TcpListener(workspace.identity, make_peer_filter(workspace), answer)
        await server.start("127.0.0.1", 0)
        try:
            yield f"tcp://127.0.0.1:{server.port}"
        finally:
            await server.close()


@pytest.fixture
def other(made: Path, tmp_path: Path) -> Path:
    """The home of another device of the fleet."""
    return shutil.copytree(made / "K3", tmp_path / "K3")


@pytest.mark.parametrize("size", SIZES)
async def test_sync(home: Path, picture: SnapshotAssertion, size: str) -> None:
    async with opened(home, "5", size=SIZES[size]) as screen:
        assert "K4" in screen.text()
        assert screen.screenshot() == picture


async def test_a_device_is_met_at_its_address_and_then_again_by_enter(
    home: Path, other: Path, picture: SnapshotAssertion
) -> None:
    async with await Workspace.open(other, user="Jones", clock=lambda: NOW) as there:
        await there.create("locality", {"code": "999"})
    async with answering(other) as target, opened(home, "5", "m", "ctrl+u") as screen:
        await screen.type(target)
        await screen.press("enter")
        assert "Synced with K3: 1 received" in screen.text()
        root = (await screen.app.workspace.store.summary()).root
        await screen.press("g")
        while isinstance(page := screen.app.base_screen, Sync) and page.current_row and page.current_row.name != "K3":
            await screen.press("down")
        await screen.press("enter")
        assert "Synced with K3: 0 received, 0 sent" in screen.text()
    async with await Workspace.open(other, user="Jones") as there:
        assert (await there.store.summary()).root == root


async def test_nobody_there_is_one_sentence(home: Path) -> None:
    async with opened(home, "5", "m", "ctrl+u") as screen:
        await screen.type("tcp://127.0.0.1:1")
        await screen.press("enter")
        assert "127.0.0.1" in screen.text()
        assert "Traceback" not in screen.text()
        await screen.press("m", "ctrl+u")
        await screen.type("nonsense")
        await screen.press("enter")
        assert "is nothing to sync with" in screen.text()


async def test_x_stops_a_meeting_that_does_not_go_on(home: Path, other: Path, picture: SnapshotAssertion) -> None:
    async with answering(other, silent=True) as target, opened(home, "5", "m", "ctrl+u") as screen:
        await screen.type(target)
        await screen.pilot.press("enter")
        page = screen.app.base_screen
        assert isinstance(page, Sync)
        while not page.is_syncing:
            await screen.pilot.pause()
        await screen.pilot.press("m")
        await screen.pilot.pause()
        assert "x stops it" in screen.text()
        await screen.press("x")
        assert not page.is_syncing
        assert "Stopped: what was received is saved" in screen.text()


async def test_a_folder_on_a_stick_is_met(home: Path, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    async with opened(home, "5", "b", "ctrl+u") as screen:
        await screen.type(f"bundle://{stick}")
        await screen.press("enter")
        count = (await screen.app.workspace.store.summary()).count
        assert f"{count} sent" in screen.text()
        assert list(stick.iterdir())
    async with opened(home, "5", "b") as screen:
        assert screen.app.screen.query_one(Input).value == f"bundle://{stick}", "the path is kept"
        await screen.press("escape")
        page = screen.app.base_screen
        assert isinstance(page, Sync)
        while page.current_row is None or page.current_row.target != f"bundle://{stick}":
            await screen.press("down")
        await screen.press("enter")
        assert "0 sent" in screen.text(), "the line of the files syncs there again"


async def test_mounted_sticks_are_listed_and_synced_with_by_enter(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stick = tmp_path / "STICK 1"
    stick.mkdir()
    monkeypatch.setattr(mounted_sticks, "list_sticks", lambda: [stick])
    async with opened(home, "5") as screen:
        async with asyncio.timeout(DEADLINE_S):
            while "STICK 1" not in screen.text():
                await screen.pilot.pause(0.05)
        await screen.press("g", "enter")
        count = (await screen.app.workspace.store.summary()).count
        assert f"Synced with STICK 1: 0 received, {count} sent" in screen.text()
    assert list(stick.iterdir())


def below_tabs(screen: Screen) -> str:
    """What is on the screen without its first two lines."""
    return "\n".join(screen.text().splitlines()[2:])


def has_network_row(screen: Screen, name: str) -> bool:
    return any(name in line and "network" in line for line in below_tabs(screen).splitlines())


async def test_what_another_process_receives_shows_by_itself(home: Path, other: Path) -> None:
    async with await Workspace.open(other, user="Jones", clock=lambda: NOW) as there:
        await there.create("locality", {"code": "999"})
        blocks = await there.store.blocks(await there.store.hashes())
        device = there.identity.device
    async with opened(home, "5") as screen:
        assert not has_network_row(screen, "K3")
        async with await Workspace.open(home, user="Maier", clock=lambda: NOW) as service:
            await service.store.save_blocks(blocks, source_device=device, link="tcp")
        async with asyncio.timeout(DEADLINE_S):
            while not has_network_row(screen, "K3"):
                await screen.pilot.pause(0.05)


@pytest.mark.parametrize("size", SIZES)
async def test_a_meeting_under_way(home: Path, picture: SnapshotAssertion, size: str) -> None:
    async with opened(home, "5", size=SIZES[size]) as screen:
        page = screen.app.base_screen
        assert isinstance(page, Sync)
        page.syncing.meter = SyncMeter("tcp://k4:7420", "K4")
        page.syncing.meter.update(Progress("exchange", 0, 3, 0, 1288, 100, 100), 4.0)
        page.syncing.meter.update(Progress("exchange", 3, 3, 412, 1288, 3_000, 118_000), 20.0)
        # Its line comes with the next reading, which others who write may cause at any moment.
        await page.reload_content()
        page.redraw()
        await screen.rest()
        assert "412 of 1,288 received · 3 of 3 sent" in screen.text()
        assert screen.screenshot() == picture


@pytest.mark.parametrize("place", ["4", "5", "6"])
def test_what_others_write_costs_a_slow_line_little(home: Path, place: str) -> None:
    with started(home, "tui", "--no-mouse") as program:
        program.wait_for("TSC")
        program.read(0.7)
        program.send(place.encode())
        until(lambda: program.read(0.7))
        while program.read(0.7):
            pass  # a busy device draws in several goes
        asyncio.run(written(home, "999"))
        assert len(program.read(1.0)) <= 300 * MIN_REFRESH_INTERVAL_S
        assert program.alive()
    assert MIN_REFRESH_INTERVAL_S >= 1


async def written(home: Path, code: str) -> None:
    """Write something beside the program that shows it."""
    async with await Workspace.open(home, user="Jones") as workspace:
        await workspace.create("locality", {"code": code, "name": "TSC new"})


def test_progress_tells_changes_time_left_and_bytes() -> None:
    meter = SyncMeter("tcp://x", "x")
    meter.update(Progress("reconcile", 0, None, 0, None, 100, 200), 101.0)
    assert meter.eta.total_count is None
    assert "finding out" in _text(meter)
    assert "%" not in _text(meter)
    meter.update(Progress("exchange", 0, 5, 0, 395, 1000, 2000), 110.0)
    assert meter.eta.eta_s(110.0) is None
    meter.update(Progress("exchange", 0, 5, 100, 395, 1500, 118_000), 120.0)
    text = _text(meter)
    assert "100 of 395 received" in text
    assert "0:30 left" in text
    assert " 25 %" in text
    assert "in 118 kB · out 1 kB" in text


@pytest.mark.parametrize(
    ("received", "text"),
    [
        (0, "current values 0 % · history to follow"),
        (20, "your place is complete · current values 20 % · history to follow"),
        (100, "your place is complete · all that is current is here · history to follow"),
        (400, "your place is complete · all that is current is here"),
    ],
)
def test_progress_tells_what_is_complete(received: int, text: str) -> None:
    progress = Progress("exchange", 0, 0, received, 400, 1000, 2000, nearby_count=20, current_count=100)
    assert " · ".join(completed_parts(progress)) == text
    assert completed_parts(Progress("exchange", 0, 0, received, 400)) == []


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (CableStatus(True, True, 115200, 0, 0), "the cable was pulled"),
        (CableStatus(True, False, 115200, 88_000, 0, None, True), "nothing comes from the other end"),
        (CableStatus(True, False, 115200, 88_000, 0), "115,200 bit/s, carries 88,000"),
        (CableStatus(True, False, 115200, 88_000, 2), "2 frames corrected"),
    ],
)
def test_a_cable_tells_how_it_stands(status: CableStatus, text: str) -> None:
    assert text in cable_status_text(status)
    meter = SyncMeter("serial:///dev/ttyUSB0", "ttyUSB0")
    assert text[:20] in "".join(t for line in meter_lines(meter, 74, 4, cable_status_text(status)) for t, _ in line)


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (2_500_000, "2 MB")])
def test_sizes(count: int, text: str) -> None:
    assert format_bytes(count) == text


def _text(meter: SyncMeter) -> str:
    return "\n".join("".join(text for text, _ in line) for line in meter_lines(meter, 74, 4))

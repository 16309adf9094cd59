"""Two devices joined by a cable.

Both screens offer it, a key on each starts a meeting, and pulling it is no trouble.

Real programs on real terminals, and the cable of tests/cable.
"""

from __future__ import annotations

import asyncio
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC
from pathlib import Path
from random import Random

import pytest
import tomli_w
from syrupy.assertion import SnapshotAssertion

from core.service import serial_sync
from core.service.peer_discovery import DiscoveredPeer
from core.service.serial_sync import CableStatus
from core.service.service_status import PeerStatus, StatusPublisher
from core.sync.events import Progress
from core.sync.links.serial.serial_ports import PortError, SerialPortInfo
from core.workspace import Workspace
from tests.cable import Cable
from tests.support.deadlines import DEADLINE_S
from tests.support.opened_app import LARGE, NOW, SMALL, Screen, opened
from tests.support.ssh_laptop import Laptop
from tui.app_status import Options
from tui.cable_monitor import CableUse, cable_offer_text
from tui.i18n.translate import error_text, set_language
from tui.screens.sync import Sync
from tui.view_models.peers import SyncMeter

MANY = 60
SLOW = 19_200
LASTING = "ttyZ"
"""A port that is there from the beginning."""
needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="not installed: tmux")


@pytest.fixture
def homes(made: Path, tmp_path: Path) -> list[Path]:
    """Two devices of the fleet; one has much that the other lacks."""
    homes = [shutil.copytree(made / name, tmp_path / name) for name in ("K1", "K3")]
    asyncio.run(_fill(homes[1]))
    return homes


async def _fill(home: Path) -> None:
    async with await Workspace.open(home, user="Jones", clock=lambda: NOW) as workspace:
        for number in range(MANY):
            await workspace.create("locality", {"code": str(900 + number), "name": Random(number).randbytes(400).hex()})


async def root_of(home: Path) -> bytes:
    async with await Workspace.open(home, user="Jones") as workspace:
        return (await workspace.store.summary()).root


@pytest.fixture
def cable() -> Iterator[Cable]:
    """A link so slow that a meeting is under way whenever somebody looks.

    Also on a busy machine.
    """
    with Cable(baud=SLOW) as cable:
        cable.unplug()
        yield cable


def named_ports(home: Path, port: str) -> None:
    """The settings name a port that no list has, and that is always there.

    What is there when the ports are looked at first is not offered, and the first line shows it from then on.
    """
    (home / LASTING).touch()
    settings = {"name": home.name, "cables": [port, str(home / LASTING)]}
    (home / "settings.toml").write_text(tomli_w.dumps(settings), encoding="utf-8")


def sit_down(stack: ExitStack, home: Path, port: str, folder: Path) -> Laptop:
    """Somebody in front of a device, when its ports have been looked at."""
    named_ports(home, port)
    folder.mkdir()
    laptop = Laptop(folder, [sys.executable, "-m", "tui.cli", "--home", str(home), "tui"])
    stack.callback(laptop.close)
    laptop.wait_for(LASTING)
    return laptop


@needs_tmux
def test_both_screens_offer_a_cable_and_go_on_when_it_was_pulled(
    homes: list[Path], cable: Cable, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        places = [
            sit_down(stack, home, f"{cable.ends[end]}?baud={SLOW}", tmp_path / f"tmux{end}")
            for end, home in enumerate(homes)
        ]
        for laptop in places:
            laptop.press("2")
            laptop.wait_for("to resolve")
        cable.plug()
        for laptop, name in zip(places, ("ttyA", "ttyB"), strict=True):
            laptop.wait_for(f"Cable on {name}: press 5, then Enter to sync with its other end.")
            laptop.press("5")
            laptop.wait_for(f"▌ {name}")
        ours, theirs = places
        ours.press("Enter")
        ours.wait_for("waiting for the other end")
        ours.wait_for("serve --serial` there.")
        theirs.press("Enter")
        ours.wait_for(" left")
        assert "bit/s" in ours.text()
        assert "Syncing with K3 at ttyA" in ours.text()

        # As when it is pulled where no port vanishes: off an adapter, or a built-in port.
        cable.cut()
        for laptop in places:
            laptop.wait_for("! no answer")
            laptop.wait_for("nothing comes from the other end")
        cable.unplug()
        for laptop, name in zip(places, ("ttyA", "ttyB"), strict=True):
            assert f"▌ {name}" in laptop.wait_for("the cable was pulled")
            laptop.wait_for("! pulled: waiting")
        cable.cut(False)
        cable.plug()
        ours.wait_for(f"Synced with K3: {MANY} received, 0 sent")
        theirs.wait_for(f"Synced with K1: 0 received, {MANY} sent")
        for laptop in places:
            laptop.press("C-q")
            laptop.wait_for_end()
    assert len({asyncio.run(root_of(home)) for home in homes}) == 1


@needs_tmux
def test_who_leaves_in_the_middle_leaves_in_order(homes: list[Path], cable: Cable, tmp_path: Path) -> None:
    cable.plug()
    with ExitStack() as stack:
        ours = sit_down(stack, homes[0], f"{cable.ends[0]}?baud={SLOW}", tmp_path / "tmux0")
        (tmp_path / "tmux1").mkdir()
        target = f"serial://{cable.ends[1]}?baud={SLOW}"
        # A shell stays there: tmux pushes the last lines out of sight when what it runs has ended.
        waiting = ["sync", target, "--timeout", f"{DEADLINE_S:.0f}"]
        command = shlex.join([sys.executable, "-m", "tui.cli", "--home", str(homes[1]), *waiting])
        theirs = Laptop(tmp_path / "tmux1", ["sh", "-c", f"{command}; read stay"])
        stack.callback(theirs.close)
        ours.press("5")
        ours.wait_for("○ there now")
        ours.press("g", "Enter")
        ours.wait_for(" left")
        ours.press("C-q")
        ours.wait_for_end()
        assert "should not have happened" not in ours.text()
        # It was told at once, and does not wait for somebody who has left.
        theirs.wait_for("somebody stopped it there")


@needs_tmux
def test_who_syncs_at_a_shell_learns_why_nothing_moves(homes: list[Path], cable: Cable, tmp_path: Path) -> None:
    cable.plug()
    with ExitStack() as stack:
        laptops = []
        for end, home in enumerate(homes):
            folder = tmp_path / f"tmux{end}"
            folder.mkdir()
            target = f"serial://{cable.ends[end]}?baud={SLOW}"
            # A shell stays there: tmux pushes the last line out of sight when what it runs has ended.
            command = shlex.join([sys.executable, "-m", "tui.cli", "--home", str(home), "sync", target])
            laptops.append(Laptop(folder, ["sh", "-c", f"{command}; read stay"]))
            stack.callback(laptops[-1].close)
            if not end:
                laptops[0].wait_for("waiting for the other end …")
        laptops[0].wait_for("changes received")
        cable.cut()
        for laptop in laptops:
            laptop.wait_for("nothing comes from the other end")
        cable.unplug()
        for laptop in laptops:
            laptop.wait_for("the cable was pulled")
        cable.cut(False)
        cable.plug()
        laptops[0].wait_for(f"Synced with K3: 0 changes sent, {MANY} received")
        laptops[1].wait_for(f"Synced with K1: {MANY} changes sent, 0 received")


@pytest.mark.parametrize(
    ("use", "at_hand", "message"),
    [
        ("free", True, "Cable on ttyUSB0: press Enter to sync with its other end."),
        ("free", False, "Cable on ttyUSB0: press 5, then Enter to sync with its other end."),
        ("served", True, "Cable on ttyUSB0: this device syncs with its other end by itself."),
        ("meeting", False, "The cable on ttyUSB0 is back: the sync goes on."),
    ],
)
def test_what_is_said_of_a_cable_that_comes(use: CableUse, at_hand: bool, message: str) -> None:
    assert cable_offer_text("ttyUSB0", use, at_hand) == message


@pytest.mark.parametrize("language", ["en", "de"])
async def test_how_a_cable_looks(
    home: Path, picture: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    set_language(language)
    found = SerialPortInfo("/dev/ttyUSB0", "FT232R USB UART", True)
    status: list[CableStatus | None] = [None]
    monkeypatch.setattr(serial_sync, "read_cable_status", lambda target: status[0])

    def progress(received: int) -> Progress:
        return Progress("exchange", 3, 3, received, 1288, 3000, 280 * received, nearby_count=20, current_count=600)

    async def shot(screen: Screen, name: str) -> None:
        for size in (SMALL, LARGE):
            await screen.resize(*size)
            assert screen.screenshot() == picture(name=f"{name}-{language}-{size[0]}x{size[1]}")
        await screen.resize(*SMALL)

    async with opened(home, "2") as screen:
        app = screen.app
        app.cable_monitor.plugged, app.cable_monitor.offered_target = [found], found.endpoint
        app._on_cable_plugged(found, "free")
        await shot(screen, "offered")
        await screen.press("5")
        page = app.base_screen
        assert isinstance(page, Sync)
        page.found_peers = [DiscoveredPeer(found.endpoint, f"{found.name} {found.label}")]
        await page.reload_content()
        await screen.rest()
        await shot(screen, "there")
        page.syncing.meter = SyncMeter(found.endpoint, found.name)
        for name, state, sync_progress in (
            ("waiting", CableStatus(False, False, 115_200, 115_200, 0), None),
            (
                "under-way",
                CableStatus(True, False, 921_600, 880_000, 2),
                progress(412),
            ),
            ("pulled", CableStatus(True, True, 921_600, 880_000, 2), progress(590)),
            ("silent", CableStatus(True, False, 921_600, 880_000, 2, None, True), progress(590)),
        ):
            status[0] = state
            if sync_progress is not None:
                page.syncing.meter.update(sync_progress, sync_progress.received / 10)
            page._show_rows()
            page.redraw()
            await shot(screen, name)
        busy = "{port} is in use by another program: close that first (`sudo fuser -v {port}` names it)."
        page.syncing._finish(error_text(PortError(busy, port=found.path)), True)
        await shot(screen, "busy")


async def test_a_cable_that_this_device_serves_is_not_offered(home: Path, cable: Cable) -> None:
    named_ports(home, cable.ends[0])
    async with opened(home, "5", options=Options(zone=UTC, discovery=True)) as screen:

        async def shows(text: str) -> None:
            async with asyncio.timeout(DEADLINE_S):
                while text not in " ".join(screen.text().split()):
                    await screen.pilot.pause(0.05)

        report = StatusPublisher(home)
        await shows(LASTING)
        try:
            report.publish([PeerStatus(f"serial://{cable.ends[0]}", state="serving")])
            cable.plug()
            await shows("Cable on ttyA: this device syncs with its other end by itself.")
            await shows("ttyA cable ○ syncs by itself")
            await screen.press("g")
            while (
                isinstance(page := screen.app.base_screen, Sync)
                and page.current_row
                and page.current_row.name != "ttyA"
            ):
                await screen.press("down")
            await screen.press("enter")
            await shows(" `fieldline serve` on this device syncs with the other end by itself.")
        finally:
            report.close()
        await shows("ttyA cable ○ there now")


async def test_settings_that_cannot_be_read_are_reported(home: Path) -> None:
    (home / "settings.toml").write_text("cables = [", encoding="utf-8")
    async with opened(home, "5", options=Options(zone=UTC, discovery=True)) as screen:
        async with asyncio.timeout(DEADLINE_S):
            while "is not valid TOML" not in " ".join(screen.text().split()):
                await screen.pilot.pause(0.05)

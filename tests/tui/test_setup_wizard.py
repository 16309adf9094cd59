"""The first run: a fleet is started or joined in three steps each, by keys alone."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion
from textual._wait import wait_for_idle
from textual.pilot import Pilot

from core.workspace import Workspace
from tests.support.deadlines import DEADLINE_S, deadline
from tests.support.opened_app import LARGE, NOW, SMALL, opened, patient_pilot
from tests.support.polling import wait_until
from tests.tui.screens.test_pairing import Peer, pairing
from tui import setup_wizard
from tui.dialogs.pairing import PairingDialog
from tui.setup_wizard import SetupWizard

SIZES = {"80x24": SMALL, "120x40": LARGE}
FLEET = "0123456789abcdef0123456789abcdef"


@asynccontextmanager
async def begun(home: Path, size: tuple[int, int] = SMALL) -> AsyncIterator[Pilot[bool]]:
    """The guide on a home where nothing is."""
    with patient_pilot():
        async with SetupWizard(home, "Maier").run_test(size=size) as pilot:
            await pilot.pause()
            yield pilot


async def typed(pilot: Pilot[bool], text: str) -> None:
    await pilot.press(*("space" if char == " " else char for char in text))
    await pilot.pause()


async def enter(pilot: Pilot[bool], *keys: str) -> None:
    """Press keys, Enter at the end, and wait for what comes next."""
    await pressed(pilot, *keys, "enter")


async def pressed(pilot: Pilot[bool], *keys: str) -> None:
    """Press keys and wait for another view, the last answer, or a refusal."""
    before = shown = text(pilot)
    quiet = 0
    await pilot.press(*keys)
    async with asyncio.timeout(DEADLINE_S):
        while pilot.app.is_running and quiet < 3:
            await asyncio.sleep(0.01)
            await pilot.pause()
            now = text(pilot)
            asked = len(pilot.app.screen_stack) > 1 and now != before
            quiet, shown = (quiet + 1 if asked and now == shown else 0), now


def text(pilot: Pilot[bool]) -> str:
    rows = pilot.app.screen._compositor.render_strips()
    return "\n".join(row.text.rstrip() for row in rows)


async def pictured(pilot: Pilot[bool], picture: SnapshotAssertion, name: str) -> None:
    """The screen in both sizes is as the pictures say."""
    for title, size in SIZES.items():
        if pilot.app.size != size:
            await pilot.resize_terminal(*size)
            await wait_for_idle()  # the application waits whether more sizes come
            await pilot.pause()
        assert pilot.app.export_screenshot(title="Fieldline") == picture(name=f"{name}-{title}")


async def test_a_fleet_is_started_in_three_steps(
    tmp_path: Path, picture: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket, "gethostname", lambda: "kiosk7.nord")
    home = Path("home")
    async with begun(home) as pilot:
        assert "Create a fleet" in text(pilot)
        await pictured(pilot, picture, "choice")
        await enter(pilot)
        await enter(pilot)
        assert "cannot be a name" in text(pilot)
        await typed(pilot, "Nord fleet")
        await enter(pilot)
        assert "kiosk7" in text(pilot)
        await pictured(pilot, picture, "device")
        await enter(pilot, "X")
        assert "Step 3 of 3" in text(pilot)
        for expected in ("kiosk7X", "Nord fleet", "Welcome"):
            await pressed(pilot, "escape")
            assert expected in text(pilot)
        await enter(pilot)
        await typed(pilot, "Nord fleet")
        await enter(pilot)
        await enter(pilot)
        await enter(pilot)
        assert "recovery key" in text(pilot)
        assert re.search(r"(?:[A-Z2-7]{5}-){10}[A-Z2-7]{5}", text(pilot)), "it is shown whole, and only now"
        await enter(pilot)
    assert pilot.app.return_value is True
    async with await Workspace.open(home, user="Maier") as workspace:
        assert (await workspace.membership()).is_admin(workspace.identity.device)
        assert workspace.home.name() == "kiosk7"
    async with opened(home) as screen:
        assert "Nord fleet · kiosk7" in screen.text()


async def test_a_fleet_is_joined_in_three_steps(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with begun(home) as pilot:
        await enter(pilot, "down", "down")
        await typed(pilot, "12")
        await enter(pilot)
        assert "32 hex digits" in text(pilot)
        await typed(pilot, FLEET[2:16] + "-" + FLEET[16:])  # as somebody reads it out
        await enter(pilot, "home", "delete", "delete", *FLEET[:2])
        await pressed(pilot, "ctrl+u")
        await enter(pilot, "K", "9")
        async with await Workspace.open(home, user="Maier", clock=lambda: NOW) as workspace:
            assert workspace.store.fleet.hex() == FLEET
            assert workspace.identity.device.hex()[:20] in text(pilot)
        await enter(pilot)
    assert pilot.app.return_value is True
    async with opened(home, "6") as screen:
        assert "waits to be admitted" in screen.text()
        assert "K9" in screen.text()


async def test_a_fleet_is_joined_by_pairing(made: Path, tmp_path: Path) -> None:
    home, admin_home = tmp_path / "home", shutil.copytree(made / "K1", tmp_path / "K1")
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    peer = Peer()
    async with await Workspace.open(admin_home, user="Maier") as admin:
        side = pairing(admin_home, peer, admin).listen("127.0.0.1", 0, lambda host, port: listening.set_result(port))
        task = asyncio.create_task(side)
        async with begun(home) as pilot, deadline():
            await enter(pilot, "down")
            await pressed(pilot, "ctrl+u")
            await enter(pilot, "K", "9")
            await enter(pilot, "down")
            await pressed(pilot, "ctrl+u")
            await typed(pilot, f"tcp://127.0.0.1:{await listening}")
            await pilot.press("enter")
            await wait_until(lambda: "It lets this device into the fleet Nord" in text(pilot))
            dialog = pilot.app.screen
            assert isinstance(dialog, PairingDialog)
            await wait_until(lambda: asyncio.get_running_loop().time() > dialog._looked_at_s)
            await pilot.press("down", "enter")
            peer.may_answer.set()
            await wait_until(lambda: "This device is in the fleet Nord" in text(pilot))
            await pilot.press("enter")
            await task
            await wait_until(lambda: not pilot.app.is_running)
        assert pilot.app.return_value is True
        root = (await admin.store.summary()).root
    async with await Workspace.open(home, user="Maier") as workspace:
        assert (await workspace.store.summary()).root == root
        assert workspace.home.name() == "K9"


async def test_escape_goes_back_and_then_leaves_nothing_behind(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with begun(home) as pilot:
        await enter(pilot)
        await pressed(pilot, "escape")
        assert "Welcome" in text(pilot)
        await pressed(pilot, "escape")
    assert pilot.app.return_value is False
    assert not home.exists()


@pytest.mark.parametrize("place", ["file", "locked"])
async def test_where_nothing_can_be_written_it_says_so_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "locked").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: not str(path).endswith("locked"))
    async with begun(tmp_path / place / "home") as pilot:
        assert "This folder cannot be used" in text(pilot)
        assert "name another" in " ".join(text(pilot).replace("│", " ").split())
        await enter(pilot)
    assert pilot.app.return_value is False


async def test_what_does_not_work_is_said_and_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup_wizard, "find_unusable_reason", lambda home: None)
    (tmp_path / "file").write_text("")
    async with begun(tmp_path / "file" / "home") as pilot:
        await enter(pilot)
        await typed(pilot, "Nord")
        await enter(pilot)
        await enter(pilot)
        await enter(pilot)
        assert "That did not work" in text(pilot)
        await enter(pilot)
        assert "Welcome" in text(pilot)

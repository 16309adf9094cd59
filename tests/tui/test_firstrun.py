"""The first run: a fleet is started or joined in three steps each, by keys alone."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion
from textual.pilot import Pilot

from core.workspace import Workspace
from tests.tui.opened import LARGE, NOW, SMALL, opened
from tui.firstrun import FirstRun

SIZES = {"80x24": SMALL, "120x40": LARGE}
FLEET = "0123456789abcdef0123456789abcdef"


@asynccontextmanager
async def begun(home: Path, size: tuple[int, int] = SMALL) -> AsyncIterator[Pilot[bool]]:
    """The guide on a home where nothing is."""
    async with FirstRun(home, "Maier").run_test(size=size) as pilot:
        await pilot.pause()
        yield pilot


async def typed(pilot: Pilot[bool], text: str) -> None:
    await pilot.press(*("space" if char == " " else char for char in text))
    await pilot.pause()


async def enter(pilot: Pilot[bool], *keys: str) -> None:
    """Press keys, Enter at the end, and wait for what comes next."""
    before = pilot.app.screen
    await pilot.press(*keys, "enter")
    for _ in range(200):
        await pilot.pause()
        if pilot.app.screen is not before or not pilot.app.is_running:
            break
    await pilot.pause()


def text(pilot: Pilot[bool]) -> str:
    rows = pilot.app.screen._compositor.render_strips()
    return "\n".join(row.text.rstrip() for row in rows)


@pytest.mark.parametrize("size", SIZES)
async def test_the_choice(
    tmp_path: Path, picture: SnapshotAssertion, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with begun(Path("home"), SIZES[size]) as pilot:
        assert "Start a fleet" in text(pilot)
        assert pilot.app.export_screenshot(title="Fieldline") == picture


@pytest.mark.parametrize("size", SIZES)
async def test_a_fleet_is_started_in_three_steps(
    tmp_path: Path, picture: SnapshotAssertion, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket, "gethostname", lambda: "kiosk7.nord")
    home = Path("home")
    async with begun(home, SIZES[size]) as pilot:
        await enter(pilot)
        await enter(pilot)
        assert "cannot be a name" in text(pilot)
        await typed(pilot, "Nord fleet")
        await enter(pilot)
        assert "kiosk7" in text(pilot)
        assert pilot.app.export_screenshot(title="Fieldline") == picture
        await enter(pilot)
        assert "Step 3 of 3" in text(pilot)
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
        await enter(pilot, "down")
        await typed(pilot, "12")
        await enter(pilot)
        assert "32 hex digits" in text(pilot)
        await typed(pilot, FLEET[2:])
        await enter(pilot, "home", "delete", "delete", *FLEET[:2])
        await enter(pilot, "ctrl+u", "K", "9")
        async with await Workspace.open(home, user="Maier", clock=lambda: NOW) as workspace:
            assert workspace.store.fleet.hex() == FLEET
            assert workspace.identity.device.hex()[:20] in text(pilot)
        await enter(pilot)
    assert pilot.app.return_value is True
    async with opened(home, "6") as screen:
        assert "waits to be admitted" in screen.text()
        await screen.press("1", "2", "3", "4", "5")
        assert "No other device has brought anything yet" in screen.text()


async def test_escape_goes_back_and_then_leaves_nothing_behind(tmp_path: Path) -> None:
    home = tmp_path / "home"
    async with begun(home) as pilot:
        await enter(pilot)
        await pilot.press("escape")
        await pilot.pause()
        assert "Welcome" in text(pilot)
        await pilot.press("escape")
        await pilot.pause()
    assert pilot.app.return_value is False
    assert not home.exists()


async def test_what_does_not_work_is_said_and_asked_again(tmp_path: Path) -> None:
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

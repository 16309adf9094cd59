"""Here with equipment: place by dock, wanted beside actual, adopt, apply."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC
from pathlib import Path
from types import SimpleNamespace

import pytest
from syrupy.assertion import SnapshotAssertion

from core.device import context
from core.equipment import evidence
from tests.support.equipped import DOCKS, EquippedDevice, make_equipped_device
from tests.support.opened_app import LARGE, NOW, SMALL, Screen, opened
from tui.app_status import Options

MAX_WAIT_S = 30.0

SETTINGS = """
[equipment.printer]
read = { file = "printer" }
apply = { template = "printer.in", to = "printer" }
[equipment.avl_configuration]
read = { file = "avl", pattern = "^profile=(.*)$" }
apply = { command = ["sh", "set-avl", "{value}"], timeout = 10 }
[equipment.card_terminal]
apply = { command = ["true", "{value}"] }
"""


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EquippedDevice:
    # A network of this machine's own would show in the pictures.
    monkeypatch.setattr(evidence, "read_interfaces", lambda also=(): [])
    monkeypatch.setattr(context, "time", SimpleNamespace(time_ns=lambda: NOW * 1000))
    device = make_equipped_device(
        tmp_path, monkeypatch, printer="Acme 5031", avl_configuration="fast", card_terminal="11111111"
    )
    device.terminal.ask("set", "place:241/Lane 2", "printer=Brix 7")
    device.settings(SETTINGS)
    texts = {"printer": "Acme 5030", "printer.in": "{value}", "avl": "profile=fast\n"}
    texts["set-avl"] = 'echo "profile=$1" > avl'
    for name, text in texts.items():
        (device.home / name).write_text(text)
    return device


async def wanted(device: EquippedDevice) -> object:
    """What the fleet says of the printer."""
    return (await asyncio.to_thread(device.state, "printer"))["wanted"]


async def until(screen: Screen, holds: Callable[[], bool]) -> None:
    """Wait until something is on the screen."""
    waited = 0.0
    while not holds():
        await screen.pilot.pause(0.05)
        await screen.rest()
        waited += 0.05
        assert waited < MAX_WAIT_S, screen.text()


@asynccontextmanager
async def here(device: EquippedDevice, size: tuple[int, int] = SMALL) -> AsyncIterator[Screen]:
    async with opened(device.home, "1", size=size, options=Options(zone=UTC, equipment=True), user="Maier") as screen:
        await until(screen, lambda: "differs here" in screen.text() or "differ here" in screen.text())
        await screen.rest()
        yield screen


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_wanted_stands_beside_what_this_device_has(
    device: EquippedDevice, picture: SnapshotAssertion, size: tuple[int, int]
) -> None:
    async with here(device, size) as screen:
        text = screen.text()
        assert "1 differs here" in text
        assert "Δ Acme 5030" in text
        assert "= fast" in text
        assert "? cannot tell" in text
        assert "17e9:6006 #A1B2" in text
        assert screen.screenshot() == picture


async def test_what_differs_is_adopted_as_an_edit_that_the_person_applies(device: EquippedDevice) -> None:
    async with here(device) as screen:
        await screen.press("a")
        assert "1 edit not applied" in screen.text()
        assert await wanted(device) == "Acme 5031"
        await screen.press("ctrl+s", "enter")
        await until(screen, lambda: "differs here" not in screen.text())
    assert await wanted(device) == "Acme 5030"


async def test_the_plan_comes_first_and_then_it_is_set(device: EquippedDevice, picture: SnapshotAssertion) -> None:
    async with here(device) as screen:
        await screen.press("A")
        await until(screen, lambda: "Set this device up?" in screen.text())
        assert "Acme 5030 → Acme 5031" in screen.text()
        assert screen.screenshot() == picture
        assert (device.home / "printer").read_text() == "Acme 5030"
        await screen.press("escape")
        assert (device.home / "printer").read_text() == "Acme 5030"
        await screen.press("A")
        await until(screen, lambda: "Set this device up?" in screen.text())
        await screen.press("enter")
        await until(screen, lambda: "differs here" not in screen.text())
        assert (device.home / "printer").read_text() == "Acme 5031"
        await screen.press("J")
        await until(screen, lambda: "What was applied on this device" in screen.text())
        assert "Acme 5030 → Acme 5031" in screen.text()


async def test_a_failure_is_reported_and_the_rest_is_set(device: EquippedDevice) -> None:
    (device.home / "avl").write_text("profile=slow\n")
    (device.home / "set-avl").write_text("echo no tester >&2; exit 2")
    async with here(device) as screen:
        await screen.press("A")
        await until(screen, lambda: "Set this device up?" in screen.text())
        await screen.press("enter")
        await until(screen, lambda: "1 property could not be set" in screen.text())
        assert "no tester" in screen.text()
    assert (device.home / "printer").read_text() == "Acme 5031"


async def test_the_place_follows_the_dock(device: EquippedDevice) -> None:
    async with here(device) as screen:
        assert "Lane 1" in screen.text().splitlines()[0]
        device.sysfs.unplug("1-4")
        device.sysfs.plug("1-4", DOCKS["Lane 2"])
        await until(screen, lambda: "Lane 2" in screen.text().splitlines()[0])
        await until(screen, lambda: "Brix 7" in screen.text())
        await screen.press("j")
        assert "▌   Locality" in screen.text()
        device.sysfs.unplug("1-4")
        await until(screen, lambda: "Press c" in screen.text())


async def test_a_choice_by_hand_stays_until_evidence_is_asked_for_again(device: EquippedDevice) -> None:
    await asyncio.to_thread(device.terminal.ask, "place", "choose", "place:241/Lane 2")
    (device.home / "printer").write_text("Other")
    async with here(device) as screen:
        assert "chosen by hand" in screen.text()
        await screen.press("C")
        await until(screen, lambda: "Lane 1" in screen.text().splitlines()[0])


async def test_without_settings_the_keys_say_what_to_write(device: EquippedDevice) -> None:
    device.settings("")
    async with opened(device.home, "1", options=Options(zone=UTC, equipment=True), user="Maier") as screen:
        await until(screen, lambda: "Lane 1" in screen.text().splitlines()[0])
        await screen.press("A")
        assert "settings.toml of this device names no equipment" in screen.text()

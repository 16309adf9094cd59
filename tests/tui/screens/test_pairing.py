"""Pairing on the screen.

Another device pairs with it over a real connection, and a person presses the keys.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from syrupy.assertion import SnapshotAssertion

from core.device.home import Home
from core.identity import Identity
from core.service.pairing_runner import Admission
from core.sync.pairing.protocol import MIN_LOOK_S, Comparison
from core.workspace import Workspace
from core.workspace.pairing import Pairing, PairResult
from tests.support.deadlines import deadline
from tests.support.opened_app import LARGE, NOW, SMALL, Screen, opened
from tests.support.polling import wait_until
from tui.app_status import Options
from tui.demo.fleet import DEMO_USER
from tui.dialogs.pairing import PairingDialog

SIZES = {"80x24": SMALL, "120x40": LARGE}
OPTIONS = Options(zone=UTC, pair_port=0)


class Peer:
    """The person at the other device, who says what a test has them say."""

    def __init__(self, is_same: bool = True) -> None:
        self.is_same = is_same
        self.comparison: Comparison | None = None
        self.may_answer = asyncio.Event()

    async def compare(self, comparison: Comparison) -> bool:
        self.comparison = comparison
        await self.may_answer.wait()
        return self.is_same

    async def choose_admission(self, peer: bytes, peer_name: str) -> Admission | None:
        return Admission("reader", "Van")


def new_home(folder: Path, name: str) -> Path:
    """A folder with a key that is the same in every run, so that the digits are."""
    folder.mkdir(mode=0o700)
    key = Identity(Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest()))
    with os.fdopen(os.open(folder / "device.key", os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        file.write(key.key_pem)
    return folder


def pairing(folder: Path, peer: Peer, context: Workspace | None = None) -> Pairing:
    return Pairing(
        folder, context, peer, user="Jones", name="K9", clock=lambda: NOW, entropy=lambda count: b"7" * count
    )


async def settle(screen: Screen, text: str) -> None:
    """Wait until the screen says something that another device causes."""
    await wait_until(lambda: text in screen.text())
    await screen.rest()


@asynccontextmanager
async def dialed(screen: Screen, tmp_path: Path, peer: Peer) -> AsyncIterator[asyncio.Task[PairResult]]:
    """A new device that dials the one whose screen waits.

    The digits are on the screen.
    """
    await settle(screen, "open for pairing for two minutes")
    port = re.search(r":(\d{4,5})\b", screen.text().replace("│", ""))
    assert port
    work = pairing(new_home(tmp_path / "K9", "K9"), peer).dial(f"tcp://127.0.0.1:{port[1]}")
    task = asyncio.create_task(work)
    try:
        async with deadline():
            await settle(screen, "Does the other screen show the same digits?")
            yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def look(screen: Screen) -> None:
    """Look at the digits for as long as they must be in sight."""
    dialog = screen.app.screen
    assert isinstance(dialog, PairingDialog)
    await wait_until(lambda: asyncio.get_running_loop().time() > dialog._looked_at_s)


@pytest.mark.parametrize("size", SIZES)
async def test_a_device_is_let_in_by_comparing_digits(
    home: Path, tmp_path: Path, picture: SnapshotAssertion, size: str
) -> None:
    peer = Peer()
    async with (
        opened(home, "6", "p", "enter", size=SIZES[size], options=OPTIONS) as screen,
        dialed(screen, tmp_path, peer) as task,
    ):
        assert peer.comparison is not None
        assert peer.comparison.digits in screen.text()
        async with deadline():
            while "1 Here" not in screen.text():  # what is below is drawn with the dialog, as far as it was by then
                screen.app.screen.refresh()
                await screen.rest()
        assert screen.screenshot() == picture
        await look(screen)
        await screen.press("down", "enter")
        peer.may_answer.set()
        await settle(screen, "What may it do?")
        await screen.press("enter")
        await settle(screen, "What is it called?")
        await screen.press("enter")
        result = await task
        await settle(screen, "K9 is in the fleet now")
        await screen.press("enter")
        assert "K9" in screen.text()
    assert (result.role, result.name, result.sync_error) == ("technician", "K9", None)
    async with await Workspace.open(tmp_path / "K9", user="Jones") as joined:
        assert (await joined.membership()).may_write(joined.identity.device)


@pytest.mark.parametrize("keys", [("enter",), ("escape",)])
async def test_enter_means_that_they_differ_and_escape_stops_it(
    home: Path, tmp_path: Path, keys: tuple[str, ...]
) -> None:
    async with opened(home, "6", "p", "enter", options=OPTIONS) as screen:
        root = (await screen.app.workspace.store.summary()).root
        async with dialed(screen, tmp_path, Peer()) as task:
            await screen.press(*keys)
            failed = (await asyncio.gather(task, return_exceptions=True))[0]
            assert "differ" in str(failed) or "stopped" in str(failed)
            await settle(screen, "differ" if keys == ("enter",) else "was stopped")
            await screen.press("escape")
        assert (await screen.app.workspace.store.summary()).root == root
    assert not Home(tmp_path / "K9").store.exists()


async def test_a_hasty_yes_is_no_answer(home: Path, tmp_path: Path) -> None:
    async with opened(home, "6", "p", "enter", options=OPTIONS) as screen, dialed(screen, tmp_path, Peer()):
        dialog = screen.app.screen
        assert isinstance(dialog, PairingDialog)
        dialog._looked_at_s = asyncio.get_running_loop().time() + 100 * MIN_LOOK_S
        await screen.press("down", "enter")
        assert "Compare them first" in screen.text()
        assert dialog._answer is not None
        await screen.press("escape")


async def test_what_the_other_person_says_ends_it_here(home: Path, tmp_path: Path) -> None:
    peer = Peer(is_same=False)
    async with opened(home, "6", "p", "enter", options=OPTIONS) as screen, dialed(screen, tmp_path, peer):
        peer.may_answer.set()
        await settle(screen, "person at the other device")
        assert "They are the same" not in screen.text()
        await screen.press("enter")
        assert "Pairing" not in screen.text().split("Devices")[-1]


@pytest.mark.parametrize("size", SIZES)
async def test_how_the_two_reach_each_other_is_asked_first(home: Path, picture: SnapshotAssertion, size: str) -> None:
    async with opened(home, "6", "p", size=SIZES[size], options=OPTIONS) as screen:
        assert screen.screenshot() == picture
        await screen.press("down", "enter", "ctrl+u")
        await screen.type("bundle:///tmp")
        await screen.press("enter")
        assert "no device" in screen.text()
        await screen.press("ctrl+u")
        await screen.type("tcp://127.0.0.1:1")
        await screen.press("enter")
        await settle(screen, "Nobody answers")
        await screen.press("escape")


async def test_a_device_that_waits_joins_by_naming_the_admin(made: Path, tmp_path: Path) -> None:
    admin_home = shutil.copytree(made / "K1", tmp_path / "K1")
    async with await Workspace.open(admin_home, user=DEMO_USER) as admin:
        waiting = await Workspace.join(tmp_path / "K8", user="Jones", fleet=admin.store.fleet.hex(), device_name="K8")
        await waiting.close()
        peer, is_up, port = Peer(), asyncio.Event(), 0

        def on_listening(_host: str, number: int) -> None:
            nonlocal port
            port = number
            is_up.set()

        task = asyncio.create_task(pairing(admin_home, peer, admin).listen("127.0.0.1", 0, on_listening))
        await is_up.wait()
        async with opened(tmp_path / "K8", "6", "p", "down", "enter", "ctrl+u", options=OPTIONS) as screen:
            await screen.type(f"tcp://127.0.0.1:{port}")
            await screen.press("enter")
            await settle(screen, "It lets this device into the fleet")
            await look(screen)
            await screen.press("down", "enter")
            peer.may_answer.set()
            await settle(screen, "This device is in the fleet")
            await screen.press("enter")
            assert "Van" in screen.text()
        assert (await task).role == "reader"


async def test_only_an_admin_or_who_waits_can_pair(made: Path, tmp_path: Path) -> None:
    other = shutil.copytree(made / "K2", tmp_path / "K2")
    async with opened(other, "5", "p", options=OPTIONS) as screen:
        assert "Only an admin's device can do this" in screen.text()
    async with opened(other, "6", "p", options=Options(zone=UTC, readonly=True)) as screen:
        assert "ead only" in screen.text()

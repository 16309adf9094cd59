"""A device that may not write says so, and why.

One that waits to be admitted says everywhere what to do about it.
"""

from __future__ import annotations

import asyncio
import shutil
from datetime import UTC
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from core.service.cable_log import CableSession
from core.workspace import Workspace
from tests.support.deadlines import DEADLINE_S
from tests.support.opened_app import LARGE, NOW, SMALL, Screen, opened
from tui.i18n.dates import DateFormatter
from tui.i18n.translate import set_language
from tui.screens.base import BaseScreen
from tui.view_models.cable_quality import quality_lines, quality_text

PLACES = ("1", "2", "3", "4", "5", "6")
SIZES = {"80x24": SMALL, "120x40": LARGE}
DATES = DateFormatter(lambda: NOW, UTC)


@pytest.fixture
def waiting(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of a device that has joined the fleet and was not admitted.

    Its key is the same in every run.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    monkeypatch.setattr(Ed25519PrivateKey, "generate", lambda: Ed25519PrivateKey.from_private_bytes(bytes(32)))

    async def join() -> None:
        async with await Workspace.open(home, user="Maier") as there:
            fleet = there.store.fleet.hex()
        await (await Workspace.join(tmp_path / "K9", user="Jones", fleet=fleet, device_name="K9")).close()

    asyncio.run(join())
    return tmp_path / "K9"


@pytest.fixture
def reader(made: Path, home: Path, tmp_path: Path) -> Path:
    """The home of a device of the fleet that has become a reader."""
    other = shutil.copytree(made / "K2", tmp_path / "K2")

    async def change() -> None:
        async with (
            await Workspace.open(home, user="Maier", clock=lambda: NOW) as admin,
            await Workspace.open(other, user="Jones", clock=lambda: NOW) as there,
        ):
            await admin.admit(there.identity.device.hex(), "reader")
            await there.store.save_blocks(await admin.store.blocks(await admin.store.hashes()))

    asyncio.run(change())
    return other


async def expect_refusals(screen: Screen, reason: str) -> None:
    """Each place, and a form, refuses what writes with this sentence, by its key, too."""
    for place in PLACES:
        await screen.press(place)
        page = screen.app.base_screen
        assert isinstance(page, BaseScreen)
        for command in page.available_commands():
            if command.writes:
                assert page.disabled_commands()[command.name] == reason, command.name
        writes = next((each for each in page.available_commands() if each.writes), None)
        if writes:
            await screen.press(writes.keys[0])
            assert reason in screen.text()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("language", ["en", "de"])
async def test_a_device_that_waits_says_everywhere_what_to_do(
    waiting: Path, picture: SnapshotAssertion, language: str, size: str
) -> None:
    set_language(language)
    async with opened(waiting, size=SIZES[size]) as screen:
        device = screen.app.workspace.identity.device.hex()
        for place in PLACES:
            await screen.press(place)
            shown = screen.text()
            assert device in shown, "its id can be read to an admin"
            assert "K9" in shown.splitlines()[0]
            assert screen.screenshot() == picture(name=f"{place}-{language}-{size}"), shown
        await screen.press("y")
        assert screen.app.clipboard == device


async def test_a_device_that_waits_writes_nothing(waiting: Path) -> None:
    async with opened(waiting) as screen:
        await expect_refusals(screen, "This device is not admitted yet: an admin needs the id that 6 shows.")


async def test_a_device_that_is_admitted_goes_on_by_itself(home: Path, waiting: Path) -> None:
    async with opened(waiting, "2") as screen:
        assert "waits to be admitted" in screen.text()
        async with await Workspace.open(home, user="Maier", clock=lambda: NOW) as admin:
            await admin.admit(screen.app.workspace.identity.device.hex(), "technician", "K9")
            blocks = await admin.store.blocks(await admin.store.hashes())
        async with await Workspace.open(waiting, user="Jones", clock=lambda: NOW) as service:
            await service.store.save_blocks(blocks)
        async with asyncio.timeout(DEADLINE_S):
            while "TSC" not in screen.text() or "waits to be admitted" in screen.text():
                await screen.pilot.pause(0.05)
        page = screen.app.base_screen
        assert page is not None
        assert page.disabled_reason("new") is None


async def test_a_device_without_its_key_learns_it_and_shows_what_it_holds(home: Path) -> None:
    (home / "device.key").unlink()
    async with opened(home, "2") as screen:
        assert "TSC" in screen.text()
        screen.app.base_screen.refresh_data()  # type: ignore[union-attr]
        await screen.rest()
        await screen.press("6")
        assert "There is no device key at" in screen.text()


async def test_a_reader_learns_it_at_every_key_that_writes(reader: Path) -> None:
    async with opened(reader) as screen:
        assert "reader" in screen.text().splitlines()[0]
        await expect_refusals(screen, "This device is a reader: an admin can give it another role.")
        await screen.press("2", "g", "l", "j", "enter", "e")
        assert "This device is a reader" in screen.text()
        await screen.press("question_mark")
        await screen.type("type another value")
        assert "This device is a reader" in screen.text(), "the key that is found writes"


def test_no_sentence_about_a_key_is_cut_off_on_a_small_screen() -> None:
    from rich.cells import cell_len

    from tui.view_models.device_role import write_refusal

    for language in ("en", "de"):
        set_language(language)
        for text in (write_refusal(status) or "" for status in ("reads", "waits", "out")):
            assert cell_len(f" {text} ") <= 80, text


def test_how_good_a_cable_was_is_drawn_and_said() -> None:
    sessions = [
        CableSession(b"p" * 16, 3_000_000, 115_200, 92_000, 400, 3, 2),
        CableSession(b"p" * 16, 2_000_000, 115_200, 46_000, 100, is_complete=False),
    ]
    lines = ["".join(text for text, _role in line) for line in quality_lines(sessions, DATES, 70, 10)]
    assert lines[0].startswith("Cable  2 sessions ─")
    assert lines[1].split() == ["rate", "92,000", "bit/s", "▅▇"]
    assert lines[2].split() == ["bits", "corrected", "2", "─▇"]
    assert lines[3].split() == ["sent", "again", "3", "of", "500", "─▇"]
    assert lines[4].split()[:3] == ["the", "last", "complete"]
    assert quality_text(sessions) == "Cable, 2 sessions: 92,000 bit/s · 2 bits corrected"
    assert quality_lines([], DATES, 70, 10) == [] and quality_text([]) == ""

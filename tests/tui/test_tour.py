"""A picture of every screen and dialog, in both languages and sizes.

The main ones with ASCII glyphs, too.

And what must hold on each of them.
"""

from __future__ import annotations

import html
import re
import shlex
import socket
from datetime import UTC
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest
from rich.cells import cell_len
from syrupy.assertion import SnapshotAssertion
from textual.screen import Screen as TextualScreen

import tui.screens
from tests.support.opened_app import LARGE, SMALL, Screen, opened
from tests.support.tour import CHAPTERS, ELSEWHERE, Stop
from tests.tui.test_kiosk import PIN, Clock, kiosk
from tests.tui.test_setup_wizard import FLEET, begun, enter, pictured, pressed, typed
from tui.app_status import Options
from tui.i18n.translate import set_language
from tui.pin import KioskPin
from tui.terminal.diff_app import focus_position
from tui.widgets.lines import LineList


async def go(screen: Screen, stop: Stop) -> None:
    for word in shlex.split(stop.keys, posix=False):
        if word.startswith('"'):
            await screen.type(word.strip('"'))
        else:
            await screen.press(word)
    if stop.item is not None:
        await screen.go_to_item(stop.item)
    assert type(screen.app.screen) is stop.shows, stop.name


def check(screen: Screen) -> None:
    """What holds everywhere.

    Nothing is wider than the screen, and the terminal's cursor is where the focus is.
    """
    lines = screen.text().splitlines()
    width, height = screen.app.size
    assert len(lines) == height
    assert max(map(cell_len, lines)) <= width
    at = focus_position(screen.app.screen)
    if at is not None and isinstance(focused := screen.app.focused, LineList) and len(focused.source):
        assert lines[at.y][at.x] == "▌" or focused._letters, f"the cursor is at {at}:\n" + "\n".join(lines)


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("chapter", CHAPTERS)
async def test_tour(home: Path, picture: SnapshotAssertion, chapter: str, language: str) -> None:
    set_language(language)
    async with opened(home) as screen:
        for stop in CHAPTERS[chapter].stops:
            await go(screen, stop)
            for name, size in (("80x24", SMALL), ("120x40", LARGE)):
                await screen.resize(*size)
                check(screen)
                assert screen.screenshot() == picture(name=f"{chapter}-{stop.name}-{language}-{name}"), screen.text()
            await screen.resize(*SMALL)


@pytest.mark.parametrize("chapter", CHAPTERS)
async def test_ascii(home: Path, picture: SnapshotAssertion, chapter: str) -> None:
    async with opened(home, options=Options(plain=True, zone=UTC)) as screen:
        for stop in CHAPTERS[chapter].stops:
            await go(screen, stop)
            shown = screen.screenshot()
            glyphs = set(re.sub("<style>.*?</style>", "", html.unescape(shown), flags=re.DOTALL)) - {"\xa0"}
            assert all(each.isascii() or each.isalpha() for each in glyphs), stop.name
            if stop.name in CHAPTERS[chapter].plain:
                assert shown == picture(name=f"{chapter}-{stop.name}")


@pytest.mark.parametrize("language", ["en", "de"])
async def test_first_run(
    tmp_path: Path, picture: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    set_language(language)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket, "gethostname", lambda: "K7")
    async with begun(Path("home")) as pilot:
        for step in ("choice", "fleet", "device", "schema"):
            await pictured(pilot, picture, f"start-{step}-{language}")
            if step == "fleet":
                await typed(pilot, "Nord")
            if step != "schema":
                await enter(pilot)
        for _step in range(3):
            await pressed(pilot, "escape")
        await enter(pilot, "down", "down")
        await pictured(pilot, picture, f"join-fleet-{language}")
        await enter(pilot, "1", "2")
        await pictured(pilot, picture, f"join-refused-{language}")
        await enter(pilot, "ctrl+u", *FLEET)
        await pictured(pilot, picture, f"join-device-{language}")


@pytest.mark.parametrize("language", ["en", "de"])
async def test_kiosk(home: Path, picture: SnapshotAssertion, language: str) -> None:
    set_language(language)
    KioskPin(home, Clock()).set(PIN)
    async with kiosk(home, "6", "down", "r") as (screen, _clock):
        for name, keys in (("pin", ()), ("wrong", ("0", "0", "0", "0", "enter")), ("unlocked", (*PIN, "enter"))):
            await screen.press(*keys)
            for title, size in (("80x24", SMALL), ("120x40", LARGE)):
                await screen.resize(*size)
                check(screen)
                assert screen.screenshot() == picture(name=f"{name}-{language}-{title}")


def test_no_screen_is_left_out() -> None:
    """A new screen needs a stop, or a test of its own that ELSEWHERE names."""
    for module in iter_modules(tui.screens.__path__):
        import_module(f"tui.screens.{module.name}")
    known, found = [TextualScreen], set()
    while known:
        for each in known.pop().__subclasses__():
            known.append(each)
            if each.__module__.startswith("tui.screens") and not each.__subclasses__():
                found.add(each)
    assert found <= {stop.shows for chapter in CHAPTERS.values() for stop in chapter.stops} | set(ELSEWHERE)

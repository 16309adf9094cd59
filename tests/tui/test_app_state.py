"""What is the same on every screen.

Help, the palette, letters to jump by, small terminals, and plain glyphs.
"""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion
from textual.events import Key, Resize
from textual.geometry import Size

from tests.support.opened_app import LARGE, NOW, SMALL, Screen, opened
from tui import commands
from tui.app_status import Options
from tui.dialogs.base import SaveDialog
from tui.dialogs.help import HelpDialog
from tui.dialogs.palette import PaletteDialog
from tui.screens.base import BaseScreen
from tui.screens.fleet import Fleet
from tui.screens.form import FormScreen
from tui.screens.members import Members
from tui.terminal.diff_app import DiffApp, focus_position

SIZES = {"80x24": SMALL, "120x40": LARGE}
PLAIN = Options(plain=True, zone=UTC)


@pytest.mark.parametrize("size", SIZES)
async def test_help(home: Path, picture: SnapshotAssertion, size: str) -> None:
    async with opened(home, "2", "question_mark", size=SIZES[size]) as screen:
        assert screen.screenshot() == picture


@pytest.mark.parametrize("size", SIZES)
async def test_the_palette(home: Path, picture: SnapshotAssertion, size: str) -> None:
    async with opened(home, "2", "colon", size=SIZES[size]) as screen:
        await screen.type("what")
        assert screen.screenshot() == picture


async def test_the_palette_says_why_a_command_cannot_act(home: Path) -> None:
    async with opened(home, "2", "colon") as screen:
        await screen.type("all marks away")
        await screen.press("enter")
        assert "Nothing is marked: Space marks the current line." in screen.text()
        await screen.press("escape", "colon")
        await screen.type("go to history")
        await screen.press("enter")
        assert screen.app.base_screen.TAB == "history"  # type: ignore[attr-defined]


async def test_every_command_of_a_place_is_in_its_help_and_can_be_carried_out(home: Path) -> None:
    async with opened(home, size=(120, 100)) as screen:
        for place in "123456":
            await screen.press(place)
            page = screen.app.base_screen
            assert isinstance(page, BaseScreen)
            await screen.press("question_mark")
            text = screen.text()
            for command in commands.commands_of(*page.SCOPES):
                assert command.help[:50] in text, command.name
                assert page.command_owner(command.name) is not None, command.name
                assert set(command.keys) <= page._bindings.key_to_bindings.keys(), command.name
            await screen.press("escape")


async def test_a_letter_goes_to_its_line(home: Path, picture: SnapshotAssertion) -> None:
    async with opened(home, "2", "f") as screen:
        page = screen.app.base_screen
        assert isinstance(page, Fleet)
        assert screen.screenshot() == picture
        await screen.press("d")
        assert page.lines.cursor == 3
        await screen.press("f", "escape")
        assert page.lines.cursor == 3
        await screen.press("j")
        assert page.lines.cursor == 4


async def test_a_small_terminal_says_so_and_goes_on_when_it_is_large_enough(
    home: Path, picture: SnapshotAssertion
) -> None:
    async with opened(home, "2", size=(39, 9)) as screen:
        assert "needs 40 columns and 10 lines; here are 39 and 9." in " ".join(screen.text().split())
        await screen.press("3", "enter")
        assert "here are 39 and 9." in " ".join(screen.text().split())
        await screen.press("escape", "2")
        assert "TSC" not in screen.text()
        await screen.resize(72, 20)
        assert "Not all fits: 72 × 20 of 80 × 23." in screen.text()
        assert "TSC" in screen.text()
        assert screen.screenshot() == picture
        await screen.resize(*SMALL)
        assert "Not all fits" not in screen.text()
        await screen.press("j")
        page = screen.app.base_screen
        assert isinstance(page, Fleet)
        assert page.lines.cursor == 1
        for size in ((80, 22), (79, 24), (200, 60), SMALL):
            await screen.pilot.resize_terminal(*size)
        await screen.resize(*SMALL)
        assert page.lines.cursor == 1
        await screen.press("enter")
        assert isinstance(screen.app.base_screen, FormScreen)


@pytest.mark.parametrize(
    "size",
    [(40, 10), (79, 24), *(pytest.param(each, marks=pytest.mark.soak) for each in ((80, 22), (60, 15), (200, 12)))],
)
async def test_every_screen_and_its_dialogs_can_be_read_on_a_small_terminal(home: Path, size: tuple[int, int]) -> None:
    async with opened(home, size=size) as screen:
        for place in "123456":
            await screen.press(place)
            assert "Not all fits" in screen.text(), place
            await screen.press("down", "enter")
            assert screen.text().strip()
            await screen.press("escape", "question_mark", "escape", "escape")
            assert screen.app.is_running


async def test_beside_the_line_of_tmux_there_is_room(home: Path, picture: SnapshotAssertion) -> None:
    async with opened(home, "3", size=(80, 23)) as screen:
        assert screen.screenshot() == picture


@pytest.mark.parametrize("keys", [("2",), ("2", "question_mark")])
async def test_a_size_that_is_reported_too_late_does_not_last(home: Path, keys: tuple[str, ...]) -> None:
    async with opened(home, *keys) as screen:
        await screen.resize(*LARGE)
        screen.app.screen.post_message(Resize(Size(*SMALL), Size(*SMALL)))
        await screen.rest()
        assert screen.app.screen.size == LARGE
        assert max(map(len, screen.text().splitlines())) > SMALL[0]


@pytest.mark.parametrize(("name", "keys"), [("fleet", ("2", "l")), ("form", ("2", "l", "j", "enter", "j", "j", "j"))])
async def test_plain_glyphs(home: Path, picture: SnapshotAssertion, name: str, keys: tuple[str, ...]) -> None:
    async with opened(home, *keys, options=PLAIN) as screen:
        shot = screen.screenshot()
        assert shot == picture
        assert not set("●○≠▌▸›─│┌·…") & set(shot), name


async def test_the_past_is_read_only_and_says_so(home: Path, picture: SnapshotAssertion) -> None:
    async with opened(home, "2", "l", "j", "enter") as screen:
        screen.app.view_at(NOW - 20 * 24 * 3_600_000_000)
        await screen.rest()
        assert "AS OF 16 Sep 2026" in screen.text()
        await screen.press("e")
        assert "This is the past" in screen.text()
        assert screen.screenshot() == picture
        screen.app.view_at(NOW - 20 * 24 * 3_600_000_000, as_known=True)
        await screen.rest()
        assert "AS KNOWN HERE ON 16 Sep 2026" in screen.text()


async def test_the_cursor_of_the_terminal_follows_the_focus(home: Path) -> None:
    async with opened(home, "2", "j", "j") as screen:
        app = screen.app
        assert isinstance(app, DiffApp)
        assert focus_position(app.screen) == (0, 7)
        await screen.press("slash")
        await screen.type("ab")
        assert focus_position(app.screen) == (4, 2)


async def test_the_cursor_is_on_what_is_to_be_read_where_nothing_is_chosen_or_typed(home: Path) -> None:
    async with opened(home, "1") as screen:
        app = screen.app
        assert isinstance(app, DiffApp)
        for keys in ([], ["2", "1"]):
            await screen.press(*keys)
            at = focus_position(app.screen)
            assert at is not None
            assert screen.text().splitlines()[at.y].strip().startswith("Which place this device is at")
        await screen.press("6", "down", "r", "enter")
        at = focus_position(app.screen)
        assert at is not None
        assert screen.text().splitlines()[at.y][at.x :].startswith("Make K2 a device with the role technician?")


async def test_help_in_a_dialog_tells_its_keys_and_goes_away_again(home: Path) -> None:
    async with opened(home, "6", "down", "r") as screen:
        assert "? help" in screen.text()
        await screen.press("question_mark")
        assert isinstance(screen.app.screen, HelpDialog)
        assert "Go back and change nothing." in screen.text()
        assert "Go to Fleet" not in screen.text(), "the places are not reached from a dialog"
        await screen.press("question_mark", "escape", "n")
        assert "F1 help" in screen.text(), "what is typed there is a name"
        await screen.press("question_mark")
        assert "K2?" in screen.text()
        await screen.press("f1")
        assert isinstance(screen.app.screen, HelpDialog)
        await screen.press("f1")
        assert "K2?" in screen.text()
        await screen.press("escape", "2", "g", "l", "j", "enter", "e")
        assert "F1 help" in screen.text()
        await screen.press("f1")
        assert "Forget what you typed." in screen.text()


async def test_the_palette_says_that_nothing_was_found_and_stays(home: Path) -> None:
    async with opened(home, "2", "colon") as screen:
        await screen.type("zzz")
        assert "No command mentions all of these words." in screen.text()
        await screen.press("enter")
        assert isinstance(screen.app.screen, PaletteDialog)


async def together(screen: Screen, *keys: str) -> None:
    """Keys that come in one piece: nothing waits between them."""
    for key in keys:
        screen.app.post_message(Key(key, None))
    await screen.rest()


async def test_the_second_of_two_enters_answers_nothing_else(home: Path) -> None:
    async with opened(home, "2", "g", "l", "j") as screen:
        await together(screen, "enter", "enter", "enter")
        assert isinstance(screen.app.screen, FormScreen)
        await together(screen, "escape", "escape")
        assert isinstance(screen.app.screen, Fleet)
        assert len(screen.app.screen_stack) == 1
        await screen.press("X")
        assert isinstance(screen.app.screen, SaveDialog)
        await together(screen, "enter", "enter")
        assert isinstance(screen.app.screen, Fleet)
        await screen.press("6", "down", "r")
        await together(screen, "enter", "enter", "enter")
        await together(screen, "escape", "escape", "escape")
        assert isinstance(screen.app.screen, Members)

"""All on the screen can be clicked: rows, places and keys.

By those who have a mouse or a screen to touch.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.opened_app import SMALL, Screen, opened
from tui import commands
from tui.commands import Command
from tui.dialogs.help import HelpDialog
from tui.dialogs.search import SearchDialog
from tui.layout import line_width
from tui.screens.fleet import Fleet
from tui.screens.form import FormScreen
from tui.screens.members import Members
from tui.terminal.diff_app import focus_position
from tui.view_models.footer import footer_key_at, footer_line


async def click(screen: Screen, text: str, times: int = 1) -> None:
    """Click on the first place on the screen where this text stands."""
    rows = screen.text().splitlines()
    y = next(index for index, row in enumerate(rows) if text in row)
    await screen.pilot.click(offset=(rows[y].index(text), y), times=times)
    await screen.rest()


async def test_a_row_is_gone_to_and_opened_by_the_second_click(home: Path) -> None:
    async with opened(home, "2") as screen:
        page = screen.app.base_screen
        assert isinstance(page, Fleet)
        await click(screen, "TSC Hannover")
        assert focus_position(screen.app.screen) is not None
        assert page.node is not None
        assert page.node.row.title == "TSC Hannover"
        await click(screen, "TSC Kiel", times=2)
        assert isinstance(screen.app.screen, FormScreen)
        assert "TSC Kiel" in screen.text().splitlines()[0]


async def test_places_and_keys_are_clicked(home: Path) -> None:
    async with opened(home, "2") as screen:
        await click(screen, "Devices")
        assert isinstance(screen.app.screen, Members)
        await click(screen, "rename")
        assert "only an admin" not in screen.text()
        await click(screen, "cancel")
        await click(screen, "2 Fleet")
        await click(screen, "search")
        assert isinstance(screen.app.screen, SearchDialog)
        await screen.type("lane")
        await click(screen, "Lane 2")
        await screen.type(" 1")
        assert "lane 1" in screen.text()
        await click(screen, "Esc")
        await click(screen, "? help")
        assert isinstance(screen.app.screen, HelpDialog)


async def test_a_key_that_cannot_act_says_why(home: Path) -> None:
    async with opened(home, "5") as screen:
        await click(screen, "x stop")
        assert "No sync is in progress." in screen.text()


async def test_nothing_is_clicked_behind_the_last_row_and_between_keys(home: Path) -> None:
    async with opened(home, "6") as screen:
        before = screen.text()
        for offset in ((0, 0), (40, 12), (0, 1), (79, 1), (0, SMALL[1] - 1)):
            await screen.pilot.click(offset=offset)
            await screen.rest()
        assert screen.text() == before


@given(
    st.sampled_from([name for name in commands.scope_names() if name != "list"]),
    st.integers(20, 160),
    st.sets(st.integers(0, 20)),
)
@pytest.mark.parametrize("language", ["en"])
def test_each_key_is_where_it_is_drawn(language: str, scope: str, width: int, dimmed: set[int]) -> None:
    offered: list[Command] = list(commands.commands_of(scope))
    line = footer_line(width, offered, {offered[place].name: "not now" for place in dimmed if place < len(offered)})
    text = "".join(part for part, _role in line)
    assert line_width(line) == width
    found = [footer_key_at(column, width, offered) for column in range(width)]
    for command in offered:
        if command.keys and command.label and command.keys[0] in found:
            shown = f"{commands.format_key(command.keys[0])} {command.label}"
            at = found.index(command.keys[0])
            assert text[at : at + len(shown)] == shown
            assert found[at : at + len(shown)] == [command.keys[0]] * len(shown)

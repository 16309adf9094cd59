"""Search as somebody types, over everything, and step through what was found."""

from __future__ import annotations

from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from core.workspace import Workspace
from tests.support.opened_app import LARGE, NOW, SMALL, opened
from tui.screens.fleet import Fleet
from tui.screens.form import FormScreen

SIZES = {"80x24": SMALL, "120x40": LARGE}


@pytest.mark.parametrize("size", SIZES)
async def test_results_come_while_typing(home: Path, picture: SnapshotAssertion, size: str) -> None:
    async with opened(home, "2", "slash", size=SIZES[size]) as screen:
        assert "several words must all occur" in screen.text()
        await screen.type("printer 6000")
        assert "Acme LookNice 6000" in screen.text()
        assert "Brix" not in screen.text()
        assert screen.screenshot() == picture


async def test_of_a_long_value_the_place_is_shown_that_was_found(home: Path) -> None:
    async with await Workspace.open(home, user="Jones", clock=lambda: NOW - 1) as workspace:
        (place, *_others) = await workspace.view().records("place", await workspace.schema())
        await workspace.set(place, {"printer": "x" * 300 + " under the stairs"})
        await workspace.retire(await workspace.record(place.entity))
    async with opened(home, "2", "slash") as screen:
        await screen.type("the stairs")
        assert "1 found" in screen.text()
        assert "– retired" in screen.text()
        assert "…under the stairs" in screen.text()


async def test_the_form_of_what_was_found_begins_where_it_was_found(home: Path) -> None:
    async with opened(home, "2", "slash") as screen:
        await screen.type("bea-7")
        await screen.press("enter", "enter")
        page = screen.app.base_screen
        assert isinstance(page, FormScreen)
        assert page.row is not None
        assert page.row.prop.name == "bea_configuration"


async def test_what_is_chosen_is_shown_in_the_tree_and_n_goes_through_the_rest(home: Path) -> None:
    async with opened(home, "2", "slash") as screen:
        await screen.type("6000")
        await screen.press("down", "enter")
        page = screen.app.base_screen
        assert isinstance(page, Fleet)
        first = page.node
        assert first is not None
        assert first.depth == 1, "its locality is unfolded above it"
        await screen.press("n")
        assert page.node is not None
        assert page.node.row.entity != first.row.entity
        assert "2 of " in screen.text()
        await screen.press("N")
        assert page.node is first or page.node.row.entity == first.row.entity
        await screen.press("enter")
        assert isinstance(screen.app.base_screen, FormScreen)


async def test_a_form_and_here_are_searched_from_too_and_fleet_shows_what_was_found(home: Path) -> None:
    async with opened(home, "2", "enter", "slash") as screen:
        await screen.type("kiel 6000")
        await screen.press("escape", "slash")
        await screen.type("kiel lane")
        await screen.press("enter")
        page = screen.app.base_screen
        assert isinstance(page, Fleet)
        assert page.node is not None
        assert page.node.row.title.startswith("Lane")
        await screen.press("c", "1", "slash")
        await screen.type("tsc bremen")
        await screen.press("enter")
        assert screen.app.base_screen is page
        assert page.node is not None
        assert page.node.row.title == "TSC Bremen"
        assert "you are here" in screen.text()


async def test_nothing_found_says_so_and_escape_changes_nothing(home: Path) -> None:
    async with opened(home, "2", "j", "slash") as screen:
        page = screen.app.base_screen
        assert isinstance(page, Fleet)
        key = page.lines.key
        await screen.type("no such thing")
        assert "Nothing contains all of these words" in screen.text()
        await screen.press("enter")
        assert "Search" in screen.text()
        await screen.press("escape")
        assert page.lines.key == key
        await screen.press("n")
        assert "No search yet" in screen.text()


async def test_the_past_is_searched_as_it_was(home: Path) -> None:
    async with opened(home, "4", "G", "enter", "2", "slash") as screen:
        await screen.type("6000")
        assert "Nothing contains all of these words" in screen.text()

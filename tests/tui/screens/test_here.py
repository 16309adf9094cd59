"""Here: choosing the place, its form, and what is new since the last visit."""

from __future__ import annotations

from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from core.service.location import LOCATION_META_KEY
from core.workspace import Workspace
from tests.support.opened_app import LARGE, NOW, SMALL, opened
from tui.demo.fleet import DEMO_USER
from tui.view_models.whats_new import read_last_visit, save_visit

HOUR = 3_600_000_000
PLACE = "place:241/Entrance right"
SIZES = {"80x24": SMALL, "120x40": LARGE}


async def chosen(home: Path, visit: int | None = None) -> bytes:
    """Choose the place in dispute as this device's, last visited at this moment."""
    async with await Workspace.open(home, user=DEMO_USER, clock=lambda: NOW) as workspace:
        place = await workspace.find(PLACE)
        await workspace.store.write_meta(LOCATION_META_KEY, place)
        if visit is not None:
            await save_visit(workspace.store, DEMO_USER, place, visit)
    return place


@pytest.mark.parametrize("size", SIZES)
async def test_here_shows_the_place_and_what_is_new(home: Path, picture: SnapshotAssertion, size: str) -> None:
    await chosen(home, NOW - 6 * HOUR)
    async with opened(home, size=SIZES[size]) as screen:
        assert screen.app.base_screen.TAB == "here"
        assert "Entrance right" in screen.text()
        assert "since your last visit" in screen.text()
        assert screen.screenshot() == picture


@pytest.mark.parametrize("size", SIZES)
async def test_without_a_place_it_names_the_key_to_press(home: Path, picture: SnapshotAssertion, size: str) -> None:
    async with opened(home, "1", size=SIZES[size]) as screen:
        assert "Press c" in screen.text()
        await screen.press("e")
        assert "No place is chosen yet" in screen.text()
        assert screen.screenshot() == picture


async def test_a_place_chosen_in_fleet_is_remembered_and_its_visit_begins(home: Path) -> None:
    async with opened(home, "1", "c", "c", "1") as screen:
        assert "from now on" not in screen.text()
        assert screen.app.here is not None
        here = screen.app.here
    async with await Workspace.open(home, user=DEMO_USER) as workspace:
        assert await read_last_visit(workspace.store, DEMO_USER, here) == NOW
    async with opened(home) as screen:
        assert screen.app.base_screen.TAB == "here"
        assert "nothing new since your last visit" in screen.text()


async def test_visits_are_those_of_one_user(home: Path) -> None:
    await chosen(home, NOW - 6 * HOUR)
    async with opened(home, user="Jones") as screen:
        assert "since your last visit" not in screen.text()


async def test_what_others_wrote_is_new_and_what_i_wrote_is_not(home: Path) -> None:
    place = await chosen(home, NOW - 1)
    for user, server in (("Jones", "Brix 7"), (DEMO_USER, "17e9:6006 #0001")):
        async with await Workspace.open(home, user=user, clock=lambda: NOW) as workspace:
            name = "avl_configuration" if user == "Jones" else "docking_station"
            await workspace.set(await workspace.record(place), {name: server})
    async with opened(home) as screen:
        assert "1 property has changed since your last visit" in screen.text()
        assert "→ Brix 7" in screen.text()
    async with opened(home) as screen:
        assert "nothing new since your last visit" in screen.text()


async def test_a_value_is_edited_and_applied_without_leaving_here(home: Path) -> None:
    place = await chosen(home)
    async with opened(home, "g", "down", "down", "e", "ctrl+u") as screen:
        await screen.type("Brix 99")
        await screen.press("enter")
        assert "not applied" in screen.text()
        await screen.press("escape")
        assert screen.app.base_screen.TAB == "here"
        await screen.press("ctrl+s", "enter")
        assert "Saved: 1 property" in screen.text()
    async with await Workspace.open(home, user=DEMO_USER) as workspace:
        record = await workspace.record(place)
        assert "Brix 99" in {slot.value for slot in record.slots.values()}

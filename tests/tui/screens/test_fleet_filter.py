"""Fleet filtered by the language of History, and views saved under a name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.opened_app import Screen, opened
from tui.saved_views import MAX_VIEWS, SavedView, read_views, save_views


def listed(screen: Screen) -> list[str]:
    """The names of the lines that are shown."""
    return [row[7:24].strip() for row in screen.text().splitlines()[5:16] if row[7:24].strip()]


async def filtered(screen: Screen, text: str) -> None:
    await screen.press("F", "ctrl+u")
    await screen.type(text)
    await screen.press("enter")


async def test_only_what_such_changes_touched_is_shown_with_what_it_is_below_of(home: Path) -> None:
    async with opened(home, "2") as screen:
        await filtered(screen, "by:smith since:-1d")
        assert "filter: by:smith since:-1d" in screen.text()
        shown = "\n".join(listed(screen))
        assert "TSC Hamburg Nord\nLane 1" in shown, "it is unfolded"
        assert "TSC Hannover" in shown
        assert "TSC Lübeck" not in shown
        await screen.press("escape", "G")
        assert "TSC Lübeck" in screen.text()
        assert "filter:" not in screen.text()


async def test_what_is_no_filter_is_refused_before_anything_is_hidden(home: Path) -> None:
    async with opened(home, "2") as screen:
        await filtered(screen, "colour:blue")
        assert "is no filter" in screen.text()
        await screen.press("escape")
        assert "TSC Lübeck" in screen.text()


async def test_a_filter_that_nothing_meets_shows_nothing_and_escape_all(home: Path) -> None:
    async with opened(home, "2") as screen:
        await filtered(screen, "zzzzz")
        assert "0 found" in screen.text()
        await screen.press("escape")
        assert "TSC Lübeck" in screen.text()


async def test_a_view_is_saved_under_a_name_and_shown_again_after_a_restart(home: Path) -> None:
    async with opened(home, "2") as screen:
        await filtered(screen, "by:smith since:-1d")
        await screen.press("v", "enter")
        await screen.type("Smith lately")
        await screen.press("enter")
        assert "v shows the view" in screen.text()
    async with opened(home, "2", "colon") as screen:
        await screen.type("view that")
        await screen.press("enter")
        assert "Smith lately" in screen.text()
        await screen.press("enter")
        assert "View: Smith lately" in screen.text()
        assert "filter: by:smith since:-1d" in screen.text()


async def test_views_are_those_of_one_person(home: Path) -> None:
    async with opened(home, "2") as screen:
        store = screen.app.workspace.store
        views = [SavedView("b", "x"), SavedView("A", "", "printer", True)]
        await save_views(store, "Maier", views)
        assert await read_views(store, "Maier") == views[::-1]
        assert await read_views(store, "Jones") == []


@pytest.mark.parametrize("kept", [b"{", b"7", b'[["a"]]', b'[["", "", "", false]]', b"\xff", b'[["a", 1, "", false]]'])
async def test_what_cannot_be_understood_is_no_view(home: Path, kept: bytes) -> None:
    async with opened(home, "2") as screen:
        store = screen.app.workspace.store
        await store.write_meta("views Maier", kept)
        assert await read_views(store, "Maier") == []
        await store.write_meta("views Maier", json.dumps([[str(n), "", "", False] for n in range(99)]).encode())
        assert len(await read_views(store, "Maier")) == MAX_VIEWS

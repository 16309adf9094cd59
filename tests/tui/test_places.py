"""Each of the six places as a picture, in both languages and sizes."""

from __future__ import annotations

from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.tui.opened import LARGE, SMALL, opened
from tui.i18n import use

SIZES = {"80x24": SMALL, "120x40": LARGE}


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("place", "key"), [("fleet", "2"), ("inbox", "3"), ("history", "4"), ("members", "6")])
async def test_a_place(home: Path, picture: SnapshotAssertion, place: str, key: str, size: str, language: str) -> None:
    use(language)
    async with opened(home, key, size=SIZES[size]) as screen:
        assert place == screen.app.page.PLACE
        assert screen.screenshot() == picture

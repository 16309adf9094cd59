"""A task for a screen that is still being put together waits for it."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from tests.support.opened_app import opened
from tui.screens.base import BaseScreen

PLACES = ["inbox", "history", "sync", "members"]


@pytest.mark.parametrize("place", PLACES)
async def test_what_was_just_opened_is_read_once_it_is_there(home: Path, place: str) -> None:
    async with opened(home) as screen:
        mounted = screen.app.switch_mode(place)
        opening = cast(BaseScreen, screen.app.screen_stack[-1])
        assert not opening.is_mounted
        composed: list[int] = []
        # As when another process saves just then, and all is read again.
        opening.run_task(lambda: composed.append(len(opening.query("*"))))
        await mounted
        await screen.rest()
        assert composed == [len(opening.query("*"))]

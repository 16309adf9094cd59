"""What the terminal shows already is not written again, not even its cursor."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.opened_app import opened
from tui.app import FieldlineApp


async def test_what_is_drawn_as_it_is_writes_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(home) as screen:
        written: list[str] = []
        assert screen.app._driver is not None
        monkeypatch.setattr(screen.app._driver, "write", written.append)
        monkeypatch.setattr(FieldlineApp, "is_headless", False)
        screen.app.do_redraw()
        await screen.rest()
        assert "TSC" in "".join(written)
        written.clear()
        screen.app.screen.redraw()
        screen.app.screen.refresh(layout=True)
        await screen.rest()
        assert written == []
        await screen.press("down")
        assert written
        monkeypatch.undo()

"""The picture in the README."""

from __future__ import annotations

from pathlib import Path

from syrupy.assertion import SnapshotAssertion

from tests.support.opened_app import opened


async def test_inbox(home: Path, picture: SnapshotAssertion) -> None:
    async with opened(home, "3") as screen:
        assert "to resolve" in screen.text()
        assert screen.screenshot() == picture

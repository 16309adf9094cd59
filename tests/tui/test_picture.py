"""The pictures in the README."""

from __future__ import annotations

from pathlib import Path

from syrupy.assertion import SnapshotAssertion

from tests.support.opened_app import LARGE, opened


async def test_inbox(home: Path, picture: SnapshotAssertion) -> None:
    async with opened(home, "3") as screen:
        assert "to resolve" in screen.text()
        assert screen.screenshot() == picture


async def test_fleet(home: Path, picture: SnapshotAssertion) -> None:
    async with opened(home, "2", "g", "down", "down", "down", "down", "right", "down", "down", size=LARGE) as screen:
        assert "Entrance right" in screen.text()
        assert screen.screenshot() == picture


async def test_history(home: Path, picture: SnapshotAssertion) -> None:
    async with opened(home, "4", "g", "down", size=LARGE) as screen:
        assert "Brix 60" in screen.text()
        assert screen.screenshot() == picture

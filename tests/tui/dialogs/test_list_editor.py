"""A list of values is edited one by one, or pasted with commas.

Each is checked while it is typed.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from core.schema_toml import load_builtin_schema, parse_schema
from core.value_codec import Value
from core.workspace import Workspace
from tests.support.opened_app import LARGE, NOW, SMALL, Screen, opened

PORTS = """
[properties.ports]
type = "integer"
many = true
labels = { en = "Ports", de = "Ports" }
help = { en = "What it listens on, such as 9100.", de = "Worauf es hört, etwa 9100." }

[properties.names]
type = "choice"
many = true
choices = ["left", "right"]
required = true
labels = { en = "Sides", de = "Seiten" }
"""


@pytest.fixture
async def listening(home: Path) -> Path:
    """A home in whose fleet places have lists."""
    texts = load_builtin_schema("service-centre").texts()
    schema = parse_schema(texts | {"place": texts["place"] + PORTS}, "service-centre")
    async with await Workspace.open(home, user="Maier", clock=lambda: NOW, entropy=lambda n: b"*" * n) as workspace:
        await workspace.publish(schema)
    return home


async def wanted(screen: Screen, name: str) -> Value:
    """What the only draft wants."""
    (draft,) = screen.app.drafts.values()
    return draft.wanted[name]


async def test_items_are_added_changed_and_removed(listening: Path, picture: SnapshotAssertion) -> None:
    async with opened(listening, "2", "right", "down", "enter", "G", "up", "e", size=SMALL) as screen:
        assert "such as 9100" in screen.text()
        for text in ("80", "443", "9100, 9101"):
            await screen.type(text)
            await screen.press("enter")
        await screen.type("x1")
        assert "is not a whole number" in screen.text()
        assert screen.screenshot() == picture(name="refused")
        await screen.press("enter", "up")
        assert "x1" in screen.text(), "what is refused stays until it is right or gone"
        await screen.press("ctrl+u", "up", "ctrl+x", "up", "0", "enter")
        await screen.resize(*LARGE)
        assert screen.screenshot() == picture(name="large")
        await screen.press("enter")
        assert await wanted(screen, "ports") == (80, 443, 91000)
        await screen.press("e", "up", "ctrl+u", "enter", "escape", "escape")
        assert await wanted(screen, "ports") == (80, 443, 91000), "Esc changes nothing"


async def test_what_must_have_a_value_is_not_left_empty(listening: Path) -> None:
    async with opened(listening, "2", "right", "down", "enter", "G", "e") as screen:
        await screen.press("enter")
        assert "must have a value" in screen.text()
        await screen.type("top")
        assert "left, right" in screen.text()
        await screen.press("ctrl+u")
        await screen.type("left")
        await screen.press("ctrl+s")
        assert await wanted(screen, "names") == ("left",)

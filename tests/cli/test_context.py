"""Columns at a shell are straight, whatever the text in them is made of."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.support.cli import Terminal
from tui.cli.context import text_width, truncate_text

FAMILY = "👨\u200d👩\u200d👧"


@pytest.mark.parametrize(
    ("text", "columns"),
    [("Lane", 4), ("Tür", 3), ("漢字", 4), ("🇩🇪", 2), ("❤\ufe0f", 2), ("👍🏽", 2), (FAMILY, 2), ("x\u0331y", 2)],
)
def test_a_text_is_as_wide_as_what_is_seen_of_it(text: str, columns: int) -> None:
    assert text_width(text) == columns
    assert truncate_text(text, columns) == text


@pytest.mark.parametrize("sign", ["❤\ufe0f", "👍🏽", FAMILY, "漢"])
def test_a_text_is_cut_between_what_is_seen_as_one(sign: str) -> None:
    for columns in range(1, 9):
        cut = truncate_text(sign * 5, columns)
        assert cut == sign * ((columns - 1) // 2) + "…"
        assert text_width(cut) <= columns


def test_the_columns_of_a_list_are_straight(tmp_path: Path) -> None:
    device = Terminal(tmp_path / "home")
    device.ask("init", "--fleet", "F", "--device", "D")
    device.ask("new", "locality", "code=1")
    for name in ("Lane 1", "🇩🇪 Tür", "❤\ufe0f 2", "👍🏽 3", "漢字"):
        device.ask("new", "place", f"name={name}", "locality=locality:1", "printer=Brix")
    rows = device.call("list", "place", "--columns", "name,printer").out.splitlines()
    assert len({cell_len(row[: row.index("Brix")]) for row in rows if "Brix" in row}) == 1

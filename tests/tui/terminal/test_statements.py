"""What a screen reader gets: a statement a line, and only what is new."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tui.terminal.statements import Narrator, ScreenText, statement

FLEET = ScreenText(identity=1, part="Fleet, 2", row="TSC Kiel, 241")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("  ▸ TSC Kiel        241    ≠ 1 to resolve ", "+ TSC Kiel, 241, 1 to resolve"),
        ("Equipment ─────────────────", "Equipment"),
        ("│ Printer │ Acme 5000 → Brix 60", "Printer, Acme 5000 -> Brix 60"),
        ("  Printer   ~ Brix 60  was Acme", "Printer, Brix 60, was Acme"),
        ("──────", ""),
        ("Straße 漢字", "Straße 漢字"),
    ],
)
def test_a_row_becomes_a_statement(row: str, message: str) -> None:
    assert statement(row) == message


def test_only_what_is_new_is_said() -> None:
    narrator = Narrator()
    assert narrator.narrate(FLEET) == "Fleet, 2:\nTSC Kiel, 241\n"
    assert narrator.narrate(FLEET) == ""
    moved = replace(FLEET, row="TSC Bremen, 260")
    assert narrator.narrate(moved) == "TSC Bremen, 260\n"
    assert narrator.narrate(replace(moved, message="Saved.")) == "Saved.\n"
    assert narrator.narrate(moved) == ""
    assert narrator.narrate(replace(moved, marked=("A 5030",))) == "A 5030\n"
    assert narrator.narrate(replace(moved, identity=2, part="Inbox", row="")) == "Inbox:\n"


def test_what_is_typed_is_echoed() -> None:
    narrator = Narrator()
    narrator.narrate(FLEET)

    def typed(text: str, at: int | None = None) -> str:
        return narrator.narrate(replace(FLEET, typed=text, at=len(text) if at is None else at))

    assert typed("5000") == "> 5000"
    assert typed("5000x") == "x"
    assert typed("5000") == "\b \b"
    assert typed("5000", 2) == "\b\b"
    assert typed("5000", 3) == "0"
    assert typed("50x00", 3) == "\n> 50x00"
    assert typed("a text of more than a few letters") == "\n> a text of more than a few letters"
    assert typed("") == "\n> "
    assert narrator.narrate(FLEET) == "\n"


def test_nothing_that_is_typed_steers_the_terminal() -> None:
    narrator = Narrator()
    narrator.narrate(FLEET)
    assert "\x1b" not in narrator.narrate(replace(FLEET, typed="\x1b[2J", at=4))

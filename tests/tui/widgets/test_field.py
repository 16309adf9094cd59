"""The line that people type into.

What comes from elsewhere does not steer the terminal, a paste loses nothing.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from rich.segment import Segment
from textual.events import Paste
from textual.strip import Strip

from core.workspace import Workspace
from tests.support.opened_app import LARGE, NOW, SMALL, Screen, opened
from tests.support.pty_app import started
from tests.support.unchecked import state_unchecked
from tests.tui.screens.test_form import TO_PLACE, _go_to, _record
from tui.terminal.diff_app import ColorSystem, _cells
from tui.widgets.field import Field, one_line, visible_text

EVIL = "line 1\nline 2\x1b]0;owned\x07\x1b[31m\u202eabc\x9b31m"
STEERING = EVIL.replace("\u202e", "")
"""What nobody refuses of it."""


async def _save(home: Path, value: str) -> None:
    async with await Workspace.open(home, user="Jones", clock=lambda: NOW) as workspace:
        schema = await workspace.schema()
        for record in await workspace.view().records("place", schema):
            await state_unchecked(workspace, record, {"printer": value})


async def _paste(screen: Screen, text: str) -> None:
    field = screen.app.screen.query_one(Field)
    field.post_message(Paste(text))
    await screen.rest()


async def test_an_edit_of_a_hostile_value_shows_signs_and_changes_nothing(home: Path) -> None:
    await _save(home, EVIL)
    async with opened(home, *TO_PLACE) as screen:
        await _go_to(screen, "printer")
        before = await _record(screen)
        await screen.press("e")
        assert "line 1↵line 2·]0;owned··[31m·abc·31m" in screen.text()
        await screen.press("enter")
        assert (await _record(screen)) == before
        assert not screen.app.screen.query(Field), "there is nothing to refuse in a value that stays"
        assert not screen.app.drafts, "looking at a value is no edit of it"
        await screen.press("e")
        await screen.type("!")
        await screen.press("enter")
        assert "invisible mark in it, U+202E" in screen.text()
        assert screen.app.screen.query(Field)
        assert not screen.app.drafts


async def test_what_was_not_typed_over_stays(home: Path) -> None:
    await _save(home, STEERING)
    async with opened(home, *TO_PLACE) as screen:
        await _go_to(screen, "printer")
        await screen.press("e")
        assert "line 1↵line 2·]0;owned··[31mabc·31m" in screen.text()
        await screen.type("!")
        await screen.press("enter")
        (draft,) = screen.app.drafts.values()
        assert draft.wanted == {"printer": STEERING + "!"}


def test_no_value_writes_to_the_terminal_by_itself(home: Path) -> None:
    asyncio.run(_save(home, EVIL))
    with started(home, "tui", "--no-mouse") as program:
        program.wait_for("TSC")
        for key in (b"2", b"l", b"j", b"\r"):
            program.send(key)
            program.read(0.3)
        program.wait_for("line 1")
        for key in (b"j", b"j", b"e"):
            program.send(key)
            program.read(0.3)
        program.wait_for("·]0;owned")
        assert b"\x1b]0;owned" not in program.output
        assert b"\x1b[31m" not in program.output
        assert b"\xc2\x9b" not in program.output


@pytest.mark.parametrize("text", ["a\x1b[2Jb", "a\nb", "a\x9bb", "\x1bab", "界\u202e\x07界", "a\xadb"])
def test_whatever_is_drawn_is_harmless(text: str) -> None:
    cells = _cells(Strip([Segment(text)]), ColorSystem.TRUECOLOR)
    assert all(char.isprintable() for char, _style in cells)


async def test_of_a_paste_all_lines_are_taken(home: Path) -> None:
    async with opened(home, *TO_PLACE) as screen:
        await _go_to(screen, "printer")
        await screen.press("e", "ctrl+u")
        await _paste(screen, "\n  first line\r\nsecond\tline\n\n")
        assert screen.app.screen.query_one(Field).value == "first line second line"


async def test_the_line_stays_over_its_value_whatever_the_size(home: Path) -> None:
    async with opened(home, *TO_PLACE, size=LARGE) as screen:
        await _go_to(screen, "bea_configuration")
        await screen.press("e", "ctrl+u")
        await screen.type("bea-2.xml")
        for size in (SMALL, LARGE):
            await screen.resize(*size)
            (line,) = [line for line in screen.text().splitlines() if "BEA configuration " in line and "▌" in line]
            shown = line.partition("│")[0]
            assert shown.split()[-1] == "bea-2.xml", "nothing of what is below shows through"


def test_a_sign_takes_one_column() -> None:
    assert visible_text("a\tb\r\nc\x00") == "a→b↵↵c·"
    assert visible_text("Größe 界") == "Größe 界"


def test_many_lines_become_one() -> None:
    assert one_line(" one line ") == " one line ", "a part of a line is taken as it is"
    assert one_line("a\n\n b \nc", ", ") == "a, b, c"
    assert one_line("\n") == ""

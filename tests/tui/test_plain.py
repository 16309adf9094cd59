"""Plain mode: the same screens and keys, said in lines, in a tenth of the bytes."""

from __future__ import annotations

import re
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from rich.color import ColorSystem

from core.schema_toml import load_builtin_schema
from core.workspace import Workspace
from tests.support.opened_app import SMALL, Screen, opened
from tests.support.pty_app import started
from tui.app import FieldlineApp
from tui.terminal.diff_app import DiffUpdate
from tui.terminal.screen_reader import ScreenReader

MAX_KEYS, MAX_BYTES = 1.3, 0.1
"""What plain mode may take of what the screens take."""


@dataclass(frozen=True)
class Task:
    """What somebody does.

    The keys, those that plain mode takes besides, and what has to be heard of it.
    """

    keys: str
    expected: str
    more: str = ""


TASKS = {
    "fleet": (
        Task("2 g", "TSC Bremen, 260"),
        Task("right", "- TSC Bremen"),
        Task("down", "Entrance left"),
        Task("down down", "Lane 1"),
        Task("left left", "+ TSC Bremen"),
        Task("G", "TSC Lübeck"),
        Task('slash "acme 50" enter', "Fleet, "),
        Task("2 g right", "- TSC Bremen"),
        Task("question_mark escape", "Keys, "),
        Task("a escape", "New"),
        Task("X escape", "Retire"),
        Task("space j space escape", "marked"),
    ),
    "form": (
        Task("2 g down down down down right down down enter", "TSC Kiel > Entrance right"),
        Task("down down", "Printer, Acme LookNice 5031"),
        Task("s down escape", "5030"),
        Task('e ctrl+u "Brix 60" enter', "Printer, Brix 60"),
        Task("z", "Acme LookNice 5031"),
        Task('down e ctrl+u "12" enter escape', "must look like"),
        Task('e ctrl+u "87654321" enter', "87654321"),
        Task("ctrl+s enter", "Saved"),
        Task("u enter", "Undo"),
        Task("h escape", "History"),
    ),
    "inbox": (
        Task("3 g", "Inbox, "),
        Task("right", "B "),
        Task("left", "A "),
        Task("w escape", "Who knew what"),
        Task("e escape", "value"),
        Task("t", "Resolved"),
        Task("u enter", "Undo"),
        Task("R escape", "the newest value"),
        Task('slash "hannover" enter', "Hannover"),
        Task("slash ctrl+u enter", "Inbox, 6"),
    ),
    "history": (
        Task("4 g down", "TSC Hannover > Lane 2"),
        Task('slash "by:maier printer" enter', "Maier"),
        Task("escape g down v escape", "Lane 2"),
        Task("enter", "AS OF"),
        Task("2", "Fleet"),
        Task("escape", "Fleet"),
        Task("6 g down", "K2, technician"),
        Task("r escape", "What may"),
        Task("5", "Sync"),
        Task("1", "Here"),
    ),
}


def keys_of(text: str) -> list[str]:
    """The keys in a task; what stands in quotes is typed."""
    words = shlex.split(text, posix=False)
    typed = {" ": "space", ":": "colon"}
    return [
        key
        for word in words
        for key in ([typed.get(char, char) for char in word[1:-1]] if word.startswith('"') else [word])
    ]


@asynccontextmanager
async def listening(home: Path) -> AsyncIterator[Listener]:
    """The screens, drawn and read out."""
    statements: list[str] = []
    drawn: list[int] = []

    def display(app: FieldlineApp, screen: Any, renderable: Any) -> None:
        if isinstance(renderable, DiffUpdate.WRITABLE):
            update = DiffUpdate(renderable, app._renderer, screen.outer_size, ColorSystem.EIGHT_BIT)
            drawn.append(len(update.render_segments(app.console).encode()))
        app.painted.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FieldlineApp, "_display", display)
        async with opened(home, size=SMALL) as screen:
            yield Listener(screen, ScreenReader(screen.app, statements.append), statements, drawn)


@dataclass
class Listener:
    """Somebody to whom the screens are read out."""

    screen: Screen
    reader: ScreenReader
    statements: list[str]
    drawn: list[int]

    async def press(self, keys: str) -> str:
        """Press keys; gives what is said of it once each is done."""
        begun = len(self.statements)
        for key in keys_of(keys):
            await self.screen.press(key)
            self.reader.speak()
            if key == "ctrl+l":
                self.reader.speak_all()
        return "".join(self.statements[begun:])


@pytest.mark.parametrize("name", TASKS)
async def test_ordinary_tasks_are_heard_in_few_keys_and_bytes(home: Path, name: str) -> None:
    tasks = TASKS[name]
    async with listening(home) as listener:
        for task in tasks:
            now = await listener.press(f"{task.keys} {task.more}")
            assert task.expected in now, (task, now)
    keys, more = (
        sum(len(keys_of(text)) for text in texts) for texts in ([t.keys for t in tasks], [t.more for t in tasks])
    )
    assert keys + more <= MAX_KEYS * keys
    assert sum(len(text.encode()) for text in listener.statements) <= MAX_BYTES * sum(listener.drawn), name


def test_there_are_forty_tasks() -> None:
    assert sum(map(len, TASKS.values())) >= 40


async def test_all_of_a_screen_is_said_part_by_part(home: Path) -> None:
    async with listening(home) as listener:
        shown = await listener.press("3 g ctrl+l")
    lines = shown.splitlines()
    assert [line for line in lines if line.endswith(":")][-4:] == ["Status:", "List:", "Details:", "Keys:"]
    assert any(line.startswith("> Card terminal") for line in lines)
    assert any(line.startswith("A 85583366") for line in lines) and any(line.startswith("B 99260717") for line in lines)
    assert not [char for char in shown if char != "ü" and not char.isascii()]


async def test_the_map_says_where_the_cursor_is(tmp_path: Path) -> None:
    values = {"latitude": "52.5", "longitude": "13.4"}
    made = Workspace.init(
        tmp_path / "K1", user="Maier", fleet_name="Nord", schema=load_builtin_schema("site-network"), device_name="K1"
    )
    async with await made as workspace:
        for number, name in enumerate(("Kirchhof", "Turm")):
            named = {"key": name.lower(), "code": name.lower(), "location_nice": name}
            await workspace.create("site", {**named, **values, "longitude": f"13.{4 + number}"})
    async with listening(tmp_path / "K1") as listener:
        opened_map = await listener.press("2 M")
        moved = await listener.press("left right")
    assert "Map of" in opened_map
    assert {"Kirchhof", "Turm"} <= set(re.findall("Kirchhof|Turm", opened_map + moved))
    assert moved.splitlines()


async def test_what_is_refused_is_said(home: Path) -> None:
    async with listening(home) as listener:
        listener.screen.app.readonly = True
        assert "Read only is on" in await listener.press("2 g X")


def test_a_terminal_that_can_do_nothing_gets_lines_and_no_sequences(home: Path) -> None:
    with started(home, "tui", "--plain", "--no-discovery", environ={"TERM": "dumb"}) as program:
        program.wait_for("Fleet, 6:")
        program.send(b"3")
        program.wait_for("Inbox, 6:\r\nCard terminal, TSC Kiel > Entrance right, 2 values")
        program.send(b"\x11")
        program.wait_for_end()
        assert b"\x1b" not in program.output
        assert program.output.endswith(b"\r\n")


def test_the_first_run_asks_in_lines_and_goes_on_in_them(tmp_path: Path) -> None:
    with started(tmp_path / "none", "tui", "--plain", "--no-discovery", environ={"TERM": "dumb"}) as program:
        program.wait_for("Welcome. What shall this device do?, 3:\r\nCreate a fleet, This device is its first")
        program.send(b"j")
        program.wait_for("Pair, By six digits")
        program.send(b"k\r")
        program.wait_for("Step 1 of 3: what is the fleet called?:")
        program.send(b"Nord\r")
        program.wait_for("Step 2 of 3: what is this device called?:")
        program.send(b"\x15K1\r")
        program.wait_for("Step 3 of 3: what is to be configured?, 2:")
        program.send(b"\r")
        program.wait_for("the recovery key of this fleet")
        program.send(b"\r")
        program.wait_for("Fleet:")
        program.send(b"\x11")
        program.wait_for_end()
        assert b"\x1b" not in program.output
        assert not re.search(rb"(?m)^:\r", program.output)

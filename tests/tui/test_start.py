"""What the terminal UI loads before it shows anything: people wait for that.

Noted by the real program on a terminal, without any clock.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.service import location
from core.workspace import Workspace
from tests.support.deadlines import until
from tests.support.pty_app import Program
from tui.demo.fleet import DEMO_DEVICE

NOTING = """
import gc, json, sys
from tui.cli import main
from tui.terminal import profile

def note(name):
    with open(sys.argv[1], "a") as file:
        file.write(json.dumps([name, sorted(sys.modules), gc.isenabled()]) + "\\n")

def watching(theme, is_slow, environ, terminal, load, read=profile.read_profile):
    def load_and_watch():
        load()
        from tui.terminal.diff_app import DiffApp
        from tui.widgets.lines import LineList
        display, show_rows = DiffApp._display, LineList.show_rows

        def display_first(app, *rest):
            display(app, *rest)
            if app.painted.is_set() and DiffApp._display is not display:
                DiffApp._display = display
                note("frame")

        def show_first(lines, *rest, **more):
            show_rows(lines, *rest, **more)
            LineList.show_rows = show_rows
            note("rows")

        DiffApp._display, LineList.show_rows = display_first, show_first
    return read(theme, is_slow, environ, terminal, load_and_watch)

profile.read_profile = watching
sys.exit(main.run(sys.argv[2:]))
"""
"""The program, which notes what is loaded when the first frame is shown, and when the first rows are."""
NOT_FOR_FRAME = (
    "cryptography",
    "serial",
    "zeroconf",
    "core.conflict_index",
    "core.equipment.plan",
    "core.identity",
    "core.inbox",
    "core.revert",
    "core.store.commit",
    "core.sync",
    "tui.dialogs",
    "tui.screens.history",
    "tui.view_models.edit_preview",
    "tui.view_models.log",
)
"""What the first frame has no use for, with all that is in it."""
MAX_MODULES_FOR_FRAME, MAX_MODULES_FOR_ROWS = 152, 168
"""Modules of the program's own: some more than there are, each takes up to half a millisecond."""


@dataclass(frozen=True)
class Loaded:
    """What was loaded at a time, and whether garbage was being collected."""

    modules: frozenset[str]
    collects: bool

    @property
    def own(self) -> list[str]:
        """The program's own modules."""
        return sorted(name for name in self.modules if name.partition(".")[0] in ("core", "tui"))


async def begin_with(home: Path, screen: str) -> None:
    """Let the terminal UI begin with Here, by a place that is chosen, or with Fleet."""
    async with await Workspace.open(home, user="Maier") as workspace:
        places = await workspace.view().entities("place", await workspace.schema())
        await location.save_location(workspace, places[0] if screen == "here" else None)


@pytest.fixture(scope="module", params=["here", "fleet"])
def loaded(request: pytest.FixtureRequest, made: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Loaded]:
    """What was loaded with the first frame, and with the first rows."""
    folder = tmp_path_factory.mktemp("start")
    home = shutil.copytree(made / DEMO_DEVICE, folder / DEMO_DEVICE)
    asyncio.run(begin_with(home, request.param))
    environ = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": str(folder),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "FIELDLINE_USER": "Maier",
    }
    notes = folder / "note"
    program = Program([sys.executable, "-c", NOTING, str(notes), "--home", str(home), "tui", "--no-mouse"], environ)
    try:
        until(lambda: program.read(0.05) == b"" and notes.exists() and notes.read_text().count("\n") == 2)
    finally:
        program.close()
    noted = map(json.loads, notes.read_text().splitlines())
    return {name: Loaded(frozenset(modules), collects) for name, modules, collects in noted}


def test_the_first_frame_loads_nothing_that_it_does_not_show(loaded: dict[str, Loaded]) -> None:
    shown = {"tui.screens.fleet", "tui.screens.here"} & loaded["frame"].modules
    assert len(shown) == 1
    too_early = [
        name for name in loaded["frame"].modules if any(f"{name}.".startswith(f"{each}.") for each in NOT_FOR_FRAME)
    ]
    assert too_early == []


@pytest.mark.parametrize(("at", "limit"), [("frame", MAX_MODULES_FOR_FRAME), ("rows", MAX_MODULES_FOR_ROWS)])
def test_few_modules_are_loaded_before_something_is_shown(loaded: dict[str, Loaded], at: str, limit: int) -> None:
    assert 50 < len(loaded[at].own) <= limit, loaded[at].own


def test_nothing_looks_for_garbage_before_the_first_frame_and_then_it_does(loaded: dict[str, Loaded]) -> None:
    assert not loaded["frame"].collects
    assert loaded["rows"].collects

"""What somebody wants elsewhere.

Through the terminal onto the clipboard, and into a file.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from base64 import b64decode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Refused
from tests.support.opened_app import LARGE, Screen, opened
from tests.support.ssh_laptop import Laptop
from tui.dialogs.save_to_file import check_path
from tui.terminal.clipboard import clipboard_sequence

KEYS = {"fleet": "2 g", "form": "enter g", "inbox": "3 g", "history": "4 g", "members": "6 g"}


def decoded(sequence: str) -> str:
    """What a terminal takes from a sequence."""
    return b64decode(sequence.removeprefix("\x1b]52;c;").removesuffix("\a")).decode()


@given(st.text())
def test_a_terminal_gets_the_text(text: str) -> None:
    assert decoded(clipboard_sequence(text, {"TERM": "xterm-256color"})) == text


@given(st.text())
def test_in_tmux_it_comes_plain_and_wrapped(text: str) -> None:
    plain = clipboard_sequence(text, {})
    for environ in ({"TMUX": "/tmp/tmux,1,0"}, {"TERM": "tmux-256color"}, {"TERM": "screen"}):
        sequence = clipboard_sequence(text, environ)
        wrapped = sequence.removeprefix(plain).removeprefix("\x1bPtmux;").removesuffix("\x1b\\")
        assert wrapped.replace("\x1b\x1b", "\x1b") == plain


@given(st.text(max_size=5000))
def test_in_screen_it_comes_in_pieces(text: str) -> None:
    pieces = clipboard_sequence(text, {"STY": "1.pts", "TERM": "screen"}).removeprefix("\x1bP").removesuffix("\x1b\\")
    assert all(len(piece) < 768 for piece in pieces.split("\x1b\\\x1bP"))
    assert decoded(pieces.replace("\x1b\\\x1bP", "")) == text


async def test_each_place_copies_what_matters_there(home: Path) -> None:
    copied: dict[str, str] = {}
    async with opened(home) as screen:
        for name, keys in {
            "fleet": "2 g",
            "form": "enter g",
            "inbox": "3 g",
            "history": "4 g",
            "members": "6 g",
        }.items():
            await screen.press(*keys.split(), "y")
            assert "Sent to the terminal" in screen.text()
            copied[name] = screen.app.clipboard
        device = screen.app.workspace.identity.device.hex()
        change = (await screen.app.view.log(limit=1))[0].change.hex()
        first = screen.app.inbox_items[0]
        assert first is not None and first.type == "conflict"
    assert copied == {
        "fleet": "locality:260",
        "form": "260",
        "inbox": first.candidates[0].value,
        "history": change,
        "members": device,
    }


async def save(screen: Screen, path: Path) -> None:
    await screen.press("Y", "ctrl+u")
    await screen.type(str(path))
    await screen.press("enter")


async def test_a_list_is_saved_with_its_details(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "history.txt"
    async with opened(home, "4") as screen:
        await save(screen, path)
        assert "Saved" in screen.text()
        size = await screen.app.view.count_log_entries()
        lines = path.read_text().splitlines()
        assert sum("K" in line and ":" in line for line in lines) >= size
        assert "Nord · K1" in lines[0]
        assert lines[-1].strip()
        await save(screen, path)
        assert "is there already" in screen.text().replace("│", " ")
        assert path.read_text().splitlines() == lines


@pytest.mark.parametrize("name", ["no/folder/x.txt", ".", "x" * 300])
async def test_where_it_cannot_be_saved_it_says_so(home: Path, tmp_path: Path, name: str) -> None:
    async with opened(home, "3") as screen:
        await save(screen, tmp_path / name)
        assert "name another file" in " ".join(screen.text().replace("│", " ").split())
        await screen.press("escape")
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x" * 300, "cannot be used"),
        ("loop/x.txt", "cannot be used"),
        ("none/x.txt", "no folder"),
        (".", "there already"),
    ],
)
def test_why_it_cannot_be_saved_does_not_depend_on_what_pathlib_raises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, message: str
) -> None:
    for asked in ("exists", "is_dir", "is_file"):
        # As from Python 3.14 on.
        monkeypatch.setattr(Path, asked, getattr(os.path, asked.replace("_", "")))
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(Refused, match=message):
        check_path(tmp_path / name)


async def test_a_tilde_is_the_home_of_its_user_or_a_letter(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    async with opened(home, "3", size=LARGE) as screen:
        await screen.press("Y", "ctrl+u")
        await screen.type("~nobody-of-this-name/x.txt")
        await screen.press("enter")
        assert "There is no folder" in screen.text()
        await screen.press("ctrl+u")
        await screen.type("~/x.txt")
        await screen.press("enter")
    assert (tmp_path / "x.txt").read_text()


async def test_saving_can_be_stopped_and_leaves_nothing(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "long.txt"
    async with opened(home, "4") as screen:
        source = screen.app.screen.lines.source  # type: ignore[attr-defined]

        async def load(first: int, last: int) -> None:
            await screen.pilot.press("escape")
            await asyncio.sleep(60)

        monkeypatch.setattr(source, "needs_load", lambda first, last: True)
        monkeypatch.setattr(source, "load", load)
        await save(screen, path)
        assert "Stopped: nothing was saved." in screen.text()
    assert not list(tmp_path.glob("*long*"))


@pytest.mark.skipif(shutil.which("tmux") is None, reason="not installed: tmux")
def test_tmux_gets_it_into_its_buffer(home: Path, tmp_path: Path) -> None:
    program = [sys.executable, "-m", "tui.cli", "--home", str(home), "--user", "Maier", "tui", "--no-discovery"]
    laptop = Laptop(tmp_path, program)
    try:
        laptop.tmux("set-option", "-s", "set-clipboard", "on")
        laptop.wait_for("TSC")
        laptop.press("6")
        laptop.wait_for("technician")
        laptop.press("y")
        laptop.wait_for("Sent to the terminal")
        shown = laptop.wait_for("Device id").partition("Device id ")[2].split()[0]
        assert laptop.tmux("show-buffer") == shown
        assert len(bytes.fromhex(shown)) == 16
    finally:
        laptop.close()

"""The options file: what it may say, and how a mistake in it is told.

Themes and no colour at all.
"""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from core.errors import Refused
from tests.support.opened_app import SMALL, opened
from tests.support.pty_app import started
from tui import commands
from tui.app_status import Options
from tui.keymap import find_key_conflicts, parse_key
from tui.looks import THEMES
from tui.options import FileOptions, default_options_path, read_options


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "tui.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_with_everything(tmp_path: Path) -> None:
    text = """
language = "de"
theme = "mono"
ascii = true
plain = true
mouse = false
slow = true
readonly = true
discovery = false
here_only = true
idle = 60

[keys.everywhere]
quit = ["ctrl+x", "f10"]
[keys.form]
edit = "^e"
"""
    keys = {"everywhere": {"quit": ("ctrl+x", "f10")}, "form": {"edit": ("ctrl+e",)}}
    assert read_options(written(tmp_path, text)) == FileOptions(
        "de", "mono", True, True, False, True, True, False, True, 60, keys
    )


def test_no_file_says_nothing_unless_it_was_asked_for(tmp_path: Path) -> None:
    assert read_options(tmp_path / "none.toml") == FileOptions()
    with pytest.raises(Refused, match="does not exist"):
        read_options(tmp_path / "none.toml", required=True)
    assert default_options_path({"FIELDLINE_OPTIONS": "/x/y.toml"}) == Path("/x/y.toml")
    assert default_options_path({}).name == "tui.toml"


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ('# nothing\nlanguage = "fr"', 2, "language is one of en, de"),
        ("\n\ntheme = 3", 3, "theme is one of auto, dark"),
        ("ascii = 1", 1, "ascii is true or false"),
        ("idle = 3", 1, "idle is 10 to 86400 seconds"),
        ("idle = true", 1, "idle is 10 to 86400 seconds"),
        ("colour = true", 1, "there is no option colour"),
        ("keys = 3", 1, "keys is a table"),
        ("\n[keys.nowhere]\nx = 'y'", 2, "keys.nowhere is no set of keys"),
        ("[keys.form]\nedit = 'e'\nfly = 'f'", 3, "there is no command keys.form.fly"),
        ("[keys.form]\n\nedit = ['e', 'hyper+e']", 3, "which is no key"),
        ("[keys.form]\nedit = 7", 2, "which is no key"),
        ("[keys.form]\nedit = 'x'", 2, "keys.form.edit and keys.form.clear would both have the key x"),
        ("[keys.here]\nchoose = 'e'", 2, "keys.here.choose and keys.form.edit would both have the key e"),
        ("[keys.everywhere]\nhere = 'j'", 2, "would both have the key j"),
        ("[keys.dialog]\ncancel = 'f1'", 2, "keys.dialog.cancel and keys.everywhere.help would both have the key f1"),
        ("[keys.inbox]\ntake = '1'", 2, "keys.inbox.take and keys.everywhere.here would both have the key 1"),
    ],
)
def test_a_mistake_is_reported_with_file_line_and_key(tmp_path: Path, text: str, line: int, sentence: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(Refused) as refused:
        read_options(path)
    message = str(refused.value)
    assert message.startswith(f"{path}, line {line}: ")
    assert sentence in message


def test_what_is_not_toml_or_not_text_is_reported(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="line 2"):
        read_options(written(tmp_path, "ascii = true\ntheme = = 3"))
    path = tmp_path / "tui.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(Refused, match="not UTF-8"):
        read_options(path)
    path.write_bytes(b"#" * 200_000)
    with pytest.raises(Refused, match="too long"):
        read_options(path)
    with pytest.raises(Refused, match="cannot be read"):
        read_options(tmp_path)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("x", "x"),
        ("X", "X"),
        ("?", "question_mark"),
        ("/", "slash"),
        ("-", "minus"),
        ("f12", "f12"),
        ("ctrl+s", "ctrl+s"),
        ("^s", "ctrl+s"),
        ("ctrl+shift+left", "ctrl+shift+left"),
        ("", None),
        (" ", None),
        ("f99", None),
        ("esc", None),
        ("ctrl+", None),
        ("\x1b", None),
    ],
)
def test_keys_as_people_write_them(text: str, key: str | None) -> None:
    assert parse_key(text) == key


@pytest.mark.parametrize("char", string.punctuation + "äÖ€7x")
def test_a_key_is_shown_as_it_is_written(char: str) -> None:
    key = parse_key(char)
    assert key is not None
    assert commands.format_key(key) == char
    assert commands.format_key(f"ctrl+{key}") == f"^{char}"
    assert commands.format_key("f12") == "F12"


def test_swapped_keys_are_no_conflict_and_the_built_in_ones_have_none() -> None:
    assert not list(find_key_conflicts({"form": {"edit": ("x",), "clear": ("e",)}}))
    everything = {scope: {c.name: c.keys for c in commands.commands_of(scope)} for scope in commands.scope_names()}
    for key, *places in find_key_conflicts(everything):
        assert places == [], f"{key} does two things at once: {places}"


def test_textual_calls_the_keys_so() -> None:
    from textual.keys import _character_to_key

    for char in "?:/\\@-+_!\"#$%&'()*,.;<=>[]^`{|}~":
        assert parse_key(char) == _character_to_key(char)


@pytest.mark.parametrize("theme", THEMES)
async def test_themes(home: Path, picture: SnapshotAssertion, theme: str) -> None:
    async with opened(home, "5", size=SMALL, options=Options(theme=theme)) as screen:
        assert screen.screenshot() == picture


async def test_the_next_theme_is_in_the_palette(home: Path) -> None:
    async with opened(home, "3", "colon") as screen:
        await screen.type("theme")
        await screen.press("enter")
        assert "Theme: light" in screen.text()


async def test_read_only_is_switched_while_it_runs(home: Path) -> None:
    async with opened(home, "3", options=Options(readonly=True)) as screen:
        assert "read only" in screen.text()
        await screen.press("t")
        assert "Read only is on" in screen.text()
        await screen.press("colon")
        await screen.type("read only")
        await screen.press("enter")
        assert "read only" not in screen.text().splitlines()[0]


def test_the_file_decides_and_the_call_has_the_last_word(home: Path, tmp_path: Path) -> None:
    path = written(tmp_path, 'language = "en"\n[keys.everywhere]\nsync = "f5"\nquit = "f10"\n')
    with started(home, "tui", "--options", str(path)) as program:
        program.wait_for("TSC")
        program.send(b"\x1b[15~")  # F5
        program.wait_for("this device holds")
        program.send(b"\x1b[21~")  # F10
        program.wait_for_end()
    with started(home, "tui", environ={"FIELDLINE_OPTIONS": str(written(tmp_path, "ascii = 3"))}) as program:
        program.wait_for("line 1: ascii is true or false")


def test_no_color_writes_no_colour(home: Path) -> None:
    with started(home, "tui", environ={"NO_COLOR": "1"}) as program:
        program.wait_for("to resolve")
        program.read(0.5)
        coloured = re.findall(rb"\x1b\[[\d;]*m", program.output)
        assert coloured
        codes = {code for each in coloured for code in each[2:-1].split(b";")}
        assert codes <= {b"", b"0", b"1", b"2", b"4", b"7"}

"""What the help of every command ends with.

Examples that are calls of the program, and work in the demo's fleet.
"""

from __future__ import annotations

import asyncio
import re
import shlex
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.support.cli import ROOT, Terminal
from tui.cli.examples import EXAMPLES
from tui.cli.main import fieldline
from tui.demo.fleet import DEMO_DEVICE, DEMO_USER, make_fleet

MAX_LINE = 76
"""Characters of an example: with the indentation of a help text it fits in 80 columns."""
NEEDS_MORE = (
    "demo",
    "peers",
    "serve",
    "pair",
    "mirror",
    "watch",
    "key",
    "key recover",
    "key seal",
    "key unseal",
    "tui",
)
"""Commands that go on, ask somebody, or need another machine: of these the calls are only read."""
NEEDS_OTHERS = re.compile(r"fieldline$|fieldline demo|sync (tcp|serial):|inventory --list|--recovery-file")
"""Calls of which that is so; and the inventory of a schema in which something has an address."""
EQUIPMENT = """
[equipment.printer]
read = { command = ["sh", "-c", "cat printer || echo Brix 99"] }
apply = { command = ["sh", "-c", "printf %s \\"$1\\" >printer", "sh", "{value}"] }
"""
NEW_HOME = ("init", "join")


def commands(command: click.Command = fieldline, path: str = "") -> Iterator[tuple[str, click.Command]]:
    """All commands, by their words behind the program's name."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from commands(found, f"{path} {name}".strip())


COMMANDS = dict(commands())


def arguments(line: str) -> list[str]:
    """The words of a line behind the program's name, up to a pipe or redirection."""
    words = shlex.split(line)
    assert words[0] == "fieldline"
    return words[1 : next((at for at, word in enumerate(words) if word in ("|", ">>")), None)]


def test_every_command_has_an_example_and_every_example_its_command() -> None:
    assert list(EXAMPLES) == [path for path in sorted(COMMANDS, key=list(EXAMPLES).index) if path in EXAMPLES]
    assert set(EXAMPLES) == set(COMMANDS)


@pytest.mark.parametrize("path", EXAMPLES)
def test_an_example_is_a_call_of_its_command(path: str) -> None:
    own = [words for words, _what in EXAMPLES[path] if arguments(words)[: len(path.split())] == path.split()]
    assert own
    for line, _what in EXAMPLES[path]:
        assert len(line) <= MAX_LINE, line
        words = arguments(line)
        parsed = fieldline.make_context("fieldline", list(words))
        while isinstance(parsed.command, click.Group) and parsed._protected_args:
            name, command, rest = parsed.command.resolve_command(parsed, [*parsed._protected_args, *parsed.args])
            assert command is not None
            parsed = command.make_context(name, rest, parent=parsed)


@pytest.mark.parametrize("path", [path for path in EXAMPLES if path])
def test_the_help_ends_with_them(path: str, tmp_path: Path) -> None:
    shown = Terminal(tmp_path / "none").call(*path.split(), "--help")
    assert shown.code == 0
    reported = shown.out.partition("\nExamples:\n")[2].splitlines()
    assert reported[::2] == [f"  {line}" for line, _what in EXAMPLES[path]]
    assert all(line.startswith("      ") for line in reported[1::2])


@pytest.fixture(scope="module")
def _demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    asyncio.run(make_fleet(folder, time.time_ns() // 1000))
    return folder / DEMO_DEVICE


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the examples name, as the one that they are run in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FIELDLINE_SYSFS", str(tmp_path / "sysfs"))
    (tmp_path / "usb").mkdir()
    handbook = (ROOT / "docs/handbook.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", handbook, re.DOTALL)
    (tmp_path / "radio.toml").write_text(next(block for block in blocks if "[kinds." in block), encoding="utf-8")
    (tmp_path / "wanted.toml").write_text(
        '[[place]]\nname = "Lane 1"\nlocality = "locality:241"\nprinter = "Brix 60"\n'
    )
    return tmp_path


def prepare(terminal: Terminal, path: str) -> None:
    """What has to be there before the first example of a command can work."""
    if path == "import":
        assert terminal.call("export", "nord.fieldline").code == 0
        assert terminal.call("export", "--kind", "place", "places.csv").code == 0
    elif path in ("place adopt", "place apply"):
        assert terminal.call("place", "choose", "place:241/Lane 1").code == 0
        (terminal.home / "settings.toml").write_text(EQUIPMENT)
    elif path == "restore-store":
        assert terminal.call("backup", "usb/K1.db").code == 0


def real(terminal: Terminal, line: str) -> str:
    """An example with the ids that are real here, and the folders of a test."""
    line = line.replace("/media/usb", "usb")
    if "--take 29dce6b6" in line:
        item = next(each for each in terminal.ask("inbox") if each["property"] == "printer")
        return line.replace("29dce6b6", item["candidates"][-1]["fact"])
    if "7b6c37bb" in line:
        listed = "--accepted" if "--undo" in line else "--json"
        item = next(each for each in terminal.ask("inbox", listed) if each["type"] != "conflict")
        return line.replace("7b6c37bb", item["id"])
    if "undo 6938cae5" in line:
        change = terminal.call("log", "--limit", "1", "--json").json["change"]
        return line.replace("6938cae5", change)
    return line


@pytest.mark.parametrize("path", [path for path in EXAMPLES if path not in NEEDS_MORE])
def test_the_examples_work_in_the_fleet_of_the_demo(path: str, _demo: Path, folder: Path) -> None:
    terminal = Terminal(folder / "home", DEMO_USER)
    if path not in NEW_HOME:
        shutil.copytree(_demo, terminal.home)
    prepare(terminal, path)
    for line, _what in EXAMPLES[path]:
        if NEEDS_OTHERS.search(line):
            continue
        home = terminal if path not in NEW_HOME and " init " not in line else Terminal(folder / f"new {len(line)}")
        answer = home.call(*arguments(real(home, line)))
        assert answer.code == 0, (line, answer)

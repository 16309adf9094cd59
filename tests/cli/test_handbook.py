"""The handbook is true.

Its examples are run as they stand, and say what they say there; its keys are those of the program, and what it points
to is there.

Ids and times are others in every run: an id in the handbook stands for whatever id comes in its place.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.support.cli import ROOT, Terminal
from tests.support.deadlines import DEADLINE_S
from tui import commands
from tui.cli.verbs import VERBS
from tui.options import read_options

PAGES = ("handbook.md", "screens.md", "reference.md")
"""Its tasks, its screens, and its reference."""
TEXT = "\n".join((ROOT / "docs" / page).read_text(encoding="utf-8") for page in PAGES)
FLAT = " ".join(TEXT.split())
VOLATILE = re.compile(
    r"(?P<id>\b[0-9a-f]{8,64}\b)|(?P<time>\b\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d)|(?P<bytes>[\d,]+ bytes)|(?P<gap>  +)"
    r"|(?P<key>\b(?:[A-Z2-7]{5}-){10}[A-Z2-7]{5}\b)"
)


@dataclass
class Example:
    """A line that is typed, and what is printed below it."""

    device: str
    command: str
    printed: list[str] = field(default_factory=list)


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def examples() -> list[Example]:
    """All examples in their order."""
    found: list[Example] = []
    for line in "".join(_blocks("console")).splitlines():
        if typed := re.fullmatch(r"(K\d)\$ (fieldline .*)", line):
            found.append(Example(typed[1], typed[2]))
        else:
            found[-1].printed.append(line)
    return found


class Replay:
    """Two devices and what the handbook's ids are here."""

    def __init__(self, folder: Path) -> None:
        self.devices = {"K1": Terminal(folder / "K1"), "K2": Terminal(folder / "K2", "Müller")}
        self.ids: dict[str, str] = {}
        self.serving = ""

    def run(self, example: Example) -> list[str]:
        """Run an example, and give what it printed."""
        command = re.sub(r"\b[0-9a-f]{8,64}\b", lambda match: self.ids.get(match[0], match[0]), example.command)
        arguments = shlex.split(command)[1:]
        terminal = self.devices[example.device]
        if arguments[0] == "serve":
            self.serving = example.device
            return example.printed
        if self.serving and arguments[0] == "sync":
            process = self.devices[self.serving].process(
                "serve", "--port", "0", "--bind", "127.0.0.1", "--no-discovery"
            )
            try:
                assert process.stderr is not None
                port = process.stderr.readline().strip().rsplit(":", 1)[1]
                answer = terminal.call("sync", f"tcp://127.0.0.1:{port}")
            finally:
                process.terminate()
                process.communicate(timeout=DEADLINE_S)
            self.serving = ""
        else:
            answer = terminal.call(*arguments)
        return (answer.out + answer.err).splitlines()

    def learn(self, expected: str, line: str) -> bool:
        """Whether a line is what the handbook says, but for ids and times.

        The ids are remembered.
        """
        pattern, last, ids = "", 0, []
        for match in VOLATILE.finditer(expected):
            pattern += re.escape(expected[last : match.start()])
            last = match.end()
            match match.lastgroup:
                case "id":
                    pattern += f"([0-9a-f]{{{len(match[0])}}})"
                    ids.append(match[0])
                case "time":
                    pattern += r"\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d"
                case "bytes":
                    pattern += r"[\d,]+ bytes"
                case "key":
                    pattern += r"(?:[A-Z2-7]{5}-){10}[A-Z2-7]{5}"
                case _:
                    pattern += " +"
        found = re.fullmatch(pattern + re.escape(expected[last:]), line)
        if found:
            self.ids |= dict(zip(ids, found.groups(), strict=True))
        return found is not None


def test_every_example_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stick").mkdir()
    schema = next(block for block in _blocks("toml") if "[kinds." in block)
    (tmp_path / "radio.toml").write_text(schema, encoding="utf-8")
    state = next(block for block in _blocks("toml") if "[[place]]" in block)
    (tmp_path / "wanted.toml").write_text(state, encoding="utf-8")
    (tmp_path / "places.csv").write_text(_blocks("csv")[0], encoding="utf-8")
    replay = Replay(tmp_path)
    shown = examples()
    assert len(shown) > 20
    for example in shown:
        printed = replay.run(example)
        if not example.printed:
            continue
        assert len(printed) == len(example.printed), (example.command, printed)
        for expected, line in zip(example.printed, printed, strict=True):
            assert replay.learn(expected, line), (example.command, expected, line)


def test_the_options_file_is_a_good_one(tmp_path: Path) -> None:
    file = tmp_path / "tui.toml"
    file.write_text(next(block for block in _blocks("toml") if "[keys." in block), encoding="utf-8")
    assert read_options(file).keys


def test_the_history_to_import_is_a_good_one(tmp_path: Path) -> None:
    (tmp_path / "old.jsonl").write_text(_blocks("json")[0], encoding="utf-8")
    one = Terminal(tmp_path / "K1")
    one.ask("init", "--fleet", "Nord")
    assert one.ask("import", str(tmp_path / "old.jsonl"))["changes"] == 1


def test_every_verb_is_reported() -> None:
    assert [verb for verb in VERBS if not re.search(rf"(?:`|fieldline ){verb}\b", TEXT)] == []


@pytest.mark.parametrize("scope", ["here", "fleet", "form", "typing", "inbox", "history", "sync", "members", "dialog"])
def test_every_key_is_reported(scope: str) -> None:
    def is_documented(command: commands.Command) -> bool:
        keys = " ".join(f"`{commands.format_key(key)}`" for key in command.keys) or "`:`"
        return f"{keys} | {command.help} |" in FLAT or f'{keys} is "{command.help.rstrip(".")}"' in FLAT

    assert [command.help for command in commands.commands_of(scope) if not is_documented(command)] == []


@pytest.mark.parametrize("page", PAGES)
def test_what_it_points_to_is_there(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for name, anchor in re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", text):
        target = ROOT / "docs" / unquote(name) if name else ROOT / "docs" / page
        assert target.is_file(), name
        if anchor:
            heads = re.findall(r"(?m)^#+ (.*)$", target.read_text(encoding="utf-8"))
            assert anchor in {re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in heads}, anchor


def test_its_schema_is_toml() -> None:
    for block in _blocks("toml"):
        tomllib.loads(block)

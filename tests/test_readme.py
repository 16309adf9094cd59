"""The README shows what is there.

Its picture is a snapshot, and every verb it names exists.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from pathlib import Path

from tests.support.cli import Terminal
from tui.cli.verbs import VERBS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_file_it_points_to_is_there() -> None:
    targets = [target for target in re.findall(r"\]\(([^)#]+)", README) if not target.startswith("http")]
    assert targets
    assert [target for target in targets if not (ROOT / target).is_file()] == []


def test_every_verb_it_uses_exists() -> None:
    verbs = {match[1] for match in re.finditer(r"(?m)(?:^|`)fieldline ([a-z-]+)", README)}
    assert len(verbs) > 5
    assert verbs <= set(VERBS)


def test_the_pythons_that_are_named_are_those_that_were_tried() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [name.rpartition(" ")[2] for name in project["classifiers"] if re.search(r"Python :: 3\.\d+$", name)]
    rows = re.findall(r"(?m)^\| .*", (ROOT / "docs/platforms.md").read_text(encoding="utf-8"))
    tried = {match[1] for row in rows if "not tried" not in row and (match := re.search(r"\| (3\.\d+)\b", row))}
    assert set(named) == tried
    assert project["requires-python"] == f">={min(named, key=lambda name: int(name.partition('.')[2]))}"


_FOR_ITSELF = ("pair", "serve", "sync", "COMMAND", "join")
"""Verbs of the first ten minutes that need a second device."""


def test_the_first_ten_minutes_go_as_they_stand(tmp_path: Path) -> None:
    section = README.partition("## The first ten minutes")[2].partition("## For operators")[0]
    lines = [line for block in re.findall(r"(?s)```\n(.*?)```", section) for line in block.splitlines()]
    device, done = Terminal(tmp_path / "K1"), []
    home = "~/.local/share/fieldline"
    for line in re.findall(r"(?m)^(?:fieldline .*|echo '[^']*' .*)$", "\n".join(lines)):
        if line.startswith("echo "):
            subprocess.run(["sh", "-c", line.replace(home, str(device.home))], check=True)
            continue
        verb, *arguments = shlex.split(line.removeprefix("fieldline "))
        if verb in _FOR_ITSELF:
            continue
        # A minute has not passed here: the first change of the place is as good a time.
        since = device.call("log", "place:241/Entrance right", "--json").lines[-1:] if "-1m" in arguments else []
        answer = device.call(verb, *(since[0]["change"] if word == "-1m" else word for word in arguments))
        assert answer.code == 0, f"{line}: {answer.err}"
        done.append(verb)
    assert {"init", "new", "show", "set", "resolve", "log", "blame", "restore", "place"} <= set(done)
    assert (device.home / "desk.conf").read_text() == "printer = Acme LookNice 5021\n"
    assert device.ask("verify")["problems"] == []

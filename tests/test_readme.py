"""The README shows what is there: its picture is a snapshot, and every verb it names exists."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

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

"""The documents for developers are true.

Each file that they name is there, and no way is longer than they say.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted((ROOT / "docs").glob("*.md"))
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
MAX_STEPS = 7


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_every_file_it_names_is_there(document: Path) -> None:
    named = re.findall(r"`((?:core|tui|tests|snapshots)/[\w./*-]*)`", document.read_text(encoding="utf-8"))
    assert [name for name in named if not list(ROOT.glob(name.rstrip("/")))] == []


def test_every_room_is_named() -> None:
    packages = [path.parent for top in ("core", "tui") for path in (ROOT / top).rglob("__init__.py")]
    rooms = {str(package.relative_to(ROOT)) for package in packages}
    named = set(re.findall(r"`((?:core|tui)[\w/]*)/`", ARCHITECTURE))
    assert rooms - named == set()


@pytest.mark.parametrize("heading", ["From a key to the disk", "From the disk to the wire"])
def test_the_way_of_a_change_is_short(heading: str) -> None:
    section = ARCHITECTURE.partition(f"### {heading}")[2].partition("\n#")[0]
    steps = [Path(name) for name in re.findall(r"(?m)^\d+\. `([\w/]+\.py)`", section)]
    assert 4 < len(steps) <= MAX_STEPS
    assert all((ROOT / step).is_file() for step in steps)


def test_the_layers_are_those_of_the_contract() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    layers = re.search(r'containers = \["core"\]\n.*?layers = \[\n(.*?)\n\]', project, re.DOTALL)
    assert layers
    contract = [set(line.strip(' ",').split(" | ")) for line in layers[1].splitlines()]
    block = ARCHITECTURE.partition("```\ntui")[2].partition("```")[0]
    shown = [set(re.findall(r"core\.(\w+)", line)) for line in block.splitlines() if "core." in line]
    assert shown == contract

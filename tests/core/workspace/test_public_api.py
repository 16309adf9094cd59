"""The Python interface.

What is public is listed, and the example of its page runs as it stands.
"""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import core.workspace
from tests.support.cli import ROOT, Terminal

PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
[EXAMPLE] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_what_is_public_is_there_and_reported() -> None:
    for name in core.workspace.__all__:
        assert hasattr(core.workspace, name), name
        assert f"`{name}`" in PAGE or name == "system_clock", name
    shown = re.findall(r"^from core\.workspace import (.+)$", EXAMPLE, re.MULTILINE)
    assert {name.strip() for line in shown for name in line.split(",")} <= set(core.workspace.__all__)


def test_every_public_method_says_what_it_does() -> None:
    for name in ("Workspace", "View", "Record"):
        for method, function in inspect.getmembers(getattr(core.workspace, name), inspect.isfunction):
            if not method.startswith("_"):
                assert function.__doc__, f"{name}.{method}"


def test_the_methods_that_the_page_names_are_there() -> None:
    for names, owner in (
        (
            re.findall(r"^\| (`find`.*?|`create`.*?|`inbox`.*?|`sync`.*?) \|", PAGE, re.MULTILINE),
            core.workspace.Workspace,
        ),
        (re.findall(r"^\| `View` \| (.*?):", PAGE, re.MULTILINE), core.workspace.View),
    ):
        assert names
        for name in re.findall(r"`(\w+)`", " ".join(names)):
            assert callable(getattr(owner, name)), name


def test_the_example_runs_as_it_stands(tmp_path: Path) -> None:
    device = Terminal(tmp_path / "K1")
    device.ask("init", "--fleet", "Nord", "--device", "K1")
    device.ask("new", "locality", "code=241", "name=TSC Kiel")
    device.ask("new", "place", "name=Entrance right", "locality=241", "printer=Acme 5000")
    program = tmp_path / "example.py"
    program.write_text(EXAMPLE, encoding="utf-8")
    command = [sys.executable, str(program), str(device.home)]
    ran = subprocess.run(
        command, capture_output=True, text=True, timeout=60, env={"PYTHONPATH": str(ROOT)}, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        "printer: Acme 5000",
        "values saved: 1",
        "an hour ago: 0",
        "now: ['Entrance right', 'Lane 1', 'Lane 2']",
        "importer 3 None",
        "importer 3 None",
        "importer 1 from the list of March",
    ]
    assert [each["key"] for each in device.ask("list", "place")] == ["241/Entrance right", "241/Lane 1", "241/Lane 2"]


def test_the_example_is_typed(tmp_path: Path) -> None:
    program = tmp_path / "example.py"
    program.write_text(EXAMPLE, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", str(ROOT / "pyproject.toml"), str(program)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=110, cwd=ROOT, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr

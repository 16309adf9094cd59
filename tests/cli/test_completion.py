"""What a shell offers behind a verb, asked as its script asks.

Kinds, entities, properties, choices, members.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli import ROOT, Terminal
from tests.support.deadlines import DEADLINE_S

BREAKS = " \t\n\"'@><=;|&(:"


@pytest.fixture
def lanes(device: Terminal) -> Terminal:
    for name in ("Lane 1", "Lane 2", "Leipzig"):
        device.ask("new", "place", f"name={name}", "locality=241")
    return device


def environment(device: Terminal, tmp_path: Path) -> dict[str, str]:
    """With a `fieldline` on the path that is the one of this tree."""
    program = tmp_path / "bin" / "fieldline"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m tui.cli "$@"\n')
    program.chmod(0o755)
    path = f"{program.parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "FIELDLINE_HOME": str(device.home)}


def offered(device: Terminal, tmp_path: Path, line: str) -> list[str]:
    """What bash gets to insert for the word at the end of a line."""
    asked = {"COMP_WORDS": line, "COMP_BREAKS": BREAKS, "_FIELDLINE_COMPLETE": "bash_complete"}
    ran = subprocess.run(
        ["fieldline"],
        env={**environment(device, tmp_path), **asked},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert ran.stderr == ""
    return [text.partition(",")[2] for text in ran.stdout.splitlines() if text]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("show ", ["locality:", "place:"]),
        ("show pl", ["place:"]),
        ("show place:", ["241/Entrance\\ right", "241/Lane\\ 1", "241/Lane\\ 2", "241/Leipzig"]),
        ("show place:2", ["241/Entrance\\ right", "241/Lane\\ 1", "241/Lane\\ 2", "241/Leipzig"]),
        ("show place:241/La", ["241/Lane\\ 1", "241/Lane\\ 2"]),
        ("show place:241/Lane\\ 2", ["241/Lane\\ 2"]),
        ('show "place:241/Le', ["place:241/Leipzig"]),
        ("show place:9", []),
        ("show locality:2", ["241"]),
        ("new p", ["place"]),
        ("new place loc", ["locality="]),
        ("new place locality=", ["locality:241"]),
        ("set place:241/Leipzig pri", ["printer="]),
        ("set --kind place --where av", ["avl_configuration="]),
        ("list place --sort p", ["printer"]),
        ("clear place:241/Leipzig card", ["card_terminal"]),
        ("confirm place:241/Leipzig doc", ["docking_station"]),
        ("revoke K", ["K1", "K2"]),
        ("log --device K2", ["K2"]),
        ("admit x --role te", ["technician"]),
    ],
)
def test_what_is_there_is_offered(lanes: Terminal, tmp_path: Path, line: str, expected: list[str]) -> None:
    assert offered(lanes, tmp_path, f"fieldline {line}") == expected


def test_choices_and_what_is_retired(device: Terminal, tmp_path: Path) -> None:
    device.ask("schema", "apply", "site-network")
    kinds = device.ask("schema", "show")["kinds"]
    kind, prop, choices = next(
        (kind, name, prop["choices"])
        for kind, known in kinds.items()
        for name, prop in known["properties"].items()
        if prop["choices"]
    )
    assert offered(device, tmp_path, f"fieldline new {kind} {prop}=") == choices


def test_without_a_device_nothing_is_offered_and_nothing_said(tmp_path: Path) -> None:
    assert offered(Terminal(tmp_path / "none"), tmp_path, "fieldline show pl") == []
    assert not (tmp_path / "none").exists()


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_the_script_of_bash_inserts_it(lanes: Terminal, tmp_path: Path) -> None:
    line = "fieldline show place:241/L"
    asked = (
        'eval "$(fieldline completion bash)"; '
        f"COMP_LINE='{line}' COMP_POINT={len(line)} COMP_WORDS=(fieldline show place : 241/L) COMP_CWORD=4; "
        "_fieldline_completion fieldline 2>/dev/null; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    ran = subprocess.run(
        ["bash", "-c", asked],
        env=environment(lanes, tmp_path),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
    )
    assert ran.stdout.splitlines() == ["241/Lane\\ 1", "241/Lane\\ 2", "241/Leipzig"]


def test_zsh_gets_what_goes_on_as_a_part(lanes: Terminal, tmp_path: Path) -> None:
    asked = {"COMP_WORDS": "fieldline show pl", "COMP_CWORD": "2", "_FIELDLINE_COMPLETE": "zsh_complete"}
    ran = subprocess.run(
        ["fieldline"],
        env={**environment(lanes, tmp_path), **asked},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
    )
    assert ran.stdout.splitlines() == ["part", "place:", "_"]
    script = lanes.call("completion", "zsh").out
    for part in ("completions parts", 'parts+=("$key")', 'compadd -S ""'):
        assert part in script


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish")
def test_the_script_of_fish_offers_it(lanes: Terminal, tmp_path: Path) -> None:
    asked = "fieldline completion fish | source; complete -C 'fieldline show place:241/L'"
    ran = subprocess.run(
        ["fish", "--no-config", "-c", asked],
        env=environment(lanes, tmp_path),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=True,
    )
    assert ran.stdout.split("\n")[:3] == ["place:241/Lane 1", "place:241/Lane 2", "place:241/Leipzig"]

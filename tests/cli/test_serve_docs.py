"""What the documents say about serving is what the program does."""

from __future__ import annotations

import configparser
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from core.sync import calling
from core.sync.run import TIMEOUT
from core.workspace import endpoint, serving
from tests.cli.calling import ROOT, Terminal

UNIT = ROOT / "docs" / "fieldline.service"
TEXT = " ".join((ROOT / "docs" / "serve.md").read_text().split())


def test_the_unit_starts_the_program_as_it_is(tmp_path: Path) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNIT)
    program, home, folder, *verb = shlex.split(unit["Service"]["ExecStart"])
    assert (Path(program).name, home, folder) == ("fieldline", "--home", unit["Unit"]["ConditionPathExists"][:-9])
    assert Terminal(tmp_path).call(*verb, "--help").code == 0


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/usr/local/bin/fieldline", "/bin/true"))
    command = ["systemd-analyze", "verify", "--man=no", str(unit)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert [line for line in found.stderr.splitlines() if UNIT.name in line] == []


@pytest.mark.parametrize(
    "said",
    [
        f"TCP {endpoint.PORT}",
        f"after {calling.HEARD[0]:.0f} to {calling.HEARD[1]:.0f} seconds",
        f"every {calling.INTERVAL / 60:.0f} minutes",
        f"At most {calling.MOST_CALLS} calls",
        f"{calling.PAUSE:.0f} to {2 * calling.PAUSE:.0f} seconds after the first failure",
        f"up to {calling.LONGEST_PAUSE:.0f} seconds",
        f"wait {serving.PATIENCE:.0f} seconds",
        f"for {TIMEOUT:.0f} seconds is over",
        f"{calling.MOST_NAMES:,} names are remembered, {calling.MOST_NAMES_OF_A_DEVICE} of one device",
    ],
)
def test_the_figures_are_those_of_the_program(said: str) -> None:
    assert said in TEXT

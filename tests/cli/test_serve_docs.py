"""What the documents say about serving is what the program does."""

from __future__ import annotations

import configparser
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from core.service import endpoint
from core.service.serve_config import DEFAULT_INTERVALS
from core.sync.discovery import dial_scheduler
from core.sync.discovery.dial_scheduler import BACKOFF_BASE_S
from core.sync.pump import DEFAULT_TIMEOUT_S
from tests.support.cli import ROOT, Terminal

UNIT = ROOT / "packaging" / "fieldline.service"
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
    unit.write_text(UNIT.read_text().replace("/usr/bin/fieldline", "/bin/true"))
    command = ["systemd-analyze", "verify", "--man=no", str(unit)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert [line for line in found.stderr.splitlines() if UNIT.name in line] == []


@pytest.mark.parametrize(
    "message",
    [
        f"TCP {endpoint.DEFAULT_PORT}",
        "after {:.0f} to {:.0f} seconds".format(*dial_scheduler.DELAY_AFTER_ANNOUNCEMENT_S),
        f"every {dial_scheduler.STATIC_PEER_POLL_S / 60:.0f} minutes",
        f"At most {dial_scheduler.MAX_DIALS} connections",
        f"{BACKOFF_BASE_S:.0f} to {2 * BACKOFF_BASE_S:.0f} seconds after the first failure",
        f"up to {dial_scheduler.BACKOFF_MAX_S:.0f} seconds",
        f"wait {DEFAULT_INTERVALS.tie_break_timeout_s:.0f} seconds",
        f"for {DEFAULT_TIMEOUT_S:.0f} seconds is over",
        f"{dial_scheduler.MAX_PEER_NAMES:,} names are remembered, {dial_scheduler.MAX_NAMES_PER_DEVICE} of one device",
    ],
)
def test_the_figures_are_those_of_the_program(message: str) -> None:
    assert message in TEXT

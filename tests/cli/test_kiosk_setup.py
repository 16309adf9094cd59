"""A kiosk is set up by the script in docs/kiosk.md, with nobody in front of it.

From nothing to locked.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support.cli import ROOT, Terminal
from tests.support.deadlines import DEADLINE_S
from tests.tui.test_kiosk import PIN, kiosk
from tui.options import read_options

PLACE = "place:241/Entrance right"


def recipe() -> str:
    """The script as it stands in the document."""
    text = (ROOT / "docs/kiosk.md").read_text(encoding="utf-8")
    return next(block for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) if "kiosk-setup" in block)


def test_the_recipe_goes_from_nothing_to_a_locked_kiosk(device: Terminal, tmp_path: Path) -> None:
    home, stick, bin_folder = tmp_path / "kiosk", tmp_path / "stick", tmp_path / "bin"
    for folder in (stick, bin_folder):
        folder.mkdir()
    program = bin_folder / "fieldline"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m tui.cli "$@"\n')
    program.chmod(0o755)
    fleet = device.ask("status")["fleet"]
    environ = {
        **os.environ,
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "FIELDLINE_HOME": str(home),
        "FIELDLINE_USER": "Kiosk",
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "RETRY_S": "0.2",
    }
    setup = subprocess.Popen(
        ["sh", "-c", recipe(), "kiosk-setup", fleet, PLACE, f"bundle://{stick}", "-"],
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert setup.stdout is not None
        joined = next(line for line in setup.stdout if line.startswith("device")).split()[1]
        device.ask("admit", joined, "--role", "technician", "--name", "Entrance right")
        device.ask("sync", f"bundle://{stick}")
        out, err = setup.communicate(PIN + "\n", timeout=DEADLINE_S)
    finally:
        setup.kill()
    assert setup.returncode == 0, err
    assert PIN not in out + err
    assert PLACE in out
    asyncio.run(_is_locked(home, tmp_path / "config/fieldline/tui.toml"))


async def _is_locked(home: Path, options: Path) -> None:
    """Open the kiosk that was set up.

    It shows its place, and nothing else without the PIN.
    """
    async with kiosk(home, "2", here_only=bool(read_options(options).here_only)) as (screen, _clock):
        assert "Entrance right" in screen.text()
        assert "This needs the PIN" in screen.text()
        await screen.type(PIN)
        await screen.press("enter")
        assert screen.app.base_screen.TAB == "fleet"

"""What stands in for the program's own modules, or lacks, is told in one sentence."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.cli import ROOT
from tests.support.deadlines import DEADLINE_S

START = "from tui.cli.entry import main; main()"


def start(folder: Path, path: list[Path], language: str = "C.UTF-8") -> subprocess.CompletedProcess[str]:
    """Ask for the version as the console script does, with these folders first."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), "LC_ALL": language}
    return subprocess.run(
        [sys.executable, "-P", "-c", START, "--version"],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def foreign_core(folder: Path) -> Path:
    """A package that has the name of ours, and must not be run."""
    package = folder / "foreign" / "core"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('was run')")
    return package.parent


def test_nothing_is_in_the_way(tmp_path: Path) -> None:
    done = start(tmp_path, [])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("fieldline ")


def test_another_package_named_core_is_named(tmp_path: Path) -> None:
    path = foreign_core(tmp_path)
    done = start(tmp_path, [path, ROOT])
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"Another package named core is in the way: {path}/core/__init__.py. Install Fieldline by itself.\n"
    )


def test_it_is_named_in_the_language_of_the_login(tmp_path: Path) -> None:
    assert "ist im Weg" in start(tmp_path, [foreign_core(tmp_path), ROOT], "de_DE.UTF-8").stderr


def test_files_of_ours_that_are_gone_are_reported(tmp_path: Path) -> None:
    for name in ("core", "tui"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "core/errors.py").unlink()
    done = start(tmp_path, [tmp_path])
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "core.errors" in done.stderr
    assert "install Fieldline again" in done.stderr

"""Calls of pip: with this machine's settings to fetch, else without any."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from fieldline_package.platforms import wheel_tags


def wheel_options(machine: str, python: str) -> list[str]:
    """The options that choose wheels of a machine and a Python."""
    chosen = [f"--platform={tag}" for tag in wheel_tags(machine)]
    return ["--only-binary=:all:", "--implementation=cp", f"--python-version={python}", *chosen]


def fetch(lock: Path, machine: str, python: str, folder: Path) -> None:
    """Download the wheels that a lock names into a folder, each checked by its hash."""
    command = ["download", "--no-deps", "--require-hashes", f"--requirement={lock}", f"--dest={folder}"]
    _pip([*command, *wheel_options(machine, python)], is_offline=False)


def resolve(name: str, wheels: list[Path], machine: str, python: str) -> list[dict[str, Any]]:
    """Choose from folders of wheels what a package needs.

    For each its metadata and where it is, as pip reports it.
    """
    command = ["install", "--dry-run", "--ignore-installed", "--no-index", "--report=-", "--target=unused", name]
    command += [*(f"--find-links={folder}" for folder in wheels), *wheel_options(machine, python)]
    chosen: list[dict[str, Any]] = json.loads(_pip(command, is_offline=True))["install"]
    return chosen


def install(wheels: list[Path], machine: str, python: str, target: Path) -> None:
    """Unpack wheels into a folder, and nothing else; nothing is compiled."""
    command = [
        "install",
        "--no-index",
        "--no-deps",
        "--no-compile",
        f"--target={target}",
        *wheel_options(machine, python),
    ]
    _pip([*command, *map(str, wheels)], is_offline=True)


def _pip(arguments: list[str], *, is_offline: bool) -> bytes:
    environment = dict(os.environ)
    if is_offline:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
        environment["PIP_CONFIG_FILE"] = os.devnull
    command = [sys.executable, "-m", "pip", "-qq", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, env=environment, check=True).stdout  # noqa: S603 - pip

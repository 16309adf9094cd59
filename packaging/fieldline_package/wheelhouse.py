"""The wheels of the program and its needs, their archive, and its script."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from fieldline_package import generated, pip
from fieldline_package.archive import tar_tree
from fieldline_package.platforms import PLATFORMS, WHEEL_PYTHONS
from fieldline_package.source import Source


@dataclass(frozen=True, slots=True, order=True)
class Wheel:
    """A wheel that was checked by its hash, or was built here."""

    name: str
    version: str
    path: Path
    sha256: str


Wheels = dict[str, list[Wheel]]
"""Python ("3.11") to the wheels that the program needs there, the program among them."""


def collect(source: Source, arch: str, work: Path) -> Wheels:
    """Build the program's wheel, download the locked ones, and choose for each Python."""
    own = work / "own"
    command = [sys.executable, "-m", "hatchling", "build", "--target=wheel", f"--directory={own}"]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(source.epoch)}
    subprocess.run(command, cwd=source.folder, env=environment, capture_output=True, check=True)  # noqa: S603 - hatchling
    found: Wheels = {}
    for python in WHEEL_PYTHONS:
        locked = work / f"locked-{python}"
        pip.fetch(source.folder / "requirements" / "run.txt", PLATFORMS[arch], python, locked)
        chosen = pip.resolve("fieldline", [own, locked], PLATFORMS[arch], python)
        found[python] = sorted(map(_wheel, chosen))
    return found


def _wheel(chosen: dict[str, Any]) -> Wheel:
    """A wheel that pip has chosen; its hash was checked when it was downloaded."""
    path = Path(unquote(urlsplit(chosen["download_info"]["url"]).path))
    name, version = (chosen["metadata"][key] for key in ("name", "version"))
    return Wheel(name.lower(), version, path, hashlib.sha256(path.read_bytes()).hexdigest())


def build(source: Source, wheels: Wheels, arch: str, work: Path, output: Path) -> Path:
    """Write the archive: wheels for every Python, hashes, script, surroundings."""
    name = f"fieldline-{source.package_version}-linux-{PLATFORMS[arch]}"
    folder = work / name
    (folder / "wheels").mkdir(parents=True)
    every = sorted({wheel.path.name: wheel for found in wheels.values() for wheel in found}.values())
    for wheel in every:
        shutil.copyfile(wheel.path, folder / "wheels" / wheel.path.name)
    (folder / "requirements.txt").write_text(requirements(every), encoding="utf-8")
    shutil.copy(source.packaging / "install", folder / "install")
    for each in ("fieldline.service", "70-fieldline.rules"):
        shutil.copyfile(source.packaging / each, folder / each)
    shutil.copyfile(source.folder / "LICENSE", folder / "LICENSE")
    generated.write(source, folder / "share")
    # zsh looks there below /usr/local/share.
    (folder / "share/zsh/vendor-completions").rename(folder / "share/zsh/site-functions")
    path = output / f"{name}.tar"
    # Wheels are compressed already.
    path.write_bytes(tar_tree(folder, source.epoch, name))
    return path


def requirements(wheels: list[Wheel]) -> str:
    """What pip is to install, with the hash of each wheel in the archive."""
    pins: dict[str, list[str]] = {}
    for wheel in wheels:
        pins.setdefault(f"{wheel.name}=={wheel.version}", []).append(f"--hash=sha256:{wheel.sha256}")
    return "".join(" ".join([pin, *sorted(hashes)]) + "\n" for pin, hashes in sorted(pins.items()))

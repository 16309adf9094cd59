"""For which machines and which Pythons packages are built."""

from __future__ import annotations

DEB_PYTHON = (3, 11)
"""The Python of Debian 12: the .deb holds code compiled for it, and depends on it."""

MIN_GLIBC = "2.28"
"""The oldest C library that the wheels run with (manylinux_2_28)."""

WHEEL_PYTHONS = ("3.11", "3.12", "3.13")
"""The Pythons that the archive of wheels serves: those of the classifiers in pyproject.toml."""


PLATFORMS = {"amd64": "x86_64", "arm64": "aarch64"}
"""Debian's name of an architecture to that of the machine, which wheels have."""


def wheel_tags(machine: str) -> list[str]:
    """The platform tags of wheels that run on a machine."""
    return [
        f"manylinux_{MIN_GLIBC.replace('.', '_')}_{machine}",
        f"manylinux_2_17_{machine}",
        f"manylinux2014_{machine}",
    ]

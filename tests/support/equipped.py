"""A device that is set up by its place.

A fleet with two places, a sysfs of its own, and settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.cli import Terminal

DOCKS = {"Lane 1": "17e9:6006 #A1B2", "Lane 2": "17e9:6006 #C3D4"}


class Sysfs:
    """A sysfs to plug things into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._devices = folder / "bus" / "usb" / "devices"
        self._devices.mkdir(parents=True)

    def plug(self, port: str, mark: str, product: str = "") -> None:
        """Plug in a device with this mark, `17e9:6006 #A1B2`."""
        ids, _, serial = mark.partition(" #")
        vendor, _, model = ids.partition(":")
        folder = self._devices / port
        folder.mkdir()
        for name, value in (("idVendor", vendor), ("idProduct", model), ("serial", serial), ("product", product)):
            if value:
                (folder / name).write_text(value + "\n")

    def unplug(self, port: str) -> None:
        """Take it out again."""
        for path in (self._devices / port).iterdir():
            path.unlink()
        (self._devices / port).rmdir()


@dataclass
class EquippedDevice:
    """The device, with what it is plugged into."""

    terminal: Terminal
    sysfs: Sysfs

    @property
    def home(self) -> Path:
        """Its home."""
        return self.terminal.home

    def settings(self, text: str) -> None:
        """Write its settings."""
        (self.home / "settings.toml").write_text(f'name = "K1"\n{text}')

    def state(self, name: str) -> dict[str, object]:
        """Wanted against actual of one property."""
        found = self.terminal.ask("place")["properties"]
        return next(each for each in found if each["property"] == name)

    def apply(self, *arguments: str) -> tuple[int, dict[str, dict[str, object]]]:
        """Apply: the exit code, and the steps by property."""
        answer = self.terminal.call("place", "apply", *arguments, "--json")
        return answer.code, {step["property"]: step for step in answer.json["steps"]}


def make_equipped_device(folder: Path, monkeypatch: pytest.MonkeyPatch, **values: str) -> EquippedDevice:
    """A fleet with a locality and two places; the device is docked at the first.

    Whose properties are these.
    """
    sysfs = Sysfs(folder / "sys")
    monkeypatch.setenv("FIELDLINE_SYSFS", str(sysfs.folder))
    terminal = Terminal(folder / "K1")
    terminal.ask("init", "--fleet", "Nord", "--device", "K1")
    terminal.ask("new", "locality", "code=241", "name=TSC Kiel", "subnet=10.24.1.0/24")
    for name, dock in DOCKS.items():
        given = [f"{key}={value}" for key, value in values.items()] if name == "Lane 1" else []
        terminal.ask("new", "place", f"name={name}", "locality=locality:241", f"docking_station={dock}", *given)
    sysfs.plug("1-4", DOCKS["Lane 1"])
    return EquippedDevice(terminal, sysfs)

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.cli import Terminal

Pair = tuple[Terminal, Terminal]


@pytest.fixture(scope="session")
def _founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two devices of one fleet, K1 its admin and K2 a technician, that hold the same.

    A locality and a place.
    """
    folder = tmp_path_factory.mktemp("founded")
    one, two = Terminal(folder / "K1"), Terminal(folder / "K2", "Müller")
    fleet = one.ask("init", "--fleet", "Nord", "--device", "K1")["fleet"]
    device = two.ask("join", fleet, "--device", "K2")["device"]
    one.ask("admit", device, "--role", "technician", "--name", "K2")
    one.ask("new", "locality", "code=241", "name=TSC Kiel", "subnet=10.24.1.0/24")
    one.ask("new", "place", "name=Entrance right", "locality=locality:241", "printer=Acme 5000")
    one.ask("export", str(folder / "stick"))
    two.ask("import", str(folder / "stick"))
    return folder


@pytest.fixture
def pair(_founded: Path, tmp_path: Path) -> Pair:
    """A copy of these two devices."""
    for name in ("K1", "K2"):
        shutil.copytree(_founded / name, tmp_path / name)
    return Terminal(tmp_path / "K1"), Terminal(tmp_path / "K2", "Müller")


@pytest.fixture
def device(pair: Pair) -> Terminal:
    """The first of them."""
    return pair[0]


@pytest.fixture
def meet(tmp_path: Path) -> Callable[[Terminal, Terminal], None]:
    """Have two devices exchange all changes over a stick."""

    def met(one: Terminal, other: Terminal) -> None:
        stick = tmp_path / "stick"
        stick.mkdir(exist_ok=True)
        for terminal in (one, other, one):
            terminal.ask("sync", f"bundle://{stick}")
        assert one.root() == other.root()

    return met

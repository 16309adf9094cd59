"""A copy of a store in use: complete, of one moment, or not there at all; and what it is good for."""

from __future__ import annotations

import shutil
import stat
import threading
from pathlib import Path

import pytest

from tests.cli.test_bad_input import limited, told
from tests.support.cli import Terminal

PLACE = "place:241/Entrance right"


def test_a_copy_is_good_and_private(device: Terminal, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    copy.write_text("what was there before")
    before = device.ask("status")
    assert device.ask("backup", str(copy)) == {"file": str(copy), "changes": before["changes"]}
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["K1", "K2", "copy.db"]
    # A new device takes it over.
    new = Terminal(tmp_path / "new")
    own = new.ask("join", before["fleet"])["device"]
    shutil.copy(copy, new.home / "store.db")
    status = new.ask("status")
    assert (status["device"], status["role"]) == (own, None)
    assert {name: status[name] for name in ("root", "changes", "facts")} == {
        name: before[name] for name in ("root", "changes", "facts")
    }
    assert new.ask("verify")["problems"] == []
    # And one that lost its store goes on from it.
    device.ask("set", PLACE, "printer=lost")
    for path in device.home.glob("store.db*"):
        path.unlink()
    shutil.copy(copy, device.home / "store.db")
    assert device.root() == before["root"]
    assert device.ask("set", PLACE, "printer=x")["facts"] == 1


def test_what_others_write_meanwhile_does_not_tear_it(
    device: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.workspace.backup.PAGES_PER_STEP", 1)
    written: list[str] = []
    enough = threading.Event()

    def write() -> None:
        while not enough.is_set():
            written.append(device.alone("set", PLACE, f"printer=p{len(written)}").err)

    writing = threading.Thread(target=write)
    writing.start()
    try:
        while not written:
            enough.wait(0.05)
        counts = [device.ask("backup", str(tmp_path / f"copy{n}"))["changes"] for n in range(5)]
    finally:
        enough.set()
        writing.join()
    assert counts == sorted(counts)
    for number, count in enumerate(counts):
        home = Terminal(tmp_path / f"home{number}")
        home.ask("join", device.ask("status")["fleet"])
        shutil.copy(tmp_path / f"copy{number}", home.home / "store.db")
        assert home.ask("verify") == {"changes": count, "problems": []}


def test_a_copy_that_cannot_be_made_leaves_nothing(device: Terminal, tmp_path: Path) -> None:
    assert "store itself" in told(device.call("backup", str(device.home / "store.db")), 2)
    told(device.call("backup", str(tmp_path)), 1)
    told(device.call("backup", str(tmp_path / "no" / "copy")), 1)
    copy = tmp_path / "copy"
    copy.write_text("what was there before")
    told(device.alone("backup", str(copy), preexec_fn=lambda: limited(20_000)), 1)
    assert copy.read_text() == "what was there before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["K1", "K2", "copy"]
    assert device.ask("verify")["problems"] == []

"""A device with a store from an older copy is told before it forks its chain."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.cli import Terminal

PLACE = "place:241/Entrance right"
Pair = tuple[Terminal, Terminal]


def put_back(device: Terminal, copy: Path) -> None:
    for path in device.home.glob("store.db*"):
        path.unlink()
    shutil.copy(copy, device.home / "store.db")


def is_reported(device: Terminal) -> bool:
    answer = device.call("status")
    assert answer.code == 0
    found = {each["check"]: each["state"] for each in device.call("doctor", "--json").json}
    assert (found["restored"] == "warning") == ("older copy" in answer.err)
    return found["restored"] == "warning"


@pytest.fixture
def restored(pair: Pair, meet: Callable[..., None], tmp_path: Path) -> Pair:
    """The first device is older than what it has written; the second knows that."""
    one, two = pair
    one.ask("set", PLACE, "printer=before")
    one.ask("backup", str(tmp_path / "copy.db"), "--plain")
    assert not is_reported(one)
    one.ask("set", PLACE, "printer=after")
    meet(one, two)
    put_back(one, tmp_path / "copy.db")
    return pair


def test_it_is_reported_until_its_changes_have_come_back(restored: Pair, meet: Callable[..., None]) -> None:
    one, two = restored
    assert is_reported(one)
    meet(two, one)
    assert not is_reported(one)
    one.ask("set", PLACE, "printer=again")
    meet(one, two)
    assert "chains" not in one.ask("verify"), "its chain does not fork"


def test_who_saves_nevertheless_forks_the_chain_and_learns_that(restored: Pair, meet: Callable[..., None]) -> None:
    one, two = restored
    assert one.ask("set", PLACE, "printer=again")["facts"] == 1
    assert not is_reported(one)
    meet(one, two)
    assert [each["fault"] for each in two.ask("verify")["chains"]] == ["fork"]
    assert "has 2 ends" in two.call("inbox").err


@pytest.mark.parametrize("content", [b"", b"zz" * 32, b"ab" * 31, b"\xff" * 64])
def test_a_damaged_note_says_nothing(device: Terminal, content: bytes) -> None:
    device.ask("set", PLACE, "printer=x")
    assert stat.S_IMODE((device.home / "last-change").stat().st_mode) == 0o600
    (device.home / "last-change").write_bytes(content)
    assert not is_reported(device)
    device.ask("set", PLACE, "printer=y")
    assert not is_reported(device)

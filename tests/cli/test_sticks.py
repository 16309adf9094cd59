"""A stick that is not there is not made by accident, and one that is none is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import Terminal


@pytest.mark.parametrize("name", ["usb", "media/usb", "usb.txt", "usb.fieldline/below"])
def test_a_path_that_is_not_there_is_refused_and_stays_so(device: Terminal, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    message = device.refused("sync", f"bundle://{path}", code=1)
    assert "stick" in message and str(path) in message
    assert not path.exists() and not path.parent.joinpath("usb").exists()


def test_a_new_file_is_made_where_its_name_says_so(device: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "all.fieldline"
    assert device.ask("sync", f"bundle://{path}")["sent"] > 0
    assert path.is_file()


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_folder_on_the_disk_of_the_home_is_reported(device: Terminal, tmp_path: Path, options: list[str]) -> None:
    answer = device.call("sync", f"bundle://{tmp_path}", *options)
    assert answer.code == 0
    assert "on the disk of this device itself" in answer.err


def test_a_damaged_file_is_reported_to_people_and_to_scripts(device: Terminal, tmp_path: Path) -> None:
    device.ask("sync", f"bundle://{tmp_path}")
    (found,) = tmp_path.glob("*.fieldline")
    found.write_bytes(found.read_bytes()[:-100])
    answer = device.call("sync", f"bundle://{tmp_path}", "--json")
    assert answer.json["damaged"] == [str(found)]
    assert "is damaged" in answer.err
    assert answer.code == 1, "nothing of what is there could be read"
    again = device.call("sync", f"bundle://{tmp_path}", "--json")
    assert (again.code, "damaged" in again.json) == (0, False), "what this device had is there again"

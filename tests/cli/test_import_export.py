"""export, import, sync with files, verify."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from tests.cli.conftest import Pair
from tests.support.cli import Terminal

PLACE = "place:241/Entrance right"


def line(at: int, *edits: dict[str, object], user: str = "tech-01") -> str:
    return json.dumps({"at": at, "user": user, "comment": f"at {at}", "edits": edits})


def edit(entity: str, name: str | None, value: object) -> dict[str, object]:
    return {"entity": entity, "kind": entity.split(":", maxsplit=1)[0], "property": name, "value": value}


@pytest.fixture
def history(tmp_path: Path) -> Path:
    path = tmp_path / "history.jsonl"
    lines = [
        line(1000, edit("locality:7", "name", "Seven"), edit("place:7/A", "locality", {"ref": "locality:7"})),
        line(2000, edit("locality:7", "name", "VII"), edit("place:7/A", "shelf", [1, "two"])),
        line(2000, edit("place:7/A", None, None)),
        line(3000, edit("place:7/A", "printer", None), edit("locality:7", "height", 1.50)),
    ]
    path.write_text("\n".join(lines))
    return path


def test_an_edit_history_is_taken_over_with_its_times_and_users(device: Terminal, history: Path) -> None:
    changes = device.ask("status")["changes"]
    done = device.ask("import", str(history))
    assert (done["changes"], done["skipped"]) == (4, 0)
    assert device.ask("status")["changes"] == changes + 4
    shown = device.ask("show", "locality:7")
    assert shown["slots"]["name"]["value"] == "VII"
    assert shown["slots"]["height"]["value"] == "1.5"
    (candidate,) = shown["slots"]["name"]["candidates"]
    assert (candidate["at"], candidate["user"], candidate["note"]) == ("1970-01-01T00:33:20Z", "tech-01", "at 2000")
    assert device.ask("show", "locality:7", "--at", "1970-01-01T00:20Z")["slots"]["name"]["value"] == "Seven"
    place = "place:7/A"
    assert device.ask("show", place, "--at", "1970-01-01T00:40Z")["retired"] is True
    assert device.ask("show", place)["retired"] is False
    assert device.ask("show", place)["slots"]["shelf"]["value"] == [1, "two"]
    assert device.ask("show", place)["slots"]["locality"]["value"] == {"ref": "locality:7"}
    assert [e["change"] for e in device.call("log", "--until", "1970-01-02", "--json").lines] != []


def test_a_history_that_is_here_is_passed_over(device: Terminal, history: Path) -> None:
    device.ask("import", str(history))
    root = device.root()
    assert device.ask("import", str(history)) == {"changes": 0, "facts": 0, "skipped": 4}
    assert device.root() == root


@pytest.mark.parametrize(
    ("content", "reported"),
    [
        ('{"at": 1}\n', "1"),
        (line(1, edit("locality:7", "name", "x")) + "\n{}\n", "2"),
        (line(1, edit("locality:7", "name", "x")) + "\nnot json\n", "2"),
        (line(1, edit("no-key", "name", "x")), "1"),
        ("", "neither"),
        ("just text", "neither"),
        ("\x00\x01", "neither"),
    ],
)
def test_a_history_that_is_wrong_is_refused_as_a_whole(
    device: Terminal, tmp_path: Path, content: str, reported: str
) -> None:
    path = tmp_path / "wrong"
    path.write_text(content)
    assert reported in device.refused("import", str(path))


def test_a_bundle_carries_everything(pair: Pair, tmp_path: Path) -> None:
    one, two = pair
    one.ask("set", PLACE, "printer=x")
    stick = str(tmp_path / "all.fieldline")
    assert one.ask("export", stick)["changes"] == one.ask("status")["changes"]
    done = two.ask("import", stick)
    assert (done["changes"], done["facts"], done["skipped"]) == (1, 1, one.ask("status")["changes"] - 1)
    assert two.root() == one.root()


def test_a_folder_on_a_stick_is_merged_like_a_peer(pair: Pair, tmp_path: Path) -> None:
    one, two = pair
    one.ask("set", PLACE, "printer=x")
    two.ask("set", "locality:241", "name=y")
    (tmp_path / "usb").mkdir()
    target = f"bundle://{tmp_path / 'usb'}"
    first = one.ask("sync", target)
    figures = {"sent", "received", "bytes_out", "bytes_in", "reconcile_bytes", "round_trips", "seconds"}
    assert first.keys() == {"peer", "mode", "root"} | figures
    assert two.ask("sync", target)["received"] == 1
    assert one.ask("sync", target)["received"] == 1
    assert one.root() == two.root()


@pytest.mark.parametrize("damage", ["cut", "flip", "grow", "head"])
def test_a_damaged_bundle_is_refused_as_a_whole(pair: Pair, tmp_path: Path, damage: str) -> None:
    one, two = pair
    one.ask("set", PLACE, "printer=x")
    path = tmp_path / "stick"
    one.ask("export", str(path))
    data = path.read_bytes()
    middle = len(data) // 2
    path.write_bytes(
        {
            "cut": data[:middle],
            "flip": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
            "grow": data + b"x",
            "head": b"\0" + data[1:],
        }[damage]
    )
    reported = two.refused("import", str(path))
    assert str(path) in reported
    two.refused("sync", f"bundle://{path}")


def test_a_bundle_of_another_fleet_is_refused(device: Terminal, tmp_path: Path) -> None:
    other = Terminal(tmp_path / "other")
    other.ask("init", "--fleet", "Süd")
    other.ask("export", str(tmp_path / "stick"))
    assert "fleet" in device.refused("import", str(tmp_path / "stick"))


def test_files_that_are_not_there_are_reported(device: Terminal, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "no" / "such")
    assert nowhere in device.refused("import", nowhere, code=1)
    assert nowhere in device.refused("export", nowhere, code=1)
    assert nowhere in device.refused("sync", f"bundle://{nowhere}", code=1)
    assert str(tmp_path) in device.refused("import", str(tmp_path), code=1)


def test_verify_finds_what_was_tampered_with_and_repairs_what_is_derived(device: Terminal) -> None:
    assert device.ask("verify")["problems"] == []
    with sqlite3.connect(device.home / "store.db") as connection:
        connection.execute("UPDATE facts SET state = state | 1")
    connection.close()
    answer = device.call("verify", "--json")
    assert answer.code == 1
    assert answer.json["problems"]
    assert device.call("verify").code == 1
    repaired = device.ask("verify", "--repair")
    assert (repaired["problems"], repaired["repaired"], repaired["kept"]) == ([], answer.json["problems"], None)
    assert device.ask("verify")["problems"] == []
    assert device.ask("show", PLACE)["slots"]["printer"]["value"] == "Acme 5000"

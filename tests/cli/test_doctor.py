"""What doctor finds: each fault with what to do, and nothing on a good device."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from core.service.endpoint import DEFAULT_PORT
from core.workspace import installed_files
from tests.cli.conftest import Pair
from tests.support.cli import Terminal


def found(terminal: Terminal) -> dict[str, tuple[str, str | None]]:
    """What each check came to."""
    answer = terminal.call("doctor", "--json")
    checks = {each["check"]: (each["state"], each["message"]) for each in answer.json}
    assert answer.code == int(any(state == "problem" for state, _ in checks.values()))
    assert all((state == "good") == (message is None) for state, message in checks.values())
    # Whether others use the port, or there is a network at all, is the machine's affair.
    return {check: finding for check, finding in checks.items() if check not in ("port", "network", "cable", "disk")}


def test_nothing_is_wrong_with_a_good_device(device: Terminal) -> None:
    assert {state for state, _ in found(device).values()} == {"good"}
    answer = device.call("doctor")
    assert answer.code == 0
    assert "Nothing is wrong" in answer.err
    assert device.ask("verify")["problems"] == []


def only(terminal: Terminal, check: str, state: str) -> str:
    """The message of the one check that is not good."""
    wrong = {name: finding for name, finding in found(terminal).items() if finding[0] != "good"}
    assert {name: finding[0] for name, finding in wrong.items()} == {check: state}
    message = wrong[check][1]
    assert message
    assert message in terminal.call("doctor").out.replace("\n", " ")
    return message


def test_a_program_that_is_not_as_it_was_installed(device: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed_files, "changed_files", lambda: [Path("/opt/x/core/errors.py"), Path("/opt/x/y.py")])
    message = only(device, "program", "problem")
    assert "/opt/x/core/errors.py" in message
    assert "2 in all" in message


def test_a_folder_without_a_device(tmp_path: Path) -> None:
    assert "fieldline init" in only(Terminal(tmp_path / "nothing"), "home", "problem")
    assert list(tmp_path.iterdir()) == []


def test_what_others_may_look_into(device: Terminal) -> None:
    device.home.chmod(0o755)
    assert "chmod 700" in only(device, "privacy", "warning")
    device.home.chmod(0o700)
    (device.home / "device.key").chmod(0o640)
    assert "chmod 600" in only(device, "key", "problem")


def test_a_store_that_nobody_may_change(device: Terminal) -> None:
    store = device.home / "store.db"
    # To root only a mark on the file is an obstacle, which not every file system has.
    frozen, free = (["chattr", "+i"], ["chattr", "-i"]) if os.geteuid() == 0 else (["chmod", "400"], ["chmod", "600"])
    if not shutil.which(frozen[0]) or subprocess.run([*frozen, store], capture_output=True, check=False).returncode:
        pytest.skip("files cannot be marked here")
    try:
        answer = device.call("doctor")
        assert (answer.code, "nothing can be saved" in answer.out) == (1, True)
    finally:
        subprocess.run([*free, store], check=True)
    assert device.call("doctor").code == 0


def test_settings_that_cannot_be_read(device: Terminal) -> None:
    (device.home / "settings.toml").write_text("name = ")
    assert "TOML" in only(device, "settings", "problem")
    (device.home / "settings.toml").write_text('cables = ["ttyUSB0"]\n')
    assert "serial:///dev/ttyUSB0" in only(device, "settings", "problem")


@pytest.mark.parametrize("kept", [0, 4096, 20_000])
def test_a_damaged_store(device: Terminal, kept: int) -> None:
    store = device.home / "store.db"
    data = store.read_bytes()
    store.write_bytes(data[:kept] + b"\xff" * (len(data) - kept))
    assert found(device)["store"][0] == "problem"


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE contents SET value = x'191819' WHERE id = (SELECT max(id) FROM contents)",
        "UPDATE blocks SET data = CAST(data || x'00' AS BLOB) WHERE change = 2",
        "UPDATE blocks SET data = zeroblob(10) WHERE change = 2",
        "DELETE FROM blocks WHERE change = 2",
        "UPDATE changes SET previous = randomblob(32) WHERE position = 2",
    ],
)
def test_damage_that_no_page_shows(device: Terminal, damage: str) -> None:
    with closing(sqlite3.connect(device.home / "store.db", isolation_level=None)) as connection:
        assert connection.execute(damage).rowcount > 0
    assert "fieldline verify --repair" in only(device, "store", "problem")


def test_when_all_was_last_found_right_is_reported(device: Terminal) -> None:
    def store() -> dict[str, object]:
        return next(each for each in device.call("doctor", "--json").json if each["check"] == "store")

    assert store()["verified_at"] is None
    assert "never checked" in device.call("doctor").err
    device.ask("verify")
    assert re.fullmatch(r"20\d\d-.*Z", str(store()["verified_at"]))
    assert "last found right on" in device.call("doctor").err


def test_a_device_that_waits_and_one_that_was_revoked(pair: Pair, tmp_path: Path) -> None:
    one, two = pair
    new = Terminal(tmp_path / "new")
    new.ask("join", one.ask("status")["fleet"])
    assert "fieldline admit" in only(new, "membership", "warning")
    one.ask("revoke", "K2")
    # What is sealed is no longer for it.
    one.ask("export", str(tmp_path / "all"), "--plain")
    two.ask("import", str(tmp_path / "all"))
    assert "revoked" in only(two, "membership", "warning")


def test_changes_from_the_future(device: Terminal, tmp_path: Path) -> None:
    edit = {"entity": "locality:9", "kind": "locality", "property": "name", "value": "x"}
    (tmp_path / "history.jsonl").write_text(json.dumps({"at": 9_000_000_000, "user": "u", "edits": [edit]}))
    device.ask("import", str(tmp_path / "history.jsonl"))
    assert "clock" in only(device, "clock", "warning")


def test_a_port_that_something_else_uses(device: Terminal) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # If somebody uses it already, so much the better.
        with suppress(OSError):
            taken.bind(("0.0.0.0", DEFAULT_PORT))
            taken.listen()
        finding = {each["check"]: each for each in device.call("doctor", "--json").json}
    assert finding["port"]["state"] == "warning"
    assert str(DEFAULT_PORT) in finding["port"]["message"]


def test_a_copied_folder_is_reported_by_doctor_and_verify(
    pair: Pair, tmp_path: Path, meet: Callable[[Terminal, Terminal], None]
) -> None:
    one, two = pair
    shutil.copytree(two.home, tmp_path / "copy")
    copy = Terminal(tmp_path / "copy", "Bob")
    two.ask("set", "locality:241", "name=Kiel")
    ends = {
        two.ask("set", "locality:241", "name=Kiel 2")["change"],
        copy.ask("set", "locality:241", "name=X")["change"],
    }
    meet(one, two)
    meet(one, copy)
    finding = only(one, "chains", "warning")
    assert "K2" in finding and all(end[:8] in finding for end in ends)
    answer = one.ask("verify")
    assert answer["problems"] == []
    (chain,) = answer["chains"]
    assert chain["fault"] == "fork" and chain["ends"] == 2
    assert {branch["change"] for branch in chain["branches"]} == ends
    assert sorted(branch["changes"] for branch in chain["branches"]) == [1, 2]
    assert all(end[:8] in one.call("verify").out for end in ends)

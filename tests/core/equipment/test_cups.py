"""The printer of a place, with a real print server.

What is printed comes out where the device is.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli import ROOT
from tests.support.cupsd import Cups, running_cups
from tests.support.deadlines import DEADLINE_S, until
from tests.support.equipped import DOCKS, EquippedDevice, make_equipped_device

SETTINGS = '[equipment.printer]\nwith = "cups-default"\n'


@pytest.fixture(scope="module")
def server() -> Iterator[Cups]:
    with running_cups() as cups:
        yield cups


@pytest.fixture
def cups(server: Cups, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cups:
    """The server without a default, as the one of this device.

    Its user prefers nothing.
    """
    monkeypatch.setenv("CUPS_SERVER", server.address)
    monkeypatch.setenv("HOME", str(tmp_path))
    server.run("lpadmin", "-d", "deskB")
    for sink in server.sinks.values():
        sink.printed.clear()
    return server


@pytest.fixture
def device(cups: Cups, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EquippedDevice:
    device = make_equipped_device(tmp_path, monkeypatch, printer="deskA")
    device.terminal.ask("set", "place:241/Lane 2", "printer=deskB")
    device.settings(SETTINGS)
    return device


def test_the_default_printer_follows_the_device_and_jobs_come_out_there(
    device: EquippedDevice, cups: Cups, tmp_path: Path
) -> None:
    state = device.state("printer")
    assert (state["verdict"], state["wanted"], state["actual"]) == ("differs", "deskA", "deskB")
    code, planned = device.apply("--dry-run")
    assert (code, planned["printer"]["outcome"], cups.default()) == (0, "planned", "deskB")
    code, steps = device.apply()
    assert (code, steps["printer"]["outcome"], cups.default()) == (0, "done", "deskA")
    assert {**steps["printer"], "outcome": "planned"} == planned["printer"]
    letter = tmp_path / "letter"
    letter.write_bytes(b"for lane 1")
    cups.print_file(letter)
    until(lambda: cups.sinks["deskA"].printed == [b"for lane 1"])

    device.sysfs.unplug("1-4")
    device.sysfs.plug("1-5", DOCKS["Lane 2"])
    assert device.terminal.ask("place")["place"] == "place:241/Lane 2"
    assert device.apply()[1]["printer"]["outcome"] == "done"
    letter.write_bytes(b"for lane 2")
    cups.print_file(letter)
    until(lambda: cups.sinks["deskB"].printed == [b"for lane 2"])
    assert cups.sinks["deskA"].printed == [b"for lane 1"]


def test_a_device_that_is_carried_to_another_site_prints_there_by_itself(
    device: EquippedDevice, cups: Cups, space: str, tmp_path: Path
) -> None:
    """Dock, network and printer together, as `serve` sees them."""
    device.terminal.ask("new", "locality", "code=242", "name=TSC Ulm", "subnet=10.30.1.0/24")
    dock = "17e9:6006 #E5F6"
    device.terminal.ask(
        "new", "place", "name=Desk", "locality=locality:242", f"docking_station={dock}", "printer=deskB"
    )
    cups.run("lpadmin", "-d", "deskB")
    device.settings("[place]\napply_on_arrival = true\n" + SETTINGS)
    serve = [sys.executable, "-m", "tui.cli", *device.terminal.globals, "serve", "--port", "0", "--no-discovery"]
    process = subprocess.Popen(
        ["ip", "netns", "exec", space, *serve],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        assert process.stdout is not None
        events = (json.loads(line) for line in process.stdout)
        arrived, applied = next(events), next(events)
        assert (arrived["event"], arrived["place"]) == ("arrived", "place:241/Lane 1")
        assert ([step["outcome"] for step in applied["steps"]], cups.default()) == (["done"], "deskA")

        device.sysfs.unplug("1-4")
        assert next(events)["event"] == "left"
        for command in ("addr del 10.24.1.5/24 dev vA", "addr add 10.30.1.5/24 dev vA"):
            subprocess.run(["ip", "-n", space, *command.split()], check=True)
        device.sysfs.plug("2-1", dock)
        arrived = next(event for event in events if event["event"] == "arrived" and event["place"])
        applied = next(event for event in events if event["event"] == "applied")
        assert (arrived["place"], [step["outcome"] for step in applied["steps"]]) == ("place:242/Desk", ["done"])
        letter = tmp_path / "letter"
        letter.write_bytes(b"for the desk")
        cups.print_file(letter)
        until(lambda: cups.sinks["deskB"].printed == [b"for the desk"])
        assert cups.sinks["deskA"].printed == []
    finally:
        process.terminate()
        process.communicate(timeout=DEADLINE_S)


def test_what_is_so_already_is_left_alone(device: EquippedDevice, cups: Cups) -> None:
    cups.run("lpadmin", "-d", "deskA")
    code, steps = device.apply()
    assert (code, steps["printer"]["outcome"]) == (0, "same")
    assert device.terminal.ask("place", "journal") == []


def test_adopting_makes_the_one_edit_and_nothing_else(device: EquippedDevice, cups: Cups) -> None:
    before = device.terminal.ask("show", "place:241/Lane 1")["slots"]
    message = device.terminal.ask("place", "adopt", "--note", "as found")
    assert message["adopted"] == [{"property": "printer", "old": "deskA", "new": "deskB"}]
    after = device.terminal.ask("show", "place:241/Lane 1")["slots"]
    assert after["printer"]["value"] == "deskB"
    assert {k: v for k, v in after.items() if k != "printer"} == {k: v for k, v in before.items() if k != "printer"}
    assert device.terminal.ask("place", "adopt") == {"change": None, "adopted": []}
    assert cups.default() == "deskB"


def test_a_queue_that_is_not_there_changes_nothing(device: EquippedDevice, cups: Cups) -> None:
    device.terminal.ask("set", "place:241/Lane 1", "printer=nowhere")
    code, steps = device.apply()
    assert (code, steps["printer"]["outcome"], cups.default()) == (1, "failed", "deskB")
    assert "There is no print queue" in str(steps["printer"]["message"])
    device.terminal.ask("set", "place:241/Lane 1", "printer=deskA")
    assert device.apply()[0] == 0
    assert cups.default() == "deskA"


@pytest.mark.parametrize("value", ["-x", "--help", "-h/tmp/other"])
def test_a_value_is_never_an_option(device: EquippedDevice, cups: Cups, value: str) -> None:
    device.terminal.ask("set", "place:241/Lane 1", f"printer={value}")
    code, steps = device.apply()
    assert (code, steps["printer"]["outcome"], cups.default()) == (1, "failed", "deskB")
    assert "begins like an option" in str(steps["printer"]["message"])


def test_what_the_user_prefers_is_said_and_not_hidden(device: EquippedDevice, cups: Cups, tmp_path: Path) -> None:
    options = tmp_path / ".cups" / "lpoptions"
    options.parent.mkdir()
    options.write_text("Default deskB\n")
    code, steps = device.apply()
    assert (code, steps["printer"]["outcome"], cups.default()) == (1, "failed", "deskA")
    assert str(options) in str(steps["printer"]["message"])
    state = device.state("printer")
    assert (state["verdict"], state["actual"]) == ("differs", "deskB")
    options.unlink()
    code, steps = device.apply()
    assert (code, steps["printer"]["outcome"]) == (0, "same")


def test_a_server_that_is_down_is_an_error_and_no_missing_default(
    device: EquippedDevice, cups: Cups, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CUPS_SERVER", str(tmp_path / "nobody.sock"))
    state = device.state("printer")
    assert (state["verdict"], state["actual"]) == ("error", None)
    assert "CUPS does not run" in str(state["message"])
    code, steps = device.apply()
    assert (code, steps["printer"]["outcome"]) == (1, "failed")
    assert device.terminal.call("place", "adopt", "printer").code == 1
    monkeypatch.setenv("CUPS_SERVER", cups.address)
    assert device.apply()[0] == 0
    assert cups.default() == "deskA"


def test_a_machine_without_cups_says_so(device: EquippedDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    state = device.state("printer")
    assert state["verdict"] == "error"
    assert "is not there: install it" in str(state["message"])

"""Files and commands of a device: set, read back, kept owed.

Each failure is one sentence and leaves what it says.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
from pathlib import Path

import pytest

from core.workspace import Workspace
from tests.support.deadlines import DEADLINE_S, until
from tests.support.equipped import DOCKS, EquippedDevice, make_equipped_device
from tests.support.unchecked import state_unchecked

FILE = """
[equipment.avl_configuration]
read = { file = "avl.conf", pattern = "^profile=(.*)$" }
apply = { template = "avl.conf.in", to = "avl.conf", then = ["sh", "reload"], timeout = 10 }
"""
COMMAND = """
[equipment.card_terminal]
read = { command = ["sh", "get"], timeout = 5 }
apply = { command = ["sh", "set", "{value}"], timeout = 5 }
"""


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EquippedDevice:
    device = make_equipped_device(tmp_path, monkeypatch, avl_configuration="fast", card_terminal="11111111")
    device.settings(FILE + COMMAND)
    scripts = {"reload": "echo x >> reloads", "get": "cat terminal 2>/dev/null || true", "set": 'echo "$1" > terminal'}
    for name, text in {**scripts, "avl.conf.in": "# AVL\nprofile={value}\n"}.items():
        (device.home / name).write_text(text)
    return device


def text(device: EquippedDevice, name: str) -> str:
    return (device.home / name).read_text()


def test_a_file_and_a_command_are_set_and_the_second_run_does_nothing(device: EquippedDevice) -> None:
    before = {path.name: path.read_bytes() for path in device.home.iterdir() if not path.name.startswith("store.db")}
    code, planned = device.apply("--dry-run")
    assert code == 0
    assert {step["outcome"] for step in planned.values()} == {"planned"}
    assert before == {p.name: p.read_bytes() for p in device.home.iterdir() if not p.name.startswith("store.db")}
    code, steps = device.apply()
    assert (code, {step["outcome"] for step in steps.values()}) == (0, {"done"})
    assert list(planned) == list(steps)
    assert text(device, "avl.conf") == "# AVL\nprofile=fast\n"
    assert text(device, "terminal") == "11111111\n"
    assert text(device, "reloads") == "x\n"
    code, steps = device.apply()
    assert (code, {step["outcome"] for step in steps.values()}) == (0, {"same"})
    assert text(device, "reloads") == "x\n"
    rows = device.terminal.ask("place", "journal")
    assert {(row["property"], row["after"], row["outcome"]) for row in rows} == {
        ("avl_configuration", "fast", "done"),
        ("card_terminal", "11111111", "done"),
    }


def test_what_somebody_changes_on_the_device_differs_and_can_be_adopted(device: EquippedDevice) -> None:
    device.apply()
    (device.home / "avl.conf").write_text("profile=slow\n")
    assert (device.state("avl_configuration")["verdict"], device.state("avl_configuration")["actual"]) == (
        "differs",
        "slow",
    )
    (tried,) = device.terminal.ask("place", "adopt", "avl_configuration", "--dry-run")["plan"]
    assert (tried["property"], tried["old"], tried["new"]) == ("avl_configuration", "fast", "slow")
    adopted = device.terminal.ask("place", "adopt", "avl_configuration")["adopted"]
    assert adopted == [{"property": "avl_configuration", "old": "fast", "new": "slow"}]
    assert device.state("avl_configuration")["verdict"] == "same"


def test_owner_mode_and_the_old_file_are_kept(device: EquippedDevice) -> None:
    target = device.home / "avl.conf"
    target.write_text("profile=old\n")
    target.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(target, 1, 2)
    before = target.stat()
    assert device.apply()[0] == 0
    after = target.stat()
    assert (stat.S_IMODE(after.st_mode), after.st_uid, after.st_gid) == (0o640, before.st_uid, before.st_gid)
    assert text(device, "avl.conf.fieldline-old") == "profile=old\n"


def test_a_follow_up_that_failed_is_owed_until_it_succeeds(device: EquippedDevice) -> None:
    (device.home / "reload").write_text("echo cannot >&2; exit 3")
    code, steps = device.apply()
    assert (code, steps["avl_configuration"]["outcome"]) == (1, "failed")
    assert "ended with code 3" in str(steps["avl_configuration"]["message"])
    assert text(device, "avl.conf") == "# AVL\nprofile=fast\n"
    state = device.state("avl_configuration")
    assert (state["verdict"], state["actual"]) == ("differs", "fast")
    assert "has not succeeded yet" in str(state["message"])
    assert device.apply()[0] == 1
    (device.home / "reload").write_text("echo x >> reloads")
    code, steps = device.apply()
    assert (code, steps["avl_configuration"]["outcome"]) == (0, "done")
    assert text(device, "reloads") == "x\n"
    assert device.apply()[1]["avl_configuration"]["outcome"] == "same"


def test_a_follow_up_runs_only_if_its_cause_succeeded(device: EquippedDevice) -> None:
    (device.home / "avl.conf.in").write_text("profile={value}\nprinter={printer}\n")
    code, steps = device.apply()
    assert (code, steps["avl_configuration"]["outcome"]) == (1, "failed")
    assert "nothing is configured" in str(steps["avl_configuration"]["message"])
    assert not (device.home / "avl.conf").exists()
    assert not (device.home / "reloads").exists()


def test_another_property_in_a_template_counts_too(device: EquippedDevice) -> None:
    device.terminal.ask("set", "place:241/Lane 1", "printer=deskA")
    (device.home / "avl.conf.in").write_text("profile={avl_configuration}\nprinter={printer}\nliteral={{printer}}\n")
    assert device.apply()[0] == 0
    assert text(device, "avl.conf") == "profile=fast\nprinter=deskA\nliteral={printer}\n"
    device.terminal.ask("set", "place:241/Lane 1", "printer=deskB")
    assert device.state("avl_configuration")["verdict"] == "differs"
    assert device.apply()[0] == 0
    assert "printer=deskB" in text(device, "avl.conf")


FAILURES = {
    "missing": (COMMAND.replace('["sh", "set"', '["no-such-tool", "set"'), {}, "is not there: install it"),
    "non-zero": (COMMAND, {"set": "echo terminal busy >&2; exit 4"}, "ended with code 4: "),
    "time-out": (
        COMMAND.replace("timeout = 5 }\n", "timeout = 0.5 }\n"),
        {"set": "sleep 60"},
        "did not end within 0.5 s",
    ),
    "killed": (COMMAND, {"set": "kill -9 $$"}, "was ended by signal 9"),
    "no effect": (COMMAND, {"set": "true"}, "but this device still has"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_command_that_fails_is_reported_and_a_second_run_completes(device: EquippedDevice, name: str) -> None:
    settings, scripts, sentence = FAILURES[name]
    device.settings(settings)
    for script, content in scripts.items():
        (device.home / script).write_text(content)
    code, steps = device.apply()
    assert (code, steps["card_terminal"]["outcome"]) == (1, "failed")
    assert sentence in str(steps["card_terminal"]["message"])
    assert device.state("card_terminal")["verdict"] == "differs"
    assert device.terminal.ask("place", "journal")[0]["outcome"] == "failed"
    device.settings(COMMAND)
    (device.home / "set").write_text('echo "$1" > terminal')
    code, steps = device.apply()
    assert (code, steps["card_terminal"]["outcome"], text(device, "terminal")) == (0, "done", "11111111\n")


def test_a_reader_that_fails_is_an_error_and_nothing_is_set(device: EquippedDevice) -> None:
    (device.home / "get").write_text("exit 9")
    assert device.state("card_terminal")["verdict"] == "error"
    code, steps = device.apply()
    assert (code, steps["card_terminal"]["outcome"]) == (1, "failed")
    assert steps["avl_configuration"]["outcome"] == "done"
    assert not (device.home / "terminal").exists()


def test_a_file_that_is_no_text_is_an_error(device: EquippedDevice) -> None:
    (device.home / "avl.conf").write_bytes(b"profile=\xff")
    state = device.state("avl_configuration")
    assert (state["verdict"], "is not UTF-8 text" in str(state["message"])) == ("error", True)
    (device.home / "avl.conf").unlink()
    (device.home / "avl.conf").mkdir()
    assert device.state("avl_configuration")["verdict"] == "error"
    assert device.apply()[0] == 1
    (device.home / "avl.conf").rmdir()
    assert device.apply()[0] == 0


def test_a_folder_that_cannot_be_written_leaves_the_file_as_it_was(device: EquippedDevice) -> None:
    folder = device.home / "etc"
    device.settings(
        FILE.replace('to = "avl.conf"', 'to = "etc/avl.conf"').replace('"avl.conf", p', '"etc/avl.conf", p')
    )
    folder.write_text("a file where the folder should be")
    code, steps = device.apply()
    assert (code, steps["avl_configuration"]["outcome"]) == (1, "failed")
    folder.unlink()
    code, steps = device.apply()
    assert (code, "cannot be written" in str(steps["avl_configuration"]["message"])) == (1, True)
    folder.mkdir()
    assert device.apply()[0] == 0


def test_a_command_without_a_reader_cannot_tell_and_is_run_once_for_a_value(device: EquippedDevice) -> None:
    device.settings('[equipment.card_terminal]\napply = { command = ["sh", "count", "{value}"] }\n')
    (device.home / "count").write_text('echo "$1" >> runs')
    assert device.state("card_terminal")["verdict"] == "unknown"
    for _ in range(2):
        code, steps = device.apply()
        assert (code, steps["card_terminal"]["outcome"]) == (0, "unknown")
    assert text(device, "runs") == "11111111\n"
    device.terminal.ask("set", "place:241/Lane 1", "card_terminal=22222222")
    device.apply()
    assert text(device, "runs") == "11111111\n22222222\n"


def test_what_is_only_read_is_left_alone(device: EquippedDevice) -> None:
    device.settings('[equipment.card_terminal]\nread = { command = ["sh", "get"] }\n')
    code, steps = device.apply()
    assert (code, steps["card_terminal"]["outcome"]) == (0, "skipped")


def test_half_applied_is_said_after_a_crash(device: EquippedDevice) -> None:
    device.settings(COMMAND)
    (device.home / "set").write_text('echo "$1" > terminal; echo $$ > pid; touch begun; sleep 600')
    process = device.terminal.process("place", "apply", start_new_session=True)
    until((device.home / "begun").exists)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=DEADLINE_S)
    os.killpg(int(text(device, "pid")), signal.SIGKILL)
    row = device.terminal.ask("place", "journal")[0]
    assert (row["outcome"], "cut half-way" in row["message"]) == ("unknown", True)
    assert "cut half-way" in str(device.state("card_terminal")["message"])
    (device.home / "terminal").unlink()
    (device.home / "set").write_text('echo "$1" > terminal')
    assert device.apply()[0] == 0
    assert device.state("card_terminal")["message"] == ""


def test_two_cannot_apply_at_once(device: EquippedDevice) -> None:
    (device.home / "set").write_text('touch begun; while [ ! -e go ]; do sleep 0.05; done; echo "$1" > terminal')
    process = device.terminal.process("place", "apply")
    until((device.home / "begun").exists)
    answer = device.terminal.call("place", "apply")
    assert (answer.code, answer.out) == (1, "")
    assert "Another process is setting this device up" in answer.err
    (device.home / "go").touch()
    process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0
    assert device.apply()[0] == 0


def test_a_command_that_talks_without_end_is_bounded_and_gets_no_input(device: EquippedDevice) -> None:
    (device.home / "get").write_text("cat; yes | head -c 1000000")
    state = device.state("card_terminal")
    assert (state["verdict"], "prints too much" in str(state["message"])) == ("error", True)


@pytest.mark.parametrize("value", ["a\nroot=1", "a\rb", "\x1b[31m", "a\u2028b"])
def test_a_value_stays_in_its_line(device: EquippedDevice, value: str) -> None:
    # It need not have been typed on this device, nor with a program that refuses it.
    asyncio.run(_hold(device.home, value))
    code, steps = device.apply()
    assert (code, steps["avl_configuration"]["outcome"]) == (1, "failed")
    assert not (device.home / "avl.conf").exists()


async def _hold(home: Path, value: str) -> None:
    async with await Workspace.open(home, user="Jones") as workspace:
        place = await workspace.record(await workspace.find("place:241/Lane 1"))
        await state_unchecked(workspace, place, {"avl_configuration": value})


@pytest.mark.parametrize("value", ["$(touch pwned)", "`touch pwned`", "; touch pwned", "{printer}", "%s", "\\1"])
def test_a_value_is_never_more_than_a_value(device: EquippedDevice, value: str) -> None:
    device.terminal.ask("set", "place:241/Lane 1", f"avl_configuration={value}", "printer=deskA")
    assert device.apply()[0] == 0
    assert text(device, "avl.conf") == f"# AVL\nprofile={value}\n"
    assert not (device.home / "pwned").exists()


def test_a_schema_can_run_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = make_equipped_device(tmp_path, monkeypatch, printer="deskA")
    hostile = tmp_path / "hostile.toml"
    trap = 'read = { command = ["touch", "pwned"] }\napply = { command = ["touch", "pwned", "{value}"] }\n'
    lines = 'name = "x"\n[kinds.place]\nkey = "name"\n[kinds.place.properties.name]\nrequired = true\n'
    for table in ("kinds.place.properties.printer", "kinds.place.equipment.printer", "equipment.printer"):
        hostile.write_text(f"{lines}[{table}]\n{trap}")
        assert device.terminal.call("schema", "apply", str(hostile)).code == 2
    device.terminal.ask("set", "place:241/Lane 1", "printer=touch pwned")
    for arguments in (["place"], ["place", "apply"], ["place", "adopt"]):
        device.terminal.call(*arguments)
    assert not list(tmp_path.rglob("pwned"))
    assert all(each["verdict"] == "unmanaged" for each in device.terminal.ask("place")["properties"])


def test_a_conflict_is_applied_with_its_pick_and_marked(device: EquippedDevice, tmp_path: Path) -> None:
    other = type(device.terminal)(tmp_path / "K2", "Müller")
    fleet = device.terminal.ask("status")["fleet"]
    key = other.ask("join", fleet, "--device", "K2")["device"]
    device.terminal.ask("admit", key, "--role", "technician")
    stick = tmp_path / "stick"
    stick.mkdir()
    for each in (device.terminal, other):
        each.ask("sync", f"bundle://{stick}")
    other.ask("set", "place:241/Lane 1", "avl_configuration=theirs")
    device.terminal.ask("set", "place:241/Lane 1", "avl_configuration=ours")
    for each in (other, device.terminal):
        each.ask("sync", f"bundle://{stick}")
    state = device.state("avl_configuration")
    assert state["provisional"] is True
    assert device.apply()[0] == 0
    assert text(device, "avl.conf") == f"# AVL\nprofile={state['wanted']}\n"


def test_a_slip_in_the_settings_is_reported_and_the_rest_works(device: EquippedDevice) -> None:
    device.settings(
        FILE + '[equipment.card_terminal]\nread = { comand = ["x"] }\n[equipment.pritner]\nwith = "subnet"\n'
    )
    assert device.state("avl_configuration")["verdict"] == "differs"
    assert "equipment.card_terminal.read.comand is not known" in str(device.state("card_terminal")["message"])
    assert "there is no property pritner" in str(device.state("pritner")["message"])
    (device.home / "settings.toml").write_text("[place]\napply_on_arrival = 3\n")
    assert "apply_on_arrival must be true or false" in device.terminal.refused("place")


def test_the_place_is_chosen_by_hand_and_by_evidence_again(device: EquippedDevice) -> None:
    root = device.terminal.root()
    answer = device.terminal.ask("place", "choose", "place:241/Lane 2")
    assert (answer["place"], answer["chosen"]) == ("place:241/Lane 2", True)
    assert device.terminal.ask("place")["place"] == "place:241/Lane 2"
    answer = device.terminal.ask("place", "choose", "--auto")
    assert (answer["place"], answer["locality"], answer["chosen"]) == ("place:241/Lane 1", "locality:241", False)
    assert device.terminal.root() == root
    assert device.terminal.call("place", "choose").code == 2
    assert device.terminal.call("place", "choose", "place:241/Lane 2", "--auto").code == 2


def test_docks_that_say_nothing_leave_the_choice_to_a_person(device: EquippedDevice) -> None:
    device.sysfs.plug("2-1", DOCKS["Lane 1"])
    answer = device.terminal.ask("place")
    assert (answer["place"], "Several docking stations show" in answer["message"]) == (None, True)
    device.sysfs.unplug("2-1")
    device.sysfs.plug("2-1", DOCKS["Lane 2"])
    answer = device.terminal.ask("place")
    assert (answer["place"], "2 places have" in answer["message"]) == (None, True)
    for port in ("1-4", "2-1"):
        device.sysfs.unplug(port)
    answer = device.terminal.ask("place")
    assert (answer["place"], answer["properties"]) == (None, [])
    assert device.terminal.call("place", "apply").code == 1
    device.sysfs.plug("1-4", "17E9:6006 #A1B2")
    assert device.terminal.ask("place")["place"] == "place:241/Lane 1"


def test_serve_tells_and_applies_on_arrival(device: EquippedDevice) -> None:
    device.terminal.ask("set", "place:241/Lane 2", "avl_configuration=other", "card_terminal=22222222")
    device.settings("[place]\napply_on_arrival = true\n" + FILE + COMMAND)
    process = device.terminal.process("serve", "--port", "0", "--no-discovery")
    try:
        assert process.stdout is not None

        def next_event(name: str) -> dict[str, object]:
            assert process.stdout is not None
            for line in process.stdout:
                if json.loads(line)["event"] == name:
                    return dict(json.loads(line))
            raise AssertionError(f"{name} was not told: {process.stderr}")

        assert next_event("arrived")["place"] == "place:241/Lane 1"
        assert next_event("applied")["place"] == "place:241/Lane 1"
        device.sysfs.unplug("1-4")
        device.sysfs.plug("1-4", DOCKS["Lane 2"])
        assert next_event("left")["place"] == "place:241/Lane 1"
        assert next_event("arrived")["place"] == "place:241/Lane 2"
        applied = next_event("applied")
        assert {step["outcome"] for step in applied["steps"]} == {"done"}  # type: ignore[attr-defined]
        assert text(device, "terminal") == "22222222\n"
    finally:
        process.terminate()
        process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0


def test_a_slow_reader_does_not_hold_up_where_the_device_is(device: EquippedDevice) -> None:
    (device.home / "get").write_text("touch reading; sleep 4; sleep 600 & wait")
    device.settings(COMMAND.replace("timeout = 5 }\napply", "timeout = 300 }\napply"))
    process = device.terminal.process("serve", "--port", "0", "--no-discovery")
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["place"] == "place:241/Lane 1"
        until((device.home / "reading").exists)
        device.sysfs.unplug("1-4")
        device.sysfs.plug("1-5", DOCKS["Lane 2"])
        assert json.loads(process.stdout.readline())["event"] == "left"
        assert json.loads(process.stdout.readline())["place"] == "place:241/Lane 2"
    finally:
        process.terminate()
        process.communicate(timeout=DEADLINE_S)

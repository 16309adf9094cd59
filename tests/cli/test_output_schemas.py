"""The contract of every command's JSON.

Docs/schemas says what it prints, and it prints that.

All calls of all tests are held to it (tests/support/cli.py); here is that no command and no schema is forgotten.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from jsonschema import Draft202012Validator

from tests.cli.test_processes import serving
from tests.support.cli import Terminal
from tests.support.equipped import make_equipped_device
from tests.support.output_schemas import FOLDER, check_output, check_printed, schema_names
from tui.cli.main import fieldline
from tui.cli.verbs import VERBS

PLACE = "place:241/Entrance right"
Meet = Callable[[Terminal, Terminal], None]
ELSEWHERE = {
    "mirror",
    "pair",
    "key-recover",
    "key-renew",
    "key-rotate",
    "key-seal",
    "key-unseal",
    "init",
    "join",
    "serve",
    "place",
    "place-choose",
    "place-adopt",
    "place-apply",
    "place-journal",
}
"""What other tests print: those of the mirror, of pairing and of keys, and the two below."""


def verbs_with_json() -> list[str]:
    """Every command that takes --json, also within groups."""
    found = []
    root = click.Context(fieldline)
    for verb in VERBS:
        command = fieldline.get_command(root, verb)
        commands = {verb: command}
        if isinstance(command, click.Group):
            commands |= {f"{verb}-{name}": each for name, each in command.commands.items()}
        for name, each in commands.items():
            if each is not None and any("--json" in parameter.opts for parameter in each.params):
                found.append(name)
    return sorted(found)


def test_every_command_that_prints_json_has_a_schema() -> None:
    assert [name for name in verbs_with_json() if name not in schema_names()] == []
    assert [name for name in schema_names() if name not in verbs_with_json()] == []


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_every_schema_is_a_good_one(path: Path) -> None:
    schema = json.loads(path.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == path.name
    assert schema["title"]


def test_the_check_finds_what_is_missing_too_much_or_of_another_form(device: Terminal) -> None:
    status = device.ask("status")
    check_output("status", status)
    for wrong in ({**status, "more": 1}, {**status, "root": "x"}, {**status, "changes": -1}, {"root": status["root"]}):
        with pytest.raises(AssertionError):
            check_output("status", wrong)


def test_every_command_prints_what_its_schema_says(pair: tuple[Terminal, Terminal], meet: Meet, tmp_path: Path) -> None:
    one, two = pair
    checked: set[str | None] = set()

    def run(*arguments: str, by: Terminal = one, code: int = 0) -> str:
        answer = by.call(*arguments, "--json")
        assert answer.code == code, (arguments, answer)
        checked.add(check_printed(arguments, answer.out))
        return answer.out

    wanted, table, history = tmp_path / "wanted.toml", tmp_path / "places.csv", tmp_path / "old.jsonl"
    wanted.write_text('[[place]]\nname = "Lane 2"\nlocality = "241"\nprinter = "B"\n')
    edits = [{"entity": "locality:9", "kind": "locality", "property": "name", "value": "x"}]
    history.write_text(json.dumps({"at": 1_700_000_000, "user": "lab", "edits": edits}) + "\n")
    run("new", "place", "name=Lane 1", "locality=241")
    run("set", PLACE, "printer=A")
    run("set", "--kind", "place", "--all", "bea_configuration=x")
    run("set", PLACE, "printer=B", "--dry-run")
    run("clear", PLACE, "bea_configuration")
    run("confirm", PLACE)
    run("apply", str(wanted), "--dry-run")
    run("apply", str(wanted))
    run("set", PLACE, "printer=C", by=two)
    meet(one, two)
    run("new", "locality", "code=242", "subnet=10.24.0.0/16")
    [clash] = [each["id"] for each in json.loads(run("inbox")) if each["type"] == "overlap"]
    run("accept", clash)
    run("inbox", "--accepted")
    run("show", PLACE)
    run("resolve", PLACE, "printer", "--value", "D")
    change = json.loads(run("set", PLACE, "printer=E"))["change"]
    run("undo", change)
    run("undo", "--last", "--dry-run")
    run("restore", PLACE, "--at", change)
    run("retire", "locality:242")
    run("list", "locality", "--retired")
    run("list", "place", "--columns", "printer,locality")
    run("inventory", "--address", "name")
    run("log")
    run("blame", PLACE)
    run("diff", "-1h")
    run("members")
    run("status")
    run("export", str(tmp_path / "all.fieldline"))
    run("export", "--kind", "place", str(table))
    table.write_text(table.read_text(encoding="utf-8-sig").replace(",E,", ",F,"), encoding="utf-8")
    run("import", str(table), "--kind", "place", "--dry-run")
    run("import", str(table), "--kind", "place")
    run("import", str(history))
    run("schema", "show")
    run("schema", "check", str(Path(__file__).parents[2] / "core" / "schemas" / "site-network.toml"))
    run("schema", "apply", "site-network")
    run("backup", str(tmp_path / "copy"))
    run("restore-store", str(tmp_path / "copy"))
    run("verify")
    run("doctor", code=one.call("doctor").code)
    run("peers")
    stick = tmp_path / "another"
    stick.mkdir()
    run("sync", f"bundle://{stick}")
    run("admit", "6938cae55deab14a12d7bb435478e5c4", "--role", "reader", "--name", "K9", "--dry-run")
    run("admit", "6938cae55deab14a12d7bb435478e5c4", "--role", "reader", "--name", "K9")
    run("revoke", "K9")
    process = one.process("watch", "--since", "start", "--json")
    assert process.stdout is not None
    try:
        checked.add(check_printed(["watch"], process.stdout.readline()))
    finally:
        process.kill()
        process.communicate()
    assert set(schema_names()) - ELSEWHERE <= checked, set(schema_names()) - ELSEWHERE - checked


def test_a_new_device_and_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = make_equipped_device(tmp_path, monkeypatch, printer="deskA")
    (tmp_path / "printer").write_text("deskB\n")
    device.settings(
        f"[equipment.printer]\nread = {{ file = '{tmp_path / 'printer'}', pattern = '^(.*)$' }}\n"
        f"apply = {{ command = ['sh', '-c', 'echo \"$1\" > {tmp_path / 'printer'}', '-', '{{value}}'] }}\n"
    )
    checked = set()
    for arguments in (
        ["init", "--fleet", "Other"],
        ["join", "0" * 32],
        ["place"],
        ["place", "choose", "place:241/Lane 1"],
        ["place", "apply"],
        ["place", "journal"],
        ["set", "place:241/Lane 1", "printer=deskC"],
        ["place", "adopt"],
        ["place", "choose", "--auto"],
        ["set", "place:241/Lane 1", "printer=deskD"],
    ):
        home = tmp_path / arguments[0] if arguments[0] in ("init", "join") else device.home
        answer = Terminal(home).call(*arguments, "--json")
        assert answer.code == 0, (arguments, answer)
        checked.add(check_printed(arguments, answer.out))
    assert checked >= ELSEWHERE - {
        "mirror",
        "serve",
        "pair",
        "key-recover",
        "key-renew",
        "key-rotate",
        "key-seal",
        "key-unseal",
    }
    events = set()
    with serving(device.terminal) as (_target, process):
        assert process.stdout is not None
        while not {"arrived", "differs"} <= events and (line := process.stdout.readline()):
            check_output("serve", json.loads(line))
            events.add(json.loads(line)["event"])
    assert {"arrived", "differs"} <= events


def test_what_serve_prints_of_a_sync(pair: tuple[Terminal, Terminal]) -> None:
    one, two = pair
    with serving(one) as (target, process):
        two.ask("sync", target)
        assert process.stdout is not None
        line = json.loads(process.stdout.readline())
        check_output("serve", line)
        assert line["event"] == "met"


def test_the_candidates_of_a_clash_name_their_entities(device: Terminal) -> None:
    made = device.ask("new", "place", "name=Lane 1", "locality=241", "card_terminal=11111111")["entity"]
    device.ask("set", PLACE, "card_terminal=11111111")
    [item] = device.ask("inbox")
    assert {each["key"] for each in item["candidates"]} == {"241/Lane 1", "241/Entrance right"}
    assert made in [each["entity"] for each in item["candidates"]]
    for candidate in item["candidates"]:
        slot = device.ask("show", candidate["entity"])["slots"]["card_terminal"]
        assert [leaf["fact"] for leaf in slot["candidates"]] == [candidate["fact"]]

"""Names lead to what they name, text has one form, search takes any notation."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pytest

from tests.support.cli import Terminal

NFC, NFD = (unicodedata.normalize(form, "Tür 7") for form in ("NFC", "NFD"))


def printed(device: Terminal) -> dict[str, str]:
    """The names of all places as the list prints them, with their ids."""
    return {f"place:{each['key']}": each["entity"] for each in device.ask("list", "place")}


def test_every_printed_name_leads_to_its_thing_or_is_unclear(device: Terminal) -> None:
    for code in ("Gate", "A", "24/1", "24", "24/1/2"):
        device.ask("new", "locality", f"code={code}")
    for code, name in (
        ("Gate", "Lane 1"),
        ("A", "Gate/Lane 1"),
        ("24/1", "Lane 1"),
        ("24", "1/Lane 2"),
        ("24/1/2", "x"),
    ):
        device.ask("new", "place", f"locality=locality:{code}", f"name={name}")
    names = printed(device)
    assert {"place:Gate/Lane 1", "place:A/Gate/Lane 1", "place:24/1/Lane 1", "place:24/1/2/x"} <= names.keys()
    for name, entity in names.items():
        answer = device.call("show", name, "--json")
        if answer.code == 0:
            assert answer.json["entity"] == entity, name
        else:
            assert answer.code == 2 and entity[:8] in answer.err, name
    for name in ("place:A/Gate/Lane 1", "place:24/1/Lane 1", "place:24/1/2/x", "place:24/1/Lane 2"):
        assert device.ask("show", name)["entity"] == names[name]
    message = device.refused("set", "place:Gate/Lane 1", "printer=CHANGED")
    assert names["place:Gate/Lane 1"][:8] in message and names["place:A/Gate/Lane 1"][:8] in message


def test_text_of_either_form_is_one_text(device: Terminal, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text(f"name,locality,printer\n{NFD},241,Gerät\n", encoding="utf-8")
    device.ask("import", str(table), "--kind", "place")
    table.write_text(f"name,locality,printer\n{NFC},241,Gerät\n", encoding="utf-8")
    assert device.ask("import", str(table), "--kind", "place")["changes"] == 0
    for form in (NFC, NFD):
        assert device.ask("show", f"place:241/{form}")["key"] == f"241/{NFC}"
        assert len(device.ask("list", "place", "--where", f"name={form}")) == 1
        assert device.call("log", "--grep", form, "--json").lines
        assert "already" in device.refused("new", "place", "locality=locality:241", f"name={form}")
        device.ask("set", f"place:241/{NFC}", f'printer:="{form}"', "--note", form)
    assert device.ask("show", f"place:241/{NFC}")["slots"]["printer"]["value"] == NFC
    assert {each["note"] for each in device.call("log", "--json", "--limit", "1").lines} == {NFC}


def test_a_blank_that_looks_like_a_space_is_one(device: Terminal, tmp_path: Path) -> None:
    device.ask("new", "place", "name=Lane\u00a01", "locality=locality:241")
    assert "already" in device.refused("new", "place", 'name:="Lane\u20091"', "locality=locality:241")
    assert device.ask("show", "place:241/Lane 1")["slots"]["name"]["value"] == "Lane 1"
    table = tmp_path / "t.csv"
    table.write_text("name,locality,printer\nLane\u202f1,241,Brix\n")
    device.ask("import", str(table), "--kind", "place")
    assert device.ask("show", "place:241/Lane 1")["slots"]["printer"]["value"] == "Brix"


@pytest.mark.parametrize(
    "mark", ["\u200b", "\u200d", "\u200e", "\ufeff", "\u061c", "\u202e", "\u00ad", "\ufe0f", "\u3164"]
)
def test_marks_that_nobody_sees_are_refused(device: Terminal, tmp_path: Path, mark: str) -> None:
    code = f"U+{ord(mark):04X}"
    for value in (f"name=Lane 1{mark}", f'name:="{mark}"'):
        assert code in device.refused("new", "place", "locality=locality:241", value)
    history = tmp_path / "history.jsonl"
    edit = {"entity": "place:7", "kind": "place", "property": "printer", "value": "x"}
    for line in (
        {"at": 1, "user": f"Ma{mark}ier", "edits": [edit]},
        {"at": 1, "user": "Maier", "edits": [{**edit, "value": f"Lane{mark}"}]},
        {"at": 1, "user": "Maier", "edits": [{**edit, "value": ["a", f"b{mark}"]}]},
        {"at": 1, "user": "Maier", "edits": [{**edit, "entity": f"place:7{mark}"}]},
        {"at": 1, "user": "Maier", "edits": [{**edit, "value": {"ref": f"locality:{mark}"}}]},
    ):
        history.write_text(json.dumps(line))
        assert code in device.refused("import", str(history))
    table = tmp_path / "t.json"
    table.write_text(json.dumps([{"name": f"Lane{mark}", "locality": "241"}]))
    assert code in device.refused("import", str(table), "--kind", "place")
    wanted = tmp_path / "wanted.json"
    wanted.write_text(json.dumps({"place": [{"name": "Entrance right", "locality": "241", "printer": f"x{mark}"}]}))
    assert code in device.refused("apply", str(wanted))
    stranger = Terminal(tmp_path / "stranger")
    assert code in stranger.refused("init", "--fleet", f"No{mark}rd")
    assert code in Terminal(device.home, f"Ma{mark}ier").refused("set", "place:241/Entrance right", "printer=y")


@pytest.mark.parametrize("word", ["00042", "+42", "42"])
def test_numbers_are_found_in_every_notation_and_texts_as_they_are(tmp_path: Path, word: str) -> None:
    device = Terminal(tmp_path / "K")
    device.ask("init", "--fleet", "F", "--schema", "site-network", "--device", "K")
    device.ask("new", "site", "key=kirchhof", "code=kh")
    device.ask("new", "network", "key=kirchhof/dhcp", "name=dhcp", "role=dhcp", "site=site:kirchhof", "vid=42")
    device.ask("set", "site:kirchhof", "contact_name=room 00042")
    # But for the change that founded the fleet, whose recovery key is any hex digits.
    entries = device.call("log", "--grep", word, "--json").lines
    found = [each for each in entries if not any(edit["kind"] == "fleet" for edit in each["edits"])]
    assert len(found) == 2


@pytest.mark.parametrize("word", ["2c:c8:1b:8a:96:e1", "2C-C8-1B-8A-96-E1", "2cc8.1b8a.96e1", "2CC81B8A96E1"])
def test_the_log_is_searched_in_every_notation_of_a_mac_address(tmp_path: Path, word: str) -> None:
    device = Terminal(tmp_path / "K")
    device.ask("init", "--fleet", "F", "--schema", "site-network", "--device", "K")
    device.ask("import", str(_history(tmp_path)))
    assert device.call("log", "--grep", word, "--json").lines
    assert device.call("log", "--grep", "2001:0DB8:0000:0000:0000:0000:0000:0001", "--json").lines


def _history(folder: Path) -> Path:
    path = folder / "history.jsonl"
    path.write_text(
        '{"at":1700000000,"user":"lab","edits":['
        '{"entity":"host:h1","kind":"host","property":"mac","value":"2c:c8:1b:8a:96:e1"},'
        '{"entity":"host:h1","kind":"host","property":"address6","value":"2001:db8::1"}]}\n'
    )
    return path


def test_kinds_and_properties_are_taken_by_their_labels(device: Terminal) -> None:
    device.ask("new", "Locality", "Code=242", "Name=TSC Bremen")
    assert device.ask("show", "Localities:242")["entity"] == device.ask("show", "locality:242")["entity"]
    assert [each["key"] for each in device.ask("list", "Localities", "--where", "Name=TSC Bremen")] == ["242"]
    german = Terminal(device.home, lang="de")
    german.ask("set", "place:241/Entrance right", "Drucker=Brix 40")
    assert device.ask("resolve", "place:241/Entrance right", "Printer", "--value", "Brix 50")["change"]
    device.ask("set", "--kind", "Place", "--all", "Printer=Brix 60")
    assert device.ask("show", "place:241/Entrance right")["slots"]["printer"]["value"] == "Brix 60"
    assert "there are locality, place" in device.refused("new", "Lane", "name=x")


def test_a_name_in_other_letters_is_suggested(device: Terminal) -> None:
    message = device.refused("show", "place:241/entrance RIGHT")
    assert "is it place:241/Entrance right?" in message
    assert "is it" not in device.refused("show", "place:241/Entrance left")

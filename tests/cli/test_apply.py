"""apply FILE: a wanted state in TOML or JSON, as one change."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Terminal
from tests.support.deadlines import DEADLINE_S

PLACE = "place:241/Entrance right"
Pair = tuple[Terminal, Terminal]
Meet = Callable[[Terminal, Terminal], None]
STATE = """
["place:241/Entrance right"]
Printer = "Brix 60"

[[place]]
name = "Lane 1"
locality = "locality:7"
docking_station = "17e9:6006 #A1B2"

[[place]]
name = "Lane 2"
locality = "locality:7"

[[locality]]
code = "7"
name = "TSC Husum"
"""


def wanted(tmp_path: Path, text: str) -> str:
    path = tmp_path / "wanted"
    path.write_text(text)
    return str(path)


def value(device: Terminal, name: str, entity: str = PLACE) -> Any:
    return device.ask("show", entity)["slots"][name]["value"]


def test_what_is_wanted_comes_to_be_in_one_change(device: Terminal, tmp_path: Path) -> None:
    path = wanted(tmp_path, STATE)
    before = device.root()
    tried = device.ask("apply", path, "--dry-run")
    assert (tried["change"], tried["facts"]) == (None, 11)
    assert {"key": "7/Lane 1", "property": "locality", "new": {"ref": "locality:7"}}.items() <= next(
        each for each in tried["plan"] if each["key"] == "7/Lane 1" and each["property"] == "locality"
    ).items()
    assert device.root() == before
    done = device.ask("apply", path, "--note", "as planned")
    assert (done["facts"], len(done["plan"])) == (11, 11)
    (entry,) = device.call("log", "--limit", "1", "--json").lines
    assert (entry["note"], len(entry["edits"])) == ("as planned", 11)
    assert value(device, "printer") == "Brix 60"
    assert value(device, "docking_station", "place:7/Lane 1") == "17e9:6006 #A1B2"
    again = device.ask("apply", path)
    assert (again["change"], again["facts"], again["plan"]) == (None, 0, [])
    device.ask("undo", "--last")
    assert [each["key"] for each in device.ask("list", "locality")] == ["241"]


def test_what_is_not_named_stays_and_a_dash_unsets(device: Terminal, tmp_path: Path) -> None:
    device.ask("set", PLACE, "card_terminal=12345678", "avl_configuration=a")
    done = device.ask("apply", wanted(tmp_path, f'["{PLACE}"]\ncard_terminal = "-"\navl_configuration = "\'-"\n'))
    assert [(each["property"], each["old"], each["new"]) for each in done["plan"]] == [
        ("card_terminal", "12345678", None),
        ("avl_configuration", "a", "-"),
    ]
    assert value(device, "printer") == "Acme 5000"


def test_json_says_the_same(device: Terminal, tmp_path: Path) -> None:
    state = {
        PLACE: {"printer": None, "locality": {"ref": "locality:241"}, "avl_configuration": "-"},
        "place": [{"name": "Lane 1", "locality": "241"}],
    }
    done = device.ask("apply", wanted(tmp_path, json.dumps(state)))
    assert done["facts"] == 5
    assert (value(device, "printer"), value(device, "avl_configuration")) == (None, "-")


def test_types_lists_and_numbers_are_as_the_schema_says(device: Terminal, tmp_path: Path) -> None:
    schema = tmp_path / "radio.toml"
    schema.write_text(
        'name = "r"\n[kinds.radio]\nkey = "id"\n[kinds.radio.properties.id]\nrequired = true\n'
        '[kinds.radio.properties.watts]\ntype = "decimal"\n[kinds.radio.properties.on]\ntype = "boolean"\n'
        '[kinds.radio.properties.port]\ntype = "integer"\n'
        '[kinds.radio.properties.near]\ntype = "reference"\nmany = true\nrefers_to = "radio"\n'
    )
    device.ask("schema", "apply", str(schema))
    path = wanted(
        tmp_path,
        '[[radio]]\nid = "a"\nwatts = 2.50\non = true\nport = 80\nnear = ["b", "radio:c"]\n'
        '[[radio]]\nid = "b"\n[[radio]]\nid = "c"\n',
    )
    device.ask("apply", path)
    slots = device.ask("show", "radio:a")["slots"]
    assert [slots[name]["value"] for name in ("watts", "on", "port")] == ["2.50", True, 80]
    assert slots["near"]["value"] == [{"ref": "radio:b"}, {"ref": "radio:c"}]
    assert device.ask("apply", path)["facts"] == 0


def test_things_are_retired_and_come_back(device: Terminal, tmp_path: Path) -> None:
    device.ask("apply", wanted(tmp_path, f'["{PLACE}"]\nretired = true\n'))
    assert device.ask("list", "place") == []
    row = '[[place]]\nname = "Entrance right"\nlocality = "241"\n'
    assert "it is retired" in device.refused("apply", wanted(tmp_path, row))
    device.ask("apply", wanted(tmp_path, row + "retired = false\n"))
    assert len(device.ask("list", "place")) == 1
    assert device.ask("apply", wanted(tmp_path, row + "retired = false\n"))["facts"] == 0


def test_a_conflict_is_resolved_only_by_another_value(pair: Pair, meet: Meet, tmp_path: Path) -> None:
    one, other = pair
    one.ask("set", PLACE, "printer=A")
    other.ask("set", PLACE, "printer=B")
    meet(one, other)
    assert one.ask("apply", wanted(tmp_path, f'["{PLACE}"]\nprinter = "B"\n'))["facts"] == 0
    assert one.ask("apply", wanted(tmp_path, f'["{PLACE}"]\nprinter = "A"\n'))["resolved"] == 1


def test_people_see_the_plan(device: Terminal, tmp_path: Path) -> None:
    answer = device.call("apply", wanted(tmp_path, STATE), "--dry-run")
    lines = [" ".join(line.split()) for line in answer.out.splitlines()]
    assert f"{PLACE} Printer Acme 5000 → Brix 60" in lines
    assert "place:7/Lane 1 Locality not configured → locality:7" in lines
    assert answer.err == "11 values would be saved; nothing was written.\n"


def test_a_wanted_state_comes_through_a_pipe(device: Terminal) -> None:
    process = device.process("apply", "-", stdin=-1)
    _out, err = process.communicate(STATE, timeout=DEADLINE_S)
    assert "11 values saved as change " in err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[place", "neither TOML nor"),
        ("{", "neither TOML nor"),
        ("[1, 2]", "neither TOML nor"),
        ('[nonsense]\nname = "x"', "nonsense is not an entity"),
        ("[[nonsense]]\nname = 1", "no kind"),
        ('[place]\nname = "x"', "[[place]]"),
        ('["place:241/Lane 9"]\nprinter = "x"', "There is no place:241/Lane 9"),
        (f'["{PLACE}"]\ncolour = "red"', 'no property "colour"'),
        (f'["{PLACE}"]\nprinter = "x"\nDrucker = "y"', "given twice"),
        (f'["{PLACE}"]\ncard_terminal = "abc"', f"{PLACE}: card_terminal"),
        (f'["{PLACE}"]\nprinter = 2026-01-01', "in quotes"),
        ('[[place]]\nname = "Lane 1"', "place 1: it has to say which place"),
        ('[[place]]\nname = "Lane 1"\nlocality = "9"', "place 1: There is no locality:9"),
        ('[[place]]\nname = "a"\nlocality = "241"\n' * 2, "place 2: the file is about it twice"),
        (f'["{PLACE}"]\nprinter="x"\n[[place]]\nname = "Entrance right"\nlocality = "241"', "twice"),
        ('[[place]]\nname = "a"\nlocality = "place:241/Entrance right"', "not of the kind locality"),
        ('[[place]]\nname = "a"\nlocality = "b"\n[[locality]]\ncode = "c"', "There is no locality:b"),
    ],
)
def test_what_is_wrong_is_reported_with_its_thing_and_nothing_is_written(
    device: Terminal, tmp_path: Path, text: str, says: str
) -> None:
    assert says in device.refused("apply", wanted(tmp_path, text))
    assert says in device.refused("apply", wanted(tmp_path, text), "--dry-run")

"""Tables of things of one kind come in.

Each row makes one or changes one, all of them or none; and dry runs.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from tests.support.cli import Terminal

PLACE = "place:241/Entrance right"
CSV = """name;locality;printer;card_terminal
Entrance right;locality:241;Acme 6000;
"Lane; 1";locality:241;;12345678
Entrance right;241;;
"""


def table(tmp_path: Path, text: str, name: str = "table") -> str:
    path = tmp_path / name
    path.write_text(text)
    return str(path)


def test_rows_make_and_change_things_in_one_change(device: Terminal, tmp_path: Path) -> None:
    path = table(tmp_path, "\ufeff" + "\n".join(CSV.splitlines()[:3]) + "\n")
    arguments = ("import", path, "--kind", "place")
    before = device.ask("status")
    tried = device.ask(*arguments, "--dry-run")
    assert (tried["changes"], tried["facts"], tried["skipped"]) == (1, 5, 0)
    assert (tried["new"], tried["changed"], tried["same"], tried["conflicts"]) == (1, 1, 0, 0)
    assert {"row": 2, "outcome": "changed", "property": "printer", "old": "Acme 5000", "new": "Acme 6000"}.items() <= (
        tried["plan"][0].items()
    )
    assert device.ask("status") == before
    assert [each.name for each in device.home.iterdir() if each.name.startswith(".")] == []
    done = device.ask(*arguments, "--note", "from the list")
    assert (done["changes"], done["facts"], done["skipped"]) == (1, 5, 0)
    entry = device.call("log", "--limit", "1", "--json").lines[0]
    assert (entry["note"], len(entry["edits"])) == ("from the list", 5)
    shown = device.ask("show", PLACE)["slots"]
    assert shown["printer"]["value"] == "Acme 6000"
    assert shown["card_terminal"]["state"] == "absent"
    assert device.ask("show", "place:241/Lane; 1")["slots"]["card_terminal"]["value"] == "12345678"
    again = device.ask(*arguments)
    assert (again["changes"], again["facts"], again["skipped"], again["change"]) == (0, 0, 2, None)


def test_what_was_escaped_for_a_spreadsheet_is_read_as_it_was(device: Terminal, tmp_path: Path) -> None:
    path = table(tmp_path, "name,locality,printer\nEntrance right,241,'=1+1\n")
    assert device.ask("import", path, "--kind", "place")["facts"] == 1
    assert device.ask("show", PLACE)["slots"]["printer"]["value"] == "=1+1"


def test_a_row_about_what_is_retired_makes_no_second_one(device: Terminal, tmp_path: Path) -> None:
    device.ask("retire", PLACE)
    path = table(tmp_path, "name,locality\nEntrance right,241\n")
    assert "Row 2: it is retired" in device.refused("import", path, "--kind", "place")
    path = table(tmp_path, "name,locality,Stillgelegt\nEntrance right,241,nein\n")
    assert device.ask("import", path, "--kind", "place")["changed"] == 1
    assert len(device.ask("list", "place", "--retired")) == 1


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\r\nname;locality;printer\r\nEntrance right;241;Brix\r\n",
        "\ufeffSEP=|\nname|locality|printer\nEntrance right|241|Brix\n",
        "name;;locality;printer;;\nEntrance right;;241;Brix;;\n;;;;;\n",
    ],
)
def test_what_spreadsheets_add_to_a_table_means_nothing(device: Terminal, tmp_path: Path, text: str) -> None:
    assert device.ask("import", table(tmp_path, text), "--kind", "place")["changed"] == 1
    assert device.ask("show", PLACE)["slots"]["printer"]["value"] == "Brix"


@pytest.mark.parametrize("kind", ["place", "locality"])
def test_what_a_list_prints_is_a_table(device: Terminal, tmp_path: Path, kind: str) -> None:
    listed = device.ask("list", kind)
    path = table(tmp_path, json.dumps(listed))
    done = device.ask("import", path, "--kind", kind)
    assert (done["new"], done["changed"], done["same"]) == (0, 0, len(listed))
    for each in listed:
        each["values"]["printer" if kind == "place" else "name"] = "edited"
    done = device.ask("import", table(tmp_path, json.dumps(listed)), "--kind", kind)
    assert (done["new"], done["changed"], done["same"]) == (0, len(listed), 0)


def test_json_clears_too(device: Terminal, tmp_path: Path) -> None:
    rows = [{"name": "Entrance right", "locality": {"ref": "locality:241"}, "printer": None}]
    assert device.ask("import", table(tmp_path, json.dumps(rows)), "--kind", "place")["facts"] == 1
    assert device.ask("show", PLACE)["slots"]["printer"]["state"] == "cleared"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (CSV, "Row 4: there is another row"),
        ("", "each column"),
        ("name,locality\n", "empty"),
        ("name,name\na,b\n", "two columns"),
        (",\na,b\n", "each column"),
        ("name,\na,b\n", 'Line 2: "b" is in column 2, which has no head'),
        ("sep=;\nname;locality;colour\n", "The head, line 2"),
        ("sep=;", "each column"),
        ('[{"entity": "00", "kind": "locality", "key": "241", "values": {}}]', "Row 1: it is of the kind locality"),
        ("name,locality\na,241,c\n", "Line 2 has more cells"),
        ('name,locality\n"a,241\n', "Line 2 is not CSV"),
        ("name,colour\na,red\n", 'no property "colour"'),
        ("locality\n241\n", "Row 2: it has to say which place"),
        ("name,locality\nnew,999\n", "Row 2: There is no locality:999"),
        ("name,locality\nnew,241\nother,999\n", "Row 3"),
        ("[]", "empty"),
        ("[1]", "Row 1 is not an object"),
        ("[{]", "not JSON"),
        ('[{"name": "a", "locality": {"ref": "locality:241"}, "printer": {}}]', "Row 1: printer"),
    ],
)
def test_what_is_wrong_is_reported_with_its_row_and_nothing_is_written(
    device: Terminal, tmp_path: Path, text: str, says: str
) -> None:
    path = table(tmp_path, text)
    assert says in device.refused("import", path, "--kind", "place")
    assert says in device.refused("import", path, "--kind", "place", "--dry-run")


def test_what_is_wrong_with_a_row_is_reported_in_the_language_in_use(device: Terminal, tmp_path: Path) -> None:
    message = Terminal(device.home, lang="de").refused(
        "import", table(tmp_path, "name,colour\na,b\n"), "--kind", "place"
    )
    english = device.refused("import", table(tmp_path, "name,colour\na,b\n"), "--kind", "place")
    assert "has no property" in english
    assert "has no property" not in message


def test_many_rows_are_saved_at_once(device: Terminal, tmp_path: Path) -> None:
    rows = [{"code": str(1000 + number), "name": f"{number} " + "x" * 200} for number in range(700)]
    path = table(tmp_path, json.dumps(rows))
    done = device.ask("import", path, "--kind", "locality")
    assert (done["facts"], done["skipped"]) == (2100, 0)
    assert done["changes"] == 1
    (entry, *_) = device.call("log", "--limit", "1", "--json").lines
    assert len(entry["changes"]) >= 700, "each is a locality of its own"
    assert len(device.ask("list", "locality")) == 701
    again = device.ask("import", path, "--kind", "locality")
    assert (again["changes"], again["facts"], again["skipped"]) == (0, 0, 700)


def test_other_imports_can_be_tried_too(device: Terminal, tmp_path: Path) -> None:
    edit = {"entity": "locality:9", "kind": "locality", "property": "name", "value": "x"}
    path = table(tmp_path, json.dumps({"at": 1, "user": "u", "edits": [edit]}))
    before = device.root()
    tried = device.ask("import", path, "--dry-run")
    assert device.root() == before
    assert device.ask("import", path) == tried
    assert "--kind" in device.refused("import", path, "--note", "x")
    device.refused("import", path, "--kind", "nonsense")


@pytest.mark.parametrize("arguments", [("--kind", "place"), ()])
def test_an_error_about_what_comes_through_a_pipe_names_standard_input(
    device: Terminal, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff")))
    sentence = device.refused("import", "-", *arguments)
    assert "(standard input) is " in sentence
    assert "fieldline-" not in sentence

"""export --kind and import --kind.

Out, edited as in a spreadsheet, and back, beside what others do meanwhile.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import Terminal
from tests.support.deadlines import DEADLINE_S

PLACE = "place:241/Entrance right"
SEEN = "fieldline:seen"
Meet = Callable[[Terminal, Terminal], None]


class Sheet:
    """An exported table edited in a spreadsheet, which quotes and splits as it likes."""

    def __init__(self, device: Terminal, path: Path, kind: str = "place") -> None:
        self.device, self.path, self.kind = device, path, kind
        device.ask("export", "--kind", kind, str(path))
        with path.open(encoding="utf-8-sig", newline="") as file:
            self.rows = list(csv.DictReader(file))

    def row(self, name: str) -> dict[str, str]:
        return next(row for row in self.rows if row["name"] == name)

    def back(self, *arguments: str, by: Terminal | None = None) -> Any:
        """Save it as another program would, and import it."""
        text = io.StringIO()
        writer = csv.DictWriter(text, list(self.rows[0]), delimiter=";", quoting=csv.QUOTE_ALL, lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(self.rows)
        self.path.write_text("\ufeff" + text.getvalue(), encoding="utf-8")
        return (by or self.device).ask("import", str(self.path), "--kind", self.kind, *arguments)


def counts(answer: dict[str, Any]) -> tuple[int, int, int, int]:
    return (answer["new"], answer["changed"], answer["same"], answer["conflicts"])


def value(device: Terminal, name: str, entity: str = PLACE) -> dict[str, Any]:
    slot: dict[str, Any] = device.ask("show", entity)["slots"][name]
    return slot


@pytest.fixture
def lanes(device: Terminal) -> Terminal:
    """Values that are hard on a table, beside a plain one."""
    device.ask("new", "place", "name=Lane 1", "locality=241", "printer==1+1", "avl_configuration=-")
    device.ask("new", "place", 'name=Spur "2"; a', "locality=241", "printer=Größe, 2", "avl_configuration=-5")
    device.ask("clear", PLACE, "printer")
    history = device.home.parent / "h.jsonl"
    odd = [" spaces ", "two\r\nlines", "one\rend", "'=quoted", "\t=tab"]
    edits = [
        {"entity": f"place:odd{number}", "kind": "place", "property": "printer", "value": text}
        for number, text in enumerate(odd)
    ]
    history.write_text(json.dumps({"at": 1, "user": "u", "edits": edits}) + "\n")
    device.ask("import", str(history))
    return device


@pytest.mark.parametrize("name", ["t.csv", "t.json"])
def test_what_was_exported_is_imported_as_nothing(lanes: Terminal, tmp_path: Path, name: str) -> None:
    path = str(tmp_path / name)
    assert lanes.ask("export", "--kind", "place", path) == {"rows": 8}
    before = lanes.root()
    assert counts(lanes.ask("import", path, "--kind", "place")) == (0, 0, 8, 0)
    assert lanes.root() == before
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []


def test_a_spreadsheet_may_quote_split_and_begin_the_file_as_it_likes(lanes: Terminal, tmp_path: Path) -> None:
    sheet = Sheet(lanes, tmp_path / "t.csv")
    assert sheet.path.read_bytes().startswith(b"\xef\xbb\xbf")
    assert counts(sheet.back()) == (0, 0, 8, 0)


def test_only_cells_that_were_edited_count(device: Terminal, tmp_path: Path) -> None:
    sheet = Sheet(device, tmp_path / "t.csv")
    device.ask("set", PLACE, "printer=changed since")
    sheet.row("Entrance right")["card_terminal"] = "12345678"
    assert counts(sheet.back()) == (0, 1, 0, 0)
    assert (value(device, "printer")["value"], value(device, "printer")["state"]) == ("changed since", "good")
    assert value(device, "card_terminal")["value"] == "12345678"


@pytest.mark.parametrize("first", ["Acme 5000", None])
def test_what_somebody_changed_since_becomes_a_conflict(device: Terminal, tmp_path: Path, first: str | None) -> None:
    name = "printer" if first else "card_terminal"
    sheet = Sheet(device, tmp_path / "t.csv")
    sheet.row("Entrance right")[name] = "11111111"
    Terminal(device.home, "Schulze").ask("set", PLACE, f"{name}=22222222")
    tried = sheet.back("--dry-run")
    assert counts(tried) == (0, 0, 0, 1)
    assert [(each["old"], each["new"]) for each in tried["plan"]] == [("22222222", "11111111")]
    assert value(device, name)["state"] == "good"
    assert counts(sheet.back()) == (0, 0, 0, 1)
    assert {leaf["value"] for leaf in value(device, name)["candidates"]} == {"11111111", "22222222"}


@pytest.mark.parametrize("name", ["printer", "card_terminal"])
def test_what_was_changed_and_is_again_as_it_was_is_no_conflict(device: Terminal, tmp_path: Path, name: str) -> None:
    sheet = Sheet(device, tmp_path / "t.csv")
    sheet.row("Entrance right")[name] = "11111111"
    assert counts(sheet.back()) == (0, 1, 0, 0)
    device.ask("undo", "--last")
    assert counts(sheet.back()) == (0, 1, 0, 0)
    assert (value(device, name)["value"], value(device, name)["state"]) == ("11111111", "good")


def test_a_cell_in_other_letters_is_not_edited(device: Terminal, tmp_path: Path) -> None:
    device.ask("set", "locality:241", "subnet=2001:db8::/32")
    sheet = Sheet(device, tmp_path / "t.csv", "locality")
    device.ask("set", "locality:241", "subnet=10.25.0.0/16")
    sheet.rows[0]["subnet"] = "2001:0DB8::/32"
    assert counts(sheet.back()) == (0, 0, 1, 0)
    assert value(device, "subnet", "locality:241")["value"] == "10.25.0.0/16"


def test_a_conflict_stays_one_until_its_cell_is_edited(
    pair: tuple[Terminal, Terminal], tmp_path: Path, meet: Meet
) -> None:
    one, other = pair
    one.ask("set", PLACE, "printer=A")
    other.ask("set", PLACE, "printer=B")
    meet(one, other)
    sheet = Sheet(one, tmp_path / "t.csv")
    assert counts(sheet.back()) == (0, 0, 1, 0)
    assert value(one, "printer")["state"] == "conflict"
    sheet.row("Entrance right")["printer"] = "A"
    assert counts(sheet.back()) == (0, 1, 0, 0)
    assert (value(one, "printer")["value"], value(one, "printer")["state"]) == ("A", "good")


def test_two_sheets_of_one_export_that_say_the_same_are_no_conflict(device: Terminal, tmp_path: Path) -> None:
    one, other = (Sheet(device, tmp_path / f"{number}.csv") for number in (1, 2))
    one.row("Entrance right")["printer"] = other.row("Entrance right")["printer"] = "Brix 60"
    assert counts(one.back()) == (0, 1, 0, 0)
    assert counts(other.back()) == (0, 0, 1, 0)


def test_an_edit_of_what_was_retired_since_is_reported_as_a_conflict(device: Terminal, tmp_path: Path) -> None:
    sheet = Sheet(device, tmp_path / "t.csv")
    sheet.row("Entrance right")["printer"] = "Brix 60"
    device.ask("retire", PLACE)
    assert counts(sheet.back("--dry-run")) == (0, 0, 0, 1)


def test_an_empty_cell_leaves_the_value_and_a_dash_unsets_it(device: Terminal, tmp_path: Path) -> None:
    sheet = Sheet(device, tmp_path / "t.csv")
    sheet.row("Entrance right")["printer"] = ""
    assert counts(sheet.back()) == (0, 0, 1, 0)
    sheet.row("Entrance right")["printer"] = "-"
    assert counts(sheet.back()) == (0, 1, 0, 0)
    assert value(device, "printer")["state"] == "cleared"
    sheet.row("Entrance right")["printer"] = "'-"
    assert counts(sheet.back()) == (0, 0, 0, 1), "it was cleared since the export"
    assert {leaf["value"] for leaf in value(device, "printer")["candidates"]} == {"-", None}


def test_a_thing_keeps_its_identity_when_its_key_is_edited(device: Terminal, tmp_path: Path) -> None:
    before = device.ask("show", PLACE)["entity"]
    sheet = Sheet(device, tmp_path / "t.csv")
    sheet.row("Entrance right")["name"] = "Entrance left"
    assert counts(sheet.back()) == (0, 1, 0, 0)
    assert device.ask("show", "place:241/Entrance left")["entity"] == before


def test_a_copied_row_is_something_new(device: Terminal, tmp_path: Path) -> None:
    sheet = Sheet(device, tmp_path / "t.csv")
    sheet.rows.insert(0, {**sheet.rows[0], "name": "Lane 7"})
    assert counts(sheet.back()) == (1, 0, 1, 0)
    assert value(device, "printer", "place:241/Lane 7")["value"] == "Acme 5000"
    sheet.rows[1]["name"] = "Lane 8"
    sheet.path.unlink()
    with pytest.raises(AssertionError, match="Row 2: several rows are about the same place"):
        sheet.back()


def test_an_edit_comes_back_on_another_device_that_has_seen_what_its_author_saw(
    pair: tuple[Terminal, Terminal], tmp_path: Path, meet: Meet
) -> None:
    one, other = pair
    one.ask("set", PLACE, "printer=newer")
    sheet = Sheet(one, tmp_path / "t.csv")
    assert counts(sheet.back(by=other)) == (0, 0, 1, 0), "nothing was edited, whatever is here"
    sheet.row("Entrance right")["printer"] = "Brix 60"
    with pytest.raises(AssertionError, match="sync with the device"):
        sheet.back(by=other)
    meet(one, other)
    assert counts(sheet.back(by=other)) == (0, 1, 0, 0)
    meet(one, other)
    assert value(one, "printer")["state"] == "good"


def test_json_is_edited_as_well(device: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    device.ask("export", "--kind", "place", str(path))
    (row,) = json.loads(path.read_text())
    assert row["locality"] == {"ref": "locality:241"}
    assert "card_terminal" not in row
    path.write_text(json.dumps([{**row, "printer": None, "card_terminal": "12345678"}]))
    assert counts(device.ask("import", str(path), "--kind", "place")) == (0, 1, 0, 0)
    assert value(device, "printer")["state"] == "cleared"


def test_heads_are_names_labels_or_what_the_call_says(device: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("Arbeitsplatz,Standort,Printer,Bemerkung\nEntrance right,241,Brix 60,x\n")
    call = ("import", str(path), "--kind", "place", "--map", "Arbeitsplatz=Name")
    assert 'no property "Bemerkung"' in device.refused(*call)
    assert counts(device.ask(*call, "--map", "Bemerkung=")) == (0, 1, 0, 0)
    assert value(device, "printer")["value"] == "Brix 60"
    assert 'no column "Drucker"' in device.refused(*call, "--map", "Bemerkung=", "--map", "Drucker=printer")


def test_a_table_goes_through_pipes(device: Terminal) -> None:
    exported = device.alone("export", "--kind", "place", "-")
    assert exported.out.startswith("name,locality,")
    process = device.process("import", "-", "--kind", "place", "--dry-run", stdin=-1)
    _out, err = process.communicate(exported.out.replace("Acme 5000", "Brix 60"), timeout=DEADLINE_S)
    assert "0 new, 1 changed, 0 same, 0 in conflict; nothing was written." in err
    assert (
        json.loads(device.call("export", "--kind", "place", "-", "--format", "json").out)[0]["printer"] == "Acme 5000"
    )


def test_a_dry_run_shows_the_first_differences(device: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = "".join(f"Lane {number},241,Brix 60\n" for number in range(12))
    path.write_text(f"name,locality,printer\nEntrance right,241,Brix 60\n{rows}")
    answer = device.call("import", str(path), "--kind", "place", "--dry-run")
    assert "Acme 5000 → Brix 60" in answer.out.splitlines()[0]
    assert answer.out.splitlines()[1].split() == ["Row", "3", "Place", "Lane", "0", "new"]
    assert answer.err.splitlines()[-2:] == [
        "… and 3 lines more.",
        "12 new, 1 changed, 0 same, 0 in conflict; nothing was written.",
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("export", "x.txt", "--kind", "place"), "--format"),
        (("export", "x.csv", "--kind", "nonsense"), "no kind"),
        (("export", "-", "--kind", "place", "--json"), "stdout"),
        (("export", "x.fieldline", "--format", "csv"), "--kind"),
        (("import", "x.csv", "--map", "a=b"), "--kind"),
        (("import", "x.csv", "--kind", "place", "--map", "a"), "HEAD=PROPERTY"),
    ],
)
def test_a_call_that_makes_no_sense_is_refused(
    device: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    before = set(tmp_path.iterdir())
    assert says in device.refused(*arguments)
    assert set(tmp_path.iterdir()) == before


def test_a_damaged_last_column_is_refused(device: Terminal, tmp_path: Path) -> None:
    sheet = Sheet(device, tmp_path / "t.csv")
    sheet.rows[0][SEEN] = sheet.rows[0][SEEN][:40] + "?"
    with pytest.raises(AssertionError, match="damaged"):
        sheet.back()
    sheet.rows[0][SEEN] = "0" * 32
    with pytest.raises(AssertionError, match="not here"):
        sheet.back()
    assert "could not be written" in device.refused("export", "--kind", "place", str(tmp_path / "no" / "t.csv"), code=1)


def test_an_afternoon_with_many_things_is_one_change_and_one_undo(device: Terminal, tmp_path: Path) -> None:
    rows = "".join(f"{code},Site {code}\n" for code in range(1000, 1430))
    (tmp_path / "new.csv").write_text(f"code,name\n{rows}")
    assert counts(device.ask("import", str(tmp_path / "new.csv"), "--kind", "locality")) == (430, 0, 0, 0)
    sheet = Sheet(device, tmp_path / "t.csv", "locality")
    sheet.rows.sort(key=lambda row: row["name"], reverse=True)
    for row in sheet.rows[100:150]:
        row["name"] += " (moved)"
    contested = f"locality:{sheet.rows[120]['code']}"
    Terminal(device.home, "Schulze").ask("set", contested, "name=elsewhere")
    done = sheet.back("--note", "the move")
    assert (counts(done), done["changes"], done["facts"]) == ((0, 49, 381, 1), 1, 50)
    assert value(device, "name", contested)["state"] == "conflict"
    undone = device.ask("undo", "--last")
    assert (undone["undone"], undone["facts"], undone["left"]) == (done["change"], 50, [])
    assert [each["key"] for each in device.ask("list", "locality") if "moved" in each["values"]["name"]] == []
    assert value(device, "name", contested)["value"] == "elsewhere", "what somebody else set meanwhile stays"

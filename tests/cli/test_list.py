"""list: columns, order, CSV, and what has to be as it was asked for."""

from __future__ import annotations

import csv
import io

import pytest

from tests.support.cli import Terminal

PLACE = "place:241/Entrance right"


@pytest.fixture
def lanes(device: Terminal) -> Terminal:
    """Lane 1, 2 and 10 beside the Entrance right; only Lane 2 has no printer."""
    for number, printer in ((10, "=1+1"), (2, None), (1, "Brix 60")):
        stated = [] if printer is None else [f"printer={printer}"]
        device.ask("new", "place", f"name=Lane {number}", "locality=241", *stated)
    return device


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_columns_are_named_by_name_or_label_in_either_language(lanes: Terminal) -> None:
    shown = lanes.call("list", "place", "--columns", "Drucker,card_terminal,Printer").out.splitlines()
    assert shown[0].split() == ["Place", "Printer", "Card", "terminal"]
    assert any(line.split() == ["place:241/Lane", "1", "Brix", "60"] for line in shown)
    listed = lanes.ask("list", "place", "--columns", "Printer,name", "--sort", "name")
    assert [each["values"] for each in listed] == [
        {"printer": "Acme 5000", "name": "Entrance right"},
        {"printer": "Brix 60", "name": "Lane 1"},
        {"printer": None, "name": "Lane 2"},
        {"printer": "=1+1", "name": "Lane 10"},
    ]


def test_all_columns_show_what_a_conflict_uses(pair: tuple[Terminal, Terminal], meet: object) -> None:
    one, other = pair
    one.ask("set", PLACE, "printer=A")
    other.ask("set", PLACE, "printer=B")
    meet(one, other)  # type: ignore[operator]
    head, line = one.call("list", "place", "--all-columns").out.splitlines()
    assert "AVL configuration" in head
    assert "≠ B" in line


def test_the_order_is_that_of_people_and_nothing_is_last(lanes: Terminal) -> None:
    def keys(*arguments: str) -> list[str]:
        return [each["key"].removeprefix("241/") for each in lanes.ask("list", "place", *arguments)]

    assert keys("--sort", "Name") == ["Entrance right", "Lane 1", "Lane 2", "Lane 10"]
    assert keys("--sort", "name", "--reverse", "--limit", "2") == ["Lane 10", "Lane 2"]
    assert keys("--sort", "printer") == ["Lane 10", "Entrance right", "Lane 1", "Lane 2"]
    assert keys("--sort", "printer", "--reverse") == ["Lane 1", "Entrance right", "Lane 10", "Lane 2"]
    assert keys() == keys("--reverse")[::-1]
    assert keys("--where", "printer=Brix 60", "--limit", "9") == ["Lane 1"]


def test_csv_has_names_in_its_head_and_no_formulas(lanes: Terminal) -> None:
    head, *lines = rows(lanes.call("list", "place", "--csv", "--sort", "name").out)
    assert head[:4] == ["entity", "name", "locality", "printer"]
    assert [line[:4] for line in lines] == [
        [PLACE, "Entrance right", "locality:241", "Acme 5000"],
        ["place:241/Lane 1", "Lane 1", "locality:241", "Brix 60"],
        ["place:241/Lane 2", "Lane 2", "locality:241", ""],
        ["place:241/Lane 10", "Lane 10", "locality:241", "'=1+1"],
    ]
    assert rows(lanes.call("list", "place", "--csv", "--columns", "printer", "--limit", "1").out)[0] == [
        "entity",
        "printer",
    ]
    assert rows(lanes.call("list", "place", "--csv", "--where", "name=none").out) == [head]


def test_a_long_list_is_whole_and_in_order(device: Terminal, tmp_path: object) -> None:
    lines = ["code,name", *(f"{number},Site {number}" for number in range(1000, 2200))]
    path = device.home.parent / "many.csv"
    path.write_text("\n".join(lines) + "\n")
    device.ask("import", str(path), "--kind", "locality")
    listed = device.ask("list", "locality", "--sort", "code", "--columns", "code")
    assert [each["values"]["code"] for each in listed] == ["241", *(str(number) for number in range(1000, 2200))]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--columns", "colour"), 'no property "colour"'),
        (("--sort", "colour"), 'no property "colour"'),
        (("--columns", "name", "--all-columns"), "not both"),
        (("--csv", "--json"), "not both"),
        (("--limit", "0"), "--limit"),
    ],
)
def test_what_cannot_be_listed_is_refused(device: Terminal, arguments: tuple[str, ...], says: str) -> None:
    assert says in device.refused("list", "place", *arguments)

"""--dry-run of every verb that writes facts, and undo --last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_examples import COMMANDS
from tests.support.cli import Terminal

PLACE = "place:241/Entrance right"
NEW_DEVICE = "6938cae55deab14a12d7bb435478e5c4"


def plan(answer: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(each["key"], each["property"], each["old"], each["new"]) for each in answer["plan"]]


NOT_TRIED = {"key rotate", "key recover"}
"""What writes a change and gives this device another key or standing with it: there is nothing to compare."""


def test_whatever_writes_a_change_can_be_tried() -> None:
    options = {path: {name for each in command.params for name in each.opts} for path, command in COMMANDS.items()}
    writes = {path for path, names in options.items() if "--note" in names}
    assert len(writes) > 12
    assert {path for path in writes if "--dry-run" not in options[path]} == NOT_TRIED


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ("new", "place", "name=Lane 1", "locality=241"),
            [
                ("241/Lane 1", "kind", None, "place"),
                ("241/Lane 1", "name", None, "Lane 1"),
                ("241/Lane 1", "locality", None, {"ref": "locality:241"}),
            ],
        ),
        (("set", PLACE, "printer=Brix 60"), [("241/Entrance right", "printer", "Acme 5000", "Brix 60")]),
        (("set", PLACE, "printer=Acme 5000"), []),
        (("clear", PLACE, "printer"), [("241/Entrance right", "printer", "Acme 5000", None)]),
        (("retire", PLACE), [("241/Entrance right", "retired", None, True)]),
        (("resolve", PLACE, "printer", "--value", "X"), [("241/Entrance right", "printer", "Acme 5000", "X")]),
    ],
)
def test_a_dry_run_says_what_would_be_written_and_writes_nothing(
    device: Terminal, arguments: tuple[str, ...], expected: list[tuple[Any, ...]]
) -> None:
    before = device.ask("status")
    tried = device.ask(*arguments, "--dry-run")
    assert (tried["change"], tried["facts"], plan(tried)) == (None, len(expected), expected)
    assert device.ask("status") == before
    assert device.ask(*arguments)["facts"] == tried["facts"]


def test_what_is_in_the_past_can_be_tried_too(device: Terminal) -> None:
    change = device.ask("set", PLACE, "printer=Brix 60")["change"]
    before = device.root()
    expected = [("241/Entrance right", "printer", "Brix 60", "Acme 5000")]
    first = device.call("log", PLACE, "--json").lines[-1]["change"]
    assert plan(device.ask("undo", change, "--dry-run")) == expected
    assert plan(device.ask("undo", "--last", "--dry-run")) == expected
    assert plan(device.ask("restore", PLACE, "--at", first, "--dry-run")) == expected
    assert device.root() == before
    assert device.ask("undo", "--last")["undone"] == change, "a dry run is not remembered"


def test_what_only_an_admin_may_do_can_be_tried_too(pair: tuple[Terminal, Terminal], tmp_path: Path) -> None:
    admin, other = pair
    before = admin.root()
    (member,) = [each for each in admin.ask("members") if each["name"] == "K2"]
    admitted = admin.ask("admit", NEW_DEVICE, "--role", "reader", "--dry-run")
    assert (admitted["device"], admitted["facts"]) == (NEW_DEVICE, 2)
    assert admin.ask("revoke", "K2", "--dry-run")["device"] == member["device"]
    assert admin.ask("schema", "apply", "site-network", "--dry-run")["facts"] > 0
    assert admin.root() == before
    other.refused("admit", NEW_DEVICE, "--role", "reader", "--dry-run", code=1)


def test_a_dry_run_refuses_what_is_refused(device: Terminal) -> None:
    device.refused("set", PLACE, "card_terminal=abc", "--dry-run")
    device.refused("new", "place", "name=Entrance right", "locality=241", "--dry-run")


def test_a_device_that_may_not_write_learns_it_in_a_dry_run(
    pair: tuple[Terminal, Terminal], meet: Any, tmp_path: Path
) -> None:
    admin, other = pair
    (member,) = [each for each in admin.ask("members") if each["name"] == "K2"]
    admin.ask("admit", member["device"], "--role", "reader")
    meet(admin, other)
    wanted = ("set", PLACE, "printer=X")
    assert other.refused(*wanted, "--dry-run", code=1) == other.refused(*wanted, code=1)
    table = tmp_path / "t.csv"
    table.write_text("name,locality\nLane 1,241\n")
    other.refused("import", str(table), "--kind", "place", "--dry-run", code=1)


def test_people_see_the_difference(device: Terminal) -> None:
    answer = device.call("set", PLACE, "printer=Brix 60", "--dry-run")
    assert answer.out == f"{PLACE}  Printer  Acme 5000 → Brix 60\n"
    assert answer.err == "1 value would be saved; nothing was written.\n"


def test_undo_last_goes_back_step_by_step(device: Terminal) -> None:
    for printer in ("one", "two"):
        device.ask("set", PLACE, f"printer={printer}")
    device.ask("undo", "--last")
    assert device.ask("show", PLACE)["slots"]["printer"]["value"] == "one"
    message = device.call("undo", "--last", "--note", "no")
    assert message.err.startswith("Undo of change ")
    assert device.ask("show", PLACE)["slots"]["printer"]["value"] == "Acme 5000"
    stranger = Terminal(device.home, "Schulze")
    assert "no change of yours" in stranger.refused("undo", "--last", code=1)


def test_undo_last_leaves_alone_what_somebody_changed_since(device: Terminal) -> None:
    Terminal(device.home, "Schulze").ask("set", PLACE, "printer=one")
    device.ask("set", PLACE, "printer=two", "card_terminal=11111111")
    Terminal(device.home, "Schulze").ask("set", PLACE, "printer=three")
    done = device.ask("undo", "--last")
    assert [each["property"] for each in done["left"]] == ["printer"]
    assert device.ask("show", PLACE)["slots"]["card_terminal"]["value"] is None


def test_undo_takes_one_change_or_the_last(device: Terminal) -> None:
    assert "--last" in device.refused("undo")
    assert "--last" in device.refused("undo", "12345678", "--last")

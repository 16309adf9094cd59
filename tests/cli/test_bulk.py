"""set --kind: the same of many things, as one change."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.cli import Terminal

PLACE = "place:241/Entrance right"
Pair = tuple[Terminal, Terminal]
Meet = Callable[[Terminal, Terminal], None]


@pytest.fixture
def lanes(device: Terminal) -> Terminal:
    """Three lanes with one printer, beside the Entrance right."""
    for number in (1, 2, 3):
        device.ask("new", "place", f"name=Lane {number}", "locality=241", "printer=Brix 60")
    return device


def printers(device: Terminal) -> dict[str, str]:
    return {each["key"]: each["values"].get("printer") for each in device.ask("list", "place")}


def test_what_is_named_is_set_in_one_change(lanes: Terminal) -> None:
    lanes.ask("retire", "place:241/Lane 3")
    wanted = ("set", "--kind", "place", "--where", "Printer=Brix 60", "printer=Acme 5000", "card_terminal=12345678")
    before = lanes.root()
    tried = lanes.ask(*wanted, "--dry-run")
    assert (tried["found"], tried["facts"], len(tried["plan"])) == (2, 4, 4)
    assert lanes.root() == before
    done = lanes.ask(*wanted, "--note", "new printers")
    assert (done["found"], done["facts"], len(done["entities"]), done["resolved"]) == (2, 4, 2, 0)
    (entry,) = lanes.call("log", "--limit", "1", "--json").lines
    assert (entry["change"], entry["note"], len(entry["edits"])) == (done["change"], "new printers", 4)
    assert set(printers(lanes).values()) == {"Acme 5000"}
    lanes.ask("undo", "--last")
    assert printers(lanes)["241/Lane 1"] == "Brix 60"


def test_only_what_differs_is_written(lanes: Terminal) -> None:
    done = lanes.ask("set", "--kind", "place", "--all", "printer=Brix 60")
    assert (done["found"], done["facts"]) == (4, 1)
    assert lanes.ask("set", "--kind", "place", "--all", "printer=Brix 60")["change"] is None
    nothing = lanes.ask("set", "--kind", "place", "--where", "printer=none", "printer=x")
    assert (nothing["found"], nothing["change"]) == (0, None)


def test_people_learn_how_many(lanes: Terminal) -> None:
    message = lanes.call("set", "--kind", "place", "--all", "printer=Brix 60").err
    assert message.startswith("1 value of 1 of 4 things saved as change ")


def test_a_conflict_is_resolved_or_left_as_the_call_says(pair: Pair, meet: Meet) -> None:
    one, other = pair
    one.ask("set", PLACE, "printer=A")
    other.ask("set", PLACE, "printer=B")
    meet(one, other)
    assert "In conflict" in one.refused("set", "--kind", "place", "--all", "printer=C", "--no-resolve", code=1)
    assert one.ask("set", "--kind", "place", "--all", "printer=C")["resolved"] == 1
    assert one.ask("show", PLACE)["slots"]["printer"]["state"] == "good"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--kind", "place", "printer=x"), "--all"),
        (("--kind", "place", "--all", "--where", "name=x", "printer=x"), "--all"),
        (("--where", "name=x", "printer=x"), "--kind"),
        (("--all", PLACE, "printer=x"), "--kind"),
        (("--kind", "nonsense", "--all", "printer=x"), "no kind"),
        (("--kind", "place", "--all", PLACE), "not a property with a value"),
        (("--kind", "place", "--all", "card_terminal=abc"), "digits"),
        ((PLACE,), "ENTITY P=V"),
        ((), "missing"),
    ],
)
def test_what_is_not_clear_or_wrong_is_refused(lanes: Terminal, arguments: tuple[str, ...], says: str) -> None:
    assert says in lanes.refused("set", *arguments)

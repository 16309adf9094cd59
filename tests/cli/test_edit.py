"""new, set, clear, retire, list, show."""

from __future__ import annotations

import pytest

from tests.support.cli import Terminal

PLACE = "place:241/Entrance right"


def test_what_is_new_has_all_that_was_given(device: Terminal) -> None:
    made = device.ask("new", "place", "name=Lane 1", "locality=241", "card_terminal=11111111", "--note", "moved in")
    assert made["facts"] == 4
    shown = device.ask("show", "place:241/Lane 1")
    assert (shown["entity"], shown["kind"], shown["key"], shown["retired"]) == (
        made["entity"],
        "place",
        "241/Lane 1",
        False,
    )
    slots = shown["slots"]
    assert slots["locality"]["value"] == {"ref": "locality:241"}
    assert (slots["card_terminal"]["state"], slots["card_terminal"]["provisional"]) == ("good", False)
    assert slots["printer"] == {"state": "absent", "value": None, "provisional": False, "candidates": []}
    (candidate,) = slots["card_terminal"]["candidates"]
    assert (candidate["value"], candidate["user"], candidate["note"]) == ("11111111", "Maier", "moved in")
    assert candidate["fact"].startswith(made["change"])


@pytest.mark.parametrize("name", ["place:241/Entrance right", "place:Entrance right"])
def test_something_is_found_by_its_key_its_id_and_the_start_of_it(device: Terminal, name: str) -> None:
    entity = device.ask("show", name)["entity"]
    assert device.ask("show", entity)["key"] == "241/Entrance right"
    assert device.ask("show", entity[:8])["entity"] == entity


def test_set_writes_what_differs_and_nothing_else(device: Terminal) -> None:
    before = device.root()
    assert device.ask("set", PLACE, "printer=Acme 5000") == {
        "change": None,
        "entity": device.ask("show", PLACE)["entity"],
        "facts": 0,
        "resolved": 0,
    }
    assert device.root() == before
    assert device.ask("set", PLACE, "printer=Acme 5000", "card_terminal=12345678")["facts"] == 1


def test_what_clashes_is_reported_when_it_is_written(device: Terminal) -> None:
    device.ask("new", "locality", "code=250", "subnet=10.30.0.0/24")
    made = device.call("new", "locality", "code=260", "subnet=10.30.0.0/16")
    assert made.code == 0
    assert "Subnet overlaps that of" in made.err
    assert "an item in the inbox" in made.err
    assert "overlaps" not in device.call("set", "locality:260", "subnet=10.31.0.0/16").err
    planned = device.call("set", "locality:260", "subnet=10.30.0.0/25", "--dry-run")
    assert "Subnet overlaps that of" in planned.err
    # What is the same already is not said again, nor what another property clashes with.
    device.ask("set", "locality:260", "subnet=10.30.0.0/25")
    assert "overlaps" not in device.call("set", "locality:260", "subnet=10.30.0.0/25").err
    assert "overlaps" not in device.call("set", "locality:260", "name=TSC Ulm").err


def test_values_are_read_by_type_or_given_as_json(device: Terminal) -> None:
    device.ask("set", PLACE, 'printer:="a=b"', "avl_configuration= spaced ")
    slots = device.ask("show", PLACE)["slots"]
    assert (slots["printer"]["value"], slots["avl_configuration"]["value"]) == ("a=b", "spaced")
    device.ask("set", PLACE, 'locality:={"ref": "locality:241"}', "printer:=null")
    assert device.ask("show", PLACE)["slots"]["printer"]["state"] == "cleared"


def test_clear_says_no_longer_used_and_retire_hides_from_lists(device: Terminal) -> None:
    device.ask("clear", PLACE, "printer")
    slot = device.ask("show", PLACE)["slots"]["printer"]
    assert (slot["state"], slot["value"]) == ("cleared", None)
    device.ask("retire", PLACE)
    assert device.ask("list", "place") == []
    assert device.ask("show", PLACE)["retired"] is True
    assert [row["retired"] for row in device.ask("list", "place", "--retired")] == [True]
    device.ask("set", PLACE, "retired=no")
    assert [row["key"] for row in device.ask("list", "place")] == ["241/Entrance right"]


def test_list_shows_the_values_in_use_and_filters(device: Terminal) -> None:
    device.ask("new", "place", "name=Lane 1", "locality=locality:241", "printer=Brix 40")
    rows = device.ask("list", "place")
    assert [row["key"] for row in rows] == ["241/Entrance right", "241/Lane 1"]
    assert rows[1]["values"] == {"name": "Lane 1", "locality": {"ref": "locality:241"}, "printer": "Brix 40"}
    assert [r["key"] for r in device.ask("list", "place", "--where", "printer=Brix 40")] == ["241/Lane 1"]
    assert len(device.ask("list", "place", "--where", "locality=locality:241")) == 2
    device.refused("list", "place", "--where", "colour=red")
    device.refused("list", "pump")


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (("show", "place:241/Nowhere"), "place:241/Nowhere"),
        (("show", "abc"), "abc"),
        (("show", "0123456789abcdef"), "0123456789abcdef"),
        (("set", "locality:999", "name=x"), "locality:999"),
        (("set", PLACE, "colour=red"), "colour"),
        (("set", PLACE, "key=x"), "key"),
        (("set", PLACE, "kind=locality"), "kind"),
        (("set", PLACE, "card_terminal=123"), "11111111"),
        (("set", PLACE, "locality=locality:999"), "locality:999"),
        (("set", PLACE, f"locality={PLACE}"), "locality"),
        (("set", PLACE, "printer"), "printer"),
        (("set", PLACE, "printer=a", "printer=b"), "twice"),
        (("set", PLACE, "printer:={"), "JSON"),
        (("set", PLACE, 'printer:={"x": 1}'), "printer"),
        (("set", PLACE, "printer:=9223372036854775808"), "printer"),
        (("set", "locality:241", "subnet=10.24.1.7/24"), "10.24.1.0/24"),
        (("set", PLACE), "P=V"),
        (("clear", PLACE, "colour"), "colour"),
        (("clear", PLACE, "name"), "name"),
        (("clear", PLACE), "P"),
        (("new", "pump", "size=1"), "pump"),
        (("new", "place", "name=x"), "locality"),
        (("new", "locality", "name=x"), "code"),
        (("new", "locality", "code=241"), "locality:241"),
        (("new", "locality", "code=7", "retired=yes"), "retired"),
        (("retire", "place:nothing"), "place:nothing"),
        (("set", PLACE, "printer=x", "--note", "n" * 4097), "note"),
        (("show", PLACE, "--at", "soon"), "soon"),
        (("show", PLACE, "--at", "-1d", "--known-at", "-1d"), "--known-at"),
    ],
)
def test_what_is_refused_says_why_and_changes_nothing(
    device: Terminal, arguments: tuple[str, ...], reported: str
) -> None:
    assert reported in device.refused(*arguments)


@pytest.mark.parametrize("user", ["", "x" * 201, "two\nlines", "\x1b[31mred"])
def test_a_user_that_cannot_be_is_refused_when_writing(device: Terminal, user: str) -> None:
    Terminal(device.home, user).refused("set", PLACE, "printer=x")
    assert Terminal(device.home, user).call("show", PLACE).code == 0


def test_text_for_people_cannot_steer_a_terminal(device: Terminal) -> None:
    device.ask("set", PLACE, "printer=\x1b[2Jgone\x9b31m", "--note", "\x1b]0;title\x07")
    for verb in (("show", PLACE), ("log",), ("blame", PLACE), ("list", "place"), ("show", PLACE, "--json")):
        answer = device.call(*verb)
        assert answer.code == 0
        assert not set(answer.out + answer.err) & {chr(c) for c in (*range(32), 127, *range(128, 160)) if c != 10}
    assert device.ask("show", PLACE)["slots"]["printer"]["value"] == "\x1b[2Jgone\x9b31m"

"""confirm and list --not-confirmed-since.

What was seen on the spot, which changes and resolves nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.support.cli import Terminal

PLACE = "place:241/Entrance right"
Meet = Callable[[Terminal, Terminal], None]


def waiting(device: Terminal, since: str = "-1h") -> list[str]:
    return [each["key"] for each in device.ask("list", "place", "--not-confirmed-since", since)]


def states(device: Terminal) -> dict[str, str]:
    return {name: slot["state"] for name, slot in device.ask("show", PLACE)["slots"].items()}


def test_all_that_has_a_value_is_confirmed_and_nothing_becomes_another_value(device: Terminal) -> None:
    before, was = device.ask("list", "place"), states(device)
    position = device.call("log", "--json", "--limit", "1").lines[0]["change"]
    confirmed = device.ask("confirm", PLACE)
    assert (confirmed["facts"], confirmed["left"]) == (3, [])
    [change] = device.call("log", "--json", "--limit", "1").lines
    assert {(each["property"], each["old"] == each["new"]) for each in change["edits"]} == {
        ("name", True),
        ("locality", True),
        ("printer", True),
    }
    assert (device.ask("list", "place"), states(device)) == (before, was)
    assert device.ask("diff", position) == []


def test_some_properties_are_confirmed_by_name_or_label(device: Terminal) -> None:
    assert device.ask("confirm", PLACE, "Printer", "name", "printer")["facts"] == 2
    assert waiting(device) == ["241/Entrance right"], "its locality was not confirmed"
    assert device.ask("confirm", PLACE, "locality")["facts"] == 1
    assert waiting(device) == []


def test_a_confirmation_counts_from_its_time_on_and_until_another_value_is_set(device: Terminal) -> None:
    assert waiting(device) == ["241/Entrance right"]
    change = device.ask("confirm", PLACE)["change"]
    assert waiting(device) == []
    assert waiting(device, change) == [], "at this time or later"
    assert waiting(device, "2100-01-01") == ["241/Entrance right"]
    device.ask("set", PLACE, "printer=Brix 60")
    assert waiting(device) == ["241/Entrance right"], "nobody saw the new one"
    device.ask("confirm", PLACE, "printer")
    assert waiting(device) == []


def test_blame_says_who_set_a_value_and_who_saw_it(pair: tuple[Terminal, Terminal], meet: Meet) -> None:
    one, other = pair

    def blamed() -> list[tuple[str, str | None]]:
        found = {each["property"]: each for each in one.ask("blame", PLACE)}["printer"]
        confirmed = found["confirmed"]
        return [(found["user"], found["change"]), (confirmed and confirmed["user"], confirmed and confirmed["change"])]

    change = other.ask("set", PLACE, "printer=Brix 60")["change"]
    meet(one, other)
    assert blamed() == [("Müller", change), (None, None)]
    one.ask("confirm", PLACE)
    other.ask("confirm", PLACE)
    meet(one, other)
    seen = one.ask("confirm", PLACE)["change"]
    assert blamed() == [("Müller", change), ("Maier", seen)]
    assert "confirmed today by Maier" in one.call("blame", PLACE).out


def test_a_conflict_is_never_resolved_by_it(pair: tuple[Terminal, Terminal], meet: Meet) -> None:
    one, other = pair
    one.ask("set", PLACE, "printer=A")
    other.ask("set", PLACE, "printer=B")
    meet(one, other)
    assert "resolve" in one.refused("confirm", PLACE, "printer")
    assert "resolve" in one.refused("confirm", PLACE, "name", "printer")
    whole = one.ask("confirm", PLACE)
    assert (whole["facts"], whole["left"]) == (2, ["printer"])
    assert "Printer" in one.call("confirm", PLACE).err
    assert states(one)["printer"] == "conflict"
    assert waiting(one) == ["241/Entrance right"]
    one.ask("resolve", PLACE, "printer", "--value", "A")
    assert waiting(one) == ["241/Entrance right"], "to resolve is not to see it"


def test_a_value_that_was_set_apart_from_a_confirmation_is_a_conflict_and_the_same_one_is_not(
    pair: tuple[Terminal, Terminal], meet: Meet
) -> None:
    one, other = pair
    one.ask("confirm", PLACE)
    other.ask("confirm", PLACE)
    meet(one, other)
    assert states(one)["printer"] == "good"
    assert (waiting(one), waiting(other)) == ([], [])
    one.ask("confirm", PLACE, "printer")
    other.ask("set", PLACE, "printer=Brix 60")
    meet(one, other)
    assert states(one)["printer"] == states(other)["printer"] == "conflict"


def test_an_undo_says_that_it_passes_over_what_somebody_confirmed_since(
    pair: tuple[Terminal, Terminal], meet: Meet
) -> None:
    one, other = pair
    one.ask("set", PLACE, "printer=C")
    meet(one, other)
    other.ask("confirm", PLACE)
    meet(one, other)
    assert "Müller" in one.call("undo", "--last", "--dry-run").err, "what somebody saw is left alone"


def test_what_cannot_be_confirmed_is_refused(device: Terminal) -> None:
    assert "no value" in device.refused("confirm", PLACE, "card_terminal")
    assert "no property" in device.refused("confirm", PLACE, "x")
    device.refused("confirm", "place:241/Lane 9")
    [member] = [each["device"] for each in device.ask("members") if each["name"] == "K2"]
    device.refused("confirm", member)
    device.ask("retire", PLACE)
    assert "back in use" in device.refused("confirm", PLACE)


def test_what_was_accepted_in_the_inbox_is_nothing_to_confirm(device: Terminal) -> None:
    device.ask("new", "locality", "code=242", "subnet=10.24.0.0/16")
    [clash] = device.ask("inbox")
    device.ask("accept", clash["id"])
    for entity in clash["entities"]:
        names = [each["property"] for each in device.ask("confirm", entity, "--dry-run")["plan"]]
        assert set(names) <= {"code", "name", "subnet"}, names


def test_a_dry_run_writes_nothing(device: Terminal) -> None:
    before = device.root()
    assert len(device.ask("confirm", PLACE, "--dry-run")["plan"]) == 3
    assert device.root() == before

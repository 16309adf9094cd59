"""inbox, resolve: what two devices said apart."""

from __future__ import annotations

from collections.abc import Callable

from tests.cli.conftest import Pair
from tests.support.cli import Terminal

PLACE = "place:241/Entrance right"
Meet = Callable[[Terminal, Terminal], None]


def disagree(pair: Pair, meet: Meet) -> None:
    one, two = pair
    one.ask("set", PLACE, "printer=Acme 5020", "--note", "toner leak")
    two.ask("set", PLACE, "printer=Acme 5021")
    meet(one, two)


def test_a_conflict_reads_the_same_on_both_devices(pair: Pair, meet: Meet) -> None:
    disagree(pair, meet)
    one, two = (terminal.ask("show", PLACE) for terminal in pair)
    assert one == two
    slot = one["slots"]["printer"]
    assert (slot["state"], slot["provisional"], slot["value"]) == ("conflict", True, "Acme 5021")
    said = {(c["value"], c["user"], c["note"]) for c in slot["candidates"]}
    assert said == {("Acme 5020", "Maier", "toner leak"), ("Acme 5021", "Müller", None)}
    (matter,) = pair[1].ask("inbox")
    assert (matter["type"], matter["kind"], matter["key"], matter["property"]) == (
        "conflict",
        "place",
        "241/Entrance right",
        "printer",
    )
    assert matter["entity"] == one["entity"]
    assert [c["fact"] for c in matter["candidates"]] == [c["fact"] for c in slot["candidates"]]
    assert "Acme 5021" in matter["message"]
    assert pair[0].ask("status")["conflicts"] == 1


def test_taking_a_candidate_settles_it_everywhere(pair: Pair, meet: Meet) -> None:
    disagree(pair, meet)
    one, two = pair
    fact = next(c["fact"] for c in one.ask("show", PLACE)["slots"]["printer"]["candidates"] if c["user"] == "Maier")
    assert one.ask("resolve", PLACE, "printer", "--take", fact[:10])["change"]
    meet(one, two)
    for terminal in pair:
        slot = terminal.ask("show", PLACE)["slots"]["printer"]
        assert (slot["state"], slot["value"]) == ("good", "Acme 5020")
        assert terminal.ask("inbox") == []


def test_another_value_settles_it_and_so_does_an_ordinary_edit(pair: Pair, meet: Meet) -> None:
    disagree(pair, meet)
    one, two = pair
    one.ask("resolve", PLACE, "printer", "--value", "Brix 40")
    meet(one, two)
    assert two.ask("show", PLACE)["slots"]["printer"]["value"] == "Brix 40"
    disagree(pair, meet)
    one.ask("set", PLACE, "printer=Acme 5021")
    meet(one, two)
    assert two.ask("show", PLACE)["slots"]["printer"]["state"] == "good"


def test_settled_apart_with_the_same_value_is_settled(pair: Pair, meet: Meet) -> None:
    disagree(pair, meet)
    for terminal in pair:
        terminal.ask("resolve", PLACE, "printer", "--value", "Brix 40")
    meet(*pair)
    slot = pair[0].ask("show", PLACE)["slots"]["printer"]
    assert (slot["state"], len(slot["candidates"])) == ("good", 2)


def test_only_a_candidate_can_be_taken(pair: Pair, meet: Meet) -> None:
    disagree(pair, meet)
    one = pair[0]
    fact = one.ask("show", PLACE)["slots"]["printer"]["candidates"][0]["fact"]
    one.refused("resolve", PLACE, "printer", "--take", "0" * 68)
    one.refused("resolve", PLACE, "printer", "--take", fact[:7])
    one.refused("resolve", PLACE, "name", "--take", fact)
    one.refused("resolve", PLACE, "colour", "--take", fact)
    one.refused("resolve", PLACE, "printer")
    one.refused("resolve", PLACE, "printer", "--take", fact, "--value", "x")
    one.refused("resolve", PLACE, "card_terminal", "--value", "12")


def test_clashes_between_different_things_are_told(pair: Pair, meet: Meet) -> None:
    one, two = pair
    one.ask("new", "place", "name=Lane 1", "locality=locality:241", "docking_station=A1B2")
    two.ask("new", "place", "name=Lane 2", "locality=locality:241", "docking_station=A1B2")
    two.ask("new", "locality", "code=242", "subnet=10.24.0.0/16")
    one.ask("new", "place", "name=Office", "locality=locality:241", "printer=x")
    meet(one, two)
    one.ask("retire", "place:241/Office")
    two.ask("set", "place:241/Office", "printer=y")
    meet(one, two)
    found = {matter["type"]: matter for matter in one.ask("inbox")}
    assert found.keys() == {"duplicate", "overlap", "retired-edit"}
    assert len(found["duplicate"]["entities"]) == 2
    assert found["retired-edit"]["key"] == "241/Office"
    told = one.call("inbox").out
    assert "Retired: yes" in told
    assert "Printer: y" in told
    assert (one.ask("status")["conflicts"], one.ask("status")["clashes"]) == (0, 3)
    one.ask("retire", "locality:241")
    assert [m["property"] for m in one.ask("inbox") if m["type"] == "dangling"] == ["locality"] * 3


def test_who_retired_in_knowledge_of_an_edit_leaves_no_matter(pair: Pair, meet: Meet) -> None:
    one, two = pair
    two.ask("set", PLACE, "printer=y")
    meet(one, two)
    one.ask("retire", PLACE)
    assert one.ask("inbox") == []


def test_the_inbox_speaks_german(pair: Pair, meet: Meet) -> None:
    disagree(pair, meet)
    german = Terminal(pair[0].home, lang="de")
    assert "Drucker" in german.call("inbox").out
    assert german.ask("inbox")[0]["property"] == "printer"

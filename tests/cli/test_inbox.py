"""inbox, resolve: what two devices said apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any

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
    saved = {(c["value"], c["user"], c["note"]) for c in slot["candidates"]}
    assert saved == {("Acme 5020", "Maier", "toner leak"), ("Acme 5021", "Müller", None)}
    (item,) = pair[1].ask("inbox")
    assert (item["type"], item["kind"], item["key"], item["property"]) == (
        "conflict",
        "place",
        "241/Entrance right",
        "printer",
    )
    assert item["entity"] == one["entity"]
    assert [c["fact"] for c in item["candidates"]] == [c["fact"] for c in slot["candidates"]]
    assert "Acme 5021" in item["message"]
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


def test_clashes_between_different_things_are_reported(pair: Pair, meet: Meet) -> None:
    one, two = pair
    one.ask("new", "place", "name=Lane 1", "locality=locality:241", "docking_station=A1B2")
    two.ask("new", "place", "name=Lane 2", "locality=locality:241", "docking_station=A1B2")
    two.ask("new", "locality", "code=242", "subnet=10.24.0.0/16")
    one.ask("new", "place", "name=Office", "locality=locality:241", "printer=x")
    meet(one, two)
    one.ask("retire", "place:241/Office")
    two.ask("set", "place:241/Office", "printer=y")
    meet(one, two)
    found = {item["type"]: item for item in one.ask("inbox")}
    assert found.keys() == {"duplicate", "overlap", "retired-edit"}
    assert len(found["duplicate"]["entities"]) == 2
    assert found["retired-edit"]["key"] == "241/Office"
    reported = one.call("inbox").out
    assert "Retired: yes" in reported
    assert "Printer: y" in reported
    assert (one.ask("status")["conflicts"], one.ask("status")["clashes"]) == (0, 3)
    one.ask("retire", "locality:241")
    assert [m["property"] for m in one.ask("inbox") if m["type"] == "dangling"] == ["locality"] * 3


def test_who_retired_in_knowledge_of_an_edit_leaves_no_item(pair: Pair, meet: Meet) -> None:
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


def test_a_wanted_clash_is_accepted_everywhere_until_one_of_its_values_changes(pair: Pair, meet: Meet) -> None:
    one, two = pair
    one.ask("new", "locality", "code=242", "subnet=10.24.1.0/28")
    (item,) = one.ask("inbox")
    assert item["type"] == "overlap"
    assert one.ask("accept", item["id"], "--note", "its own part", "--dry-run")["change"] is None
    change = one.ask("accept", item["id"][:8], "--note", "its own part")["change"]
    assert one.ask("log", "--limit", "1")["change"] == change
    meet(one, two)
    for terminal in pair:
        assert (terminal.ask("inbox"), terminal.ask("status")["clashes"]) == ([], 0)
        (accepted,) = terminal.ask("inbox", "--accepted")
        assert (accepted["id"], accepted["accepted"]["note"]) == (item["id"], "its own part")
        assert "accepted as it is by Maier" in terminal.call("inbox", "--accepted").out
        assert terminal.ask("verify")["problems"] == []
        assert "overlap" not in terminal.call("show", "locality:241").out
    assert one.ask("accept", item["id"])["change"] is None
    two.ask("set", "locality:242", "subnet=10.24.1.16/28")
    (back,) = two.ask("inbox")
    assert back["id"] != item["id"]
    two.ask("set", "locality:242", "subnet=10.24.1.0/28")
    assert two.ask("inbox") == []


def test_an_acceptance_is_taken_back(pair: Pair, meet: Meet) -> None:
    one, two = pair
    one.ask("new", "locality", "code=242", "subnet=10.24.1.0/28")
    (item,) = one.ask("inbox")
    change = one.ask("accept", item["id"])["change"]
    meet(one, two)
    assert two.ask("accept", "--undo", item["id"])["change"]
    assert [each["id"] for each in two.ask("inbox")] == [item["id"]]
    assert two.ask("inbox", "--accepted") == []
    # On the first device it is undone as any other change.
    one.ask("undo", change)
    assert [each["id"] for each in one.ask("inbox")] == [item["id"]]


def test_what_cannot_be_accepted_is_refused(pair: Pair, meet: Meet) -> None:
    disagree(pair, meet)
    one = pair[0]
    (item,) = one.ask("inbox")
    one.refused("accept", item["id"])
    one.refused("accept", "0" * 32)
    one.refused("accept", item["id"][:3])
    one.refused("accept")
    one.refused("set", PLACE, f"accepted.{item['id']}=overlap")


def test_the_items_of_a_real_fleet_are_accepted_or_resolved(tmp_path: Path, shared: Path) -> None:
    device = Terminal(tmp_path / "home")
    device.ask("init", "--fleet", "Net", "--schema", "site-network")
    device.ask("import", str(shared / "data" / "site-history.jsonl"))
    items = device.ask("inbox")
    assert Counter(item["type"] for item in items) == {"overlap": 5, "invalid": 4}
    own = [item for item in items if item["type"] == "overlap" and len(_sites(device, item)) == 1]
    assert len(own) == 4
    device.ask("accept", *[item["id"] for item in own], "--note", "its own mesh addresses")
    assert len(device.ask("inbox")) == 5
    for item in items:
        if item["type"] == "invalid":
            value = item["candidates"][0]["value"].strip()
            better = str(ip_network(value, strict=False)) if "/" in value else value
            device.ask("set", item["entity"], f"{item['property']}={better}")
        elif item not in own:
            device.ask("clear", item["entities"][1], item["property"])
    # What one of them was mistyped for lies within another one's network.
    (last,) = device.ask("inbox")
    device.ask("accept", last["id"])
    assert device.ask("inbox") == []
    assert "Nothing to resolve" in device.call("inbox").err
    status = device.ask("status")
    assert (status["conflicts"], status["clashes"]) == (0, 0)
    assert device.ask("verify")["problems"] == []


def _sites(device: Terminal, item: dict[str, Any]) -> set[str]:
    return {str(device.ask("show", entity)["slots"]["site"]["value"]) for entity in item["entities"]}

"""log, blame, diff, restore, undo, and the moments of show and list."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from core.workspace import Workspace
from tests.cli.conftest import Pair
from tests.support.cli import Terminal
from tui.cli.log import MAX_SHOWN_EDITS

PLACE = "place:241/Entrance right"
Meet = Callable[[Terminal, Terminal], None]


def printer(device: Terminal, *when: str) -> object:
    return device.ask("show", PLACE, *when)["slots"]["printer"]["value"]


@pytest.fixture
def changes(device: Terminal) -> list[str]:
    """Three changes of the printer, and one of something else."""
    made = [device.ask("set", PLACE, f"printer=P{n}", "--note", f"note {n}")["change"] for n in range(3)]
    made.append(device.ask("set", PLACE, "card_terminal=11111111")["change"])
    return made


def test_the_log_is_newest_first_with_old_and_new(device: Terminal, changes: list[str]) -> None:
    entries = device.call("log", "--json").lines
    assert [entry["change"] for entry in entries[:4]] == changes[::-1]
    entry = entries[1]
    assert (entry["user"], entry["note"], entry["state"]) == ("Maier", "note 2", "good")
    assert entry["device"] == device.ask("status")["device"]
    assert entry["at"].endswith("Z")
    assert entry["received_at"].endswith("Z")
    (edit,) = entry["edits"]
    assert (edit["property"], edit["old"], edit["new"]) == ("printer", "P1", "P2")
    assert edit["entity"] == device.ask("show", PLACE)["entity"]


def test_the_log_can_be_narrowed(device: Terminal, changes: list[str]) -> None:
    def found(*arguments: str) -> list[str]:
        return [entry["change"] for entry in device.call("log", *arguments, "--json").lines]

    assert found("--limit", "2") == changes[:1:-1]
    assert found(PLACE)[:4] == changes[::-1]
    assert len(found(PLACE)) == 5
    assert found(PLACE, "card_terminal") == changes[3:]
    assert found("--grep", "note 1") == [changes[1]]
    assert found("--by", "Nobody") == []
    assert found("--by", "Maier")[:4] == changes[::-1]
    assert found("--device", "K2") == []
    assert found("--device", "K1", "--since", changes[2]) == changes[:1:-1]
    assert found("--until", "-1d") == []
    device.refused("log", "--device", "K7")
    device.refused("log", "--limit", "0")
    device.refused("log", "place:nothing")
    assert "No changes" in device.call("log", "--by", "Nobody").err


def test_every_moment_can_be_read(device: Terminal, changes: list[str]) -> None:
    assert [printer(device, "--at", change) for change in changes] == ["P0", "P1", "P2", "P2"]
    assert printer(device, "--at", changes[1][:8]) == "P1"
    assert printer(device, "--known-at", changes[1]) == "P1"
    assert "did not exist yet" in device.refused("show", PLACE, "--at", "2020-01-01", code=1)
    assert device.ask("list", "place", "--at", "-1d") == []
    assert len(device.ask("list", "place", "--at", changes[0])) == 1
    device.refused("show", PLACE, "--at", "00000000")


def test_what_a_device_knew_is_not_what_was_so(pair: Pair, meet: Meet) -> None:
    one, two = pair
    change = two.ask("set", PLACE, "printer=late")["change"]
    later = one.ask("set", PLACE, "card_terminal=11111111")["change"]
    meet(one, two)
    assert printer(one, "--at", later) == "late"
    assert printer(one, "--known-at", later) == "Acme 5000"
    assert printer(one, "--known-at", change) == "late"


def test_blame_says_who_when_where_and_why(device: Terminal, changes: list[str]) -> None:
    rows = {row["property"]: row for row in device.ask("blame", PLACE)}
    assert rows.keys() == {"name", "locality", "printer", "card_terminal"}
    row = rows["printer"]
    assert (row["value"], row["user"], row["note"], row["change"]) == ("P2", "Maier", "note 2", changes[2])
    assert row["device"] == device.ask("status")["device"]


def test_two_moments_can_be_compared(device: Terminal, changes: list[str]) -> None:
    (edit,) = device.ask("diff", changes[0], changes[2])
    assert (edit["property"], edit["old"], edit["new"]) == ("printer", "P0", "P2")
    assert {edit["property"] for edit in device.ask("diff", changes[0])} == {"printer", "card_terminal"}
    assert device.ask("diff", changes[0], "locality:241") == []
    assert device.ask("diff", changes[0], changes[2], PLACE) == [edit]
    assert device.ask("diff", changes[0], edit["entity"]) == device.ask("diff", changes[0])
    assert device.ask("diff", "-2h", "-1h") == []
    assert len(device.ask("diff", "-1d", PLACE)) == 5
    for wrong in ((), ("soon",), ("-1d", "place:nothing"), ("-1d", "soon"), ("-1d", "-1d", "-1d"), ("-1d",) * 4):
        device.refused("diff", *wrong)


def test_restore_writes_the_past_on_top(device: Terminal, changes: list[str]) -> None:
    assert device.ask("restore", PLACE, "--at", changes[0], "--note", "was right")["facts"] == 2
    slots = device.ask("show", PLACE)["slots"]
    assert (slots["printer"]["value"], slots["card_terminal"]["state"]) == ("P0", "cleared")
    assert printer(device, "--at", changes[2]) == "P2"
    assert device.ask("restore", PLACE, "--at", changes[0]) == {"change": None, "facts": 0, "resolved": 0}
    device.refused("restore", PLACE, "--at", "2020-01-01", code=1)
    device.refused("restore", PLACE)


def test_restore_brings_back_what_was_retired(device: Terminal) -> None:
    before = device.call("log", "--limit", "1", "--json").lines[0]["change"]
    device.ask("retire", PLACE)
    device.ask("restore", PLACE, "--at", before)
    assert device.ask("show", PLACE)["retired"] is False


def test_undo_takes_a_change_back_and_can_be_undone(device: Terminal, changes: list[str]) -> None:
    undone = device.ask("undo", changes[2][:8])
    assert (undone["facts"], undone["left"]) == (1, [])
    assert printer(device) == "P1"
    device.ask("undo", undone["change"])
    assert printer(device) == "P2"
    assert device.ask("undo", changes[3])["facts"] == 1
    assert device.ask("show", PLACE)["slots"]["card_terminal"]["state"] == "absent"


def test_undo_leaves_alone_what_was_changed_since(device: Terminal) -> None:
    both = device.ask("set", PLACE, "printer=P1", "avl_configuration=a")["change"]
    device.ask("set", PLACE, "printer=P2")
    undone = device.call("undo", both, "--json")
    assert undone.json["facts"] == 1
    assert [left["property"] for left in undone.json["left"]] == ["printer"]
    assert "Maier" in undone.err
    assert printer(device) == "P2"
    assert device.ask("show", PLACE)["slots"]["avl_configuration"]["state"] == "absent"
    assert "Maier" in device.refused("undo", both, code=1)


def test_undoing_a_creation_retires_it(device: Terminal) -> None:
    made = device.ask("new", "locality", "code=9")
    device.ask("undo", made["change"])
    assert device.ask("show", made["entity"])["retired"] is True
    again = device.ask("new", "locality", "code=10")
    device.ask("set", "locality:10", "name=x")
    device.refused("undo", again["change"], code=1)


def test_undoing_a_retirement_brings_it_back(device: Terminal) -> None:
    device.ask("undo", device.ask("retire", PLACE)["change"])
    assert device.ask("show", PLACE)["retired"] is False


def test_what_cannot_be_undone_is_refused(device: Terminal) -> None:
    genesis = device.call("log", "--json").lines[-1]["change"]
    device.refused("undo", "00000000")
    device.refused("undo", "nothing")
    shown = device.refused("undo", genesis, code=1)
    assert "admit" in shown


def test_a_large_change_is_a_few_lines_of_the_log(device: Terminal, tmp_path: Path) -> None:
    names = [f"locality:{n}" for n in range(300, 340)]
    edits = [{"entity": name, "kind": "locality", "property": "name", "value": name} for name in names]
    history = tmp_path / "history.jsonl"
    history.write_text(json.dumps({"at": 1, "user": "u", "edits": edits}))
    device.ask("import", str(history))
    shown = device.call("log", "--by", "u").out.splitlines()
    assert len(shown) == 1 + MAX_SHOWN_EDITS + 1
    assert shown[-1].strip() == f"and {len(names) - MAX_SHOWN_EDITS} more values"
    (entry,) = device.call("log", "--by", "u", "--json").lines
    assert sum(edit["property"] == "name" for edit in entry["edits"]) == len(names)


def test_a_long_value_does_not_make_lines_long(device: Terminal, meet: Meet, pair: Pair) -> None:
    long = "n" * 900
    device.ask("set", "locality:241", f"name={long}", "--note", "why")
    pair[1].ask("set", "locality:241", "name=short")
    meet(*pair)
    calls = [("show", "locality:241"), ("blame", "locality:241"), ("inbox",), ("log", "locality:241")]
    for call in calls:
        lines = device.call(*call).out.splitlines()
        assert any("n…" in line for line in lines), call
        assert max(map(len, lines)) < 200, call
    assert device.ask("show", "locality:241")["slots"]["name"]["candidates"][1]["value"] == long


def test_nobody_is_shown_the_fleets_secret(device: Terminal) -> None:
    (fleet,) = device.ask("list", "fleet")
    genesis = device.call("log", "--json").lines[-1]
    assert {edit["property"] for edit in genesis["edits"] if edit["entity"] == fleet["entity"]} == {
        "kind",
        "name",
        "recovery",
    }
    calls = (("show", fleet["entity"]), ("blame", fleet["entity"]), ("list", "fleet"), ("log",), ("diff", "2020-01-01"))
    for call in calls:
        for form in ((), ("--json",)):
            answer = device.call(*call, *form)
            assert answer.code == 0
            assert "secret" not in answer.out


def test_the_log_says_which_devices_a_change_has_reached(pair: Pair, meet: Meet) -> None:
    one, two = pair
    change = one.ask("set", PLACE, "printer=P7")["change"]

    def reached() -> dict[str, list[dict[str, str | None]]]:
        return {entry["change"]: entry["reached"] for entry in one.call("log", "--json").lines}

    assert reached()[change] == []
    meet(one, two)
    # Who reads a stick is not known.
    assert reached()[change] == []
    device = two.ask("status")["device"]

    async def end_session() -> None:
        async with await Workspace.open(one.home, user="Maier") as workspace:
            root = (await workspace.store.summary()).root
            await workspace.store.note_equal_sets(bytes.fromhex(device), "tcp", root)

    asyncio.run(end_session())
    assert reached()[change] == [{"device": device, "reported_by": None}]
    later = one.ask("set", PLACE, "printer=P8")["change"]
    assert reached()[later] == []


def test_an_undo_that_keeps_the_value_says_that_the_conflict_is_open_again(pair: Pair, meet: Meet) -> None:
    one, two = pair
    one.ask("set", PLACE, "printer=P1")
    two.ask("set", PLACE, "printer=P2")
    meet(one, two)
    pick = printer(one)
    resolved = one.ask("set", PLACE, f"printer={pick}")
    assert f"{pick} → kept" in one.call("log", "--limit", "1").out
    undone = one.ask("undo", resolved["change"])
    assert f"{pick} → undone, in conflict again" in one.call("log", "--limit", "1").out
    one.ask("undo", undone["change"])
    assert f"{pick} → undone\n" in one.call("log", "--limit", "1").out

"""What a new user tries at a shell, and what it comes to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import Pair
from tests.support.cli import Terminal

PLACE = "place:241/Entrance right"
Meet = Callable[[Terminal, Terminal], None]


def in_conflict(pair: Pair, meet: Meet) -> Terminal:
    """A device on which the printer of a place is in conflict."""
    one, two = pair
    one.ask("set", PLACE, "printer=A")
    two.ask("set", PLACE, "printer=B")
    meet(one, two)
    assert one.ask("status")["conflicts"] == 1
    return one


def test_restore_and_import_say_that_they_resolved_a_conflict(pair: Pair, meet: Meet, tmp_path: Path) -> None:
    before = pair[0].call("log", "--limit", "1", "--json").lines[0]["change"]
    device = in_conflict(pair, meet)
    answer = device.call("restore", PLACE, "--at", before)
    assert (answer.code, "1 conflict was resolved" in answer.err) == (0, True)
    device.ask("undo", "--last")
    table = tmp_path / "t.csv"
    table.write_text("name,locality,printer\nEntrance right,241,D\n")
    answer = device.call("import", str(table), "--kind", "place", "--json")
    assert answer.json["resolved"] == 1
    table.write_text("name,locality,printer\nEntrance right,241,E\n")
    assert device.ask("import", str(table), "--kind", "place")["resolved"] == 0


def test_set_says_that_it_resolved_a_conflict(pair: Pair, meet: Meet) -> None:
    device = in_conflict(pair, meet)
    answer = device.call("set", PLACE, "printer=C", "card_terminal=11111111", "--json")
    assert answer.json["resolved"] == 1
    assert "1 conflict was resolved" in answer.err
    assert device.ask("set", PLACE, "printer=D")["resolved"] == 0


def test_clear_says_so_too(pair: Pair, meet: Meet) -> None:
    assert in_conflict(pair, meet).ask("clear", PLACE, "Drucker")["resolved"] == 1


def test_no_resolve_refuses_and_writes_nothing(pair: Pair, meet: Meet) -> None:
    device = in_conflict(pair, meet)
    message = device.refused("set", PLACE, "card_terminal=11111111", "Printer=C", "--no-resolve", code=1)
    assert "printer" in message and "card_terminal" not in message
    assert device.ask("set", PLACE, "card_terminal=11111111", "--no-resolve")["resolved"] == 0


def test_retiring_tells_what_stays_below(device: Terminal) -> None:
    device.ask("new", "place", "name=Exit", "locality=locality:241")
    device.ask("retire", "place:241/Exit")
    assert "1 thing below it" in device.call("retire", "locality:241").err


def test_what_was_never_retired_is_not_said_to_be_in_use(device: Terminal) -> None:
    assert device.ask("set", PLACE, "retired:=false")["change"] is None
    device.ask("retire", PLACE)
    assert device.ask("set", PLACE, "retired:=false")["change"]


def test_short_help_everywhere(device: Terminal) -> None:
    for verb in ("diff", "set", "log", "sync", "tui"):
        answer = device.call(verb, "-h")
        assert answer.code == 0 and answer.out.startswith("Usage:"), verb
    assert "Usage:" not in device.call("diff", "-2h").out


def test_an_address_needs_no_scheme(device: Terminal) -> None:
    for address in ("127.0.0.1:9", "[::1]:9", "localhost:9"):
        assert ":" in device.refused("sync", address, code=1)

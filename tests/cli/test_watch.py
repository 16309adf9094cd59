"""`watch` tells each value that came into use once, whatever ends, and ends well."""

from __future__ import annotations

import asyncio
import fcntl
import json
import signal
import subprocess
import sys
import termios
from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.conftest import Pair
from tests.support.cli import Terminal
from tests.support.deadlines import DEADLINE_S
from tests.support.polling import wait_until

PLACE = "place:241/Entrance right"


def line_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The next line of a process that follows."""
    assert process.stdout is not None
    found: dict[str, Any] = json.loads(process.stdout.readline())
    return found


def read_all(device: Terminal, since: str, count: int, *of: str) -> list[dict[str, Any]]:
    """The first lines behind a change; there have to be so many."""
    process = device.process("watch", *of, "--since", since, "--json")
    try:
        return [line_of(process) for _ in range(count)]
    finally:
        process.kill()
        process.communicate()


def last_fact(device: Terminal) -> str:
    """A change behind which nothing comes."""
    return str(device.call("log", "--limit", "1", "--json").lines[0]["change"])


def test_a_line_says_what_changed_by_whom_and_where_to_go_on(device: Terminal) -> None:
    since = last_fact(device)
    done = device.ask("set", PLACE, "printer=Brix")
    (line,) = read_all(device, since, 1)
    assert line.pop("at").endswith("Z")
    assert line == {
        "change": done["change"],
        "fact": done["change"] + "0000",
        "reason": "change",
        "entity": done["entity"],
        "kind": "place",
        "key": "241/Entrance right",
        "property": "printer",
        "before": "Acme 5000",
        "after": "Brix",
        "user": "Maier",
        "device": device.ask("status")["device"],
    }


def test_what_comes_is_reported_as_it_comes_for_one_kind_or_entity(device: Terminal) -> None:
    since = last_fact(device)
    for of in ("locality", "locality:241"):
        process = device.process("watch", of, "--json", "--since", since)
        device.ask("set", PLACE, f"printer={of}")
        device.ask("set", "locality:241", f"name={of}")
        line = line_of(process)
        assert (line["property"], line["after"]) == ("name", of)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=DEADLINE_S) == ("", "")
        assert process.returncode == 0
        since = line["fact"]


def test_it_begins_with_all_there_is_if_that_is_wanted(device: Terminal) -> None:
    every = read_all(device, "start", 4, "place")
    assert [line["property"] for line in every] == ["kind", "locality", "name", "printer"]
    assert every[1]["after"] == {"ref": "locality:241"}


def test_each_value_comes_once_whoever_is_killed(device: Terminal) -> None:
    since = cursor = last_fact(device)
    reported: list[str] = []
    for number in range(6):
        process = device.process("watch", PLACE, "--json", "--since", cursor)
        writer = device.process("set", PLACE, f"printer=p{number}", f"card_terminal={number:08}")
        if number % 2:
            writer.communicate(timeout=DEADLINE_S)
            line = line_of(process)
            reported.append(line["fact"])
            cursor = line["fact"]
        process.kill()
        process.communicate()
        writer.kill()
        writer.communicate()
    device.ask("set", PLACE, "printer=end")
    rest = device.process("watch", PLACE, "--json", "--since", cursor)
    try:
        while (line := line_of(rest))["after"] != "end":
            reported.append(line["fact"])
        reported.append(line["fact"])
    finally:
        rest.kill()
        rest.communicate()
    assert reported == [line["fact"] for line in read_all(device, since, len(reported), PLACE)]
    assert len(set(reported)) == len(reported) >= 7


def test_what_another_device_brings_is_reported(pair: Pair, meet: Callable[[Terminal, Terminal], None]) -> None:
    one, two = pair
    process = one.process("watch", "place", "--json", "--since", last_fact(one))
    two.ask("set", PLACE, "printer=Brix")
    meet(one, two)
    line = line_of(process)
    assert (line["after"], line["user"], line["device"]) == ("Brix", "Müller", two.ask("status")["device"])
    process.terminate()
    assert process.communicate(timeout=DEADLINE_S) == ("", "")
    assert process.returncode == 0


def test_what_a_revocation_takes_is_reported_once_whoever_is_killed(
    pair: Pair, meet: Callable[[Terminal, Terminal], None]
) -> None:
    one, two = pair
    since = cursor = last_fact(one)
    for number, name in enumerate(("printer", "card_terminal", "docking_station", "bea_configuration")):
        two.ask("set", PLACE, f"{name}={number:08}")
    meet(one, two)
    revoked = one.ask("revoke", "K2", "--last", "none")["change"]
    shown: list[tuple[str, str, Any]] = []
    for count in (3, 2, 3):
        lines = read_all(one, cursor, count, PLACE)
        cursor = lines[-1]["fact"]
        shown += [(line["reason"], line["property"], line["after"]) for line in lines]
    assert [reason for reason, *_ in shown] == ["change"] * 4 + ["effect"] * 4
    assert {name: after for _, name, after in shown} == {
        "printer": "Acme 5000",
        "card_terminal": None,
        "docking_station": None,
        "bea_configuration": None,
    }
    lines = read_all(one, since, 8, PLACE)
    assert [line["fact"] for line in lines][-1] == cursor
    assert {line["change"] for line in lines[4:]} == {revoked}
    assert one.ask("verify")["problems"] == []


def test_it_ends_when_nobody_reads_any_more(device: Terminal) -> None:
    process = device.process("watch", "--json", "--since", last_fact(device))
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.wait(DEADLINE_S) == 0
    assert process.stderr.read() == ""
    process.stderr.close()


def test_it_ends_when_asked_to_while_nobody_reads_on(device: Terminal) -> None:
    for number in range(40):
        device.ask("set", PLACE, f"printer={number:01000}")
    process = device.process("watch", PLACE, "--json", "--since", "start")
    assert process.stdout is not None
    pipe = process.stdout.fileno()
    try:
        # A line takes a page of the pipe, which has 16.
        asyncio.run(wait_until(lambda: _unread_bytes(pipe) > 30_000))
        process.terminate()
        assert process.wait(DEADLINE_S) == 0
    finally:
        process.kill()
        process.communicate()


def _unread_bytes(pipe: int) -> int:
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


@pytest.mark.parametrize("lang", ["en", "de"])
def test_people_get_a_sentence(device: Terminal, lang: str) -> None:
    since = last_fact(device)
    device.ask("clear", PLACE, "printer")
    process = Terminal(device.home, lang=lang).process("watch", "--since", since)
    assert process.stdout is not None
    line = process.stdout.readline()
    process.kill()
    process.communicate()
    assert f"Maier (K1)  {PLACE}  " in line
    assert "Acme 5000 → " in line


@pytest.mark.parametrize("arguments", [("nothing:here",), ("--since", "ffffffff"), ("--since", "f" * 68)])
def test_what_is_not_here_is_refused(device: Terminal, arguments: tuple[str, ...]) -> None:
    assert device.refused("watch", *arguments)

"""Devices that serve find each other over multicast, and soon hold the same."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Pair
from tests.support.cli import Terminal
from tests.support.deadlines import DEADLINE_S, until

PLACE = "place:241/Entrance right"
LOOPBACK = "127.0.0.1"
GROUP = "224.0.0.251"


def _multicast_problem() -> str | None:
    """Why packets to a group do not come back over the loopback interface here.

    None if they do.
    """
    try:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hears,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as says,
        ):
            hears.bind(("", 0))
            joined = socket.inet_aton(GROUP) + socket.inet_aton(LOOPBACK)
            hears.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, joined)
            hears.settimeout(2)
            says.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(LOOPBACK))
            says.sendto(b"here", (GROUP, hears.getsockname()[1]))
            hears.recv(10)
    except OSError as error:
        return f"multicast on the loopback interface does not work here: {error}"
    return None


PROBLEM = _multicast_problem()
pytestmark = pytest.mark.skipif(PROBLEM is not None, reason=PROBLEM or "")


class Serving:
    """A device that serves, and what it has told so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.events: list[dict[str, Any]] = []
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(DEADLINE_S) == 0
        self._reading.join()


@contextmanager
def serving(*terminals: Terminal, arguments: tuple[str, ...] = ()) -> Iterator[list[Serving]]:
    """These devices serve at free ports of the loopback interface."""
    with ExitStack() as stack:
        made = []
        for terminal in terminals:
            process = terminal.process("serve", "--port", "0", "--bind", LOOPBACK, *arguments)
            stack.callback(_killed, process)
            made.append(Serving(process))
            assert process.stderr is not None
            assert process.stderr.readline().startswith(f"listening on {LOOPBACK}:")
        yield made


def _killed(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.kill()
    process.communicate()


def test_devices_find_each_other_and_sync_what_is_saved(pair: Pair) -> None:
    one, two = pair
    one.ask("set", PLACE, "printer=x")
    with serving(one, two) as (first, second):
        until(lambda: one.root() == two.root())
        two.ask("set", PLACE, "printer=y")
        until(lambda: one.root() == two.root())
        assert one.ask("show", PLACE)["slots"]["printer"]["value"] == "y"
        ids = {terminal: terminal.ask("status")["device"] for terminal in pair}

        def seen() -> dict[str, Any]:
            found = {peer["device"]: peer for peer in one.ask("peers", "--wait", "1.5") if peer["device"]}
            assert ids[one] not in found
            return found.get(ids[two], {})

        # What it holds now is announced a moment after the meeting, and what this one does is told a moment later.
        there: dict[str, Any] = {}
        until(lambda: there.update(seen()) or (there.get("same") and there.get("met_at")))
        first.stop()
        second.stop()
    assert (there["name"], there["same"], there["fleet"]) == ("K2", True, one.ask("status")["fleet"])
    assert there["root"] == one.root()[:16]  # type: ignore[index]
    # One meeting for each thing that was saved; each event of the one is one of the other.
    for reported, other in ((first, two), (second, one)):
        assert [(event["event"], event["peer"]) for event in reported.events] == [("met", ids[other])] * 2
    moved = [(event["sent"], event["received"]) for event in first.events]
    assert moved == [(1, 0), (0, 1)]
    assert moved == [(event["received"], event["sent"]) for event in second.events]


def test_two_that_call_each_other_at_once_meet_once(pair: Pair) -> None:
    """Both are told where the other is, and both have something new.

    Nobody waits for the other to call.
    """
    one, two = pair
    for terminal, value in ((one, "x"), (two, "y")):
        terminal.ask("set", PLACE, f"card_terminal=1111111{'xy'.index(value)}")
    with serving(one, two) as (first, second):
        until(lambda: one.root() == two.root())
        callers = [terminal.process("set", PLACE, "printer=new") for terminal in pair]
        for caller in callers:
            assert caller.communicate(timeout=DEADLINE_S)
        until(lambda: one.root() == two.root())
        first.stop()
        second.stop()
    for reported in (first, second):
        assert {event["event"] for event in reported.events} == {"met"}
    assert len(first.events) == len(second.events)
    assert sum(event["received"] for event in first.events) == 2
    assert sum(event["received"] for event in second.events) == 2


def test_a_device_that_is_admitted_gets_everything_by_itself(pair: Pair, tmp_path: Path) -> None:
    one, new = pair[0], Terminal(tmp_path / "K3", "Jones")
    device = new.ask("join", one.ask("status")["fleet"], "--device", "K3")["device"]
    with serving(one, new) as (first, second):
        # It calls whom it sees, and is turned away; nobody calls it.
        until(lambda: any(event["event"] == "failed" for event in second.events))
        assert f"fieldline admit {device}" in next(event["message"] for event in second.events)
        one.ask("admit", device, "--role", "technician", "--name", "K3")
        until(lambda: one.root() == new.root())
        until(lambda: {event["event"] for event in first.events} == {"failed", "met"})
        first.stop()
        second.stop()
    assert new.ask("status")["role"] == "technician"


def test_equal_devices_never_connect_and_no_discovery_is_respected(pair: Pair) -> None:
    one, two = pair
    with serving(one, two) as (first, second):
        # Both have heard of each other once both show up; nothing follows from it.
        for terminal in pair:
            until(lambda: [peer for peer in terminal.ask("peers", "--wait", "0.2") if peer["same"]])  # noqa: B023
        first.stop()
        second.stop()
    assert first.events == second.events == []
    with serving(one, arguments=("--no-discovery",)) as (hidden,):
        # Other tests serve in this network, too.
        fleet = two.ask("status")["fleet"]
        assert not [peer for peer in two.ask("peers", "--wait", "2") if peer["fleet"] == fleet]
        hidden.stop()


def test_a_device_at_a_named_place_is_called_without_discovery(pair: Pair) -> None:
    one, two = pair
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
    two.ask("set", PLACE, "printer=z")
    arguments = ("--no-discovery", "--peer", f"tcp://{LOOPBACK}:{port}")
    with serving(two, arguments=arguments) as (caller,):
        # Nobody is there at first, which is told once; then somebody is.
        until(lambda: [event["event"] for event in caller.events] == ["failed"])
        other = one.process("serve", "--port", str(port), "--bind", LOOPBACK, "--no-discovery")
        try:
            until(lambda: one.root() == two.root())
            two.ask("set", PLACE, "printer=q")
            until(lambda: one.root() == two.root())
            caller.stop()
        finally:
            other.send_signal(signal.SIGTERM)
            other.communicate(timeout=DEADLINE_S)
    assert [event["event"] for event in caller.events] == ["failed", "met", "met"]
    assert {event["target"] for event in caller.events} == {f"tcp://{LOOPBACK}:{port}"}


@pytest.mark.parametrize("target", ["nonsense", "bundle://somewhere", "tcp://h:x"])
def test_a_peer_that_cannot_be_is_refused(device: Terminal, target: str) -> None:
    device.refused("serve", "--port", "0", "--bind", LOOPBACK, "--no-discovery", "--peer", target)

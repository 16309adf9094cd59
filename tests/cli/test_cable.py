"""Two devices at the ends of a simulated cable, each a process of its own.

Meetings, and what becomes of them when the cable is pulled or somebody is gone.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from core.device.home import STORE_FILE
from core.sync.links.serial.arq import Arq
from core.sync.links.serial.arq_states import ArqState
from core.sync.links.serial.framing import FRAME_END
from core.sync.links.serial.serial_ports import open_port
from tests.cable import Cable
from tests.cli.conftest import Pair
from tests.support.cli import Terminal
from tests.support.deadlines import DEADLINE_S, until

PLACE = "place:241/Entrance right"
FAST = 2_000_000
MUCH = 100


def target(cable: Cable, end: int) -> str:
    return f"serial://{cable.ends[end]}?baud={cable.line.baud}"


@contextmanager
def running(terminal: Terminal, *arguments: str, **settings: Any) -> Iterator[subprocess.Popen[str]]:
    """A process that does not outlive the test."""
    process = terminal.process(*arguments, **settings)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str]) -> Any:
    """The JSON that a process prints that ends well."""
    out, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, err
    return json.loads(out)


def peer(terminal: Terminal, place: str) -> Any:
    """What `peers` says of a port."""
    return {each["target"]: each for each in terminal.ask("peers", "--wait", "0")}[place]


def much(terminal: Terminal, tmp_path: Path, count: int = MUCH) -> None:
    """Some tens of kB of changes that do not compress."""
    lines = [
        {
            "at": 1_690_000_000 + number,
            "user": "u",
            "comment": None,
            "edits": [{"entity": f"host:h{number}", "kind": "host", "property": "p", "value": str(number) * 30}],
        }
        for number in range(count)
    ]
    file = tmp_path / "many.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert terminal.ask("import", str(file))["changes"] == count


def test_two_devices_meet_over_a_cable(pair: Pair) -> None:
    one, two = pair
    one.ask("set", PLACE, "printer=x")
    two.ask("set", PLACE, "card_terminal=11111111")
    ids = [terminal.ask("status")["device"] for terminal in pair]
    with Cable(baud=FAST) as cable:
        for moved in (1, 0):
            with (
                running(one, "sync", target(cable, 0), "--json") as first,
                running(two, "sync", target(cable, 1), "--json") as second,
            ):
                mine, theirs = ended(first), ended(second)
            assert [mine["peer"], theirs["peer"]] == [ids[1], ids[0]]
            assert (mine["sent"], mine["received"]) == (theirs["received"], theirs["sent"]) == (moved, moved)
            assert mine["root"] == theirs["root"] == one.root() == two.root()


def test_a_bad_cable_makes_it_slower_only(pair: Pair, tmp_path: Path) -> None:
    one, two = pair
    much(one, tmp_path, 200)
    with (
        Cable(baud=460_800, ber=1e-4, drop=3e-4, burst=0.02, every=0.5, latency=0.02) as cable,
        running(one, "sync", target(cable, 0), "--json") as first,
        running(two, "sync", target(cable, 1), "--json") as second,
    ):
        assert ended(first)["root"] == ended(second)["root"]
        assert sum(wire.damaged for wire in cable.wires)
        assert sum(wire.lost for wire in cable.wires)
    assert one.root() == two.root()


def test_a_cable_that_is_pulled_in_the_middle_goes_on_where_it_was(pair: Pair, tmp_path: Path) -> None:
    one, two = pair
    much(one, tmp_path)
    with (
        Cable(baud=115_200) as cable,
        running(one, "sync", target(cable, 0), "--json") as first,
        running(two, "sync", target(cable, 1), "--json") as second,
    ):
        until(lambda: cable.wires[0].carried > 9000)
        cable.unplug()
        time.sleep(0.4)
        assert first.poll() is None
        assert second.poll() is None
        cable.plug()
        there, back = ended(first), ended(second)
        # One meeting, and nothing of what was there was sent again.
        assert (there["sent"], back["received"]) == (MUCH, MUCH)
        assert back["bytes_in"] < cable.wires[0].carried < 1.5 * back["bytes_in"]
    assert there["root"] == back["root"] == one.root() == two.root()


def changes_of(terminal: Terminal) -> int:
    """Count the changes, without a program that takes longer than the cable.

    The rest of them would come meanwhile.
    """
    with closing(sqlite3.connect(f"file:{terminal.home / STORE_FILE}?mode=ro", uri=True)) as store:
        count: int = store.execute("SELECT count(*) FROM changes").fetchone()[0]
    return count


@pytest.mark.parametrize("victim", [0, 1])
def test_a_device_that_died_and_is_started_again_begins_where_it_was(pair: Pair, tmp_path: Path, victim: int) -> None:
    one, two = pair
    much(one, tmp_path)
    held = changes_of(two)
    with Cable(baud=115_200) as cable:
        calls = [(terminal, "sync", target(cable, end), "--json") for end, terminal in enumerate(pair)]
        with running(*calls[1 - victim]) as survivor:
            with running(*calls[victim]) as dying:
                until(lambda: changes_of(two) > held)
                dying.send_signal(signal.SIGKILL)
                dying.wait()
            had = changes_of(two) - held
            with running(*calls[victim]) as again:
                met, other = ended(again), ended(survivor)
    assert 0 < had < MUCH
    assert met["root"] == other["root"] == one.root() == two.root()
    receiver = (other, met)[victim]
    # More may have been on its way than was there when it died, even all.
    assert receiver["received"] <= MUCH - had


def test_serving_a_cable_answers_again_and_again(pair: Pair) -> None:
    one, two = pair
    ids = [terminal.ask("status")["device"] for terminal in pair]
    serve = ["serve", "--port", "0", "--bind", "127.0.0.1", "--no-discovery", "--serial"]
    with Cable(baud=FAST) as cable, running(one, *serve, target(cable, 0).removeprefix("serial://")) as serving:
        for number in range(2):
            one.ask("set", PLACE, f"printer=x{number}")
            assert two.ask("sync", target(cable, 1))["received"] == 1
            assert one.root() == two.root()
        cable.unplug()
        cable.plug()
        two.ask("set", PLACE, "printer=z")
        assert two.ask("sync", target(cable, 1))["sent"] == 1
        serving.send_signal(signal.SIGTERM)
        out, err = serving.communicate(timeout=DEADLINE_S)
    assert serving.returncode == 0
    assert err.startswith("listening on 127.0.0.1:")
    met = [event for event in map(json.loads, out.splitlines()) if event["event"] == "met"]
    assert [(event["link"], event["peer"], event["received"]) for event in met] == [
        ("serial", ids[1], 0),
        ("serial", ids[1], 0),
        ("serial", ids[1], 1),
    ]


def test_ports_that_the_settings_name_are_served_unasked(pair: Pair) -> None:
    one, two = pair
    settings = one.home / "settings.toml"
    serve = ["serve", "--port", "0", "--bind", "127.0.0.1", "--no-discovery"]
    with Cable(baud=FAST) as cable:
        place = target(cable, 0).removeprefix("serial://")
        settings.write_text(f'name = "K1"\ncables = ["{place}"]\n')
        one.ask("set", PLACE, "printer=x")
        with running(one, *serve):
            assert two.ask("sync", target(cable, 1))["received"] == 1
            # Whoever looks at this device is told that it does so by itself.
            until(lambda: peer(one, target(cable, 0))["state"] == "serving")
            assert "cable, served" in one.call("peers", "--wait", "0").out
            answer = one.call("sync", target(cable, 0))
            assert (answer.code, "by itself" in answer.err) == (1, True)
        assert peer(one, target(cable, 0))["state"] == ""
    for text, says in (("cables = 7", "serial port"), ('cables = ["ttyS0"]', "serial port"), ("cables", "TOML")):
        settings.write_text(text + "\n")
        answer = one.alone(*serve)
        assert (answer.code in (1, 2), answer.out, answer.err.count("\n")) == (True, "", 1)
        assert says in answer.err


def is_quiet(cable: Cable) -> bool:
    """Whether nothing goes over a cable for longer than its ends wait to redial."""
    carried = [wire.carried for wire in cable.wires]
    time.sleep(0.6)
    return [wire.carried for wire in cable.wires] == carried


def test_two_that_serve_the_same_cable_carry_what_is_new_and_nothing_else(pair: Pair) -> None:
    one, two = pair
    serve = ["serve", "--port", "0", "--bind", "127.0.0.1", "--no-discovery", "--serial"]
    with (
        Cable(baud=FAST) as cable,
        running(one, *serve, cable.ends[0]),
        running(two, *serve, cable.ends[1]) as second,
    ):
        one.ask("set", PLACE, "printer=x")
        until(lambda: one.root() == two.root())
        two.ask("set", PLACE, "printer=y")
        until(lambda: one.root() == two.root())
        # On a busy machine the last bytes come later; they are the last ones all the same.
        until(lambda: is_quiet(cable))
        second.send_signal(signal.SIGTERM)
        out, _ = second.communicate(timeout=DEADLINE_S)
    moved = [(event["sent"], event["received"]) for event in map(json.loads, out.splitlines())]
    assert (sum(sent for sent, _ in moved), sum(received for _, received in moved)) == (1, 1)
    assert len(moved) <= 4


def test_what_cannot_be_is_reported_in_one_sentence(pair: Pair, tmp_path: Path) -> None:
    one = pair[0]
    assert "no port" in one.refused("sync", "serial:///dev/ttyNONE7", code=1)
    assert "not a serial port" in one.refused("sync", "serial:///dev/null", code=1)
    assert "?baud=N" in one.refused("sync", "serial:///dev/ttyUSB0?speed=1")
    assert "rate" in one.refused("sync", "serial:///dev/ttyUSB0?baud=fast")
    assert "serial:///dev" in one.refused("sync", "serial://ttyUSB0")
    with Cable(baud=FAST) as cable:
        assert "Nobody" in one.refused("sync", target(cable, 0), "--timeout", "0.5", code=1)
        before = cable.wires[0].carried
        with running(pair[1], "sync", target(cable, 0)):
            until(lambda: cable.wires[0].carried > before)
            assert "in use" in one.refused("sync", target(cable, 0), code=1)


def test_an_end_that_begins_again_and_again_is_not_waited_for_without_end(device: Terminal) -> None:
    with Cable(baud=FAST) as cable, running(device, "sync", target(cable, 0), "--timeout", "1.5") as process:
        port = open_port(cable.ends[1], FAST)
        peer = Arq(os.urandom(8), (FAST,), dials=True)
        begun = 0
        while process.poll() is None:
            with suppress(BlockingIOError):
                peer.receive_data(os.read(port.descriptor, 1 << 12), time.monotonic())
            while (data := peer.next_frame(time.monotonic())) is not None:
                os.write(port.descriptor, FRAME_END + data)
            if peer.state == ArqState.OPEN:
                os.write(port.descriptor, peer.make_rst())
                peer, begun = Arq(os.urandom(8), (FAST,), dials=True), begun + 1
            time.sleep(0.005)
        port.close()
        _, err = process.communicate(timeout=DEADLINE_S)
    assert begun > 1
    assert (process.returncode, err.count("\n")) == (1, 1)
    assert "was restarted" in err


def test_waiting_for_the_other_end_can_be_interrupted(device: Terminal) -> None:
    def listen() -> None:
        # Tests that a shell runs in the background ignore this, and so would what they start.
        signal.signal(signal.SIGINT, signal.default_int_handler)

    with Cable(baud=FAST) as cable, running(device, "sync", target(cable, 0), preexec_fn=listen) as waiting:
        until(lambda: cable.wires[0].carried > 0)
        waiting.send_signal(signal.SIGINT)
        out, err = waiting.communicate(timeout=DEADLINE_S)
    assert (waiting.returncode, out, err.strip()) == (130, "", "")


def test_a_stranger_at_the_other_end_gets_nothing(device: Terminal, tmp_path: Path) -> None:
    stranger = Terminal(tmp_path / "other", "Eve")
    stranger.ask("init", "--fleet", "Nord")
    with (
        Cable(baud=FAST) as cable,
        running(stranger, "sync", target(cable, 0)) as first,
        running(device, "sync", target(cable, 1)) as second,
    ):
        for process in (first, second):
            out, err = process.communicate(timeout=DEADLINE_S)
            assert (process.returncode, out, err.count("\n")) == (1, "", 1)

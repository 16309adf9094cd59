"""Two devices in networks of their own, with a bad wire between.

They find each other, sync, and get over a cut.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_discovery import Serving
from tests.support.cli import ROOT, Terminal
from tests.support.deadlines import until
from tests.support.network import Network, network, problem

PROBLEM = problem()
pytestmark = [pytest.mark.skipif(PROBLEM is not None, reason=PROBLEM or ""), pytest.mark.soak, pytest.mark.timeout(900)]

PLACE = "place:241/Entrance right"
SECONDS = 400
CHANGES = 8000
CUT_SECONDS = 15


def history(path: Path) -> None:
    """Changes that are too many to fit into one batch, and that do not compress well."""
    chance = random.Random(7)
    with path.open("w") as file:
        for number in range(CHANGES):
            edit = {
                "entity": f"locality:{number % 500}",
                "kind": "locality",
                "property": "name",
                "value": chance.randbytes(40).hex(),
            }
            file.write(json.dumps({"at": 1_700_000_000 + number, "user": "u", "edits": [edit]}) + "\n")


@contextmanager
def serving(net: Network, *terminals: Terminal) -> Iterator[list[Serving]]:
    """Each device serves in its namespace, at the usual port and all addresses."""
    with ExitStack() as stack:
        made = []
        for place, terminal in enumerate(terminals):
            command = [*net.within(place), sys.executable, "-m", "tui.cli", *terminal.globals, "serve"]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
            stack.callback(process.communicate)
            stack.callback(process.kill)
            made.append(Serving(process))
        yield made


def changes(terminal: Terminal) -> int:
    count: int = terminal.ask("status")["changes"]
    return count


def test_a_cut_in_the_middle_of_a_sync_over_a_bad_network(pair: tuple[Terminal, Terminal], tmp_path: Path) -> None:
    one, two = pair
    before = changes(two)
    with network(loss=0.2, bits=1e6) as net, serving(net, one, two) as (first, second):
        # They find each other and sync; then there is much to do.
        one.ask("set", PLACE, "printer=x")
        until(lambda: changes(two) == before + 1, SECONDS)
        history(tmp_path / "history.jsonl")
        one.ask("import", str(tmp_path / "history.jsonl"))
        until(lambda: before + 1 < changes(two), SECONDS)
        net.wire.is_cut = True
        saved = changes(two)
        assert saved < before + 1 + CHANGES
        time.sleep(CUT_SECONDS)
        assert changes(two) >= saved
        two.ask("set", PLACE, "card_terminal=11111111")
        net.wire.is_cut = False
        until(lambda: changes(two) == before + 2 + CHANGES, SECONDS)
        until(lambda: one.root() == two.root(), SECONDS)
        first.stop()
        second.stop()
        assert net.wire.lost > 0.15 * (net.wire.lost + net.wire.carried)
    assert one.ask("show", PLACE)["slots"]["card_terminal"]["value"] == "11111111"
    assert two.ask("verify")["problems"] == []
    met = [event for event in [*first.events, *second.events] if event["event"] == "met"]
    assert len(met) >= 2
    print_reports(first.events, second.events)


def test_a_network_that_comes_later_and_goes_and_comes_again(pair: tuple[Terminal, Terminal]) -> None:
    one, two = pair
    with network(loss=0.0, bits=1e7) as net:
        interface = net.interfaces[1]

        def ip(*arguments: str) -> None:
            subprocess.run(["ip", "-n", net.names[1], *arguments, "dev", interface], check=True)

        ip("addr", "del", f"{net.addresses[1]}/24")
        with serving(net, one, two) as (first, second):
            one.ask("set", PLACE, "printer=x")
            time.sleep(8)
            assert one.root() != two.root()
            ip("addr", "add", f"{net.addresses[1]}/24")
            until(lambda: one.root() == two.root(), SECONDS)
            subprocess.run(["ip", "-n", net.names[1], "link", "set", interface, "down"], check=True)
            two.ask("set", PLACE, "printer=y")
            time.sleep(8)
            assert one.root() != two.root()
            subprocess.run(["ip", "-n", net.names[1], "link", "set", interface, "up"], check=True)
            until(lambda: one.root() == two.root(), SECONDS)
            first.stop()
            second.stop()
    print_reports(first.events, second.events)


def print_reports(*reported: list[dict[str, Any]]) -> None:
    """For who runs this with -s."""
    for events in reported:
        for event in events:
            print(json.dumps(event))

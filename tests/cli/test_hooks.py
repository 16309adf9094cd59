"""`serve` runs the hooks for each change, and goes on where it was after a kill."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

import tomli_w

from tests.cli.conftest import Pair
from tests.cli.test_processes import serving
from tests.support.cli import Terminal
from tests.support.deadlines import DEADLINE_S
from tests.support.polling import wait_until

PLACE = "place:241/Entrance right"
COPY = "import sys; open('got', 'a').write(sys.stdin.read())"


def write_hooks(device: Terminal, **hooks: object) -> None:
    (device.home / "settings.toml").write_text(tomli_w.dumps({"name": "K1", "hooks": hooks}))


def got(home: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (home / "got").read_text().splitlines()]


def test_what_another_device_changes_is_given_to_the_hook_and_reported(pair: Pair) -> None:
    one, two = pair
    write_hooks(one, printers={"run": [sys.executable, "-c", COPY], "kind": "place", "property": "printer"})
    assert [f["state"] for f in one.call("doctor", "--json").json if f["check"] == "hooks"] == ["warning"]
    with serving(one) as (target, process):
        assert process.stdout is not None
        # The hooks begin with what comes once they run, which their first state says.
        asyncio.run(wait_until((one.home / "hooks.json").exists))
        two.ask("set", PLACE, "printer=Brix", "card_terminal=11111111")
        two.ask("sync", target)
        event: dict[str, Any] = {}
        while event.get("event") != "hook":
            event = json.loads(process.stdout.readline())
        assert [f["state"] for f in one.call("doctor", "--json").json if f["check"] == "hooks"] == ["good"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE_S) == 0
    (given,) = got(one.home)
    assert (event["hook"], event["outcome"], event["fact"]) == ("printers", "done", given["fact"])
    assert (given["after"], given["user"], given["key"]) == ("Brix", "Müller", "241/Entrance right")


def test_no_value_is_missed_however_often_it_is_killed(device: Terminal) -> None:
    write_hooks(device, copy={"run": [sys.executable, "-c", COPY]})
    for number in range(4):
        with serving(device) as (_target, process):
            asyncio.run(wait_until((device.home / "hooks.json").exists))
            device.ask("set", PLACE, f"printer=p{number}")
            if number % 2:
                assert process.stdout is not None
                process.stdout.readline()
            process.kill()
            process.wait()
    with serving(device) as (_target, process):
        device.ask("set", PLACE, "printer=end")
        assert process.stdout is not None
        reported: dict[str, Any] = {}
        end = device.call("log", "--limit", "1", "--json").lines[0]["change"]
        while reported.get("change") != end:
            reported = json.loads(process.stdout.readline())
    values = list(dict.fromkeys(given["after"] for given in got(device.home)))
    assert values == ["p0", "p1", "p2", "p3", "end"]


def test_a_hook_that_cannot_be_is_reported_and_the_rest_is_served(device: Terminal) -> None:
    write_hooks(device, wrong={"run": "notify"})
    with serving(device) as (_target, process):
        assert process.stdout is not None
        event = json.loads(process.stdout.readline())
    assert (event["event"], event["hook"], event["outcome"]) == ("hook", "wrong", "failed")
    assert "hooks.wrong.run" in event["message"]
    answer = device.call("doctor")
    assert (answer.code, "hooks.wrong.run" in answer.out) == (1, True)

"""A first sync says what is still to come, while it runs and after a cut."""

from __future__ import annotations

import json
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.sync.eta import EtaEstimator
from core.sync.events import Progress
from tests.cli.conftest import Pair
from tests.cli.test_processes import serving
from tests.support.cli import Terminal
from tests.support.deadlines import until
from tui.cli.progress import format_duration, sync_progress_text

CHANGES = 2500


@contextmanager
def stalling(target: str, most: int) -> Iterator[tuple[str, threading.Event]]:
    """A way to a device that lets through a set number of bytes, then nothing."""
    stalled = threading.Event()
    host, port = target.removeprefix("tcp://").split(":")
    with socket.create_server(("127.0.0.1", 0)) as server:
        here = server.getsockname()
        open_ones: list[socket.socket] = []

        def carry(one: socket.socket, other: socket.socket, left: float) -> None:
            with suppress(OSError):
                while left > 0 and (data := one.recv(int(min(4096, left)))):
                    other.sendall(data)
                    left -= len(data)
                if left <= 0:
                    stalled.set()

        def accept() -> None:
            with suppress(OSError):
                while True:
                    caller, _ = server.accept()
                    there = socket.create_connection((host, int(port)))
                    open_ones.extend((caller, there))
                    for way in ((caller, there, float("inf")), (there, caller, most)):
                        threading.Thread(target=carry, args=way, daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"tcp://{here[0]}:{here[1]}", stalled
        for each in open_ones:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        server.shutdown(socket.SHUT_RDWR)


def history(path: Path) -> None:
    chance = random.Random(7)
    with path.open("w") as file:
        for number in range(CHANGES):
            edit = {"entity": f"locality:{number}", "kind": "locality", "property": "name"}
            line = {"at": 1_700_000_000 + number, "user": "u", "edits": [{**edit, "value": chance.randbytes(99).hex()}]}
            file.write(json.dumps(line) + "\n")


def test_what_is_still_to_come_is_said(pair: Pair, tmp_path: Path) -> None:
    one, two = pair
    history(tmp_path / "history.jsonl")
    one.ask("import", str(tmp_path / "history.jsonl"))
    assert two.ask("status")["missing"] is None
    held = came(two)
    with serving(one) as (target, _process):
        with stalling(target, 400_000) as (slow, stalled):
            syncing = two.process("sync", slow, "--timeout", "100")
            until(stalled.is_set)
            # What came is noted every second.
            until(lambda: two.ask("status")["missing"] is not None)
            until(lambda: 0 < came(two) - held == CHANGES - missing(two))
            status = two.ask("status")
            assert status["missing"]["from"] == one.ask("status")["device"]
            # Each change names another locality, so all of them are current.
            assert status["missing"]["current"] == status["missing"]["changes"]
            assert f"{missing(two):,} of {CHANGES:,} changes from K1" in two.call("status").out
            # It is killed, and so says nothing in the end.
            syncing.kill()
            syncing.communicate()
        # What came after the last note, in its last second, is not counted.
        assert CHANGES - (came(two) - held) <= missing(two) <= status["missing"]["changes"] < CHANGES
        two.ask("sync", target)
        assert two.ask("status")["missing"] is None
        assert two.root() == one.root()


def came(terminal: Terminal) -> int:
    count: int = terminal.ask("status")["changes"]
    return count


def missing(terminal: Terminal) -> int:
    count: int = terminal.ask("status")["missing"]["changes"]
    return count


def test_progress_is_reported_in_changes_and_time() -> None:
    pace = EtaEstimator()
    assert sync_progress_text(pace, 0.0) == "greeting …"
    pace.update(Progress("reconcile"), 0.0)
    assert sync_progress_text(pace, 0.0) == "finding out what differs …"
    pace.update(Progress("exchange", 0, 0, 0, 10_000), 0.0)
    pace.update(Progress("exchange", 0, 0, 2500, 10_000), 30.0)
    assert sync_progress_text(pace, 30.0) == "2,500 of 10,000 changes received, 25 %, 1 min 30 s left"
    pace.update(Progress("exchange", 0, 0, 10_000, 10_000), 60.0)
    assert sync_progress_text(pace, 60.0).endswith("100 %, 0 s left")
    assert [format_duration(s) for s in (59.4, 60, 3599, 3600, 90_000)] == [
        "59 s",
        "1 min 0 s",
        "59 min 59 s",
        "1 h 0 min",
        "25 h 0 min",
    ]

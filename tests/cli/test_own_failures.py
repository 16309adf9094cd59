"""A device that runs out of something says so itself, and recovers."""

from __future__ import annotations

import json
import resource
import socket
from contextlib import ExitStack
from pathlib import Path

from tests.cli.conftest import Pair
from tests.cli.test_processes import serving
from tests.support.deadlines import DEADLINE_S


def test_a_device_that_cannot_open_another_file_says_so_and_answers_again_later(pair: Pair) -> None:
    one, two = pair
    with serving(one) as (target, process), ExitStack() as calls:
        assert process.stdout is not None
        # One that is answered loads what is loaded only then.
        assert two.ask("sync", target)["peer"]
        assert json.loads(process.stdout.readline())["event"] == "met"
        before = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        used = {int(each.name) for each in Path(f"/proc/{process.pid}/fd").iterdir()}
        free = next(number for number in range(len(used) + 1) if number not in used)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (free, before[1]))
        port = int(target.rpartition(":")[2])
        calls.enter_context(socket.create_connection(("127.0.0.1", port)))
        reported = json.loads(process.stdout.readline())
        assert reported["event"] == "failed"
        assert reported["message"].startswith("This device has too little left for a connection: Too many open files.")
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, before)
        assert two.ask("sync", target)["peer"]
        process.terminate()
        _, err = process.communicate(timeout=DEADLINE_S)
        assert (process.returncode, err) == (0, "")

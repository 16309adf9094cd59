"""What a signal leaves of an import.

Whole changes, and a sentence that says how to go on.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.cli import Terminal
from tests.support.deadlines import PATIENCE
from tests.support.polling import wait_until
from tui.cli.context import CliContext
from tui.cli.interruption import explain_stop

STOPPED = "Stopped. No change is half-written: import the file again, what is here already is passed over."


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_what_is_done_and_is_explained(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    async def work() -> None:
        with explain_stop(CliContext(None, None), "Stopped."):
            signal.raise_signal(number)
            await asyncio.Event().wait()

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(work())
    assert capsys.readouterr().err == "Stopped.\n"
    assert signal.getsignal(signal.SIGTERM) is before


INTERRUPTED_WAIT = """
import asyncio, os, signal, threading
from tui.cli.help import wake_for_signals

def interrupt():
    while open(f"/proc/self/task/{os.getpid()}/stat").read().rpartition(")")[2].split()[0] != "S":
        pass
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)

async def wait():
    threading.Thread(target=interrupt).start()
    await asyncio.sleep(3600)

with asyncio.Runner() as runner:
    wake_for_signals(runner.get_loop())
    try:
        runner.run(wait())
    except KeyboardInterrupt:
        print("ended")
"""


def test_a_signal_to_another_thread_wakes_a_loop_that_waits() -> None:
    """As one does that comes just before the loop begins to wait."""
    result = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_WAIT], capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert result.stdout == "ended\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_import_that_is_stopped_leaves_no_half_and_can_be_gone_on_with(
    device: Terminal, tmp_path: Path, number: int
) -> None:
    table = tmp_path / "t.csv"
    table.write_text("code,name\n" + "".join(f"{code},Site {code}\n" for code in range(1000, 1600)))
    before = len(device.call("log", "--json").lines)
    with closing(sqlite3.connect(device.home / "store.db", isolation_level=None)) as other:
        # While somebody else writes, the import waits with all that it has to save.
        other.execute("BEGIN IMMEDIATE")
        process = device.process("import", str(table), "--kind", "locality")
        wait_for_reader(process.pid, device.home / "store.db")
        process.send_signal(number)
        other.execute("ROLLBACK")
    _, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err.strip()) == (130, STOPPED)
    assert len(device.ask("list", "locality")) in (1, 601), "all or nothing"
    device.ask("import", str(table), "--kind", "locality")
    assert len(device.ask("list", "locality")) == 601
    assert len(device.call("log", "--json").lines) == before + 1, "one change of the log, and one undo"
    device.ask("undo", "--last")
    assert len(device.ask("list", "locality")) == 1
    assert device.ask("verify")["problems"] == []


def wait_for_reader(pid: int, path: Path) -> None:
    """Wait until a process has this file open."""
    descriptors = Path(f"/proc/{pid}/fd")

    def is_open() -> bool:
        return str(path.resolve()) in {os.path.realpath(each) for each in descriptors.iterdir()}

    asyncio.run(wait_until(is_open))

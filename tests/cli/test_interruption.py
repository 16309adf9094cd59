"""What a signal leaves of a verb: all that it saved or nothing, and a sentence."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from core.store.store import Store
from core.store.types import SaveTally
from tests.support.cli import Terminal
from tests.support.deadlines import DEADLINE_S
from tests.support.polling import wait_until
from tui.cli.context import CliContext
from tui.cli.interruption import explain_stop, stop_text

TABLE = "code,name\n" + "".join(f"{code},Site {code}\n" for code in range(1000, 1060))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "arguments",
    [
        ("import", "TABLE", "--kind", "locality"),
        ("set", "--kind", "place", "--all", "printer=Brix", "bea_configuration=standard"),
        ("undo", "--last"),
    ],
)
def test_what_a_verb_was_saving_is_whole_and_reported(
    device: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "TABLE").write_text(TABLE)
    device.ask("set", "place:241/Entrance right", "printer=Acme", "card_terminal=12345678")
    before = device.call("log", "--json").lines
    tallies: list[SaveTally] = []
    closes = threading.Event()
    open_workspace, close = CliContext.open_workspace, Store.close

    async def opened(context: CliContext, *, dry_run: bool = False) -> object:
        workspace = await open_workspace(context, dry_run=dry_run)
        tallies.extend(context.tallies)
        return workspace

    async def closed(store: Store) -> None:
        closes.set()
        await close(store)

    monkeypatch.setattr(CliContext, "open_workspace", opened)
    monkeypatch.setattr(Store, "close", closed)
    with closing(sqlite3.connect(device.home / "store.db", isolation_level=None, check_same_thread=False)) as other:
        # While somebody else writes, the verb waits with all that it has to save.
        other.execute("BEGIN IMMEDIATE")

        def stop() -> None:
            asyncio.run(wait_until(lambda: any(tally.begun_count for tally in tallies)))
            os.kill(os.getpid(), number)
            closes.wait(DEADLINE_S)
            other.execute("ROLLBACK")

        stopping = threading.Thread(target=stop)
        stopping.start()
        answer = device.call(*(str(tmp_path / each) if each == "TABLE" else each for each in arguments))
        stopping.join(DEADLINE_S)
    monkeypatch.undo()
    change = device.call("log", "--json").lines[0]["change"]
    message = f"Stopped, but saved already: change {change[:8]}. `fieldline log --limit 1` shows what is there."
    assert (answer.code, answer.err.strip().splitlines()[-1]) == (130, message)
    assert [each["change"] for each in device.call("log", "--json").lines[1:]] == [each["change"] for each in before]
    assert device.ask("verify")["problems"] == []
    device.ask("undo", change)


@pytest.mark.parametrize(
    ("number", "is_in_background"), [(signal.SIGINT, False), (signal.SIGTERM, False), (signal.SIGTERM, True)]
)
def test_a_signal_stops_what_is_done_and_is_explained(
    number: int, is_in_background: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """A shell lets what runs in the background ignore SIGINT."""
    context = CliContext(None, None)
    context.tallies.append(SaveTally(begun_count=1, ended_count=1))

    async def work() -> None:
        signal.raise_signal(number)
        await asyncio.Event().wait()

    before, interrupt = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    if is_in_background:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with pytest.raises(KeyboardInterrupt), explain_stop(context):
            asyncio.run(work())
    finally:
        signal.signal(signal.SIGINT, interrupt)
    assert capsys.readouterr().err == "Stopped: nothing was saved.\n"
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("tally", "says"),
    [
        (SaveTally(), ""),
        (SaveTally(1, 1), "nothing was saved"),
        (SaveTally(1, 0), "shows whether it was"),
        (SaveTally(2, 1, [b"\xab" * 32]), "shows whether it was"),
        (SaveTally(1, 1, [b"\xab" * 32]), "change abababab."),
        (SaveTally(2, 2, [b"\xab" * 32, b"\xcd" * 32]), "change abababab, cdcdcdcd."),
        (SaveTally(received_count=1), "1 change was taken in"),
        (SaveTally(received_count=1200), "1,200 changes were taken in"),
    ],
)
def test_the_sentence_says_what_is_there(tally: SaveTally, says: str) -> None:
    text = stop_text([SaveTally(), tally])
    assert says in text
    assert bool(text) == bool(says)


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
        [sys.executable, "-c", INTERRUPTED_WAIT], capture_output=True, text=True, timeout=DEADLINE_S, check=True
    )
    assert result.stdout == "ended\n"

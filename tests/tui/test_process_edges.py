"""How the real program ends on a pseudo-terminal.

By signals, by ^Z and `fg`, and with a terminal that is gone.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.cli import ROOT
from tests.support.deadlines import DEADLINE_S
from tests.support.pty_app import Program, started
from tui.demo.fleet import DEMO_DEVICE, DEMO_USER
from tui.draft_store import DraftStore
from tui.terminal.end_signals import SIGNAL_EXIT_BASE

LEAVES = b"\x1b[?1049l"
NO_MOUSE = b"\x1b[?1003l"


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / DEMO_DEVICE, tmp_path / DEMO_DEVICE))


def local_flags(program: Program) -> int:
    return int(termios.tcgetattr(program.terminal)[3])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
@pytest.mark.parametrize("options", [("tui",), ("tui", "--kiosk")])
def test_a_signal_leaves_the_terminal_as_it_was(home: Path, options: tuple[str, ...], number: signal.Signals) -> None:
    if "--kiosk" in options and number != signal.SIGTERM:
        pytest.skip("a line and a keyboard do not end a kiosk")
    with started(home, *options) as program:
        before = local_flags(program)
        program.wait_for("Here")
        program.read(0.5)
        assert local_flags(program) != before
        program.signal(number)
        program.wait_for_end()
        assert local_flags(program) == before
        assert program.ended is not None
        assert os.waitstatus_to_exitcode(program.ended) == SIGNAL_EXIT_BASE + number
        assert LEAVES in program.output
        assert NO_MOUSE in program.output


def test_a_signal_before_a_device_is_there_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    with started(tmp_path / "none") as program:
        before = local_flags(program)
        program.wait_for("Create")
        program.signal(signal.SIGTERM)
        program.wait_for_end()
        assert local_flags(program) == before
        assert LEAVES in program.output


def test_what_is_edited_is_kept_when_a_signal_comes(home: Path) -> None:
    with started(home, "tui") as program:
        program.wait_for("TSC")
        for key in (b"\r", b"\r", b"\x15", b"Never applied", b"\r"):
            program.send(key)
            program.read(0.5)
        program.wait_for("1 edit not applied")
        program.signal(signal.SIGTERM)
        program.wait_for_end()
    kept = DraftStore(home, "Maier").adopt()
    assert "Never applied" in str(kept)


@contextmanager
def detached(*arguments: str, ignore_hangup: bool) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The program on a terminal that is not its controlling one, as by `setsid`.

    No SIGHUP comes from it.
    """
    master, slave = os.openpty()
    environ = {**os.environ, "TERM": "xterm-256color", "FIELDLINE_USER": DEMO_USER}
    call = [sys.executable, "-m", "tui.cli", *arguments]
    process = subprocess.Popen(
        ["/bin/sh", "-c", 'trap "" HUP; exec "$@"', "sh", *call] if ignore_hangup else call,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=ROOT,
        env=environ,
        start_new_session=True,
    )
    os.close(slave)
    try:
        yield process, master
    finally:
        process.kill()
        process.wait()


def read_until(master: int, text: bytes) -> None:
    seen = b""
    while text not in seen:
        seen += os.read(master, 1 << 16)


@pytest.mark.parametrize("options", [("tui",), ("tui", "--kiosk"), ("tui", "--no-mouse", "--readonly")])
@pytest.mark.parametrize("ignore_hangup", [False, True])
def test_a_terminal_that_is_gone_ends_the_program(home: Path, options: tuple[str, ...], ignore_hangup: bool) -> None:
    with detached("--home", str(home), *options, ignore_hangup=ignore_hangup) as (process, master):
        read_until(master, b"Here")
        os.close(master)
        process.wait(timeout=DEADLINE_S)
        assert process.returncode == SIGNAL_EXIT_BASE + signal.SIGHUP


def test_a_terminal_that_goes_while_the_demo_starts_ends_it(tmp_path: Path) -> None:
    with detached("--home", str(tmp_path / "none"), "demo", ignore_hangup=True) as (process, master):
        os.close(master)
        process.wait(timeout=DEADLINE_S)
        assert process.returncode


def test_it_is_suspended_and_resumed(home: Path) -> None:
    """By a shell with job control, as a person has it."""
    call = f"{sys.executable} -m tui.cli --home {home} tui"
    environ = {**os.environ, "TERM": "xterm-256color", "FIELDLINE_USER": DEMO_USER, "PYTHONPATH": str(ROOT)}
    program = Program(["/bin/sh", "-c", f"set -m; {call}; echo stopped; read line; fg; echo ended $?"], environ)
    try:
        before = local_flags(program)
        program.wait_for("TSC")
        program.read(0.5)
        program.send(b"\x1a")
        program.wait_for("stopped")
        assert LEAVES in program.output
        assert local_flags(program) == before
        program.output = b""
        program.send(b"\r")
        program.wait_for("TSC")
        program.read(0.5)
        program.send(b"\x11")
        program.wait_for("ended 0")
        assert local_flags(program) == before
    finally:
        program.close()


def test_without_a_shell_it_says_that_there_is_none(home: Path) -> None:
    with started(home, "tui") as program:
        program.wait_for("TSC")
        program.read(0.5)
        program.send(b"\x1a")
        program.wait_for("no shell")
        assert program.alive()


def test_a_kiosk_is_not_suspended(home: Path) -> None:
    with started(home, "tui", "--kiosk") as program:
        program.wait_for("Here")
        deadline = time.monotonic() + DEADLINE_S
        while not program.saw("stays on", 0.5):
            assert time.monotonic() < deadline
            program.send(b"\x1a")
        assert program.alive()

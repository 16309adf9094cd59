"""The real program on a pseudo-terminal.

What it writes, and what becomes of it when keys and signals come.
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.deadlines import DEADLINE_S


class Program:
    """A process with a terminal of its own, whose session it leads."""

    def __init__(self, arguments: Sequence[str], environ: Mapping[str, str], width: int = 80, height: int = 24) -> None:
        self.output = b""
        self.ended: int | None = None
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
            os.execve(arguments[0], list(arguments), dict(environ))

    def read(self, seconds: float) -> bytes:
        """What it writes until it has been quiet for so long."""
        came = b""
        while select.select([self.terminal], [], [], seconds)[0]:
            try:
                data = os.read(self.terminal, 1 << 16)
            except OSError:
                break
            if not data:
                break
            came += data
        self.output += came
        return came

    def wait_for(self, text: str) -> None:
        """Read until it has written this text since the last `forget`."""
        deadline = time.monotonic() + DEADLINE_S
        while text.encode() not in self.output:
            assert time.monotonic() < deadline, f"{text!r} did not come: {self.output[-2000:]!r}"
            assert self.alive() or text.encode() in self.output + self.read(0.1), f"ended: {self.output[-2000:]!r}"
            self.read(0.05)

    def saw(self, text: str, seconds: float = 3.0) -> bool:
        """Whether it writes this text within so many seconds."""
        deadline = time.monotonic() + seconds
        while text.encode() not in self.output and time.monotonic() < deadline:
            self.read(0.05)
        return text.encode() in self.output

    def wait_for_end(self) -> None:
        """Read until it has ended."""
        deadline = time.monotonic() + DEADLINE_S
        while self.alive():
            assert time.monotonic() < deadline, "does not end"
            self.read(0.05)

    def forget(self) -> None:
        """Let what it wrote up to now be as if it had never been."""
        self.read(0.3)
        self.output = b""

    def send(self, data: bytes) -> None:
        """Type this, reading the answers meanwhile so that neither side waits."""
        os.set_blocking(self.terminal, False)
        try:
            while data:
                readable, writable, _ = select.select([self.terminal], [self.terminal], [], DEADLINE_S)
                assert readable or writable, "takes no input any more"
                if readable:
                    self.output += os.read(self.terminal, 1 << 16)
                if writable:
                    with suppress(BlockingIOError):
                        data = data[os.write(self.terminal, data[:4096]) :]
        finally:
            os.set_blocking(self.terminal, True)

    def resize(self, width: int, height: int) -> None:
        """Give the terminal another size; the program gets SIGWINCH."""
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def alive(self) -> bool:
        """Whether it still runs (stopped counts as not)."""
        if self.ended is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG | os.WUNTRACED)
            if pid:
                self.ended = status
        return self.ended is None

    def close(self) -> None:
        """End it, whatever it does."""
        if self.alive() or (self.ended is not None and os.WIFSTOPPED(self.ended)):
            for number in (signal.SIGCONT, signal.SIGKILL):
                with suppress(ProcessLookupError):
                    os.kill(self.pid, number)
            with suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
        os.close(self.terminal)


@contextmanager
def started(home: Path, *options: str, environ: Mapping[str, str] | None = None) -> Iterator[Program]:
    """`fieldline` with these options on a home, in a terminal of 80 by 24."""
    given = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": str(home.parent),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "FIELDLINE_USER": "Maier",
        "TZ": "UTC",
        **(environ or {}),
    }
    program = Program([sys.executable, "-m", "tui.cli", "--home", str(home), *options], given)
    try:
        yield program
    finally:
        program.close()

"""A print server of a test's own.

A real cupsd on loopback with raw queues into sinks that keep what was printed.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.support.deadlines import DEADLINE_S, until

CUPSD = "/usr/sbin/cupsd"


def require_cups() -> None:
    """Skip where a real cupsd cannot be run, and say why."""
    if not Path(CUPSD).exists() or not shutil.which("lpadmin"):
        pytest.skip("cupsd is not installed: apt install cups cups-client")
    if os.geteuid() != 0:
        pytest.skip("a private cupsd needs root")


class Sink:
    """A printer: takes what is sent to its port."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.printed: list[bytes] = []
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def _take(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                data = b""
                while piece := connection.recv(65536):
                    data += piece
            # CUPS also connects only to see whether the printer is there.
            if data:
                self.printed.append(data)

    def close(self) -> None:
        """Take nothing more."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(DEADLINE_S)


class Cups:
    """A running server. `address` is what `CUPS_SERVER` has to say."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.address = str(folder / "run" / "cups.sock")
        self.sinks: dict[str, Sink] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._write_settings()

    def _write_settings(self) -> None:
        lp = pwd.getpwnam("lp")
        for name in ("etc", "run", "spool", "tmp", "cache", "log"):
            (self._folder / name).mkdir(parents=True)
        for name in ("spool", "tmp", "cache"):
            os.chown(self._folder / name, lp.pw_uid, lp.pw_gid)
        f = self._folder
        (f / "etc" / "cups-files.conf").write_text(
            f"ServerRoot {f}/etc\nRequestRoot {f}/spool\nTempDir {f}/tmp\nCacheDir {f}/cache\nStateDir {f}/run\n"
            f"AccessLog {f}/log/access\nErrorLog {f}/log/error\nPageLog {f}/log/page\nServerBin /usr/lib/cups\n"
            "DataDir /usr/share/cups\nUser lp\nGroup lp\nSystemGroup root\nFileDevice Yes\n"
        )
        (f / "etc" / "cupsd.conf").write_text(
            f"Listen {self.address}\nBrowsing Off\nWebInterface No\nDefaultAuthType None\nLogLevel warn\n"
            "<Location />\nAllow localhost\n</Location>\n"
            "<Policy default>\n<Limit All>\nAllow localhost\n</Limit>\n</Policy>\n"
        )

    def start(self) -> None:
        """Run the server, and wait until it answers."""
        etc = self._folder / "etc"
        self._process = subprocess.Popen(
            [CUPSD, "-f", "-c", str(etc / "cupsd.conf"), "-s", str(etc / "cups-files.conf")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(lambda: "scheduler is running" in self.run("lpstat", "-r"))

    def stop(self) -> None:
        """End the server."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(DEADLINE_S)
            self._process = None

    def add_queue(self, name: str) -> Sink:
        """A raw queue into a sink of its own."""
        sink = self.sinks[name] = Sink()
        self.run("lpadmin", "-p", name, "-E", "-v", f"socket://127.0.0.1:{sink.port}", "-m", "raw")
        return sink

    def run(self, tool: str, *arguments: str, env: dict[str, str] | None = None) -> str:
        """Call one of CUPS's tools on this server."""
        return subprocess.run(
            [tool, "-h", self.address, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE_S,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C", **(env or {})},
        ).stdout.strip()

    def default(self) -> str:
        """What the server's default queue is; empty if there is none."""
        return self.run("lpstat", "-d", env={"HOME": "/nonexistent"}).rpartition(": ")[2]

    def print_file(self, path: Path) -> None:
        """Print on the default queue."""
        assert self.run("lp", str(path)), "lp took no job"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
        for sink in self.sinks.values():
            sink.close()


def _open_folder(folder: Path) -> Path:
    folder.chmod(0o755)
    return folder


@contextmanager
def running_cups() -> Iterator[Cups]:
    """A server with two queues, deskA and deskB, and no default."""
    require_cups()
    # The server's helpers run as lp, and have to get there: not into a folder of pytest's.
    with tempfile.TemporaryDirectory(prefix="fieldline-cups-") as folder, Cups(_open_folder(Path(folder))) as cups:
        cups.add_queue("deskA")
        cups.add_queue("deskB")
        yield cups

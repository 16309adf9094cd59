"""From a laptop: ssh in a tmux, a real sshd on the loopback, and nothing but keys."""

from __future__ import annotations

import asyncio
import getpass
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.workspace import Workspace
from tests.support.deadlines import DEADLINE_S
from tests.support.ssh_laptop import Laptop
from tests.tui.screens.test_here import chosen

ROOT = Path(__file__).parents[2]
SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
_MISSING = [name for name in ("tmux", "ssh", "ssh-keygen") if shutil.which(name) is None] + ([] if SSHD else ["sshd"])
pytestmark = pytest.mark.skipif(bool(_MISSING), reason=f"not installed: {', '.join(_MISSING)}")


class Server:
    """An sshd that lets the one who runs the tests in, to one command."""

    def __init__(self, folder: Path, command: str) -> None:
        self._folder = folder
        for name in ("host", "user"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)],
                check=True,
                timeout=DEADLINE_S,
            )
        shutil.copy(folder / "user.pub", folder / "authorized")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        (folder / "config").write_text(
            f"""
ListenAddress 127.0.0.1
Port {self.port}
HostKey {folder / "host"}
PidFile {folder / "pid"}
AuthorizedKeysFile {folder / "authorized"}
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
DisableForwarding yes
PermitUserRC no
PrintMotd no
PrintLastLog no
ForceCommand {command}
"""
        )
        assert SSHD is not None
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        log = (folder / "log").open("wb")
        self._process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(folder / "config")], stderr=log)
        log.close()

    def client(self, *command: str) -> list[str]:
        """How to call it."""
        options = {
            "IdentitiesOnly": "yes",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": os.devnull,
            "LogLevel": "ERROR",
            "BatchMode": "yes",
        }
        settings = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        target = f"{getpass.getuser()}@127.0.0.1"
        key = str(self._folder / "user")
        return ["ssh", "-F", os.devnull, "-p", str(self.port), "-i", key, *settings, target, *command]

    def wait(self) -> None:
        """Wait until it lets us in; skip the test where this account may not log in."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            tried = subprocess.run([*self.client(), "true"], capture_output=True, check=False, timeout=DEADLINE_S)
            if b"refused" not in tried.stderr or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        if tried.returncode == 255:
            self.close()
            log = (self._folder / "log").read_text(errors="replace").strip().splitlines()
            pytest.skip(f"this account cannot log in over ssh: {log[-1] if log else tried.stderr.decode()}")

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(DEADLINE_S)


@contextmanager
def logged_in(folder: Path, home: Path, *options: str) -> Iterator[tuple[Server, Laptop]]:
    """A laptop that shows this home over ssh."""
    folder.mkdir()
    command = f"env FIELDLINE_USER=Maier TZ=UTC PYTHONPATH={ROOT} {sys.executable} -m tui.cli --home {home} tui "
    server = Server(folder, command + " ".join(("--no-discovery", *options)))
    try:
        server.wait()
        laptop = Laptop(folder, [*server.client()[:1], "-tt", *server.client()[1:]])
        try:
            yield server, laptop
        finally:
            laptop.close()
    finally:
        server.close()


def test_a_technician_edits_settles_and_looks_back_by_keys_alone(home: Path, tmp_path: Path) -> None:
    place = asyncio.run(chosen(home))
    with logged_in(tmp_path / "ssh", home, "--no-mouse") as (_server, laptop):
        laptop.wait_for("Card terminal")
        laptop.press("g", "Down", "Down", "Down")
        laptop.wait_for("▌   Card terminal")
        laptop.press("e")
        laptop.wait_for("keep")
        laptop.press("C-u")
        laptop.type("11223344")
        laptop.press("Enter")
        laptop.wait_for("not applied")
        laptop.press("C-s")
        laptop.wait_for("Note, if you like")
        laptop.type("laptop")
        laptop.press("Enter")
        laptop.wait_for("Saved: 1 property")

        laptop.press("3")
        count = asyncio.run(_inbox_size(home))
        laptop.wait_for(f"{count} items")
        laptop.press("/")
        laptop.wait_for("Show only")
        laptop.type("right printer")
        laptop.press("Enter")
        before = laptop.wait_for("1 item ")
        assert re.search(r"≠ Printer +TSC Kiel › Entrance right +2 values", before)
        laptop.press("Right", "t")
        laptop.wait_for(f"{count - 1} to resolve")

        laptop.press("4")
        laptop.wait_for("Changes of everything")
        laptop.press("Down")
        laptop.wait_for("“laptop”")
        laptop.press("Up")
        laptop.wait_for(" 1 of ")
        laptop.tmux("set-option", "-s", "set-clipboard", "on")
        laptop.press("y")
        laptop.wait_for("Sent to the terminal")
        copied = laptop.tmux("show-buffer")
        laptop.press("G", "Enter")
        laptop.wait_for("AS OF")
        laptop.press("e")
        laptop.press("Escape")
        laptop.wait_for("History")
        laptop.press("C-q")
        laptop.wait_for_end()
    asyncio.run(_edited(home, place, copied))


async def _inbox_size(home: Path) -> int:
    async with await Workspace.open(home, user="Maier") as workspace:
        return len(await workspace.inbox())


async def _edited(home: Path, place: bytes, change: str) -> None:
    async with await Workspace.open(home, user="Maier") as workspace:
        record = await workspace.record(place)
        assert record.value("card_terminal") == "11223344"
        assert record.slot("printer").state == "good"
        assert (await workspace.store.now().log(limit=1))[0].change.hex() == change


def test_a_line_that_breaks_leaves_no_process_behind(home: Path, tmp_path: Path) -> None:
    with logged_in(tmp_path / "ssh", home, "--kiosk") as (_server, laptop):
        laptop.wait_for("Here")
        assert _running(home)
        laptop.tmux("kill-session")
        deadline = time.monotonic() + DEADLINE_S
        while _running(home):
            assert time.monotonic() < deadline, "still runs"
            time.sleep(0.05)


def test_whoever_logs_in_to_a_kiosk_gets_the_kiosk_and_nothing_else(home: Path, tmp_path: Path) -> None:
    with logged_in(tmp_path / "ssh", home, "--kiosk") as (server, laptop):
        laptop.wait_for("Here")
        laptop.press("C-c", "C-z", "C-\\", "C-q", ":")
        laptop.type("q!")
        laptop.press("6")
        laptop.wait_for("technician")
        asked = subprocess.run(
            [*server.client(), "sh -c 'echo i am out'"], capture_output=True, check=False, timeout=DEADLINE_S
        )
        assert b"i am out" not in asked.stdout
        assert b"needs a terminal" in asked.stderr
        copied = subprocess.run(
            ["sftp", *server.client()[1:-1], "-b", os.devnull, server.client()[-1]],
            capture_output=True, check=False, timeout=DEADLINE_S,
        )  # fmt: skip
        assert copied.returncode != 0


def _running(home: Path) -> bool:
    """Whether a process works at this home."""
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
        except OSError:
            continue
        if str(home).encode() in words and b"tui.cli" in words:
            return True
    return False

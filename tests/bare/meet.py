"""Two devices that meet as installed, and the demonstration on a terminal.

    python -m tests.bare.meet tcp|cable|demo

Exits with 0 if it went as it should. `demo` runs with any Python, without the packages of the others.
"""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROGRAM = Path(sys.executable).with_name("fieldline")
PLACE = "place:241/Entrance right"
DEADLINE_S = 120

SHOWN = b"TSC Kiel"
"""What the screen shows once it has read the made-up fleet."""

QUIT = b"\x11"


class Device:
    """A device with a home of its own."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self._command = [str(PROGRAM), "--home", str(folder / name), "--user", name, "--lang", "en"]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Call the program and leave it running."""
        command = [*self._command, *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def ask(self, *arguments: str) -> Any:
        """Call the program and give the JSON that it prints."""
        return answer(self.start(*arguments, "--json"))


def answer(process: subprocess.Popen[str]) -> Any:
    """Give the JSON of a call that ends well; ends this program otherwise."""
    out, err = process.communicate(timeout=DEADLINE_S)
    if process.returncode:
        sys.exit(f"{' '.join(process.args[7:])}: exit code {process.returncode}: {err or out}")  # type: ignore[index]
    return json.loads(out)


def over_tcp(one: Device, two: Device) -> None:
    """Let one device serve and the other one call it."""
    server = one.start("serve", "--port", "0", "--bind", "127.0.0.1", "--no-discovery")
    try:
        assert server.stderr is not None
        line = server.stderr.readline().strip()
        prefix = "listening on "
        if not line.startswith(prefix):
            sys.exit(line)
        print(two.ask("sync", "tcp://" + line.removeprefix(prefix)))
        server.send_signal(signal.SIGTERM)
        out, err = server.communicate(timeout=DEADLINE_S)
        print(out)
        if server.returncode or err or '"met"' not in out:
            sys.exit(f"serve: exit code {server.returncode}: {err or out}")
    finally:
        server.kill()
        server.communicate()


def over_cable(one: Device, two: Device) -> None:
    """Let both devices sync at the ends of a cable made of pseudo-terminals."""
    from tests.cable import Cable

    with Cable(baud=115_200) as cable:
        calls = [
            device.start("sync", f"serial://{end}?baud=115200", "--json")
            for device, end in zip((one, two), cable.ends, strict=True)
        ]
        try:
            for call in calls:
                print(answer(call))
        finally:
            for call in calls:
                call.kill()
                call.communicate()


def meet(way: Callable[[Device, Device], None]) -> None:
    """Make a fleet of two devices that each know something of their own.

    Both know both afterwards.
    """
    with tempfile.TemporaryDirectory(prefix="fieldline-meet-") as folder:
        one, two = (Device(Path(folder), name) for name in ("K1", "K2"))
        fleet = one.ask("init", "--fleet", "Nord", "--schema", "service-centre", "--device", one.name)["fleet"]
        joined = two.ask("join", fleet, "--device", two.name)["device"]
        one.ask("admit", joined, "--role", "technician", "--name", two.name)
        one.ask("new", "locality", "code=241", "name=TSC Kiel", "subnet=10.24.1.0/24")
        one.ask("new", "place", "name=Entrance right", "locality=locality:241", "printer=Acme LookNice 5021")
        way(one, two)
        two.ask("set", PLACE, "card_terminal=11111111")
        way(one, two)
        roots = {device.ask("status")["root"] for device in (one, two)}
        slots = one.ask("show", PLACE)["slots"]
        if len(roots) != 1 or slots["card_terminal"]["value"] != "11111111":
            sys.exit(f"not the same afterwards: {roots}, {slots}")


def demonstrate() -> None:
    """Type `make demo` at a terminal of 80 by 24, wait for the screens, and leave."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(LINES="24", COLUMNS="80")
        os.execvp("make", ["make", "demo"])
    shown = b""
    left = False
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        ready, _, _ = select.select([terminal], [], [], 1)
        if ready:
            try:
                shown += os.read(terminal, 65536)
            except OSError:  # the terminal's last user is gone
                break
        elif SHOWN in shown and not left:  # it came to rest
            os.write(terminal, QUIT)
            left = True
    os.close(terminal)  # whoever is still there is hung up on
    _, status = os.waitpid(child, 0)
    if not left or status:
        sys.exit(f"make demo at a terminal: shown {len(shown)} bytes, left: {left}, status {status}: {shown[-2000:]!r}")
    print(f"make demo at a terminal: {len(shown)} bytes, left with Ctrl+Q")


if __name__ == "__main__":
    {"tcp": lambda: meet(over_tcp), "cable": lambda: meet(over_cable), "demo": demonstrate}[sys.argv[1]]()

"""What callers cost a device that serves who connect and never say who they are.

Some say nothing at all, some a byte of the greeting now and then.
"""

from __future__ import annotations

import json
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.sync.links.greeting import LINK_MAGIC

CALLERS = 500
SECONDS = 10.0
BYTE_INTERVAL_S = 0.5


def _command(home: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "tui.cli", "--home", str(home), "--user", "Maier", *arguments]


def _ask(home: Path, *arguments: str) -> Any:
    answer = subprocess.run(_command(home, *arguments, "--json"), check=True, capture_output=True, text=True)
    return json.loads(answer.stdout)


def _use(process: int) -> tuple[float, int]:
    """Memory in MB and open descriptors."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * 4096 / 1e6, len(list(Path(f"/proc/{process}/fd").iterdir()))


def _call(port: int) -> socket.socket:
    caller = socket.create_connection(("127.0.0.1", port))
    caller.setblocking(False)
    return caller


def _pester(port: int, process: int) -> tuple[float, int, int]:
    """Keep the callers there for a while, each that is hung up on calls again.

    Gives the most memory and descriptors, and how many calls that were.
    """
    callers = [_call(port) for _ in range(CALLERS)]
    calls, memory, descriptors = CALLERS, 0.0, 0
    said = 0
    end = time.monotonic() + SECONDS
    with selectors.DefaultSelector() as selector:
        for each in callers:
            selector.register(each, selectors.EVENT_READ)
        while time.monotonic() < end:
            for key, _ in selector.select(BYTE_INTERVAL_S):
                selector.unregister(key.fileobj)
                key.fileobj.close()  # type: ignore[union-attr]
            for each in [key.fileobj for key in list(selector.get_map().values())][::2]:
                try:
                    each.send(LINK_MAGIC[said % 4 : said % 4 + 1])  # type: ignore[union-attr]
                except OSError:
                    continue
            said += 1
            for _ in range(CALLERS - len(selector.get_map())):
                selector.register(_call(port), selectors.EVENT_READ)
                calls += 1
            now = _use(process)
            memory, descriptors = max(memory, now[0]), max(descriptors, now[1])
        for key in list(selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
    return memory, descriptors, calls


def report(folder: Path, say: Callable[[str], None]) -> None:
    """Measure, and say what it comes to."""
    one, two = folder / "K1", folder / "K2"
    fleet = _ask(one, "init", "--fleet", "Nord", "--device", "K1")["fleet"]
    device = _ask(two, "join", fleet, "--device", "K2")["device"]
    _ask(one, "admit", device, "--role", "technician", "--name", "K2")
    serve = _command(one, "serve", "--port", "0", "--bind", "127.0.0.1", "--no-discovery")
    with subprocess.Popen(serve, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as serving:
        assert serving.stderr is not None
        port = int(serving.stderr.readline().rsplit(":", 1)[1])
        target = f"tcp://127.0.0.1:{port}"
        _ask(two, "sync", target)
        alone = _use(serving.pid)
        begun = time.perf_counter()
        _ask(two, "sync", target)
        quiet = time.perf_counter() - begun
        pestered = subprocess.Popen(
            [sys.executable, "-c", _SYNCS, *_command(two, "sync", target, "--json")], stdout=subprocess.PIPE, text=True
        )
        memory, descriptors, calls = _pester(port, serving.pid)
        times = [float(each) for each in pestered.communicate()[0].split()]
        serving.terminate()
    say(f"{CALLERS} callers that never say who they are, for {SECONDS:.0f} s, {calls} calls")
    say(f"memory and descriptors          {memory:8.1f} MB, {descriptors}; alone {alone[0]:.1f} MB, {alone[1]}")
    done = [each for each in times if each > 0]
    say(
        f"members that sync meanwhile     {len(done)} of {len(times)} times,"
        f" {max(done, default=0):.1f} s at most; alone {quiet:.1f} s"
    )


_SYNCS = """
import subprocess, sys, time
for _ in range(3):
    begun = time.perf_counter()
    done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode == 0
    print(time.perf_counter() - begun if done else -1, flush=True)
"""

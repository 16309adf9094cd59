"""Two network namespaces, and a wire that loses packets, is slow, and can be cut.

The namespaces have the kernel's real network; the wire is a process-wide thread that carries Ethernet frames from one
virtual interface (TAP) to the other. So it needs root and /dev/net/tun, but no netem in the kernel.
"""

from __future__ import annotations

import fcntl
import os
import random
import selectors
import shutil
import struct
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

TUN = Path("/dev/net/tun")
TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
LARGEST_FRAME = 2048
QUEUE = 64
"""Frames that wait at most; what comes then is lost, as in a switch."""


def problem() -> str | None:
    """Why there can be no such network here; None if there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not TUN.exists():
        return f"virtual network interfaces need {TUN}"
    if shutil.which("ip") is None:
        return "network namespaces need the program ip"
    name = f"fieldline-{os.getpid()}-try"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        return "network namespaces are not allowed here"
    subprocess.run(["ip", "netns", "del", name], check=False)
    return None


@dataclass
class Wire:
    """Carries frames between two descriptors.

    A share of them is lost, each way at so many bits a second.
    """

    ends: tuple[int, int]
    loss: float
    bits: float
    latency: float
    chance: random.Random
    is_cut: bool = False
    carried: int = 0
    lost: int = 0
    _waiting: tuple[deque[tuple[float, bytes]], ...] = field(default_factory=lambda: (deque(), deque()))
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Carry until stopped."""
        free = [0.0, 0.0]
        with selectors.DefaultSelector() as selector:
            for place, end in enumerate(self.ends):
                os.set_blocking(end, False)
                selector.register(end, selectors.EVENT_READ, place)
            while not self._stop.is_set():
                for key, _ in selector.select(self._pause()):
                    self._take(key.data, free)
                self._give()

    def stop(self) -> None:
        """Carry no more."""
        self._stop.set()

    def _pause(self) -> float:
        first = min((queue[0][0] for queue in self._waiting if queue), default=None)
        return 0.05 if first is None else min(0.05, max(0.0, first - time.monotonic()))

    def _take(self, place: int, free: list[float]) -> None:
        try:
            frame = os.read(self.ends[place], LARGEST_FRAME)
        except OSError:
            return
        if self.is_cut or self.chance.random() < self.loss or len(self._waiting[place]) >= QUEUE:
            self.lost += 1
            return
        free[place] = max(free[place], time.monotonic()) + len(frame) * 8 / self.bits
        self._waiting[place].append((free[place] + self.latency, frame))

    def _give(self) -> None:
        for place, queue in enumerate(self._waiting):
            while queue and queue[0][0] <= time.monotonic():
                _, frame = queue.popleft()
                if self.is_cut:
                    self.lost += 1
                    continue
                try:
                    os.write(self.ends[1 - place], frame)
                    self.carried += 1
                except OSError:
                    self.lost += 1


@dataclass(frozen=True)
class Network:
    """The two namespaces by name, the interface and the address in each, and the wire."""

    names: tuple[str, str]
    interfaces: tuple[str, str]
    addresses: tuple[str, str]
    wire: Wire

    def within(self, place: int) -> list[str]:
        """What to put before a command that is to run in a namespace."""
        return ["ip", "netns", "exec", self.names[place]]


@contextmanager
def network(*, loss: float, bits: float, latency: float = 0.01, seed: int = 0) -> Iterator[Network]:
    """Two namespaces with such a wire between them, for as long as this is entered."""
    names = (f"fieldline-{os.getpid()}-a", f"fieldline-{os.getpid()}-b")
    interfaces = (f"fl{os.getpid() % 100000}a", f"fl{os.getpid() % 100000}b")
    addresses = ("192.168.77.1", "192.168.77.2")
    with ExitStack() as stack:
        ends = []
        for place, name in enumerate(names):
            _ip("netns", "add", name)
            stack.callback(_ip, "netns", "del", name)
            interface = interfaces[place]
            end = _tap(interface)
            stack.callback(os.close, end)
            ends.append(end)
            _ip("link", "set", interface, "netns", name)
            _ip("-n", name, "link", "set", "lo", "up")
            _ip("-n", name, "addr", "add", f"{addresses[place]}/24", "dev", interface)
            _ip("-n", name, "link", "set", interface, "up")
        wire = Wire((ends[0], ends[1]), loss, bits, latency, random.Random(seed))
        carrying = threading.Thread(target=wire.run)
        carrying.start()
        stack.callback(carrying.join)
        stack.callback(wire.stop)
        yield Network(names, interfaces, addresses, wire)


def _tap(name: str) -> int:
    end = os.open(TUN, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    except BaseException:
        os.close(end)
        raise
    return end


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)

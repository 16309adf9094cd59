"""The simulated cable at work.

Pseudo-terminals, and the thread that moves bytes between them.
"""

from __future__ import annotations

import os
import queue
import select
import shutil
import tempfile
import termios
import threading
import time
import tty
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import Self

from tests.cable.wire import Line, Wire

TICK = 0.002
"""Seconds between two looks at a busy line."""

SETTLING = 0.0002
"""Seconds after which nothing more is going to be there of what was written before."""

RATES = {getattr(termios, name): int(name[1:]) for name in dir(termios) if name[0] == "B" and name[1:].isdigit()}
SAME_RATE = 0.03

_OTHER = {0: 1, 1: 0}


class Cable:
    """A cable with two ends, each a device that programs can open.

    `ends`, paths that stay the same when it comes back.

    `unplug` takes devices away, as when a USB adapter is pulled: who has one open is hung up on. `cut` leaves the
    devices, and nothing gets through, as when a cable is pulled off a built-in port. Bytes for a device that nobody
    reads are lost once its buffer is full, as there is no flow control. Each direction has a random sequence of its
    own, made from `seed`.
    """

    def __init__(
        self, line: Line | None = None, *, seed: int = 0, clock: Callable[[], float] = time.monotonic, **settings: float
    ) -> None:
        self.line = line if line is not None else Line(**settings)  # type: ignore[arg-type]
        self._clock = clock
        self._folder = Path(tempfile.mkdtemp(prefix="fieldline-cable-"))
        self.ends = (str(self._folder / "ttyA"), str(self._folder / "ttyB"))
        # wires[0] leads from end 0 to end 1.
        self.wires = tuple(Wire(self.line, Random(f"{seed}:{end}")) for end in (0, 1))
        self._ports: dict[int, tuple[int, int]] = {}
        self._orders: queue.SimpleQueue[tuple[Callable[[], object], Future[object]]] = queue.SimpleQueue()
        self._wakeup, self._bell = os.pipe()
        os.set_blocking(self._wakeup, False)
        self._busy = [False, False]
        self._running = True
        self._thread = threading.Thread(target=self._run, name="cable", daemon=True)

    def __enter__(self) -> Self:
        for end in (0, 1):
            self._plug(end)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._order(self._stop)
        self._thread.join()
        for end in (0, 1):
            self._unplug(end)
        os.close(self._wakeup)
        os.close(self._bell)
        shutil.rmtree(self._folder)

    def unplug(self, *ends: int) -> None:
        """Take the devices at these ends away (none named: both)."""
        for end in ends or (0, 1):
            self._order(partial(self._unplug, end))

    def plug(self, *ends: int) -> None:
        """Have them back."""
        for end in ends or (0, 1):
            self._order(partial(self._plug, end))

    def cut(self, cut: bool = True) -> None:
        """Let nothing through any more, or again."""

        def order() -> None:
            for wire in self.wires:
                wire.cut = cut
                wire.clear()

        self._order(order)

    def plugged(self) -> bool:
        """Whether both devices are there."""
        return len(self._ports) == 2

    def sending(self) -> bool:
        """Whether something is on its way from a port onto the wire."""
        return any(self._busy)

    def _order(self, order: Callable[[], object]) -> None:
        done: Future[object] = Future()
        self._orders.put((order, done))
        os.write(self._bell, b"!")
        done.result()

    def _stop(self) -> None:
        self._running = False

    def _plug(self, end: int) -> None:
        if end in self._ports:
            return
        master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        # The slave stays open here: a device whose users come and go is no device that went away.
        self._ports[end] = (master, slave)
        name = Path(self.ends[end])
        new = name.with_suffix(".new")
        new.symlink_to(os.ttyname(slave))
        new.replace(name)

    def _unplug(self, end: int) -> None:
        if end not in self._ports:
            return
        Path(self.ends[end]).unlink()
        for descriptor in self._ports.pop(end):
            os.close(descriptor)
        self._busy[end] = False
        for wire in self.wires:
            wire.clear()

    def _run(self) -> None:
        while self._running:
            waiting = [master for end, (master, _) in self._ports.items() if not self._busy[end]]
            readable, _, _ = select.select([self._wakeup, *waiting], [], [], self._deadline_s())
            if self._wakeup in readable:
                self._obey()
                continue
            now = self._clock()
            for end in list(self._ports):
                self._take(end, now, self._ports[end][0] in readable)
            for end, wire in enumerate(self.wires):
                self._give(_OTHER[end], wire, now)

    def _deadline_s(self) -> float | None:
        if self.sending():
            return TICK
        due = min(wire.next() for wire in self.wires)
        return max(0.0, due - self._clock()) if due < float("inf") else None

    def _obey(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._wakeup, 64)
        while not self._orders.empty():
            order, done = self._orders.get()
            try:
                done.set_result(order())
            except BaseException as error:  # noqa: BLE001 - whoever ordered it is told
                done.set_exception(error)

    def _take(self, end: int, now: float, readable: bool) -> None:
        """Put onto the wire what a port has to send, as far as there was time for it."""
        wire = self.wires[end]
        self._tune(end)
        if not self._busy[end]:
            if readable:
                wire.idle(now)
                self._busy[end] = True
            return
        room = wire.room(now)
        if not room:
            return
        while room and (data := self._read(end, room)):
            wire.carry(data)
            room -= len(data)
        if room:
            # Short of more, the line is free: from now on the wait is for the port.
            self._busy[end] = False

    def _tune(self, end: int) -> None:
        """Set the pace by the port's rate, and garble for a port set to another."""
        if not self.line.uart:
            return
        wire = self.wires[end]
        rates = [self._rate(each) for each in (end, _OTHER[end]) if each in self._ports]
        wire.baud = rates[0]
        wire.garbled = abs(rates[-1] / rates[0] - 1) > SAME_RATE

    def _rate(self, end: int) -> int:
        return RATES.get(termios.tcgetattr(self._ports[end][0])[5], 0) or self.line.baud

    def _read(self, end: int, most: int) -> bytes:
        master = self._ports[end][0]
        # The kernel moves what was written to where it can be read a little later, and not all at once.
        if not select.select([master], [], [], SETTLING)[0]:
            return b""
        return os.read(master, most)

    def _give(self, end: int, wire: Wire, now: float) -> None:
        data = wire.arrivals(now)
        if not data:
            return
        if end not in self._ports:
            wire.lost += len(data)
            return
        try:
            written = os.write(self._ports[end][0], data)
        except BlockingIOError:
            written = 0
        wire.lost += len(data) - written

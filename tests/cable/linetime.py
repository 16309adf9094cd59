"""The simulated line in a time of its own.

Two ends of the machine that repeats frames, and no processes, ports or clocks, so that what is found says something
about the line and the machine alone, however busy the computer is.
"""

from __future__ import annotations

from random import Random

from core.sync.links.serial.arq import BITS_PER_BYTE, Arq
from core.sync.links.serial.arq_states import ArqState
from core.sync.links.serial.framing import FRAME_END
from core.sync.links.serial.serial_transport import MAX_UNSENT_BYTES
from tests.cable.wire import Line, Wire

PORT_BUFFER = 1 << 14
"""Bytes that the kernel takes before it stops the transport."""

RECORD, RECORD_OVERHEAD = 4096, 22
"""What TLS makes of what is written: pieces, and what each costs."""

AHEAD_SECONDS, IDLE_SECONDS, SETTLING_SECONDS = 0.01, 0.02, 0.03
MAX_SECONDS = 600.0
BUSY = 500


class LineTime:
    """Two ends whose ports are set to the first of their rates, and a line.

    Each direction has a random sequence of its own, made from `seed`. `changes` counts how often a port was set to
    another rate. With `gadget` the first end is one.
    """

    def __init__(
        self, line: Line, takes: tuple[int, ...] | None = None, *, seed: int = 0, gadget: bool = False
    ) -> None:
        self.line = line
        self._chance = Random(seed)
        self.now = 0.0
        takes = takes or (line.baud,)
        gadgets = (gadget, False)
        self.ends = [Arq(self._chance.randbytes(8), takes, dials=True, is_gadget=one) for one in gadgets]
        # wires[0] leads from end 0 to end 1.
        self.wires = [Wire(line, Random(f"{seed}:{side}")) for side in (0, 1)]
        self.changes = 0
        self.left = [0, 0]
        self.got = [0, 0]
        self._free = [0.0, 0.0]
        for end in self.ends:
            end.receive_data(FRAME_END, self.now)
        self._tune()
        while not all(end.state == ArqState.OPEN for end in self.ends):
            self.step()

    def carry(self, *sizes: int, reported: bool = False) -> list[float]:
        """Send so many bytes from the first end to the second, and so many back.

        Gives the efficiency of each way: the part of what the line carries that was payload. With `told` both ends know
        how much is still to come.
        """
        begun = self.now
        wanted = []
        for side, size in enumerate(sizes):
            records = -(-size // RECORD)
            self.left[side] = size + records * RECORD_OVERHEAD
            wanted.append((1 - side, self.got[1 - side] + self.left[side], size))
        took: dict[int, float] = {}
        while len(took) < len(wanted):
            moment = self.now
            if reported:
                for end in self.ends:
                    end.pending_bytes = sum(count - self.got[to] for to, count, _ in wanted)
            self.step()
            for to, count, size in wanted:
                if to not in took and self.got[to] >= count:
                    took[to] = size * BITS_PER_BYTE / self.line.baud / (moment - begun)
            if self.now > begun + MAX_SECONDS:
                raise AssertionError("does not end")
        return [took[to] for to, _, _ in wanted]

    def step(self) -> None:
        """Go on to when something happens."""
        for side, end in enumerate(self.ends):
            if data := self.wires[1 - side].arrivals(self.now):
                end.receive_data(data, self.now)
            self.got[side] += len(end.receiver.read(self.now))
        due = [self._send(side, end) for side, end in enumerate(self.ends)]
        self.now = max(self.now + 1e-5, min(*due, *(wire.next() for wire in self.wires)))

    def _send(self, side: int, end: Arq) -> float:
        """Hand frames to the port as the transport does; gives when to go on."""
        wire = self.wires[side]
        while (
            end.state == ArqState.OPEN
            and self.left[side]
            and end.sender.backlog_bytes <= end.sender.window_bytes + MAX_UNSENT_BYTES
        ):
            piece = min(RECORD + RECORD_OVERHEAD, self.left[side])
            end.sender.write(self._chance.randbytes(piece))
            self.left[side] -= piece
        for _ in range(BUSY):
            full = wire.free - PORT_BUFFER * BITS_PER_BYTE / wire.baud
            if full > self.now:
                return full
            if self._free[side] - self.now > max(AHEAD_SECONDS, 2048 / end.sender.feed_rate):
                return self._free[side] - max(AHEAD_SECONDS, 1024 / end.sender.feed_rate)
            data = end.next_frame(self.now)
            if data is None:
                if end.negotiation.baud == end.baud:
                    return end.next_wake_at()
                quiet = max(self._free[side], wire.free) + SETTLING_SECONDS
                if self.now < quiet:
                    return quiet
                end.on_baud_switched(self.now)
                self.changes += 1
                self._tune()
                continue
            if self.now >= self._free[side] + IDLE_SECONDS:
                data = FRAME_END + data
            self._free[side] = max(self.now, self._free[side]) + len(data) / end.sender.feed_rate
            if wire.free < self.now:
                wire.idle(self.now)
            wire.carry(data)
        raise AssertionError("sends without end")

    def _tune(self) -> None:
        """A line of UARTs: ports set the pace; at another rate one hears noise."""
        if self.line.uart:
            for end, wire in zip(self.ends, self.wires, strict=True):
                wire.baud = end.baud
                wire.garbled = len({each.baud for each in self.ends}) > 1

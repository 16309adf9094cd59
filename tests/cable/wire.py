"""One direction of the simulated cable.

When its bytes arrive, and what has become of them. Pure: time and chance are given.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, log1p
from random import Random

BITS = 10
"""Bit times that a byte takes: start, eight of data, stop."""


@dataclass(frozen=True, slots=True)
class Line:
    """What a cable is like, the same in both directions.

    `baud` is bits a second; `ber` the probability that a data bit arrives wrong; `drop` that a byte does not arrive;
    `burst` how many seconds of the line are lost every `every` seconds; `latency` how many seconds later all arrives.
    With `uart` each port's own setting paces what it sends, a port that is set otherwise reads garbage, and above
    `baud` the line garbles too much to be of use. Without, settings do not matter, as with USB gadgets (CDC-ACM).
    """

    baud: int = 115200
    ber: float = 0.0
    drop: float = 0.0
    burst: float = 0.0
    every: float = 2.0
    latency: float = 0.0
    uart: bool = False


TOO_FAST = Line(ber=0.02)
"""What a line is like above its highest rate."""


class Wire:
    """The bytes under way in one direction.

    `carried` counts bytes that went onto the line, `lost` those that did not arrive, `damaged` flipped bits.
    """

    def __init__(self, line: Line, chance: Random) -> None:
        self.line = line
        self.baud = line.baud
        self.garbled = False
        self.cut = False
        self.carried = self.lost = self.damaged = 0
        self._chance = chance
        self._phase = chance.random() * line.every
        self._free = -inf
        self._due: deque[tuple[float, bytes]] = deque()
        self._flip = _Gaps(chance)
        self._drop = _Gaps(chance)

    def room(self, now: float) -> int:
        """How many bytes had time to leave since the line was last known to be free."""
        return max(0, int((now - self._free) * self.baud / BITS)) if self._free > -inf else 0

    @property
    def free(self) -> float:
        """When the line has carried all that it was given."""
        return self._free

    def idle(self, now: float) -> None:
        """There was nothing to send until now."""
        self._free = now

    def carry(self, data: bytes) -> None:
        """At most as many bytes as had room left in turn since the line was free."""
        seconds = BITS / self.baud
        begun, self._free = self._free, self._free + len(data) * seconds
        self.carried += len(data)
        arrived = self._garble(data) if self.garbled else self._weather(data, begun, seconds)
        if self.cut:
            self.lost += len(arrived)
        elif arrived:
            self._due.append((self._free + self.line.latency, arrived))

    def arrivals(self, now: float) -> bytes:
        """What has arrived by now."""
        arrived = bytearray()
        while self._due and self._due[0][0] <= now:
            arrived += self._due.popleft()[1]
        return bytes(arrived)

    def next(self) -> float:
        """When the next bytes arrive."""
        return self._due[0][0] if self._due else inf

    def clear(self) -> None:
        """All that is under way is lost."""
        self.lost += sum(len(data) for _, data in self._due)
        self._due.clear()

    def _garble(self, data: bytes) -> bytes:
        return self._chance.randbytes(len(data))

    def _weather(self, data: bytes, begun: float, seconds: float) -> bytes:
        kept = bytearray(data)
        ber = max(self.line.ber, TOO_FAST.ber) if self.line.uart and self.baud > self.line.baud else self.line.ber
        for bit in self._flip.within(len(kept) * 8, ber):
            kept[bit >> 3] ^= 1 << (bit & 7)
            self.damaged += 1
        lost = set(self._drop.within(len(kept), self.line.drop))
        if self.line.burst:
            lost.update(i for i in range(len(kept)) if self._in_burst(begun + i * seconds))
        if lost:
            self.lost += len(lost)
            kept = bytearray(byte for i, byte in enumerate(kept) if i not in lost)
        return bytes(kept)

    def _in_burst(self, moment: float) -> bool:
        return (moment + self._phase) % self.line.every < self.line.burst


class _Gaps:
    """Positions of independent rare events, drawn as the gaps between them."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._probability = 0.0
        self._gap = inf

    def within(self, count: int, probability: float) -> Iterator[int]:
        """Which of the next `count` trials are hit, with this probability each."""
        if probability != self._probability:
            self._probability = probability
            self._gap = self._draw()
        while self._gap < count:
            yield int(self._gap)
            self._gap += 1 + self._draw()
        self._gap -= count

    def _draw(self) -> float:
        if self._probability <= 0:
            return inf
        if self._probability >= 1:
            return 0
        return log1p(-self._chance.random()) // log1p(-self._probability)

"""The links of a simulated fleet: how fast they are, and how they are cut."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True)
class LinkKind:
    """A way to sync: bytes in a second, and how often it is cut before its end."""

    name: str
    rate: int
    cut_share: float


LINKS = (LinkKind("Wi-Fi", 500_000, 0.1), LinkKind("cable", 11_000, 0.2), LinkKind("stick", 5_000_000, 0.05))


class CutError(ConnectionResetError):
    """The link is cut."""


class Line:
    """What joins two ends; cut in both directions once so many bytes went over it."""

    def __init__(self, room: int | None) -> None:
        self.readers = asyncio.StreamReader(), asyncio.StreamReader()
        self.bytes = 0
        self._room = room

    @property
    def is_cut(self) -> bool:
        return self._room is not None and self.bytes >= self._room

    def carry(self, data: bytes, to: int) -> None:
        if self.is_cut:
            return
        self.readers[to].feed_data(data if self._room is None else data[: self._room - self.bytes])
        self.bytes += len(data)
        if self.is_cut:
            for reader in self.readers:
                reader.feed_eof()


class LineWriter:
    """The sending end of a line in memory.

    What `pump_session` needs of an asyncio.StreamWriter.
    """

    def __init__(self, line: Line, to: int) -> None:
        self._line = line
        self._to = to

    def write(self, data: bytes) -> None:
        self._line.carry(data, self._to)

    async def drain(self) -> None:
        if self._line.is_cut:
            raise CutError
        await asyncio.sleep(0)

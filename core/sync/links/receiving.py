"""What one end of a line does with what comes: puts it in order, and says how far it has come. Pure."""

from __future__ import annotations

from math import inf

from core.sync.links.frames import (
    BATCH_FRAMES,
    BATCH_SECONDS,
    HEADER_SIZE,
    MOST_FRAMES,
    MOST_PAYLOAD,
    Kind,
    signed,
)

READY = MOST_FRAMES * MOST_PAYLOAD
"""Bytes that wait here for somebody to read them, before the other end is told to stop."""

LEAST_DELAY = 0.02


class Receiving:
    """Frames as they come, and bytes in order. `due` is when the next ACK has to be sent, at a line of `rate` bytes a
    second; `ended` whether the other end sends nothing more, and all that it sent has been read or waits here.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.due = inf
        self.ended = False
        self._expected = 0
        self._early: dict[int, tuple[Kind, bytes]] = {}
        self._ready = bytearray()
        self._newest = 0
        self._unanswered = 0
        self._told_room = 0

    @property
    def expected(self) -> bytes:
        """The sequence number before which everything has arrived."""
        return (self._expected & 0xFFFF).to_bytes(2, "big")

    def read(self, now: float) -> bytes:
        """What has come in order since."""
        data = bytes(self._ready)
        self._ready.clear()
        if data and self._told_room < MOST_FRAMES // 4 <= self._room():
            self.due = now
        return data

    def heard(self, kind: Kind, body: bytes, now: float) -> None:
        """Take in a DATA or FIN. More than is welcome is not kept, whoever sends it."""
        ahead = signed(int.from_bytes(body[1:3], "big") - self._expected)
        number = self._expected + ahead
        if ahead >= self._room() or (ahead >= 0 and len(body) - HEADER_SIZE > MOST_PAYLOAD):
            return
        self._newest = body[3]
        gap = ahead > 0 and number > max(self._early, default=self._expected - 1) + 1
        if ahead < 0 or number in self._early:
            self.due = now
            return
        self._early[number] = (kind, body[HEADER_SIZE:])
        filled = ahead == 0 and len(self._early) > 1
        self._order()
        self._unanswered += 1
        if gap or filled or self.ended or self._unanswered >= self._batch():
            self.due = now
        else:
            self.due = min(self.due, now + max(LEAST_DELAY, 2 * len(body) / self.rate))

    def asked(self, number: int, now: float) -> None:
        """Take in a PING; `number` is that of its transmission."""
        self._newest = number
        self.due = now

    def ack(self) -> bytes:
        """The body of an ACK that says what has arrived."""
        self.due = inf
        self._unanswered = 0
        self._told_room = room = self._room()
        bits = 0
        for number in self._early:
            bits |= 1 << (number - self._expected - 1)
        body = bytes([Kind.ACK]) + self.expected + bytes([self._newest, room])
        return body + bits.to_bytes((bits.bit_length() + 7) // 8, "little")

    def _order(self) -> None:
        while (frame := self._early.pop(self._expected, None)) is not None:
            self._expected += 1
            if not self.ended:
                self._ready += frame[1]
                self.ended = frame[0] == Kind.FIN

    def _room(self) -> int:
        return max(0, min(MOST_FRAMES, (READY - len(self._ready)) // MOST_PAYLOAD))

    def _batch(self) -> int:
        """Frames that are acknowledged at once."""
        return max(BATCH_FRAMES, min(MOST_FRAMES // 4, int(self.rate * BATCH_SECONDS) // MOST_PAYLOAD))

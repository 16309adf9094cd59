"""The receiving half of an ARQ end: order, and how far it has come. Pure."""

from __future__ import annotations

from math import inf

from core.sync.links.serial.framing import (
    ACK_BATCH_FRAMES,
    ACK_BATCH_S,
    FRAME_HEADER_BYTES,
    MAX_PAYLOAD_BYTES,
    MAX_WINDOW_FRAMES,
    FrameType,
    signed_difference,
)

MAX_UNREAD_BYTES = MAX_WINDOW_FRAMES * MAX_PAYLOAD_BYTES
"""Bytes that wait here to be read, before the other end has to stop."""

MIN_ACK_DELAY_S = 0.02
"""So that frames that arrive together are acknowledged together."""


class ArqReceiver:
    """The receiving half: segments in any order in, bytes in order out.

    `ack_at` is when the next ACK has to be sent, on a line of `line_rate` bytes a second; `has_ended` whether the other
    end sends nothing more, and all that it sent has been read or waits here.
    """

    def __init__(self, rate: float) -> None:
        self.line_rate = rate
        self.ack_at = inf
        self.has_ended = False
        self._expected = 0
        self._out_of_order: dict[int, tuple[FrameType, bytes]] = {}
        self._unread = bytearray()
        self._newest_transmission = 0
        self._unacked_frames = 0
        self._advertised_room = 0

    @property
    def expected_field(self) -> bytes:
        """The sequence number before which everything has arrived, as its two bytes."""
        return (self._expected & 0xFFFF).to_bytes(2, "big")

    def read(self, now: float) -> bytes:
        """Take the bytes that have come in order since."""
        data = bytes(self._unread)
        self._unread.clear()
        if data and self._advertised_room < MAX_WINDOW_FRAMES // 4 <= self._free_frames():
            self.ack_at = now
        return data

    def receive_segment(self, kind: FrameType, body: bytes, now: float) -> None:
        """Handle a DATA or FIN. More than is welcome is not kept, whoever sends it."""
        ahead = signed_difference(int.from_bytes(body[1:3], "big") - self._expected)
        number = self._expected + ahead
        if ahead >= self._free_frames() or (ahead >= 0 and len(body) - FRAME_HEADER_BYTES > MAX_PAYLOAD_BYTES):
            return
        self._newest_transmission = body[3]
        gap = ahead > 0 and number > max(self._out_of_order, default=self._expected - 1) + 1
        if ahead < 0 or number in self._out_of_order:
            self.ack_at = now
            return
        self._out_of_order[number] = (kind, body[FRAME_HEADER_BYTES:])
        filled = ahead == 0 and len(self._out_of_order) > 1
        self._put_in_order()
        self._unacked_frames += 1
        if gap or filled or self.has_ended or self._unacked_frames >= self._ack_batch_frames():
            self.ack_at = now
        else:
            self.ack_at = min(self.ack_at, now + max(MIN_ACK_DELAY_S, 2 * len(body) / self.line_rate))

    def receive_ping(self, number: int, now: float) -> None:
        """Handle a PING; `number` is that of its transmission."""
        self._newest_transmission = number
        self.ack_at = now

    def make_ack(self) -> bytes:
        """Make the body of an ACK that says what has arrived."""
        self.ack_at = inf
        self._unacked_frames = 0
        self._advertised_room = room = self._free_frames()
        bits = 0
        for number in self._out_of_order:
            bits |= 1 << (number - self._expected - 1)
        body = bytes([FrameType.ACK]) + self.expected_field + bytes([self._newest_transmission, room])
        return body + bits.to_bytes((bits.bit_length() + 7) // 8, "little")

    def _put_in_order(self) -> None:
        while (frame := self._out_of_order.pop(self._expected, None)) is not None:
            self._expected += 1
            if not self.has_ended:
                self._unread += frame[1]
                self.has_ended = frame[0] == FrameType.FIN

    def _free_frames(self) -> int:
        return max(0, min(MAX_WINDOW_FRAMES, (MAX_UNREAD_BYTES - len(self._unread)) // MAX_PAYLOAD_BYTES))

    def _ack_batch_frames(self) -> int:
        """Give how many frames are acknowledged at once."""
        return max(
            ACK_BATCH_FRAMES, min(MAX_WINDOW_FRAMES // 4, int(self.line_rate * ACK_BATCH_S) // MAX_PAYLOAD_BYTES)
        )

"""Frames on a serial line: a body and its checksums. Pure.

So both ends agree where one ends.

Consistent Overhead Byte Stuffing (Cheshire and Baker, 1999) keeps zeros out of a frame, and a zero ends it: whatever
was lost or damaged, the next zero is the end of a frame. Two checksums follow a body: the CRC-16 of it (CCITT), and the
CRC-32 (IEEE 802.3) of both. They begin with a key that both ends of a session know, so that frames of another session
do not count.

The CRC-32 of a frame in which one bit is wrong says which one, as the header checksum of ATM does (ITU-T I.432.1):
that bit is turned back, which on a line that flips bits now and then saves most repeats. At this length no two wrong
bits look like one (Koopman, 2002), and what looks like it by chance is found out by the CRC-16.
"""

from __future__ import annotations

from binascii import crc_hqx
from enum import IntEnum
from functools import cache
from zlib import crc32

FRAME_END = b"\0"
_CRC32_BYTES, _CRC16_BYTES = 4, 2
CHECKSUM_BYTES = _CRC32_BYTES + _CRC16_BYTES
MAX_PAYLOAD_BYTES, MIN_PAYLOAD_BYTES = 1024, 64
MAX_WINDOW_FRAMES = 60
"""How many frames may be under way; with 64 or more the numbers of transmissions would be ambiguous."""

MIN_WINDOW_FRAMES, WINDOW_S = 8, 0.5
"""How much may be under way on any line: enough that a busy machine at the other end does not leave the line idle."""

ACK_BATCH_FRAMES, ACK_BATCH_S = 4, 0.075
"""How much is acknowledged at once, the more of both."""

FRAME_HEADER_BYTES = 6
FRAME_OVERHEAD_BYTES = FRAME_HEADER_BYTES + CHECKSUM_BYTES + 5 + 1
"""What a frame costs beside its payload: header, checksums, stuffing, end."""

MAX_LINE_FRAME_BYTES = MAX_PAYLOAD_BYTES + FRAME_OVERHEAD_BYTES + 8
_MAX_RUN_BYTES = 254
_CRC32_MASK = 0xFFFFFFFF


class FrameType(IntEnum):
    """The type of a frame, the first byte of its body; `arq` says what follows."""

    SYN = 1
    DATA = 2
    FIN = 3
    ACK = 4
    PING = 5
    RST = 6
    RATE = 7


def signed_difference(difference: int) -> int:
    """Subtract two sequence numbers of which only 16 bits are known."""
    return ((difference + 0x8000) & 0xFFFF) - 0x8000


def encode_frame(body: bytes, key: int = 0) -> bytes:
    """Encode a body for the line; there should be a zero before the first one."""
    proven = body + crc_hqx(body, key & 0xFFFF).to_bytes(_CRC16_BYTES, "big")
    return cobs_encode(proven + crc32(proven, key).to_bytes(_CRC32_BYTES, "big")) + FRAME_END


def decode_frame(checked: bytes, key: int = 0) -> bytes | None:
    """Decode what stands between two zeros, unstuffed.

    None if damaged or of another key.
    """
    proven, check = checked[:-_CRC32_BYTES], checked[-_CRC32_BYTES:]
    return _check_crc16(proven, key) if crc32(proven, key).to_bytes(_CRC32_BYTES, "big") == check else None


def correct_frame(checked: bytes, key: int) -> bytes | None:
    """Correct a damaged frame and give its body, if one wrong bit can have done it.

    Else None.
    """
    proven, check = bytearray(checked[:-_CRC32_BYTES]), checked[-_CRC32_BYTES:]
    difference = crc32(proven, key) ^ int.from_bytes(check, "big")
    if difference.bit_count() != 1:
        # Else it is a bit of the checksum itself.
        from_end, bit = _bit_error_table().get(difference, (len(proven), 0))
        if from_end >= len(proven):
            return None
        proven[-1 - from_end] ^= 1 << bit
    return _check_crc16(bytes(proven), key)


def _check_crc16(proven: bytes, key: int) -> bytes | None:
    body, check = proven[:-_CRC16_BYTES], proven[-_CRC16_BYTES:]
    return body if body and crc_hqx(body, key & 0xFFFF).to_bytes(_CRC16_BYTES, "big") == check else None


@cache
def _bit_error_table() -> dict[int, tuple[int, int]]:
    """Map what a wrong bit does to the CRC-32 to its byte, from the end, and mask."""
    places = {}
    for bit in range(8):
        difference = crc32(bytes([1 << bit])) ^ crc32(b"\0")
        for from_end in range(MAX_LINE_FRAME_BYTES):
            places[difference] = (from_end, bit)
            # As one more byte behind it changes it; zlib turns over what goes in and what comes out.
            difference = crc32(b"\0", difference ^ _CRC32_MASK) ^ _CRC32_MASK
    return places


def cobs_encode(data: bytes) -> bytes:
    """Stuff bytes so that no zero is in them.

    The result is at least one byte and at most one in 254 longer.
    """
    out = bytearray()
    for part in data.split(FRAME_END):
        start = 0
        while len(part) - start >= _MAX_RUN_BYTES:
            out.append(_MAX_RUN_BYTES + 1)
            out += part[start : start + _MAX_RUN_BYTES]
            start += _MAX_RUN_BYTES
        out.append(len(part) - start + 1)
        out += part[start:]
    return bytes(out)


def cobs_decode(data: bytes) -> bytes | None:
    """Undo `cobs_encode`; None if nothing can have been its input."""
    out = bytearray()
    at, size = 0, len(data)
    while at < size:
        code = data[at]
        end = at + code
        if not code or end > size:
            return None
        out += data[at + 1 : end]
        if code <= _MAX_RUN_BYTES and end < size:
            out.append(0)
        elif code > _MAX_RUN_BYTES and end >= size:
            return None
        at = end
    return bytes(out)


class FrameSplitter:
    """Splits a stream of bytes into frames; what is longer than any may be is noise."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._partial = bytearray()
        self._is_skipping = True

    def split(self, data: bytes) -> list[bytes]:
        """Give the frames that end in these bytes, unstuffed, checksums not looked at."""
        self._partial += data
        if FRAME_END not in data:
            self._drop_overlong()
            return []
        *whole, rest = bytes(self._partial).split(FRAME_END)
        self._partial = bytearray(rest)
        if self._is_skipping:
            # The middle of something that began before.
            whole = whole[1:]
            self._is_skipping = False
        self._drop_overlong()
        found = (cobs_decode(part) for part in whole if 0 < len(part) <= self._max_bytes)
        return [part for part in found if part is not None]

    def _drop_overlong(self) -> None:
        if len(self._partial) > self._max_bytes:
            self._partial.clear()
            self._is_skipping = True

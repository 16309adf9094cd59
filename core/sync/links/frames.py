"""Frames on a serial line: a body and its checksums, so that both ends agree where one ends. Pure.

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

END = b"\0"
_LOCATING, _PROVING = 4, 2
CHECK_SIZE = _LOCATING + _PROVING
MOST_PAYLOAD, LEAST_PAYLOAD = 1024, 64
MOST_FRAMES = 60
"""How many frames may be under way; with 64 or more the numbers of transmissions would not be told apart."""

LEAST_FRAMES, WINDOW_SECONDS = 8, 0.5
"""How much may be under way on any line: enough that a busy machine at the other end does not leave the line idle."""

BATCH_FRAMES, BATCH_SECONDS = 4, 0.075
"""How much is acknowledged at once, the more of both."""

HEADER_SIZE = 6
OVERHEAD = HEADER_SIZE + CHECK_SIZE + 5 + 1
"""What a frame costs beside its payload: header, checksums, stuffing, end."""

LONGEST = MOST_PAYLOAD + OVERHEAD + 8
_RUN = 254
_ONES = 0xFFFFFFFF


class Kind(IntEnum):
    """What a frame is, the first byte of its body; `arq` says what follows."""

    SYN = 1
    DATA = 2
    FIN = 3
    ACK = 4
    PING = 5
    RST = 6
    RATE = 7


def signed(difference: int) -> int:
    """The difference of two sequence numbers of which only 16 bits are known."""
    return ((difference + 0x8000) & 0xFFFF) - 0x8000


def frame(body: bytes, key: int = 0) -> bytes:
    """A body as it goes onto the line; there should be a zero before the first one."""
    proven = body + crc_hqx(body, key & 0xFFFF).to_bytes(_PROVING, "big")
    return stuffed(proven + crc32(proven, key).to_bytes(_LOCATING, "big")) + END


def body_of(checked: bytes, key: int = 0) -> bytes | None:
    """The body of what came between two zeros, unstuffed; None if it is damaged or made with another key."""
    proven, check = checked[:-_LOCATING], checked[-_LOCATING:]
    return _proven(proven, key) if crc32(proven, key).to_bytes(_LOCATING, "big") == check else None


def mended(checked: bytes, key: int) -> bytes | None:
    """The body of what is damaged, if one wrong bit can have done it; else None."""
    proven, check = bytearray(checked[:-_LOCATING]), checked[-_LOCATING:]
    difference = crc32(proven, key) ^ int.from_bytes(check, "big")
    if difference.bit_count() != 1:
        # Else it is a bit of the checksum itself.
        from_end, bit = _wrong_bits().get(difference, (len(proven), 0))
        if from_end >= len(proven):
            return None
        proven[-1 - from_end] ^= 1 << bit
    return _proven(bytes(proven), key)


def _proven(proven: bytes, key: int) -> bytes | None:
    body, check = proven[:-_PROVING], proven[-_PROVING:]
    return body if body and crc_hqx(body, key & 0xFFFF).to_bytes(_PROVING, "big") == check else None


@cache
def _wrong_bits() -> dict[int, tuple[int, int]]:
    """What a wrong bit does to the CRC-32, and where it is: how many bytes from the end, and which of the byte."""
    places = {}
    for bit in range(8):
        difference = crc32(bytes([1 << bit])) ^ crc32(b"\0")
        for from_end in range(LONGEST):
            places[difference] = (from_end, bit)
            # As one more byte behind it changes it; zlib turns over what goes in and what comes out.
            difference = crc32(b"\0", difference ^ _ONES) ^ _ONES
    return places


def stuffed(data: bytes) -> bytes:
    """The same without zeros, at least one byte and at most one in 254 longer."""
    out = bytearray()
    for part in data.split(END):
        start = 0
        while len(part) - start >= _RUN:
            out.append(_RUN + 1)
            out += part[start : start + _RUN]
            start += _RUN
        out.append(len(part) - start + 1)
        out += part[start:]
    return bytes(out)


def unstuffed(data: bytes) -> bytes | None:
    """What `stuffed` was given; None if nothing can have been."""
    out = bytearray()
    at, size = 0, len(data)
    while at < size:
        code = data[at]
        end = at + code
        if not code or end > size:
            return None
        out += data[at + 1 : end]
        if code <= _RUN and end < size:
            out.append(0)
        elif code > _RUN and end >= size:
            return None
        at = end
    return bytes(out)


class Splitter:
    """Finds the frames in a stream of bytes; what is longer than any frame may be is noise, and is not kept."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._rest = bytearray()
        self._skip = True

    def split(self, data: bytes) -> list[bytes]:
        """The frames that end in these bytes, unstuffed, checksums not looked at."""
        self._rest += data
        if END not in data:
            self._shorten()
            return []
        *whole, rest = bytes(self._rest).split(END)
        self._rest = bytearray(rest)
        if self._skip:
            # The middle of something that began before.
            whole = whole[1:]
            self._skip = False
        self._shorten()
        found = (unstuffed(part) for part in whole if 0 < len(part) <= self._longest)
        return [part for part in found if part is not None]

    def _shorten(self) -> None:
        if len(self._rest) > self._longest:
            self._rest.clear()
            self._skip = True

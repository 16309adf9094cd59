"""The bytes of the sync protocol's messages.

A frame is a varint (LEB128) with the size of what follows, one byte for the type of message, and its fields. Bytes
come from a peer and are hostile until proven otherwise: a size is checked before anything is kept for it, every list is
bounded by the bytes that are really there, and there is exactly one encoding of a message. Whatever else arrives raises
`Malformed`, and nothing but that.

docs/wire-format.md has the fields.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TypeVar

from core.sync.merkle import DEPTH, EMPTY, FAN_OUT, FINGERPRINT, ID
from core.sync.messages import (
    Blocks,
    Fingerprints,
    GivingUp,
    Got,
    Hashes,
    Hello,
    HereAreBlockHashes,
    IHaveFingerprints,
    IWant,
    Message,
    Over,
    Sending,
    Settled,
    SketchPart,
)

VERSION = 1
FLEET_TAG = 4
MAX_COUNT = 1 << 27
MAX_BATCH = 1 << 20
MAX_FRAME = MAX_BATCH + (1 << 16)
MAX_SIZE_BYTES = 3
STEM = 16
MAX_NEAR = 8 * 17
"""Bytes in which a side says where it is."""

T = TypeVar("T")


class Malformed(Exception):
    """Bytes that are no message of this protocol."""


class OtherVersion(Malformed):
    """A hello of a version that this one does not speak."""


def stem_size(prefix: str) -> int:
    """How many bytes of an id are told in a list below a prefix:

    16 after the whole bytes that the prefix gives already.
    """
    return min(len(prefix) // 2 + STEM, ID)


def stem(change: bytes, prefix: str) -> bytes:
    """An id, cut off as in a list below this prefix."""
    return change[: stem_size(prefix)]


# --- encoding --------------------------------------------------------------------------------------------------------


def varint(value: int) -> bytes:
    """Unsigned LEB128, the shortest form."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode(message: Message) -> bytes:
    """The frame of a message."""
    body = bytes([message.TYPE]) + _fields(message)
    return varint(len(body)) + body


def _fields(message: Message) -> bytes:
    match message:
        case Hello():
            said = _set(message.count, message.root) + message.near
            return bytes([VERSION << 4 | message.modes]) + message.fleet + said
        case IHaveFingerprints():
            return b"".join(map(_fingerprints, message.entries))
        case HereAreBlockHashes():
            return b"".join(map(_hashes, message.entries))
        case IWant():
            return message.bits
        case Over():
            return bytes([message.more])
        case SketchPart():
            return message.payload
        case Sending():
            return b"".join(map(varint, (message.count, message.membership, message.near, message.current)))
        case Blocks():
            return message.packed
        case Got():
            return b""
        case Settled():
            return _set(message.count, message.root)
        case GivingUp():
            return bytes([message.reason])


def _set(count: int, root: bytes) -> bytes:
    return varint(count) + (root if count else b"")


def _prefix(prefix: str) -> bytes:
    return bytes([len(prefix)]) + bytes.fromhex(prefix + "0" * (len(prefix) % 2))


def _fingerprints(entry: Fingerprints) -> bytes:
    """The prefix, which children are not empty (a bit each, child 0 highest), and the fingerprints of these."""
    children = [entry.children[i : i + FINGERPRINT] for i in range(0, FAN_OUT * FINGERPRINT, FINGERPRINT)]
    present = sum(1 << (FAN_OUT - 1 - i) for i, child in enumerate(children) if child != EMPTY)
    return _prefix(entry.prefix) + present.to_bytes(2, "big") + b"".join(c for c in children if c != EMPTY)


def _hashes(entry: Hashes) -> bytes:
    known = len(entry.prefix) // 2
    return _prefix(entry.prefix) + varint(len(entry.stems)) + b"".join(stem[known:] for stem in entry.stems)


# --- decoding --------------------------------------------------------------------------------------------------------


class Fields:
    """Reads fields off the front of some bytes; raises Malformed where they are not there."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, size: int) -> bytes:
        if size > self.left:
            raise Malformed("a field is cut off")
        self._at += size
        return self._data[self._at - size : self._at]

    def byte(self) -> int:
        return self.take(1)[0]

    def varint(self, limit: int) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 127) << shift
            if byte < 128:
                break
            shift += 7
            if value > limit or shift > 63:
                raise Malformed("a number is too large")
        if value > limit or (byte == 0 and shift):
            raise Malformed("a number is too large or not in its shortest form")
        return value

    def rest(self) -> bytes:
        return self.take(self.left)


def decode(body: bytes) -> Message:
    """The message in a frame's body (the frame without its size); raises Malformed."""
    fields = Fields(body)
    read = _READERS.get(fields.byte())
    if read is None:
        raise Malformed("a message is of no known type")
    message = read(fields)
    if fields.left:
        raise Malformed("a message is longer than its fields")
    return message


def _read_hello(fields: Fields) -> Hello:
    spoken = fields.byte()
    if spoken >> 4 != VERSION:
        raise OtherVersion
    return Hello(spoken & 15, fields.take(FLEET_TAG), *_read_set(fields), fields.rest())


def _read_sending(fields: Fields) -> Sending:
    count = fields.varint(MAX_COUNT)
    membership, near, current = fields.varint(count), fields.varint(count), fields.varint(count)
    if near > current:
        raise Malformed("more changes are for one place than are current")
    return Sending(count, membership, near, current)


def _read_flag(fields: Fields) -> bool:
    flag = fields.byte()
    if flag > 1:
        raise Malformed("a flag is neither 0 nor 1")
    return bool(flag)


def _read_set(fields: Fields) -> tuple[int, bytes]:
    count = fields.varint(MAX_COUNT)
    return count, fields.take(FINGERPRINT) if count else EMPTY


def _each(fields: Fields, read: Callable[[Fields], T]) -> tuple[T, ...]:
    entries = [read(fields)]
    while fields.left:
        entries.append(read(fields))
    return tuple(entries)


def _read_prefix(fields: Fields) -> str:
    size = fields.byte()
    if size >= DEPTH:
        raise Malformed("a prefix is as long as an id")
    digits = fields.take((size + 1) // 2).hex()
    if digits[size:].strip("0"):
        raise Malformed("a prefix has digits after its end")
    return digits[:size]


def _read_fingerprints(fields: Fields) -> Fingerprints:
    prefix = _read_prefix(fields)
    present = int.from_bytes(fields.take(2), "big")
    children = [fields.take(FINGERPRINT) if present >> (FAN_OUT - 1 - index) & 1 else EMPTY for index in range(FAN_OUT)]
    if present == 0 or present.bit_count() != sum(child != EMPTY for child in children):
        raise Malformed("a branch is empty, or an empty child is not left out")
    return Fingerprints(prefix, b"".join(children))


def _read_hashes(fields: Fields) -> Hashes:
    prefix = _read_prefix(fields)
    known = bytes.fromhex(prefix[: len(prefix) // 2 * 2])
    size = stem_size(prefix) - len(known)
    tails = fields.take(size * fields.varint(fields.left // size))
    stems = tuple(known + tails[at : at + size] for at in range(0, len(tails), size))
    if any(a >= b for a, b in pairwise(stems)) or not all(
        stem.hex().startswith(prefix) for stem in stems[:1] + stems[-1:]
    ):
        raise Malformed("a list of ids is out of order or not below its prefix")
    return Hashes(prefix, stems)


_OPEN_ENDED = (IHaveFingerprints.TYPE, HereAreBlockHashes.TYPE, IWant.TYPE, SketchPart.TYPE, Blocks.TYPE)
_READERS: dict[int, Callable[[Fields], Message]] = {
    Hello.TYPE: _read_hello,
    IHaveFingerprints.TYPE: lambda fields: IHaveFingerprints(_each(fields, _read_fingerprints)),
    HereAreBlockHashes.TYPE: lambda fields: HereAreBlockHashes(_each(fields, _read_hashes)),
    IWant.TYPE: lambda fields: IWant(fields.take(max(fields.left, 1))),
    Over.TYPE: lambda fields: Over(_read_flag(fields)),
    SketchPart.TYPE: lambda fields: SketchPart(fields.rest()),
    Sending.TYPE: _read_sending,
    Blocks.TYPE: lambda fields: Blocks(fields.rest()),
    Got.TYPE: lambda _: Got(),
    Settled.TYPE: lambda fields: Settled(*_read_set(fields)),
    GivingUp.TYPE: lambda fields: GivingUp(fields.byte()),
}


_SMALL = 1 + 1 + FLEET_TAG + 5 + FINGERPRINT
_LARGEST = {kind: MAX_FRAME if kind in _OPEN_ENDED else _SMALL for kind in _READERS} | {Hello.TYPE: _SMALL + MAX_NEAR}


class FrameReader:
    """Cuts a stream of bytes, which arrive in pieces of any size, into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def __len__(self) -> int:
        """How many bytes wait to be read."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        self._buffer += data

    @property
    def ready(self) -> bool:
        """Whether a whole frame is here; raises Malformed."""
        start, size = self._head()
        return bool(start) and len(self._buffer) >= start + size

    def next(self) -> tuple[Message, int] | None:
        """The next message and the size of its frame, or None if it is not here as a whole; raises Malformed."""
        if not self.ready:
            return None
        start, size = self._head()
        body = bytes(self._buffer[start : start + size])
        del self._buffer[: start + size]
        return decode(body), start + size

    def _head(self) -> tuple[int, int]:
        """How many bytes the next frame's size takes, and that size; (0, 0) if it is not here as a whole."""
        head = bytes(self._buffer[:MAX_SIZE_BYTES])
        start = next((place + 1 for place, byte in enumerate(head) if byte < 128), 0)
        if not start:
            if len(head) == MAX_SIZE_BYTES:
                raise Malformed("a frame is too large")
            return 0, 0
        size = Fields(head[:start]).varint(MAX_FRAME)
        kinds = self._buffer[start : start + 1]
        if size == 0 or (kinds and size > _LARGEST.get(kinds[0], 0)):
            raise Malformed("a frame is empty, of no known type, or larger than its type can be")
        return start, size

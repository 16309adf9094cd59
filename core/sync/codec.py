"""The bytes of the sync protocol's messages.

A frame is a varint (LEB128) with the size of what follows, one byte for the type of message, and its fields. Bytes
come from a peer and are hostile until proven otherwise: a size is checked before anything is kept for it, every list is
bounded by the bytes that are really there, and there is exactly one encoding of a message. Whatever else arrives raises
`Malformed`, and nothing but that.

docs/wire-format.md has the fields.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeVar

from core.errors import FieldlineError
from core.header import MAX_HEADER_BYTES, MAX_POSITION
from core.sync.events import UPDATE_EITHER, Reason
from core.sync.holdings import MAX_HOLDINGS_BYTES, MAX_REPORTED_POSITION, TAG_BYTES, Holding, group_by_chain
from core.sync.messages import (
    Abort,
    Ack,
    Blocks,
    EndOfTurn,
    HaveFingerprints,
    HaveIds,
    Hello,
    Holdings,
    Message,
    Offer,
    PositionProof,
    PrefixFingerprints,
    PrefixIds,
    SketchPart,
    Summary,
    Want,
)
from core.sync.protocol_errors import RemoteProtocolError
from core.sync.reconcile.merkle import CHANGE_ID_BYTES, EMPTY_FINGERPRINT, FAN_OUT, FINGERPRINT_BYTES, MAX_DEPTH_DIGITS

PROTOCOL_VERSION = 2
"""1 was that of devices from before the first release, whose changes have another format."""
FLEET_TAG_BYTES = 4
MAX_CHANGES = 1 << 27
MAX_BATCH_BYTES = 1 << 20
MAX_FRAME_BYTES = MAX_BATCH_BYTES + (1 << 16)
STEM_BYTES = 16
MAX_PROVEN_CHANGES = 1 << 12
"""Of one proof: as many as a batch has changes."""
MAX_LOCATION_HINT_BYTES = 8 * 17
"""Bytes in which a side says where it is."""

T = TypeVar("T")


class MalformedMessage(RemoteProtocolError):
    """Bytes that are no message of this protocol. `why` is for developers.

    People are told what the reason says.
    """

    def __init__(self, why: object = "", reason: Reason = Reason.MALFORMED) -> None:
        super().__init__(reason, why)


class UnsupportedVersion(MalformedMessage):
    """A Hello of a version that this one does not speak.

    `why` says what to do about it.
    """

    def __init__(self, version: int) -> None:
        advice = _FROM_BEFORE_RELEASE if version == 1 else _UPDATE_HERE if version > PROTOCOL_VERSION else UPDATE_EITHER
        super().__init__(advice, Reason.OTHER_VERSION)


_FROM_BEFORE_RELEASE = FieldlineError("it is from before Fieldline's first release (format 1), update it there")
_UPDATE_HERE = FieldlineError("it is newer, update Fieldline on this device")


def stem_bytes(prefix: str) -> int:
    """How many bytes of an id are told in a list below a prefix:

    16 after the whole bytes that the prefix gives already.
    """
    return min(len(prefix) // 2 + STEM_BYTES, CHANGE_ID_BYTES)


def truncate_id(change: bytes, prefix: str) -> bytes:
    """An id, cut off as in a list below this prefix."""
    return change[: stem_bytes(prefix)]


# --- encoding --------------------------------------------------------------------------------------------------------


def encode_varint(value: int) -> bytes:
    """Unsigned LEB128, the shortest form."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode_message(message: Message) -> bytes:
    """The frame of a message."""
    body = bytes([message.TYPE]) + _encode_fields(message)
    return encode_varint(len(body)) + body


def _encode_fields(message: Message) -> bytes:
    match message:
        case Hello():
            set_hint = _encode_set(message.count, message.root) + message.location_hint
            return bytes([PROTOCOL_VERSION << 4 | message.modes]) + message.fleet + set_hint
        case HaveFingerprints():
            return b"".join(map(_encode_fingerprints, message.entries))
        case HaveIds():
            return b"".join(map(_encode_ids, message.entries))
        case Want(data) | SketchPart(data) | Blocks(data):
            return data
        case EndOfTurn(number) | Abort(number):
            return bytes([number])
        case Offer():
            return b"".join(
                map(
                    encode_varint,
                    (message.count, message.membership_count, message.nearby_count, message.current_count),
                )
            )
        case Holdings():
            return b"".join(_encode_chain(*each) for each in group_by_chain(message.entries))
        case PositionProof():
            return _encode_proof(message)
        case Ack():
            return b""
        case Summary():
            return _encode_set(message.count, message.root)


def _encode_set(count: int, root: bytes) -> bytes:
    return encode_varint(count) + (root if count else b"")


def _encode_prefix(prefix: str) -> bytes:
    return bytes([len(prefix)]) + bytes.fromhex(prefix + "0" * (len(prefix) % 2))


def _encode_fingerprints(entry: PrefixFingerprints) -> bytes:
    """Encode a prefix with the fingerprints of its children that are not empty.

    A bit each says which are not, child 0 highest.
    """
    children = [
        entry.children[i : i + FINGERPRINT_BYTES] for i in range(0, FAN_OUT * FINGERPRINT_BYTES, FINGERPRINT_BYTES)
    ]
    present = sum(1 << (FAN_OUT - 1 - i) for i, child in enumerate(children) if child != EMPTY_FINGERPRINT)
    return (
        _encode_prefix(entry.prefix)
        + present.to_bytes(2, "big")
        + b"".join(c for c in children if c != EMPTY_FINGERPRINT)
    )


def _encode_ids(entry: PrefixIds) -> bytes:
    known = len(entry.prefix) // 2
    return (
        _encode_prefix(entry.prefix) + encode_varint(len(entry.stems)) + b"".join(stem[known:] for stem in entry.stems)
    )


def _encode_chain(chain: bytes, entries: Sequence[Holding]) -> bytes:
    """Encode whose changes they are, and by whom they are held up to where."""
    holders = [each.holder + encode_varint(each.position) for each in entries]
    return b"".join((chain, encode_varint(len(entries)), *holders))


def _encode_proof(message: PositionProof) -> bytes:
    """Encode a header after its size, the proven changes, and the hashes.

    Of each change how far it is from the one before, and its id.
    """
    last = -1
    parts = [encode_varint(len(message.header)), message.header, encode_varint(len(message.changes))]
    for position, change in message.changes:
        parts += [encode_varint(position - last - 1), change]
        last = position
    return b"".join((*parts, message.proof))


# --- decoding --------------------------------------------------------------------------------------------------------


class FieldReader:
    """Reads fields off the front of some bytes.

    Raises Malformed where they are not there.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    @property
    def remaining_bytes(self) -> int:
        return len(self._data) - self._position

    def read_bytes(self, size: int) -> bytes:
        start = self._position
        end = start + size
        if end > len(self._data):
            raise MalformedMessage("a field is cut off")
        self._position = end
        return self._data[start:end]

    def read_byte(self) -> int:
        at = self._position
        if at == len(self._data):
            raise MalformedMessage("a field is cut off")
        self._position = at + 1
        return self._data[at]

    def read_varint(self, limit: int) -> int:
        value = shift = 0
        while True:
            byte = self.read_byte()
            value |= (byte & 127) << shift
            if byte < 128:
                break
            shift += 7
            if value > limit or shift > 63:
                raise MalformedMessage("a number is too large")
        if value > limit or (byte == 0 and shift):
            raise MalformedMessage("a number is too large or not in its shortest form")
        return value

    def read_rest(self) -> bytes:
        return self.read_bytes(self.remaining_bytes)


def decode_message(body: bytes) -> Message:
    """The message in a frame's body (the frame without its size); raises Malformed."""
    fields = FieldReader(body)
    read = _READERS.get(fields.read_byte())
    if read is None:
        raise MalformedMessage("a message is of no known type")
    message = read(fields)
    if fields.remaining_bytes:
        raise MalformedMessage("a message is longer than its fields")
    return message


def _read_hello(fields: FieldReader) -> Hello:
    spoken = fields.read_byte()
    if spoken >> 4 != PROTOCOL_VERSION:
        raise UnsupportedVersion(spoken >> 4)
    return Hello(spoken & 15, fields.read_bytes(FLEET_TAG_BYTES), *_read_set(fields), fields.read_rest())


def _read_offer(fields: FieldReader) -> Offer:
    count = fields.read_varint(MAX_CHANGES)
    membership, near, current = fields.read_varint(count), fields.read_varint(count), fields.read_varint(count)
    if near > current:
        raise MalformedMessage("more changes are for one place than are current")
    return Offer(count, membership, near, current)


def _read_proof(fields: FieldReader) -> PositionProof:
    header = fields.read_bytes(fields.read_varint(MAX_HEADER_BYTES))
    last = -1
    changes: list[tuple[int, bytes]] = []
    for _ in range(fields.read_varint(MAX_PROVEN_CHANGES)):
        last += fields.read_varint(MAX_POSITION) + 1
        changes.append((last, fields.read_bytes(CHANGE_ID_BYTES)))
    if not changes or last > MAX_POSITION:
        raise MalformedMessage("a proof is of no change, or of one out of range")
    return PositionProof(header, tuple(changes), fields.read_rest())


def _read_holdings(fields: FieldReader) -> Holdings:
    found: list[Holding] = []
    last = b""
    while fields.remaining_bytes:
        chain, count = fields.read_bytes(TAG_BYTES), fields.read_varint(MAX_HOLDINGS_BYTES)
        if chain <= last or count == 0:
            raise MalformedMessage("chains are out of order, or one is held by nobody")
        last = chain
        entries = [
            Holding(chain, fields.read_bytes(TAG_BYTES), fields.read_varint(MAX_REPORTED_POSITION))
            for _ in range(count)
        ]
        if any(a.holder >= b.holder for a, b in pairwise(entries)):
            raise MalformedMessage("holders are out of order")
        found += entries
    return Holdings(tuple(found))


def _read_flag(fields: FieldReader) -> bool:
    flag = fields.read_byte()
    if flag > 1:
        raise MalformedMessage("a flag is neither 0 nor 1")
    return bool(flag)


def _read_set(fields: FieldReader) -> tuple[int, bytes]:
    count = fields.read_varint(MAX_CHANGES)
    return count, fields.read_bytes(FINGERPRINT_BYTES) if count else EMPTY_FINGERPRINT


def _read_all(fields: FieldReader, read: Callable[[FieldReader], T]) -> tuple[T, ...]:
    entries = [read(fields)]
    while fields.remaining_bytes:
        entries.append(read(fields))
    return tuple(entries)


def _read_prefix(fields: FieldReader) -> str:
    size = fields.read_byte()
    if size >= MAX_DEPTH_DIGITS:
        raise MalformedMessage("a prefix is as long as an id")
    digits = fields.read_bytes((size + 1) // 2).hex()
    if digits[size:].strip("0"):
        raise MalformedMessage("a prefix has digits after its end")
    return digits[:size]


def _read_fingerprints(fields: FieldReader) -> PrefixFingerprints:
    prefix = _read_prefix(fields)
    present = int.from_bytes(fields.read_bytes(2), "big")
    children = [
        fields.read_bytes(FINGERPRINT_BYTES) if present >> (FAN_OUT - 1 - index) & 1 else EMPTY_FINGERPRINT
        for index in range(FAN_OUT)
    ]
    if present == 0 or present.bit_count() != sum(child != EMPTY_FINGERPRINT for child in children):
        raise MalformedMessage("a branch is empty, or an empty child is not left out")
    return PrefixFingerprints(prefix, b"".join(children))


def _read_ids(fields: FieldReader) -> PrefixIds:
    prefix = _read_prefix(fields)
    known = bytes.fromhex(prefix[: len(prefix) // 2 * 2])
    size = stem_bytes(prefix) - len(known)
    tails = fields.read_bytes(size * fields.read_varint(fields.remaining_bytes // size))
    stems = tuple(known + tails[at : at + size] for at in range(0, len(tails), size))
    if any(a >= b for a, b in pairwise(stems)) or not all(
        stem.hex().startswith(prefix) for stem in stems[:1] + stems[-1:]
    ):
        raise MalformedMessage("a list of ids is out of order or not below its prefix")
    return PrefixIds(prefix, stems)


_READERS: dict[int, Callable[[FieldReader], Message]] = {
    Hello.TYPE: _read_hello,
    HaveFingerprints.TYPE: lambda fields: HaveFingerprints(_read_all(fields, _read_fingerprints)),
    HaveIds.TYPE: lambda fields: HaveIds(_read_all(fields, _read_ids)),
    Want.TYPE: lambda fields: Want(fields.read_bytes(max(fields.remaining_bytes, 1))),
    EndOfTurn.TYPE: lambda fields: EndOfTurn(_read_flag(fields)),
    SketchPart.TYPE: lambda fields: SketchPart(fields.read_rest()),
    Offer.TYPE: _read_offer,
    Holdings.TYPE: _read_holdings,
    PositionProof.TYPE: _read_proof,
    Blocks.TYPE: lambda fields: Blocks(fields.read_rest()),
    Ack.TYPE: lambda _: Ack(),
    Summary.TYPE: lambda fields: Summary(*_read_set(fields)),
    Abort.TYPE: lambda fields: Abort(fields.read_byte()),
}

MESSAGE_TYPES = frozenset(_READERS)
"""The types of all messages that there are."""

"""The messages of a pairing and their bytes.

A frame is one byte for the type of message, two for the size of what follows, and its fields; a field of variable
size has its size in front, in one byte. Every size is bounded, and there is exactly one encoding of a message: all else
raises `MalformedPairing`. docs/wire-format.md has the fields.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import ClassVar

from core.member_values import ROLES
from core.value_codec import ID_BYTES
from core.values import is_line

PAIRING_MAGIC = b"FLPR"
PAIRING_VERSION = 1
HEAD_BYTES = 3
MAX_BODY_BYTES = 256
"""The largest message is a PairHello with two names of the largest size."""
MAX_NAME_BYTES = 100
"""Of a fleet or a device, as `core.device.input_validation` has it."""
NONCE_BYTES = 32


class MalformedPairing(Exception):
    """Bytes that are no message of a pairing."""


class OtherPairingVersion(MalformedPairing):
    """A PairHello of a version that this one does not speak."""


@dataclass(frozen=True, slots=True)
class PairHello:
    """The first message each way: which end this is, and who it says it is.

    `fleet` is empty for a device that belongs to none yet; `is_admin` says that it can admit another one.
    """

    TYPE: ClassVar[int] = 1
    is_dialer: bool
    is_admin: bool
    fleet: bytes
    fleet_name: str
    name: str

    def encode(self) -> bytes:
        """Encode the body, which is also what both sides hash."""
        flags = self.is_dialer | self.is_admin << 1
        head = PAIRING_MAGIC + bytes((PAIRING_VERSION, flags))
        return head + b"".join(map(_sized, (self.fleet, self.fleet_name.encode(), self.name.encode())))

    @classmethod
    def decode(cls, body: bytes) -> PairHello:
        """Decode a body; raises MalformedPairing."""
        if body[: len(PAIRING_MAGIC)] != PAIRING_MAGIC or len(body) < len(PAIRING_MAGIC) + 2:
            raise MalformedPairing
        version, flags = body[len(PAIRING_MAGIC)], body[len(PAIRING_MAGIC) + 1]
        if version != PAIRING_VERSION:
            raise OtherPairingVersion
        fleet, fleet_name, name = _read_sized(body[len(PAIRING_MAGIC) + 2 :], 3)
        if flags > 3 or len(fleet) not in (0, ID_BYTES) or (flags & 2 and not fleet):
            raise MalformedPairing
        return cls(bool(flags & 1), bool(flags & 2), fleet, _read_name(fleet_name, empty=True), _read_name(name))


@dataclass(frozen=True, slots=True)
class Commitment:
    """The accepting side's commitment to its nonce."""

    TYPE: ClassVar[int] = 2
    value: bytes


@dataclass(frozen=True, slots=True)
class Nonce:
    """The dialing side's nonce."""

    TYPE: ClassVar[int] = 3
    value: bytes


@dataclass(frozen=True, slots=True)
class Reveal:
    """The accepting side's nonce."""

    TYPE: ClassVar[int] = 4
    value: bytes


@dataclass(frozen=True, slots=True)
class PairDone:
    """What the person has answered: whether the digits are the same."""

    TYPE: ClassVar[int] = 5
    is_same: bool


@dataclass(frozen=True, slots=True)
class Admitted:
    """The admission, as the admin's side has written it."""

    TYPE: ClassVar[int] = 6
    role: str
    name: str


@dataclass(frozen=True, slots=True)
class PairAbort:
    """The end, before the end: the other side stopped it."""

    TYPE: ClassVar[int] = 7


_HASH_MESSAGES: dict[int, type[Commitment | Nonce | Reveal]] = {each.TYPE: each for each in (Commitment, Nonce, Reveal)}

PairMessage = PairHello | Commitment | Nonce | Reveal | PairDone | Admitted | PairAbort


def encode_message(message: PairMessage) -> bytes:
    """Encode a whole frame."""
    body = b""
    match message:
        case PairHello():
            body = message.encode()
        case Commitment(value) | Nonce(value) | Reveal(value):
            body = value
        case PairDone(is_same):
            body = bytes((is_same,))
        case Admitted(role, name):
            body = bytes((ROLES.index(role),)) + _sized(name.encode())
    return bytes((message.TYPE,)) + len(body).to_bytes(2) + body


def body_size(head: bytes) -> int:
    """Read the size of what follows the head of a frame; raises MalformedPairing."""
    size = int.from_bytes(head[1:HEAD_BYTES])
    if not 1 <= head[0] <= PairAbort.TYPE or size > MAX_BODY_BYTES:
        raise MalformedPairing
    return size


def decode_message(frame: bytes) -> PairMessage:
    """Decode a whole frame.

    Raises MalformedPairing for whatever `encode_message` would not give.
    """
    kind, body = frame[0], frame[HEAD_BYTES:]
    if kind == PairHello.TYPE:
        return PairHello.decode(body)
    if kind in _HASH_MESSAGES and len(body) == NONCE_BYTES:
        return _HASH_MESSAGES[kind](body)
    if kind == PairDone.TYPE and body in (b"\0", b"\1"):
        return PairDone(body == b"\1")
    if kind == Admitted.TYPE and body and body[0] < len(ROLES):
        return Admitted(ROLES[body[0]], _read_name(_read_sized(body[1:], 1)[0]))
    if kind == PairAbort.TYPE and not body:
        return PairAbort()
    raise MalformedPairing


def _sized(data: bytes) -> bytes:
    return bytes((len(data),)) + data


def _read_sized(data: bytes, count: int) -> list[bytes]:
    found = []
    for _ in range(count):
        if not data or len(data) - 1 < data[0]:
            raise MalformedPairing
        found.append(data[1 : 1 + data[0]])
        data = data[1 + data[0] :]
    if data:
        raise MalformedPairing
    return found


def _read_name(data: bytes, *, empty: bool = False) -> str:
    """Read a name that people will see.

    One line, in the one normal form, nothing that acts on a terminal.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise MalformedPairing from None
    if not text and not empty:
        raise MalformedPairing
    if not is_line(text, MAX_NAME_BYTES) or unicodedata.normalize("NFC", text) != text or text != text.strip():
        raise MalformedPairing
    return text

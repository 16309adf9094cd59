"""Blocks as they go over a link: without what the receiver can make itself.

    flags, key (32), signature (64), position, [previous], [past or peaks], at (8), author (16), [batch (8)],
    [size, extensions], body

Position and size are varints. The root and the number of the leaves are never there: they are made from the body. Where
the receiver holds the change before, `previous` is left out; where it knows the range up to there, `past` is, too. The
peaks can come instead of `past` with the first of several changes of a device, so that none of those after it need it.
What is made is put into the header's one form, and that the signature holds proves that it is the header that was
signed; with several candidates (a fork) it says which.

The sender keeps in `Sent` what of each chain the receiver is known to have; the receiver keeps it in a `Trail`, with
the ranges, which the sender need not know. Both forget a change when one comes that follows it, so that they stay small
however long the stream is.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from core import cbor
from core import header as headers
from core.body import decode_body
from core.changes import MAX_BLOCK_BYTES, NOTHING, Block, join
from core.errors import BlockRefused
from core.header import (
    BATCH_BYTES,
    KEY_BYTES,
    MAX_EXTENSION_BYTES,
    MAX_POSITION,
    SIGNATURE_BYTES,
    Header,
    SignedHeader,
    device_id,
)
from core.mountain_range import Range
from core.sync.codec import FieldReader, MalformedMessage, encode_varint
from core.value_codec import HASH_BYTES, ID_BYTES

NO_PREVIOUS, NO_PAST, PEAKS, BATCH, EXTENSIONS = 1, 2, 4, 8, 16
_ALL = 31
_AT_BYTES = 8
_FRONT_BYTES = 1 + KEY_BYTES + SIGNATURE_BYTES + 5
"""Flags, key, signature and position, at most."""
MAX_CANDIDATES = 4
"""Changes at one position that are tried: more only if a device forks its chain again and again."""

Place = tuple[bytes, int]
"""(device, position)"""

T = TypeVar("T")


class LinksUnknown(MalformedMessage):
    """A packed block leaves out what is not known here.

    Or is signed over something else than what is known here.
    """


@dataclass(slots=True)
class Trail:
    """What the receiving end of a stream holds of each chain.

    Ids by place, each with the range up to it if known.
    """

    _known: dict[Place, dict[bytes, Range | None]] = field(default_factory=dict)

    def copy(self) -> Trail:
        """Give one that may be followed without this one."""
        return Trail({place: dict(there) for place, there in self._known.items()})

    def add(self, device: bytes, position: int, change: bytes, upto: Range | None) -> None:
        """Note a change that the receiver holds, and the range up to and with it."""
        there = self._known.setdefault((device, position), {})
        if there.get(change) is None:
            there[change] = upto

    def before(self, device: bytes, position: int) -> dict[bytes, Range | None]:
        """Give the ids known at the place before this position."""
        return self._known.get((device, position - 1), {})

    def follow(self, header: SignedHeader, below: Range | None = None) -> None:
        """Note a header that goes over the stream.

        `below` is the range before it, where it is known otherwise.
        """
        fields = header.fields
        if not fields.position:
            below = Range()
        elif below is None:
            below = self.before(fields.device, fields.position).get(fields.previous or b"")
            if below is not None and below.root != fields.past:
                below = None
        _forget(self._known, fields)
        self.add(fields.device, fields.position, header.id, None if below is None else below.append(header.id))


@dataclass(slots=True)
class Sent:
    """What the receiving end is known to hold, as its sender sees it.

    Ids by place, and whether all below is there.

    A change that both sides hold is noted before the stream begins.
    """

    _held: dict[Place, dict[bytes, bool]] = field(default_factory=dict)

    def add(self, device: bytes, position: int, change: bytes, *, whole: bool) -> None:
        """Note a change that the receiver holds.

        `whole` if it has the whole chain below it, with every link right.
        """
        there = self._held.setdefault((device, position), {})
        there[change] = there.get(change, False) or whole

    def before(self, device: bytes, position: int) -> dict[bytes, bool]:
        """Give the ids known at the place before this position."""
        return self._held.get((device, position - 1), {})

    def is_whole_before(self, header: SignedHeader) -> bool:
        """Whether the receiver is known to have the whole chain below a change."""
        fields = header.fields
        return self.before(fields.device, fields.position).get(fields.previous or b"", False)

    def follow(self, header: SignedHeader, *, whole: bool) -> None:
        """Note a header that goes over the stream."""
        _forget(self._held, header.fields)
        self.add(header.fields.device, header.fields.position, header.id, whole=whole)


def _forget(known: dict[Place, dict[bytes, T]], fields: Header) -> None:
    """Forget the change that this one follows."""
    place = (fields.device, fields.position - 1)
    there = known.get(place, {})
    there.pop(fields.previous or b"", None)
    if not there:
        known.pop(place, None)


def pack(header: SignedHeader, body: bytes, sent: Sent, *, linked: bool, below: Range | None = None) -> bytes:
    """Give a block's bytes for a stream, and note that it went over it.

    Args:
        header: the block's header.
        body: its body's bytes.
        sent: what the receiver holds.
        linked: whether the block is known to follow from the one before; only then can `past` be made by anybody.
        below: the range before the block, to send its peaks if `past` cannot be left out.
    """
    fields = header.fields
    flags = 0
    if fields.position:
        known = sent.before(fields.device, fields.position)
        if len(known) == 1 and fields.previous in known:
            flags |= NO_PREVIOUS
            if known[fields.previous] and linked:
                flags |= NO_PAST
        if not flags & NO_PAST and linked and below is not None:
            flags |= PEAKS
    parts = [fields.key, header.signature, encode_varint(fields.position)]
    if fields.previous is not None and not flags & NO_PREVIOUS:
        parts.append(fields.previous)
    if below is not None and flags & PEAKS:
        parts.append(below.to_bytes())
    elif fields.past is not None and not flags & NO_PAST:
        parts.append(fields.past)
    parts += fields.at.to_bytes(_AT_BYTES, "big"), fields.author
    if fields.batch is not None:
        flags |= BATCH
        parts.append(fields.batch)
    if fields.extensions:
        flags |= EXTENSIONS
        extensions = _encoded_extensions(fields.extensions)
        parts += encode_varint(len(extensions)), extensions
    whole = not fields.position or bool(flags & (NO_PAST | PEAKS))
    sent.follow(header, whole=whole)
    return b"".join((bytes([flags]), *parts, body))


def read_place(data: bytes) -> tuple[Place, bool]:
    """Give the place of a packed block, and whether it needs the one before.

    Reads no further than the position. Raises MalformedMessage if that is not there.
    """
    fields = FieldReader(data[:_FRONT_BYTES])
    flags, key = fields.read_byte(), fields.read_bytes(KEY_BYTES)
    fields.read_bytes(SIGNATURE_BYTES)
    position = fields.read_varint(MAX_POSITION)
    return (device_id(key), position), bool(flags & (NO_PREVIOUS | NO_PAST))


def unpack(
    data: bytes,
    trail: Trail,
    fleet: bytes,
    erased: Container[bytes] = NOTHING,
    verify: Callable[[SignedHeader, bytes], None] = headers.verify,
) -> Block:
    """Unpack a block that `pack` made, check its signature, and note it.

    Args:
        data: the packed block.
        trail: what the receiver holds of its chain.
        fleet: the fleet's id.
        erased: the ids of facts whose values may be redacted.
        verify: checks a header's signature for a fleet.

    Raises MalformedMessage if a field is missing, LinksUnknown if what was left out cannot be made here, and
    BlockRefused as `decode_block` and `verify_block` do.
    """
    if len(data) > MAX_BLOCK_BYTES:
        raise MalformedMessage("a packed block is too large")
    packed = _read(data)
    body = decode_body(packed.body)
    for previous, past, below in _links(packed, trail):
        fields = Header(
            packed.key,
            packed.position,
            previous,
            past,
            packed.at,
            packed.author,
            body.leaves,
            body.root,
            packed.batch,
            packed.extensions,
        )
        header = headers.assemble(fields, packed.signature)
        try:
            verify(header, fleet)
        except BlockRefused:
            if packed.links_are_left_out:
                continue
            raise
        block = join(header, body, erased)
        if len(block.data) > MAX_BLOCK_BYTES:
            raise MalformedMessage("a packed block is too large")
        trail.follow(header, below)
        return block
    raise LinksUnknown("a block leaves out what is not known here")


class _Packed(NamedTuple):
    flags: int
    key: bytes
    signature: bytes
    position: int
    previous: bytes | None
    past: bytes | None
    peaks: Range | None
    at: int
    author: bytes
    batch: bytes | None
    extensions: dict[int, bytes]
    body: bytes

    @property
    def links_are_left_out(self) -> bool:
        return bool(self.flags & (NO_PREVIOUS | NO_PAST))


def _read(data: bytes) -> _Packed:
    fields = FieldReader(data)
    flags = fields.read_byte()
    key, signature = fields.read_bytes(KEY_BYTES), fields.read_bytes(SIGNATURE_BYTES)
    position = fields.read_varint(MAX_POSITION)
    links = flags & (NO_PREVIOUS | NO_PAST | PEAKS)
    if flags > _ALL or (links and not position) or links & (NO_PAST | PEAKS) == NO_PAST | PEAKS:
        raise MalformedMessage("the flags of a packed block are none")
    previous = past = peaks = None
    if position and not flags & NO_PREVIOUS:
        previous = fields.read_bytes(HASH_BYTES)
    if flags & PEAKS:
        peaks = Range.from_bytes(position, fields.read_bytes(position.bit_count() * HASH_BYTES))
        past = peaks.root
    elif position and not flags & NO_PAST:
        past = fields.read_bytes(HASH_BYTES)
    at = int.from_bytes(fields.read_bytes(_AT_BYTES), "big")
    author = fields.read_bytes(ID_BYTES)
    batch = fields.read_bytes(BATCH_BYTES) if flags & BATCH else None
    extensions: dict[int, bytes] = {}
    if flags & EXTENSIONS:
        extensions = _extensions(fields.read_bytes(fields.read_varint(MAX_EXTENSION_BYTES + 3)))
    body = fields.read_rest()
    return _Packed(flags, key, signature, position, previous, past, peaks, at, author, batch, extensions, body)


def _extensions(data: bytes) -> dict[int, bytes]:
    """Read extensions.

    Raises MalformedMessage for another form than that of `_encoded_extensions`.
    """
    try:
        plain = cbor.loads(data, cbor.decoders({}))
        if isinstance(plain, dict) and plain and _encoded_extensions(plain) == data:
            return plain
    except BlockRefused:
        pass
    raise MalformedMessage("the extensions of a packed block are malformed")


def _encoded_extensions(extensions: Mapping[int, bytes]) -> bytes:
    return cbor.head(cbor.MAP, len(extensions)) + headers.encode_extensions(extensions)


def _links(packed: _Packed, trail: Trail) -> Iterator[tuple[bytes | None, bytes | None, Range | None]]:
    """Give `previous`, `past` and the range below as they may be.

    By what the receiver holds.
    """
    if not packed.links_are_left_out:
        yield packed.previous, packed.past, packed.peaks
        return
    known = trail.before(device_id(packed.key), packed.position)
    for change, upto in list(known.items())[:MAX_CANDIDATES]:
        if packed.previous is not None and packed.previous != change:
            continue
        if not packed.flags & NO_PAST:
            yield change, packed.past, packed.peaks
        elif upto is not None:
            yield change, upto.root, upto

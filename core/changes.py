"""The change: what one person saved at once on one device in one locality.

With its exact bytes.

A block is a signed header and a body, one after the other (a CBOR sequence, RFC 8742). The change id is the hash of the
header alone, so a value can be taken out of the body later, and the id and the signature stay. Everything here is pure.
Bytes from elsewhere are hostile: `decode_block` bounds them and refuses what is not the one form of what they say,
which it finds out by encoding what it read again and comparing.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from core import body as bodies
from core import header as headers
from core.body import Body, Fact
from core.errors import BlockRefused
from core.hashes import digest
from core.header import Header, SignedHeader, header_size
from core.value_codec import CHANGE_ID_BYTES, ID_BYTES, INDEX_BYTES

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from core.chain import Tip

MAX_BLOCK_BYTES = 65536
MAX_USER_BYTES = 200
"""Of what a person is called (the property `person.name`)."""


def _entity_id_of_name(name: str) -> bytes:
    return digest(b"fieldline entity " + name.encode())[:ID_BYTES]


FLEET_ENTITY = _entity_id_of_name("fleet")
SCHEMA_ENTITY = _entity_id_of_name("schema")

NOTHING: Container[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class Change:
    """What a device is about to save.

    `author` is the person's entity, `at` the device's clock in microseconds since 1970 UTC. The facts come in any
    order. `batch` is 8 bytes that changes saved at once share, or None.
    """

    author: bytes
    at: int
    note: str | None
    facts: tuple[Fact, ...]
    batch: bytes | None = None
    extensions: Mapping[int, bytes] | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """A decoded canonical block whose body belongs to its header.

    The signature is not yet checked (`verify_block`).
    """

    header: SignedHeader
    body: Body

    @property
    def id(self) -> bytes:
        """The change id, 32 bytes."""
        return self.header.id

    @property
    def data(self) -> bytes:
        """The exact bytes."""
        return self.header.data + self.body.data

    @property
    def facts(self) -> tuple[Fact, ...]:
        """The facts, by entity and property."""
        return self.body.facts

    @property
    def device(self) -> bytes:
        """The device that signs."""
        return self.header.fields.device

    @property
    def at_us(self) -> int:
        """The device's clock as it was, in microseconds since 1970 UTC."""
        return self.header.fields.at

    @property
    def note(self) -> str | None:
        """The note; None if there is none, or if it was erased."""
        return self.body.note if isinstance(self.body.note, str) else None

    def fact_id(self, place: int) -> bytes:
        """Give the id of a fact; the place after the last fact is the note's."""
        return fact_id(self.header.id, place)


def fact_id(change: bytes, place: int) -> bytes:
    """Give change id and the fact's place in the change, 34 bytes."""
    return change + place.to_bytes(INDEX_BYTES, "big")


def change_id(data: bytes) -> bytes:
    """Give the id of a block's bytes, which are looked at no further.

    Raises BlockRefused if they are none.
    """
    return digest(data[: header_size(data)])


def sign_block(
    change: Change, key: Ed25519PrivateKey, fleet: bytes | None, seed: bytes, tip: Tip | None = None
) -> Block:
    """Sign a change and give its block.

    Args:
        change: what to say.
        key: the device's.
        fleet: its id, None for the genesis.
        seed: 16 fresh random bytes for the salts.
        tip: where the device's chain ends, None if this is its first change.

    Raises BlockRefused if the change is not one that every device would accept.
    """
    body = bodies.make_body(change.facts, change.note, seed)
    fields = Header(
        _public_key(key),
        tip.position + 1 if tip else 0,
        tip.id if tip else None,
        tip.past if tip else None,
        change.at,
        change.author,
        body.leaves,
        body.root,
        change.batch,
        change.extensions or {},
    )
    block = Block(headers.sign(fields, key, fleet), body)
    _check_size(len(block.header.data) + len(body.data))
    return block


@lru_cache(maxsize=1)
def _public_key(key: Ed25519PrivateKey) -> bytes:
    """Derive the raw public key, which takes half as long as to sign."""
    return key.public_key().public_bytes_raw()


def decode_block(data: bytes, erased: Container[bytes] = NOTHING) -> Block:
    """Read a block's bytes.

    Raises BlockRefused if they are too large, malformed, not canonical or of two changes.

    `erased` holds the ids of facts (and notes: the place after the last fact) whose values may be redacted; a redaction
    that nothing there asks for is refused. The signature is not checked: see `verify_block`.
    """
    _check_size(len(data))
    size = header_size(data)
    return join(headers.decode_header(data[:size]), bodies.decode_body(data[size:]), erased)


def read_checked_block(data: bytes) -> Block:
    """Read exact bytes that `decode_block` has accepted before.

    It takes a third of the time. Never for bytes that nobody has checked.
    """
    size = header_size(data)
    header = headers.read_checked_header(data[:size])
    return Block(header, bodies.read_checked_body(data[size:], header.fields.root))


def join(header: SignedHeader, body: Body, erased: Container[bytes] = NOTHING) -> Block:
    """Put a header and a body together.

    Raises BlockRefused if they do not belong together.
    """
    if header.fields.root != body.root or header.fields.leaves != body.leaves:
        raise BlockRefused("a block's facts are not those that were signed")
    if any(fact_id(header.id, place) not in erased for place in body.redacted):
        raise BlockRefused("a block lacks a value that nobody has erased")
    return Block(header, body)


def verify_block(block: Block, fleet: bytes) -> None:
    """Check the signature of a block for this fleet.

    Raises BlockRefused if it does not hold.
    """
    headers.verify(block.header, fleet)


def redact(block: Block, places: Collection[int]) -> Block:
    """Take the values at these places out of a block; its id and signature stay.

    See `body.redact`.
    """
    return Block(block.header, bodies.redact(block.body, places))


def parent_ids(block: Block) -> set[bytes]:
    """Give the changes that this one was made in knowledge of.

    Those of the facts that it obsoletes, and the one before it.
    """
    parents = {target[:CHANGE_ID_BYTES] for fact in block.facts if fact.obsoletes for target in fact.obsoletes}
    if previous := block.header.fields.previous:
        parents.add(previous)
    return parents


def sort_causally(blocks: Sequence[Block]) -> list[Block]:
    """Sort parents before children, otherwise by time and id.

    So equal sets give equal orders.
    """
    by_id = {block.id: block for block in sorted(blocks, key=lambda block: (block.at_us, block.id))}
    done: dict[bytes, Block] = {}
    for root in by_id.values():
        stack = [root]
        while stack:
            block = stack[-1]
            if block.id in done:
                stack.pop()
                continue
            open_parents = [by_id[p] for p in sorted(parent_ids(block)) if p in by_id and p not in done]
            if open_parents:
                stack.extend(open_parents)
            else:
                done[block.id] = stack.pop()
    return list(done.values())


def _check_size(size: int) -> None:
    if size > MAX_BLOCK_BYTES:
        raise BlockRefused("a block of {size} bytes is larger than {limit}", size=size, limit=MAX_BLOCK_BYTES)

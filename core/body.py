"""The body of a change: its note and facts, and what the header's root commits to.

    body = [salts, note | null, [[entity, [[property, value, obsoletes], ...]], ...]]

Entities ascend, the properties of an entity ascend (both by their bytes), so a slot is there at most once and the same
facts have one form only. A fact's place is counted through all entities. Leaf i of the tree is

    H(00 || CBOR [entity, property, obsoletes] || c),    c = H(02 || salt || CBOR value)

and the note, if there is one, is a leaf of its own after the last fact: H(00 || CBOR null || c). Any value, and the
note, can be redacted: tag 60 with the commitment c stands in its place, and the seed of the salts gives way to the
co-path (`salt_tree`). The root stays, and with it the header, its id and its signature.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

from blake3 import blake3

from core import cbor, hashes, salt_tree
from core.errors import BlockRefused
from core.leaf_tree import root_of
from core.salt_tree import Salts
from core.value_codec import (
    ID_BYTES,
    MAX_FACTS,
    VALUE_TAGS,
    ParentRef,
    Redacted,
    Value,
    Withdrawal,
    encode_value,
    is_fact_id,
    is_line,
    parents_of,
    withdrawn_by,
)

MAX_PROPERTY_BYTES = 100
MAX_NOTE_BYTES = 4096
MAX_PARENTS = 64
"""Different entities that a change may name as parents: a flood into many localities takes many changes."""

NONE_REDACTED: frozenset[int] = frozenset()

_BODY_HEAD = cbor.head(cbor.ARRAY, 3)
BODY_SALT_AT = len(_BODY_HEAD) + len(cbor.head(cbor.BYTES, salt_tree.SEED_BYTES))
"""Where the seed of the salts lies in a body of which nothing was redacted."""
_FACT_HEAD = cbor.head(cbor.ARRAY, 3)
_GROUP_HEAD = cbor.head(cbor.ARRAY, 2) + cbor.head(cbor.BYTES, ID_BYTES)
_LEAF_HEAD = hashes.LEAF + _FACT_HEAD + cbor.head(cbor.BYTES, ID_BYTES)
_TARGET_HEAD = cbor.head(cbor.BYTES, 34)
_NO_TARGETS = cbor.head(cbor.ARRAY, 0)
_NULL = b"\xf6"
_NOTE_LEAF = hashes.LEAF + _NULL
_ARRAYS = (list, tuple)
"""What arrays are read as."""
_CHECKED_TYPES = frozenset((ParentRef, Withdrawal, Redacted, tuple))
"""The types of values of which more is checked than their own form."""


class Fact(NamedTuple):
    """That an entity's property has a value.

    `obsoletes` holds the 34-byte ids of the facts its author saw there, sorted.

    A named tuple, since a change holds dozens and a frozen dataclass takes four times as long to make.
    """

    entity: bytes
    property: str
    value: Value
    obsoletes: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Body:
    """A body with its exact bytes, its root, and the encoded value of each fact."""

    data: bytes
    salts: Salts
    note: str | Redacted | None
    facts: tuple[Fact, ...]
    values: tuple[bytes, ...]
    root: bytes

    @property
    def leaves(self) -> int:
        """How many leaves the tree has: the facts, and the note if there is one."""
        return len(self.facts) + (self.note is not None)

    @property
    def redacted(self) -> frozenset[int]:
        """The places of the leaves whose value is gone."""
        return NONE_REDACTED if isinstance(self.salts, bytes) else _redacted(self.note, self.facts)


def make_body(facts: Iterable[Fact], note: str | None, seed: bytes) -> Body:
    """Make the body of these facts, in whatever order they come.

    `seed` is 16 fresh random bytes.

    Raises BlockRefused for what no device would accept.
    """
    ordered = tuple(sorted(facts, key=lambda fact: (fact.entity, fact.property)))
    body = _made(seed, note, ordered)
    if body.redacted:
        raise BlockRefused("a fact has a value of a type that is not in the format")
    return body


def decode_body(data: bytes) -> Body:
    """Read a body's bytes, redacted or not.

    Raises BlockRefused if they are malformed or not canonical.
    """
    salts, note, facts = _read(data)
    body = _made(salts, note, facts)
    if body.data != data:
        raise BlockRefused("a block is not in canonical form")
    return body


def read_checked_body(data: bytes, root: bytes) -> Body:
    """Read bytes that `decode_body` has accepted before, with the root that it gave.

    Nothing is encoded and hashed again, which is most of the work. Never for bytes that nobody has checked.
    """
    salts, note, facts = _read(data)
    return Body(data, salts, note, facts, tuple(encode_value(fact.value) for fact in facts), root)


def _read(data: bytes) -> tuple[Any, Any, tuple[Fact, ...]]:
    """Read salts, note and facts; raises BlockRefused where the shape is another."""
    plain = cbor.loads(data, VALUE_TAGS)
    if not _is_list(plain, 3):
        raise BlockRefused("a change is malformed")
    salts, note, groups = plain
    return tuple(salts) if isinstance(salts, list) else salts, note, tuple(_facts(groups))


def redact(body: Body, places: Collection[int]) -> Body:
    """Take the values at these places out of a body, for good.

    The place after the last fact is the note's.

    What was redacted stays so. Raises ValueError for a place that is none, or that is one of a withdrawal: what is in
    use would depend on who still has it.
    """
    before = body.redacted
    gone = before | frozenset(places)
    if not all(0 <= place < body.leaves for place in gone):
        raise ValueError("a change has no such leaf")
    if any(withdrawn_by(body.facts[place].value) for place in gone if place < len(body.facts)):
        raise ValueError("a withdrawal is not redacted")
    salts = salt_tree.expand(body.salts, body.leaves, before)
    facts = tuple(
        Fact(fact.entity, fact.property, Redacted(hashes.commitment(salts[place], body.values[place])), fact.obsoletes)
        if place in gone and place not in before
        else fact
        for place, fact in enumerate(body.facts)
    )
    note = body.note
    place = len(facts)
    if isinstance(note, str) and place in gone:
        note = Redacted(hashes.commitment(salts[place], cbor.text(note)))
    return _made(salt_tree.puncture(body.salts, body.leaves, before, gone), note, facts)


def reopen(body: Body, salts: Salts, values: Mapping[int, Value]) -> Body:
    """Put values back into a redacted body, with the salts that it had before.

    Raises BlockRefused if they are others.

    The bytes are again those from before the redaction.
    """
    facts = tuple(
        Fact(fact.entity, fact.property, values.get(place, fact.value), fact.obsoletes)
        for place, fact in enumerate(body.facts)
    )
    note = values.get(len(facts), body.note)
    opened = _made(salts, note, facts)
    if opened.root != body.root:
        raise BlockRefused("a value is not the one that was erased")
    return opened


def _made(salts: Any, note: Any, facts: Sequence[Fact]) -> Body:
    """Check, encode and hash a body."""
    if not 1 <= len(facts) <= MAX_FACTS:
        raise BlockRefused("a change has no facts or more than {limit}", limit=MAX_FACTS)
    encoded_note = _encoded_note(note)
    values = [encode_value(fact.value) for fact in facts]
    leaves = len(facts) + (note is not None)
    gone = _redacted(note, facts)
    salted = salt_tree.expand(salts, leaves, gone)
    # Hashes are most of the work here, so they are made without a call of our own for each.
    commitments = [
        blake3(hashes.COMMITMENT + salt + value).digest()
        for salt, value in zip(salted, [*values, encoded_note], strict=False)
    ]
    for place in gone:
        erased: Any = note if place == len(facts) else facts[place].value
        commitments[place] = erased.commitment
    hashed: list[bytes] = []
    groups: list[bytes] = []
    group: list[bytes] = []
    entity, name, leaf_head = b"", "", b""
    for fact, value, committed in zip(facts, values, commitments, strict=False):
        its_entity, its_name, _, obsoletes = fact
        if its_entity != entity:
            if its_entity < entity or len(its_entity) != ID_BYTES:
                raise BlockRefused("a block is not in canonical form")
            _close(groups, entity, group)
            entity, name, group, leaf_head = its_entity, "", [], _LEAF_HEAD + its_entity
        if its_name <= name:
            raise BlockRefused("a block is not in canonical form")
        name = its_name
        encoded_name = _encoded_property(name)
        targets = _encoded_targets(obsoletes) if obsoletes else _NO_TARGETS
        hashed.append(blake3(leaf_head + encoded_name + targets + committed).digest())
        group += (_FACT_HEAD, encoded_name, value, targets)
    _close(groups, entity, group)
    if note is not None:
        hashed.append(hashes.digest(_NOTE_LEAF + commitments[-1]))
    _check_named([fact for fact in facts if type(fact.value) in _CHECKED_TYPES])
    parts = (_BODY_HEAD, _encoded_salts(salts), encoded_note, cbor.head(cbor.ARRAY, len(groups)), *groups)
    return Body(b"".join(parts), salts, note, tuple(facts), tuple(values), root_of(hashed))


def _check_named(facts: Sequence[Fact]) -> None:
    """Check what a change withdraws and whom it names as parents."""
    if any(withdrawn_by(fact.value) not in ((), fact.obsoletes) for fact in facts):
        raise BlockRefused("a fact withdraws others than it obsoletes")
    if len({parent for fact in facts for parent in parents_of(fact.value)}) > MAX_PARENTS:
        raise BlockRefused("a change names more than {limit} different parents", limit=MAX_PARENTS)


def _close(groups: list[bytes], entity: bytes, group: list[bytes]) -> None:
    if group:
        groups.append(b"".join((_GROUP_HEAD, entity, cbor.head(cbor.ARRAY, len(group) // 4), *group)))


def _facts(groups: Any) -> Iterator[Fact]:
    """Give the facts of what was read.

    Raises BlockRefused where the shape is not that of a body.
    """
    if not isinstance(groups, _ARRAYS):
        raise BlockRefused("a change is malformed")
    for group in groups:
        if not _is_list(group, 2) or not isinstance(group[0], bytes) or not isinstance(group[1], _ARRAYS):
            raise BlockRefused("a change is malformed")
        entity, facts = group
        for fact in facts:
            if not isinstance(fact, _ARRAYS) or len(fact) != 3:
                raise BlockRefused("a fact is malformed")
            name, value, targets = fact
            if not isinstance(name, str) or not isinstance(targets, _ARRAYS):
                raise BlockRefused("a fact is malformed")
            yield Fact(entity, name, tuple(value) if isinstance(value, list) else value, tuple(targets))


def _redacted(note: Any, facts: Sequence[Fact]) -> frozenset[int]:
    gone = [place for place, fact in enumerate(facts) if type(fact.value) is Redacted]
    if isinstance(note, Redacted):
        gone.append(len(facts))
    return frozenset(gone) if gone else NONE_REDACTED


def _encoded_salts(salts: Salts) -> bytes:
    if isinstance(salts, bytes):
        return cbor.byte_string(salts)
    return cbor.head(cbor.ARRAY, len(salts)) + b"".join(map(cbor.byte_string, salts))


def _encoded_note(note: Any) -> bytes:
    if note is None:
        return _NULL
    if isinstance(note, Redacted):
        return encode_value(note)
    encoded = encode_value(note) if isinstance(note, str) and note else b""
    if not encoded or len(note.encode()) > MAX_NOTE_BYTES:
        raise BlockRefused("a note is empty or of more than {limit} bytes", limit=MAX_NOTE_BYTES)
    return encoded


@lru_cache(maxsize=1024)
def _encoded_property(name: str) -> bytes:
    """Encode the name of a property; a fleet has few different ones."""
    try:
        good = is_line(name, MAX_PROPERTY_BYTES)
    except UnicodeEncodeError:
        good = False
    if not good:
        raise BlockRefused("a fact is malformed")
    return cbor.text(name)


def _encoded_targets(targets: tuple[bytes, ...]) -> bytes:
    if not all(map(is_fact_id, targets)):
        raise BlockRefused("a fact is malformed")
    if any(a >= b for a, b in pairwise(targets)):
        raise BlockRefused("a fact does not list what it obsoletes in order")
    return cbor.head(cbor.ARRAY, len(targets)) + b"".join(_TARGET_HEAD + target for target in targets)


def _is_list(plain: Any, size: int) -> bool:
    return isinstance(plain, _ARRAYS) and len(plain) == size

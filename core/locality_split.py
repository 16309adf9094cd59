"""What a person saves at once, as the changes that it is written as.

One for each locality, so that each can travel for itself.

The locality of an entity is the one that it lies in: itself, if its kind can hold others, or else its parent. Fleet,
schema, members and persons are common to all. What lies nowhere is kept together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from core.body import MAX_NOTE_BYTES, MAX_PARENTS, Fact
from core.changes import MAX_BLOCK_BYTES
from core.header import MAX_HEADER_BYTES
from core.schema import KIND, Kind, Schema
from core.value_codec import FACT_ID_BYTES, MAX_FACTS, ParentRef, Ref, encode_value, parents_of

COMMON_KINDS = frozenset({"fleet", "schema", "member", "person"})

COMMON, NOWHERE = b"common", b"nowhere"
"""Localities that are no entity (an entity's id has 16 bytes)."""

_BODY_BYTES = MAX_BLOCK_BYTES - MAX_HEADER_BYTES - MAX_NOTE_BYTES - 32
"""What is left for facts beside the largest header, the longest note and the frame of a body."""
_FACT_BYTES, _GROUP_BYTES, _TARGET_BYTES = 9, 24, FACT_ID_BYTES + 2
"""The most that CBOR adds to a fact's name and value, to an entity's facts, and a target with its head."""


@dataclass(frozen=True, slots=True)
class Placed:
    """What is in use of an entity at present.

    Its kind and its parent, None where nothing is.
    """

    kind: str | None = None
    parent: bytes | None = None


Find = Callable[[bytes], Placed]


def split(facts: Sequence[Fact], find: Find, schema: Schema, along: Sequence[Fact] = ()) -> list[list[Fact]]:
    """Split the facts of a save into those of each change, the common ones first.

    `along` goes with the first of them, wherever that is: what is said of the person who saves.

    References to what an entity lies in are tagged. `find` tells of an entity before the save. Every part fits a
    change, with whatever note, and states no slot twice.
    """
    saved = _saved(facts, find, schema)
    parts: dict[bytes, list[Fact]] = {COMMON: []}
    for fact in facts:
        placed = saved(fact.entity)
        parts.setdefault(locality_of(fact.entity, placed, schema), []).append(_tagged(fact, schema.kind(placed.kind)))
    first = next((locality for locality, part in parts.items() if part), COMMON)
    parts[first] = [*along, *parts[first]]
    return [piece for part in parts.values() for piece in _pieces(part)]


def locality_of(entity: bytes, placed: Placed, schema: Schema) -> bytes:
    """Give the entity that holds this one, or COMMON or NOWHERE."""
    if placed.kind in COMMON_KINDS:
        return COMMON
    if placed.kind is not None and schema.children(placed.kind):
        return entity
    return placed.parent or NOWHERE


def _saved(facts: Iterable[Fact], find: Find, schema: Schema) -> Find:
    """Give what is in use of each entity of a save once it is done."""
    kinds = {fact.entity: fact.value for fact in facts if fact.property == KIND}
    known: dict[bytes, Placed] = {}
    for entity in dict.fromkeys(fact.entity for fact in facts):
        before = find(entity)
        kind = kinds.get(entity, before.kind)
        known[entity] = Placed(kind if isinstance(kind, str) else None, before.parent)
    for fact in facts:
        placed = known[fact.entity]
        if fact.property == schema.kind(placed.kind).parent and isinstance(fact.value, Ref | ParentRef):
            known[fact.entity] = replace(placed, parent=fact.value.entity)
    return known.__getitem__


def _tagged(fact: Fact, kind: Kind) -> Fact:
    """Tag a reference to what an entity lies in."""
    if fact.property in (kind.parent, kind.within) and isinstance(fact.value, Ref):
        return fact._replace(value=ParentRef(fact.value.entity))
    return fact


def _pieces(facts: Sequence[Fact]) -> Iterator[list[Fact]]:
    """Part facts into pieces that each fit a change.

    A slot that is stated again goes into a further one.
    """
    piece: list[Fact] = []
    slots: set[tuple[bytes, str]] = set()
    entities: set[bytes] = set()
    parents: set[bytes] = set()
    size = 0
    for fact in facts:
        slot, named = (fact.entity, fact.property), parents | set(parents_of(fact.value))
        more = _size(fact) + (0 if fact.entity in entities else _GROUP_BYTES)
        full = len(piece) == MAX_FACTS or size + more > _BODY_BYTES or len(named) > MAX_PARENTS
        if piece and (full or slot in slots):
            yield piece
            piece, slots, entities, size = [], set(), set(), 0
            named, more = set(parents_of(fact.value)), _size(fact) + _GROUP_BYTES
        piece.append(fact)
        slots.add(slot)
        entities.add(fact.entity)
        parents = named
        size += more
    if piece:
        yield piece


def _size(fact: Fact) -> int:
    name, value = fact.property.encode(), encode_value(fact.value)
    return len(name) + len(value) + _TARGET_BYTES * len(fact.obsoletes) + _FACT_BYTES

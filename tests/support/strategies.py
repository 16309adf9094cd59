"""Hypothesis strategies for what the format can hold, and a device with a chain."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import strategies as st

from core import chain
from core.body import Fact
from core.changes import Block, Change, sign_block
from core.header import MAX_TIMESTAMP_US, device_id
from core.mountain_range import Range
from core.value_codec import (
    FactRef,
    ParentRef,
    Ref,
    Scalar,
    Value,
    normalized,
)

KEYS = [Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in range(1, 9)]
DEVICES = [device_id(key.public_key().public_bytes_raw()) for key in KEYS]
FLEET = b"f" * 16
AUTHOR = b"A" * 16
SEED = bytes(range(16))


def _line(text: str) -> str:
    return normalized(text)


entities: st.SearchStrategy[bytes] = st.binary(min_size=16, max_size=16)
ids: st.SearchStrategy[bytes] = st.binary(min_size=32, max_size=32)
fact_ids = st.builds(lambda change, place: change + place.to_bytes(2, "big"), ids, st.integers(0, 511))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30).map(normalized)
line_text = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=15).map(normalized)
scalars: st.SearchStrategy[Scalar] = st.one_of(
    texts,
    st.integers(-(2**63), 2**63 - 1),
    st.booleans(),
    st.builds(Ref, entities),
    st.builds(ParentRef, entities),
    st.builds(FactRef, fact_ids),
)
values: st.SearchStrategy[Value] = st.one_of(st.none(), scalars, st.lists(scalars, max_size=4).map(tuple))
facts = st.builds(
    Fact,
    st.sampled_from([b"E" * 16, b"F" * 16]) | entities,
    line_text,
    values,
    st.lists(fact_ids, unique=True, max_size=3).map(lambda found: tuple(sorted(found))),
)
fact_lists = st.lists(facts, min_size=1, max_size=9, unique_by=lambda fact: (fact.entity, fact.property)).map(tuple)
notes = st.none() | texts.filter(bool)
extensions = st.dictionaries(st.integers(64, 2**32 - 1), st.binary(max_size=40), max_size=3)
changes = st.builds(
    Change,
    author=entities,
    at=st.integers(0, MAX_TIMESTAMP_US),
    note=notes,
    facts=fact_lists,
    batch=st.none() | st.binary(min_size=8, max_size=8),
    extensions=extensions,
)
seeds = st.binary(min_size=16, max_size=16)


class ChainPen:
    """Writes blocks of one device, each on top of the one before."""

    def __init__(self, number: int = 0, fleet: bytes = FLEET) -> None:
        self.key, self.device, self.fleet = KEYS[number], DEVICES[number], fleet
        self.tip: chain.Tip | None = None
        self.blocks: list[Block] = []
        self.ranges = [Range()]
        """The range below each block, and the one above all."""

    def write(self, change: Change | None = None, at: int = 0) -> Block:
        """The next block."""
        saved = change or Change(AUTHOR, at, None, (Fact(b"E" * 16, "p", len(self.blocks)),))
        block = sign_block(saved, self.key, self.fleet, SEED, self.tip)
        self.tip = chain.advance(self.tip, block.header) if self.tip else chain.first_tip(block.header)
        self.blocks.append(block)
        self.ranges.append(self.tip.range)
        return block

    def branch(self, position: int) -> ChainPen:
        """A copy of this device's key that forks before this position, as a thief would."""
        other = ChainPen(KEYS.index(self.key), self.fleet)
        other.blocks, other.ranges = self.blocks[:position], self.ranges[: position + 1]
        if position:
            other.tip = chain.Tip(self.device, position - 1, self.blocks[position - 1].id, self.ranges[position])
        return other

"""A slot follows from its own facts, standing, and proofs: a part says the same.

Random histories with several devices, wrong clocks, forks and cuts; the part holds only the changes about one entity,
and proofs for the cuts instead of the chains between.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from core.body import Fact
from core.chain import Cut, Side
from core.changes import Block, Change
from core.effective_time import Dated, effective_times
from core.mountain_range import levels_of, prove
from core.slots import leaf_ids
from core.value_codec import encode_value, withdrawal_of, withdrawn_by
from tests.support.strategies import AUTHOR, ChainPen

ENTITIES = [b"E" * 16, b"F" * 16, b"G" * 16]
Slot = tuple[bytes, str]
Shown = list[tuple[bytes, bytes, int]]
"""The leaves of a slot, the pick first: fact id, encoded value, effective time."""


@dataclass
class World:
    """All blocks, each device's honest chain, and how far some changes count."""

    blocks: list[Block]
    pens: list[ChainPen]
    cuts: dict[bytes, int]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    pens = [ChainPen(number) for number in range(3)]
    writers = list(pens)
    blocks: list[Block] = []
    known: dict[Slot, list[bytes]] = {}
    for number in range(draw(st.integers(3, 14))):
        if number == 5 and draw(st.booleans()):
            pen = draw(st.sampled_from(pens))
            writers.append(pen.branch(draw(st.integers(0, len(pen.blocks)))))
        slots = draw(
            st.lists(st.tuples(st.sampled_from(ENTITIES), st.sampled_from("pq")), min_size=1, max_size=3, unique=True)
        )
        facts = []
        for entity, name in slots:
            # Also ids of other slots, which obsolete nothing.
            every = sorted({each for ids in known.values() for each in ids})
            seen = (
                draw(st.lists(st.sampled_from(known.get((entity, name)) or every), unique=True, max_size=2))
                if every
                else []
            )
            value = withdrawal_of(seen) if seen and draw(st.booleans()) else draw(st.sampled_from(["a", "b", None]))
            facts.append(Fact(entity, name, value, tuple(sorted(seen))))
        block = draw(st.sampled_from(writers)).write(Change(AUTHOR, draw(st.integers(0, 50)), None, tuple(facts)))
        if block.id in {each.id for each in blocks}:
            continue
        blocks.append(block)
        for place, fact in enumerate(block.facts):
            known.setdefault((fact.entity, fact.property), []).append(block.fact_id(place))
    cuts = {pen.device: draw(st.integers(0, len(pen.blocks) - 1)) for pen in pens if pen.blocks and draw(st.booleans())}
    return World(blocks, pens, cuts)


def shown(blocks: list[Block], cuts: dict[bytes, Cut], until: int) -> dict[Slot, Shown]:
    """The leaves of each slot, by what counts and is in effect until a time."""
    counting = [
        block
        for block in blocks
        for cut in [cuts.get(block.header.fields.device)]
        if cut is None or cut.side(block.header.fields.position, block.id) is Side.WITHIN
    ]
    facts = {
        block.fact_id(place): (block, fact, (fact.entity, fact.property))
        for block in blocks
        for place, fact in enumerate(block.facts)
    }
    times = effective_times({i: Dated(slot, b.header.fields.at, f.obsoletes) for i, (b, f, slot) in facts.items()})
    ids = {block.id for block in counting}
    used = {i: each for i, each in facts.items() if each[0].id in ids and times[i] <= until}
    own = ((i, slot, [t for t in f.obsoletes if t in used and used[t][2] == slot]) for i, (_, f, slot) in used.items())
    found: dict[Slot, Shown] = {}
    withdrawals = {i for i, (_, f, _) in used.items() if withdrawn_by(f.value)}
    for slot, leaves in leaf_ids(own, withdrawals).items():
        rows = [(leaf, encode_value(used[leaf][1].value), times[leaf]) for leaf in leaves]
        found[slot] = sorted(rows, key=lambda row: (row[1] != b"\xf6", row[2], row[0]), reverse=True)
    return found


@given(worlds(), st.sampled_from(ENTITIES), st.integers(0, 50))
def test_a_part_of_the_set_shows_the_same(world: World, entity: bytes, until: int) -> None:
    whole: dict[bytes, Cut] = {}
    partial: dict[bytes, Cut] = {}
    part = [block for block in world.blocks if any(fact.entity == entity for fact in block.facts)]
    for pen in world.pens:
        if pen.device not in world.cuts:
            continue
        head = pen.blocks[world.cuts[pen.device]].header
        ids = [block.id for block in pen.blocks[: head.fields.position]]
        whole[pen.device], partial[pen.device] = Cut(head), Cut(head)
        assert whole[pen.device].take_chain(ids)
        wanted = {
            block.header.fields.position
            for block in part
            if block.header.fields.device == pen.device and block.header.fields.position < head.fields.position
        }
        if wanted:
            proof = prove(levels_of(ids), head.fields.position, wanted)
            assert partial[pen.device].take_proof({p: ids[p] for p in wanted}, proof)
    for moment in (until, 10**9):
        full = {slot: rows for slot, rows in shown(world.blocks, whole, moment).items() if slot[0] == entity}
        assert {slot: rows for slot, rows in shown(part, partial, moment).items() if slot[0] == entity} == full


@given(worlds(), st.sampled_from(ENTITIES))
def test_without_proofs_less_counts_and_never_more(world: World, entity: bytes) -> None:
    """What waits for a proof is out: nothing unproven in the whole set has effect."""
    part = [block for block in world.blocks if any(fact.entity == entity for fact in block.facts)]
    for pen in world.pens:
        if pen.device not in world.cuts:
            continue
        head = pen.blocks[world.cuts[pen.device]].header
        known, unknown = Cut(head), Cut(head)
        assert known.take_chain([block.id for block in pen.blocks[: head.fields.position]])
        for block in part:
            place = block.header.fields.position
            if block.header.fields.device == pen.device and unknown.side(place, block.id) is Side.WITHIN:
                assert known.side(place, block.id) is Side.WITHIN

"""What is shown of a slot depends on its entity, what is common, and proofs.

A store with only these shows the same as one with everything.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.body import Fact
from core.changes import Block, decode_block
from core.member_values import MEMBER_PROPERTIES, REVOKED_PROPERTY, Cut, revocation_value
from core.slots import Slot
from core.store.store import Store
from core.value_codec import ParentRef, Ref, withdrawal_of
from tests.support.store_fleet import ENTITY, FLEET, FOUNDING, OTHER, USERS, Pen, person_of, proven

THIRD = b"G" * 16
ENTITIES = (ENTITY, OTHER, THIRD)
PERSONS = {person_of(user) for user in USERS}
MOMENTS = (9, 12, 15, 18, 21, 24, 27, 30)


@st.composite
def histories(draw: st.DrawFn) -> list[bytes]:
    """Changes about several entities.

    With moves, forks, wrong clocks, names of persons, withdrawals, and cuts.
    """
    pens = [Pen(0, FOUNDING), Pen(1), Pen(2), Pen(3)]
    blocks: list[Block] = []
    for number in range(draw(st.integers(2, 12))):
        pen = draw(st.sampled_from(pens))
        what = draw(st.sampled_from(["edit", "edit", "edit", "move", "fork", "name", "cut"]))
        if what == "fork":
            pens.append(pen.branch())
            continue
        facts: list[Fact] = []
        if what == "cut" and blocks:
            head = draw(st.sampled_from(blocks))
            cut = Cut(head.header.fields.position, head.id)
            facts.append(Fact(head.device, REVOKED_PROPERTY, revocation_value((cut,))))
            pen = pens[0]
        elif what == "name":
            facts.append(_draw_fact(draw, blocks, person_of("u"), "person.name", f"u{number}"))
        for entity in (
            draw(st.lists(st.sampled_from(ENTITIES), min_size=1, max_size=2, unique=True)) if not facts else ()
        ):
            if what == "move":
                target = draw(st.sampled_from(ENTITIES))
                facts.append(_draw_fact(draw, blocks, entity, "q", draw(st.sampled_from([Ref, ParentRef]))(target)))
            else:
                facts.append(_draw_fact(draw, blocks, entity, "p", draw(st.sampled_from([None, "a", "b", number]))))
        blocks.append(decode_block(pen.write(*facts, at=draw(st.integers(10, 30)))))
    return [block.data for block in blocks]


def _draw_fact(draw: st.DrawFn, blocks: list[Block], entity: bytes, name: str, value: object) -> Fact:
    """A fact that obsoletes some of those there, at times one of another slot."""
    known = [(b.fact_id(n), f) for b in blocks for n, f in enumerate(b.facts)]
    same = [fact for fact, f in known if (f.entity, f.property) == (entity, name)]
    pool = draw(st.sampled_from([same, same, [fact for fact, _ in known]]))
    seen = draw(st.lists(st.sampled_from(pool), unique=True, max_size=3)) if pool else []
    if seen and draw(st.booleans()):
        value = withdrawal_of(seen)
    return Fact(entity, name, value, tuple(sorted(seen)))  # type: ignore[arg-type]


def is_common(block: Block) -> bool:
    return any(fact.property in MEMBER_PROPERTIES or fact.entity in PERSONS for fact in block.facts)


async def shown(store: Store, entity: bytes) -> list[Slot]:
    views = [store.now(), *(store.as_of(moment) for moment in MOMENTS)]
    return [await view.slot(entity, name) for view in views for name in ("p", "q")]


@settings(max_examples=25)
@given(histories())
async def test_a_part_of_the_changes_shows_the_same_of_its_entities_as_all_of_them(blocks: list[bytes]) -> None:
    await compare_parts(blocks)


@pytest.mark.soak
@settings(max_examples=1000)
@given(histories())
async def test_a_part_of_the_changes_shows_the_same_1000_times(blocks: list[bytes]) -> None:
    await compare_parts(blocks)


async def compare_parts(blocks: list[bytes]) -> None:
    """Compare stores with one entity's changes with one that has all of them."""
    with tempfile.TemporaryDirectory() as folder:
        whole = await Store.create(Path(folder) / "whole", fleet=FLEET, clock=lambda: 1000)
        await whole.save_blocks([*FOUNDING, *blocks])
        for place, entity in enumerate(ENTITIES):
            part = await Store.create(Path(folder) / f"part{place}", fleet=FLEET, clock=lambda: 1000)
            own = [b for b in map(decode_block, blocks) if is_common(b) or entity in {f.entity for f in b.facts}]
            await part.save_blocks(FOUNDING)
            await part.keep_blocks(own, proven=await proven(whole, [block.id for block in own]))
            assert await shown(part, entity) == await shown(whole, entity)
            await part.close()
        await whole.close()

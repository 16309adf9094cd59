"""What devices that are bound to localities say counts of what lies in them."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.body import Fact
from core.changes import SCHEMA_ENTITY, change_id, decode_block
from core.member_values import ROLE_PROPERTY, Cut, role_value
from core.membership import Authority, Membership, RoleRule
from core.scope_rule import MAX_LEVELS, MAX_PLACES, is_made_by, make_entity_id
from core.store.queries.stats import Connection
from core.store.store import Store
from core.value_codec import MAX_FACTS, ParentRef, Ref, Value
from tests.support.store_fleet import AUTHORS, FLEET, FOUNDING, Pen, fact_about, fact_of

BOUND, OTHER = AUTHORS[2].device, AUTHORS[3].device
"""Devices 2 and 3 are bound to the first and the second locality, device 1 to nothing."""
HERE, THERE = b"H" * 16, b"T" * 16
OLD, STRANGE = b"O" * 16, b"S" * 16
SCHEMA = Fact(SCHEMA_ENTITY, "schema.place", 'parent = "locality"\n[properties.locality]\ntype = "reference"\n')


def made_by(device: bytes, number: int = 0) -> bytes:
    """An entity whose id says that a device has made it."""
    bound = Membership(
        authorities={device: Authority((RoleRule(b"", "technician", None, (), frozenset({frozenset()})),))}
    )
    return make_entity_id(bound, device, lambda size: bytes([number]) * size)


OWN = made_by(BOUND)


def place(entity: bytes, parent: bytes, *seen: bytes) -> Fact:
    return Fact(entity, "locality", ParentRef(parent), tuple(sorted(seen)))


def bind(device: bytes, scope: Sequence[bytes], seen: bytes) -> Fact:
    return Fact(device, ROLE_PROPERTY, role_value("technician", None, frozenset(scope)), (seen,))


def founded(admin: Pen) -> list[bytes]:
    """The schema, the places of an admin, and whom it binds."""
    return [
        admin.write(SCHEMA, place(OLD, HERE), place(STRANGE, THERE), at=3),
        admin.write(
            bind(BOUND, [HERE], fact_about(FOUNDING[1], BOUND, ROLE_PROPERTY)),
            bind(OTHER, [THERE], fact_about(FOUNDING[1], OTHER, ROLE_PROPERTY)),
            at=4,
        ),
    ]


@asynccontextmanager
async def make(path: Path, *blocks: bytes) -> AsyncIterator[Store]:
    store = await Store.create(path, fleet=FLEET, clock=lambda: 1000)
    try:
        assert not (await store.save_blocks([*FOUNDING, *blocks])).refused
        yield store
    finally:
        await store.close()


def read_effects(connection: Connection) -> tuple[set[tuple[bytes, int]], set[bytes]]:
    """The facts and the changes that have effect."""
    facts = connection.execute(
        f"SELECT c.hash, f.id % {MAX_FACTS} FROM facts f JOIN changes c ON c.id = f.id / {MAX_FACTS} WHERE f.accepted"
    )
    changes = connection.execute("SELECT hash FROM changes WHERE accepted").fetchall()
    return set(facts.fetchall()), {change for (change,) in changes}


async def effects(store: Store) -> tuple[set[tuple[bytes, int]], set[bytes]]:
    assert (await store.verify()).problems == []
    return await store.run(read_effects)


async def have_effect(path: Path, blocks: Sequence[bytes], *facts: Fact, pen: Pen | None = None) -> list[bool]:
    """Which of the facts of a change of the bound device have effect, in their order."""
    change = (pen or Pen(2)).write(*facts, at=50)
    async with make(path, *blocks, change) as store:
        found, changes = await effects(store)
    block = decode_block(change)
    slots = [(fact.entity, fact.property) for fact in block.facts]
    counted = [(block.id, slots.index((fact.entity, fact.property))) in found for fact in facts]
    assert (block.id in changes) == any(counted)
    return counted


async def test_it_writes_of_its_locality_and_of_what_lies_there_and_of_nothing_else(tmp_path: Path) -> None:
    facts = [Fact(each, "printer", "x") for each in (HERE, OLD, THERE, STRANGE, b"?" * 16)]
    assert await have_effect(tmp_path / "s", founded(Pen(0, FOUNDING)), *facts) == [True, True, False, False, False]


async def test_it_moves_nothing_into_its_scope_nor_out_of_it(tmp_path: Path) -> None:
    moves: list[list[Fact]] = [
        [place(OLD, THERE)],
        [Fact(OLD, "locality", Ref(THERE))],
        [Fact(OLD, "locality", None)],
        [place(STRANGE, HERE), Fact(STRANGE, "printer", "x")],
        [place(HERE, THERE)],
        [place(b"?" * 16, HERE), Fact(b"?" * 16, "printer", "x")],
        [place(made_by(OTHER), HERE), Fact(made_by(OTHER), "printer", "x")],
        [place(OWN, THERE), Fact(OWN, "printer", "x")],
        [Fact(OWN, "kind", "locality")],
    ]
    for number, facts in enumerate(moves):
        assert not any(await have_effect(tmp_path / f"s{number}", founded(Pen(0, FOUNDING)), *facts)), facts


async def test_what_it_makes_lies_where_it_says_and_others_bound_there_write_of_it(tmp_path: Path) -> None:
    admin = Pen(0, FOUNDING)
    blocks = founded(admin)
    new = [Fact(OWN, "kind", "place"), place(OWN, HERE), Fact(OWN, "printer", "x")]
    assert await have_effect(tmp_path / "s", blocks, *new) == [True] * 3
    made = Pen(2).write(*new, at=20)
    seen = fact_about(FOUNDING[1], AUTHORS[1].device, ROLE_PROPERTY)
    third = admin.write(bind(AUTHORS[1].device, [HERE, THERE], seen), at=5)
    printer = Fact(OWN, "printer", "y")
    assert await have_effect(tmp_path / "t", [*blocks, made, third], printer, pen=Pen(1)) == [True]
    assert await have_effect(tmp_path / "u", [*blocks, made, third], printer, pen=Pen(3)) == [False]


async def test_it_says_who_its_users_are(tmp_path: Path) -> None:
    person = [Fact(OWN, "kind", "person"), Fact(OWN, "person.name", "Jones")]
    assert await have_effect(tmp_path / "s", founded(Pen(0, FOUNDING)), *person) == [True, True]
    other = [Fact(STRANGE, "kind", "person"), Fact(STRANGE, "person.name", "EVIL")]
    assert await have_effect(tmp_path / "t", founded(Pen(0, FOUNDING)), *other) == [False, False]


async def test_what_is_moved_away_keeps_what_was_said_of_it(tmp_path: Path) -> None:
    admin = Pen(0, FOUNDING)
    blocks = founded(admin)
    moved = admin.write(place(OLD, THERE, fact_about(blocks[0], OLD, "locality")), at=60)
    assert await have_effect(tmp_path / "s", [*blocks, moved], Fact(OLD, "printer", "x")) == [True]
    assert await have_effect(tmp_path / "t", [*blocks, moved], Fact(OLD, "printer", "x"), pen=Pen(3)) == [True]


async def test_what_it_wrote_before_it_was_bound_stays(tmp_path: Path) -> None:
    pen = Pen(2)
    before = decode_block(pen.write(Fact(THERE, "printer", "before"), at=10))
    after = pen.write(Fact(THERE, "printer", "AFTER", (before.fact_id(0),)), at=11)
    admin = Pen(0, FOUNDING)
    value = role_value("technician", (Cut(0, before.id),), frozenset({HERE}))
    seen = fact_about(FOUNDING[1], BOUND, ROLE_PROPERTY)
    bound = admin.write(Fact(BOUND, ROLE_PROPERTY, value, (seen,)), at=12)
    async with make(tmp_path / "s", before.data, after, bound) as store:
        assert (await store.now().slot(THERE, "printer")).value == "before"


async def test_what_comes_late_is_settled_then(tmp_path: Path) -> None:
    """The schema and where something lies come after what depends on them."""
    deep = b"D" * 16
    admin = Pen(0, FOUNDING)
    blocks = founded(admin)
    nested = admin.write(place(deep, OLD), at=8)
    word = Pen(2).write(Fact(deep, "printer", "x"), at=9)
    async with make(tmp_path / "s", blocks[1], word, nested) as store:
        assert change_id(word) not in (await effects(store))[1]
        await store.save_blocks([blocks[0]])
        assert change_id(word) in (await effects(store))[1]
        assert (await store.now().slot(deep, "printer")).value == "x"


async def test_what_is_nested_too_deep_or_placed_too_often_lies_nowhere(tmp_path: Path) -> None:
    chain = [HERE, *(made_by(BOUND, number) for number in range(1, MAX_LEVELS + 2))]
    nested = [place(inner, outer) for outer, inner in pairwise(chain)]
    pen = Pen(2)
    blocks = [*founded(Pen(0, FOUNDING)), *(pen.write(each, at=20) for each in nested)]
    assert await have_effect(tmp_path / "s", blocks, *(Fact(e, "x", 1) for e in chain[-2:]), pen=pen) == [True, False]
    admin = Pen(0, FOUNDING)
    blocks = founded(admin)
    often = [admin.write(place(OLD, bytes([number]) * 16), at=9) for number in range(100, 100 + MAX_PLACES)]
    assert await have_effect(tmp_path / "t", [*blocks, *often[:-1]], Fact(OLD, "x", 1)) == [True]
    assert await have_effect(tmp_path / "u", [*blocks, *often], Fact(OLD, "x", 1)) == [False]


def test_an_id_says_who_has_made_it() -> None:
    assert is_made_by(OWN, BOUND) and not is_made_by(OWN, OTHER) and len(OWN) == 16
    assert make_entity_id(Membership(), BOUND, lambda size: b"r" * size) == b"r" * 16


@st.composite
def bound_histories(draw: st.DrawFn) -> list[bytes]:
    """Changes by who is bound and who is not, about where things lie and how they are."""
    entities = [HERE, THERE, OLD, STRANGE, OWN, made_by(BOUND, 1), made_by(OTHER, 2)]
    admin = Pen(0, FOUNDING)
    blocks = founded(admin)
    roles = {BOUND: fact_about(blocks[1], BOUND, ROLE_PROPERTY), OTHER: fact_about(blocks[1], OTHER, ROLE_PROPERTY)}
    pens = [admin, Pen(1), Pen(2), Pen(3)]
    for at in range(10, 10 + draw(st.integers(1, 12))):
        pen = draw(st.sampled_from(pens))
        if pen is admin and draw(st.booleans()):
            device = draw(st.sampled_from([BOUND, OTHER]))
            scope = draw(st.sets(st.sampled_from([HERE, THERE, OLD]), min_size=1, max_size=2))
            there = [each for each in map(decode_block, blocks) if each.device == device]
            start = (Cut(there[-1].header.fields.position, there[-1].id),) if there and draw(st.booleans()) else None
            seen = (roles[device],) if draw(st.booleans()) else ()
            blocks.append(
                pen.write(Fact(device, ROLE_PROPERTY, role_value("technician", start, frozenset(scope)), seen), at=at)
            )
            roles[device] = fact_of(blocks[-1])
            continue
        facts = {}
        for _ in range(draw(st.integers(1, 3))):
            entity = draw(st.sampled_from(entities))
            name = draw(st.sampled_from(["locality", "printer"]))
            value: Value = ParentRef(draw(st.sampled_from(entities))) if name == "locality" else "x"
            facts[entity, name] = Fact(entity, name, value)
        blocks.append(pen.write(*facts.values(), at=at))
    return blocks


async def check_orders(path: Path, blocks: list[bytes], order: random.Random) -> None:
    async with make(path / "whole", *blocks) as whole:
        wanted = await effects(whole)
    shuffled = blocks[:]
    order.shuffle(shuffled)
    async with make(path / "pieces") as store:
        while shuffled:
            size = order.randint(1, 4)
            assert not (await store.save_blocks(shuffled[:size])).refused
            del shuffled[:size]
        assert await effects(store) == wanted


@given(blocks=bound_histories(), order=st.randoms(use_true_random=False))
@settings(max_examples=3, deadline=None)
async def test_every_order_of_arrival_and_every_split_come_to_the_same(
    tmp_path_factory: pytest.TempPathFactory, blocks: list[bytes], order: random.Random
) -> None:
    await check_orders(tmp_path_factory.mktemp("bound"), blocks, order)


@pytest.mark.soak
@given(blocks=bound_histories(), order=st.randoms(use_true_random=False))
@settings(max_examples=400, deadline=None)
async def test_every_order_of_many_histories_comes_to_the_same(
    tmp_path_factory: pytest.TempPathFactory, blocks: list[bytes], order: random.Random
) -> None:
    await check_orders(tmp_path_factory.mktemp("bound"), blocks, order)

"""Chains on real stores.

What is linked, at fault, and before a cut depends on the set of changes alone.
"""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.body import Fact
from core.changes import FLEET_ENTITY, Change, change_id, decode_block, sign_block
from core.errors import FieldlineError
from core.header import Header, sign
from core.member_values import (
    REVOKED_PROPERTY,
    ROLE_PROPERTY,
    Cut,
    readmission_value,
    revocation_value,
    role_value,
)
from core.records import Edit
from core.store.store import Store
from core.store.verify import DERIVED_QUERIES
from tests.support.store_fleet import (
    ADMISSION,
    AUTHORS,
    ENTITY,
    FLEET,
    FOUNDING,
    GENESIS,
    Pen,
    person_of,
    save_in_pieces,
)
from tests.support.strategies import KEYS, SEED

OF_THE_SET = (
    (
        "SELECT c.hash, d.device, c.position, c.linked, c.accepted, c.ordered_at, l.hash FROM changes c"
        " JOIN devices d ON d.id = c.device JOIN changes l ON l.id = c.lead"
    ),
    "SELECT hash, position, peaks FROM tips",
    "SELECT c.hash, f.fault, f.peaks FROM faults f JOIN changes c ON c.id = f.change",
    "SELECT e.entity, p.name FROM persons p JOIN entities e ON e.id = p.entity",
    (
        "SELECT c.hash, f.id % 512, v.value, f.later, f.accepted, f.current FROM facts f"
        " JOIN changes c ON c.id = f.id / 512 JOIN contents v ON v.id = f.content"
    ),
)
"""What a store says of a set of changes, without the numbers that depend on the order of arrival."""


async def make(path: Path, *blocks: bytes) -> Store:
    store = await Store.create(path, fleet=FLEET, clock=lambda: 1000)
    if blocks:
        assert not (await store.save_blocks(blocks)).refused
    return store


async def derived(store: Store) -> list[set[tuple[object, ...]]]:
    return [set(await store._database.run(lambda c, q=query: c.execute(q).fetchall())) for query in OF_THE_SET]


def lying(number: int, previous: bytes, position: int, past: bytes, at: int = 50) -> bytes:
    """A change whose header names what its author likes."""
    honest = sign_block(Change(person_of("u"), at, None, (Fact(ENTITY, "p", at),)), KEYS[number], FLEET, SEED)
    key = KEYS[number].public_key().public_bytes_raw()
    fields = Header(key, position, previous, past, at, person_of("u"), honest.body.leaves, honest.body.root)
    return sign(fields, KEYS[number], FLEET).data + honest.body.data


@st.composite
def sets(draw: st.DrawFn) -> list[bytes]:
    """Chains of three devices with forks, batches, names, wrong links, and a cut."""
    pens = [Pen(0, FOUNDING), Pen(1), Pen(2)]
    blocks: list[bytes] = []
    ids: list[bytes] = []
    for number in range(draw(st.integers(1, 9))):
        pen = draw(st.sampled_from(pens))
        what = draw(st.sampled_from(["edit", "edit", "edit", "fork", "lie", "name", "cut", "role", "readmit", "fleet"]))
        at = draw(st.integers(10, 30))
        if what == "fork":
            pens.append(pen.branch())
            continue
        if what == "lie" and blocks:
            other = decode_block(draw(st.sampled_from(blocks)))
            place = other.header.fields.position + draw(st.integers(1, 2))
            blocks.append(lying(draw(st.integers(1, 2)), other.id, place, bytes([number]) * 32, at))
            continue
        seen = tuple(sorted(draw(st.lists(st.sampled_from(ids), unique=True, max_size=2)))) if ids else ()
        fact = Fact(ENTITY, "p", number, seen)
        if what == "name":
            fact = Fact(person_of("u"), "person.name", f"u{number}", seen)
        if what == "cut" and blocks:
            cut = decode_block(draw(st.sampled_from(blocks)))
            fact = Fact(cut.device, REVOKED_PROPERTY, revocation_value((Cut(cut.header.fields.position, cut.id),)))
            pen = pens[0]
        if what in ("role", "readmit") and blocks:
            since = decode_block(draw(st.sampled_from(blocks)))
            mark = (Cut(since.header.fields.position, since.id),)
            role = role_value(draw(st.sampled_from(["admin", "technician", "reader"])), mark)
            name, value = (ROLE_PROPERTY, role) if what == "role" else (REVOKED_PROPERTY, readmission_value(mark))
            fact = Fact(since.device, name, value, seen)
            pen = draw(st.sampled_from([pens[0], pen]))
        if what == "fleet":
            fact = Fact(draw(st.sampled_from([FLEET_ENTITY, AUTHORS[2].device])), "name", f"n{number}", seen)
        batch = draw(st.sampled_from([None, b"batch 01", b"batch 02"]))
        blocks.append(pen.write(fact, at=at, batch=batch))
        ids.append(change_id(blocks[-1]) + b"\0\0")
    return blocks


@settings(max_examples=30)
@given(sets(), st.randoms(use_true_random=False), st.integers(1, 4))
async def test_any_order_of_arrival_gives_the_same_and_so_does_verify(
    blocks: list[bytes], order: random.Random, size: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        # Before anything is opened: Hypothesis may give an example up while it shuffles.
        shuffled = [*FOUNDING, *blocks]
        order.shuffle(shuffled)
        one = await make(Path(folder) / "one", *FOUNDING, *blocks)
        other = await make(Path(folder) / "other")
        await save_in_pieces(other, shuffled, size)
        assert await derived(one) == await derived(other)
        for store in (one, other):
            assert (await store.verify()).problems == []
            await store.close()


def test_all_that_follows_from_the_changes_is_looked_at_by_verify() -> None:
    assert {"persons", "tips", "faults", "changes", "facts"} <= DERIVED_QUERIES.keys()


async def test_another_device_s_change_moves_no_head_and_the_next_own_one_goes_on_from_mine(tmp_path: Path) -> None:
    own = Pen(0, FOUNDING)
    mine = own.write(Fact(ENTITY, "p", "mine"), at=10)
    for number, stranger in enumerate(
        [lying(2, change_id(mine), 3, b"?" * 32), lying(1, change_id(mine), 3, b"?" * 32)]
    ):
        for blocks in ([*FOUNDING, mine, stranger], [*FOUNDING, stranger, mine]):
            store = await make(tmp_path / f"{number}{blocks[-1] == stranger}")
            for data in blocks:
                await store.save_blocks([data])
            made = await store.commit(AUTHORS[0], [Edit(ENTITY, "q", "next")], user="u")
            assert made is not None
            (data,) = await store.blocks([made])
            header = decode_block(data).header.fields
            assert (header.previous, header.position) == (change_id(mine), 3)
            values = await store._database.run(lambda c: c.execute("SELECT fault FROM faults").fetchall())
            assert values == [("foreign",)]
            entry = await store.log_entry(change_id(stranger))
            assert entry is not None and not entry.accepted
            await store.close()


async def test_a_late_previous_change_takes_the_effect_from_what_does_not_follow_it(tmp_path: Path) -> None:
    pen = Pen(1)
    first = pen.write(Fact(ENTITY, "p", "first"), at=10)
    second = lying(1, change_id(first), 1, b"?" * 32, at=20)
    store = await make(tmp_path / "s", *FOUNDING, second)
    assert (await store.now().slot(ENTITY, "p")).value == 20
    await store.save_blocks([first])
    assert (await store.now().slot(ENTITY, "p")).value == "first"
    assert (await store.verify()).problems == []
    await store.close()


async def test_what_lies_before_a_cut_counts_once_the_chain_up_to_it_is_here(tmp_path: Path) -> None:
    pen, admin = Pen(1), Pen(0, FOUNDING)
    chain = [pen.write(Fact(ENTITY, f"p{n}", n), at=10 + n) for n in range(4)]
    thief = pen.branch()
    late = pen.write(Fact(ENTITY, "p4", 4), at=15)
    stolen = thief.write(Fact(ENTITY, "p5", 5), at=9)
    cut = Cut(3, change_id(chain[3]))
    revocation = admin.write(Fact(AUTHORS[1].device, REVOKED_PROPERTY, revocation_value((cut,))), at=20)
    store = await make(tmp_path / "s", GENESIS, ADMISSION, revocation, chain[0], chain[3], late, stolen)

    async def counting() -> set[object]:
        return {leaf for n in range(6) if (leaf := (await store.now().slot(ENTITY, f"p{n}")).value) is not None}

    assert await counting() == {3}, "what is not known to lie before the cut waits"
    await store.save_blocks([chain[2]])
    assert await counting() == {3}
    await store.save_blocks([chain[1]])
    assert await counting() == {0, 1, 2, 3}
    assert (await store.verify()).problems == []
    await store.close()


async def test_a_device_whose_own_changes_have_not_come_back_does_not_begin_a_second_chain(tmp_path: Path) -> None:
    pen = Pen(1)
    chain = [pen.write(Fact(ENTITY, "p", n), at=10 + n) for n in range(3)]
    store = await make(tmp_path / "s", *FOUNDING, chain[2])
    with pytest.raises(FieldlineError, match="sync first"):
        await store.commit(AUTHORS[1], [Edit(ENTITY, "q", 1)], user="u")
    await store.save_blocks(chain)
    made = await store.commit(AUTHORS[1], [Edit(ENTITY, "q", 1)], user="u")
    assert made is not None
    (data,) = await store.blocks([made])
    assert decode_block(data).header.fields.position == 3
    await store.close()

"""Changes of devices that nobody ever admitted are refused and counted.

All agree on which these are.
"""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from core.authority import ever_admitted
from core.body import Fact
from core.changes import change_id
from core.errors import AuthorUnknown
from core.member_values import ROLE_PROPERTY
from core.store.intake import read_refused
from core.store.store import Store
from tests.support.store_fleet import AUTHORS, ENTITY, FLEET, FOUNDING, Pen

LET_IN = Pen(0, FOUNDING).write(Fact(AUTHORS[5].device, ROLE_PROPERTY, "technician"), at=3)
BY_FIVE = Pen(5).write(Fact(ENTITY, "p", 5), at=10)
BY_SIX = Pen(6).write(Fact(ENTITY, "p", 6), at=10)


async def make(path: Path, *blocks: bytes) -> Store:
    store = await Store.create(path, fleet=FLEET, clock=lambda: 1000)
    await store.save_blocks(blocks)
    return store


async def test_what_unknown_devices_signed_is_refused_and_counted(tmp_path: Path) -> None:
    store = await make(tmp_path / "s", *FOUNDING)
    assert await store.run(read_refused) is None
    saved = await store.save_blocks([BY_FIVE, BY_SIX])
    assert [change for change, _ in saved.refused] == [change_id(BY_FIVE), change_id(BY_SIX)]
    assert all(isinstance(reason, AuthorUnknown) for _, reason in saved.refused)
    assert (saved.added_count, saved.known_count) == (0, 0)
    assert (await store.counts()).changes == 2
    refused = await store.run(read_refused)
    assert refused is not None and (refused.count, refused.device, refused.at_us) == (2, AUTHORS[6].device, 1000)
    await store.close()


async def test_who_is_admitted_by_the_same_batch_or_an_earlier_one_is_known(tmp_path: Path) -> None:
    store = await make(tmp_path / "s", *FOUNDING)
    assert [change for change, _ in (await store.save_blocks([BY_SIX, BY_FIVE, LET_IN])).refused] == [change_id(BY_SIX)]
    assert (await store.now().slot(ENTITY, "p")).value == 5
    await store.close()


async def test_before_the_genesis_nothing_else_is_kept(tmp_path: Path) -> None:
    store = await make(tmp_path / "s", BY_FIVE, FOUNDING[1])
    assert (await store.counts()).changes == 0
    assert not (await store.save_blocks([BY_FIVE, LET_IN, *FOUNDING])).refused
    await store.close()


async def test_a_device_that_was_revoked_for_everything_is_known_still(tmp_path: Path) -> None:
    pen = Pen(0, [*FOUNDING, LET_IN])
    store = await make(
        tmp_path / "s", *FOUNDING, LET_IN, pen.write(Fact(AUTHORS[5].device, "member.revoked", "nothing"), at=4)
    )
    assert not (await store.save_blocks([BY_FIVE])).refused, "else who has it already would never have the same"
    assert (await store.counts()).quarantined == 1
    await store.close()


roles = st.lists(
    st.tuples(st.sampled_from(b"ABCDE"), st.sampled_from(b"ABCDE"), st.sampled_from(["admin", "reader", None])),
    max_size=12,
)


@given(roles, st.integers(0, 12))
def test_with_more_facts_there_are_only_more_known_devices(facts: list[tuple[int, int, str | None]], some: int) -> None:
    every = [(bytes([author]), bytes([member]), value) for author, member, value in facts]
    assert {b"A"} <= ever_admitted([b"A"], every[:some]) <= ever_admitted([b"A"], every)


@given(roles)
def test_who_never_was_an_admin_makes_nobody_known(facts: list[tuple[int, int, str | None]]) -> None:
    every = [(bytes([author]), bytes([member]), value) for author, member, value in facts]
    known = ever_admitted([b"A"], every)
    admins = {b"A"} | {member for _, member, value in every if value == "admin"}
    assert known - {b"A"} <= {member for author, member, _ in every if author in admins}


@settings(max_examples=20)
@given(st.randoms(use_true_random=False))
async def test_stores_that_are_offered_the_same_again_and_again_hold_the_same(order: random.Random) -> None:
    blocks = [*FOUNDING, LET_IN, BY_FIVE, BY_SIX]
    order.shuffle(blocks)
    with tempfile.TemporaryDirectory() as folder:
        store = await make(Path(folder) / "s")
        for _ in blocks:
            for block in blocks:
                await store.save_blocks([block])
        held = set(await store.hashes())
        await store.close()
    assert held == {change_id(block) for block in (*FOUNDING, LET_IN, BY_FIVE)}

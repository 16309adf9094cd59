"""Forks and wrong links are found, with both ends and what each branch holds."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from core.body import Fact
from core.chain import Fault
from core.changes import Change, change_id, decode_block, sign_block
from core.header import sign
from core.store.queries.chain_faults import (
    MAX_BRANCHES,
    ForkedChain,
    WrongLink,
    read_chain_faults,
    read_forks,
)
from core.store.store import Store
from tests.support.store_fleet import AUTHORS, ENTITY, FLEET, FOUNDING, Pen, person_of
from tests.support.strategies import KEYS, SEED


async def make(path: Path, *blocks: bytes) -> Store:
    store = await Store.create(path, fleet=FLEET, clock=lambda: 1000)
    assert not (await store.save_blocks(blocks)).refused
    return store


def fork() -> tuple[list[bytes], list[bytes], list[bytes]]:
    """What a device wrote before its folder was copied, and what both wrote then."""
    pen = Pen(1)
    before = [pen.write(Fact(ENTITY, "p", n), at=10 + n) for n in range(2)]
    copy = pen.branch()
    mine = [pen.write(Fact(ENTITY, "p", n), Fact(ENTITY, "q", n), at=20 + n, note="mine") for n in range(2)]
    return before, mine, [copy.write(Fact(ENTITY, "p", 9), at=30, user="Bob")]


async def test_a_fork_is_reported_with_both_ends_and_what_the_branches_hold(tmp_path: Path) -> None:
    before, mine, copied = fork()
    store = await make(tmp_path / "s", *FOUNDING, *before, *mine, *copied)
    (found,) = await store.run(read_chain_faults)
    assert isinstance(found, ForkedChain)
    assert await store.run(read_forks) == [found]
    assert (found.device, found.position, found.branch_count) == (AUTHORS[1].device, 2, 2)
    long, short = found.branches
    assert (long.change, long.position, long.user, long.note) == (change_id(mine[1]), 3, "u", "mine")
    assert (long.change_count, long.fact_count) == (2, 4)
    assert (short.change, short.user, short.at_us, short.change_count, short.fact_count) == (
        change_id(copied[0]),
        "Bob",
        30,
        1,
        1,
    )
    await store.close()


async def test_a_fork_is_reported_while_what_lies_before_it_is_not_here(tmp_path: Path) -> None:
    _, mine, copied = fork()
    store = await make(tmp_path / "s", *FOUNDING, *mine, *copied)
    (found,) = await store.run(read_chain_faults)
    assert isinstance(found, ForkedChain)
    assert {branch.change for branch in found.branches} == {change_id(mine[1]), change_id(copied[0])}
    await store.close()


async def test_of_many_branches_the_longest_are_given_and_all_are_counted(tmp_path: Path) -> None:
    pen = Pen(1)
    blocks = [pen.branch().write(Fact(ENTITY, "p", n), at=10) for n in range(MAX_BRANCHES + 3)]
    long = [pen.write(Fact(ENTITY, "q", n), at=10) for n in range(2)]
    store = await make(tmp_path / "s", *FOUNDING, *blocks, *long)
    (found,) = await store.run(read_chain_faults)
    assert isinstance(found, ForkedChain)
    assert (found.branch_count, len(found.branches)) == (MAX_BRANCHES + 4, MAX_BRANCHES)
    assert found.branches[0].change == change_id(long[1])
    await store.close()


async def test_a_change_that_does_not_follow_is_reported_and_is_no_fork(tmp_path: Path) -> None:
    own, other = Pen(1), Pen(2)
    mine = own.write(Fact(ENTITY, "p", "mine"), at=10)
    honest = sign_block(Change(person_of("u"), 11, None, (Fact(ENTITY, "p", 1),)), KEYS[2], FLEET, SEED)
    fields = dataclasses.replace(honest.header.fields, position=1, previous=change_id(mine), past=b"?" * 32)
    wrong = sign(fields, KEYS[2], FLEET).data + honest.body.data
    store = await make(tmp_path / "s", *FOUNDING, mine, other.write(Fact(ENTITY, "q", 1), at=12), wrong)
    found = await store.run(read_chain_faults)
    assert found == [WrongLink(AUTHORS[2].device, 1, decode_block(wrong).id, Fault.FOREIGN)]
    assert {each.device for each in found} == {AUTHORS[2].device}
    await store.close()


async def test_chains_without_fault_give_nothing(tmp_path: Path) -> None:
    before, mine, _ = fork()
    store = await make(tmp_path / "s", *FOUNDING, *before, *mine)
    assert await store.run(read_chain_faults) == [] == await store.run(read_forks)
    await store.close()

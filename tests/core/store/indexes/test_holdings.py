"""Who holds which change: what is noted and reported is never wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

import pytest

from core.body import Fact
from core.changes import Block, change_id
from core.errors import FieldlineError
from core.header import BATCH_BYTES
from core.store.indexes.holdings import Holder, read_contacts, read_holders, read_holdings
from core.store.store import Store
from core.sync.events import Done, Failed
from core.sync.holdings import Holding
from core.sync.position_proofs import ProvenPast
from core.sync.pump import StoreReplica, pump_session
from core.sync.replica import ObsoleteHints, SaveResult
from core.sync.session import Session
from tests.core.conftest import MakeStore
from tests.core.sync.test_store_sessions import link
from tests.support.store_fleet import ENTITY, FLEET, FOUNDING, Pen
from tests.support.strategies import DEVICES


async def holders_of(store: Store, changes: Sequence[bytes]) -> Mapping[bytes, Sequence[Holder]]:
    """Who holds these changes, as far as a store knows."""
    return await store.run(lambda connection: read_holders(connection, changes))


@dataclass
class Member:
    """A device: its store, and what it writes with."""

    number: int
    store: Store
    pen: Pen
    written: list[bytes] = field(default_factory=list)

    @property
    def device(self) -> bytes:
        return DEVICES[self.number]

    async def write(self) -> bytes:
        block = self.pen.write(Fact(ENTITY, f"p{self.number}", len(self.written)), at=100 + len(self.written))
        assert (await self.store.save_blocks([block])).added_count == 1
        self.written.append(change_id(block))
        return self.written[-1]

    async def holders(self, change: bytes) -> dict[bytes, bytes | None]:
        """Who holds a change, as far as this device knows, and who told it."""
        found = await holders_of(self.store, [change])
        return {each.device: each.reported_by for each in found.get(change, ())}


class Faulty(StoreReplica):
    """A store that fails, or into which somebody writes when roots turn out equal."""

    batches_left = 1 << 30
    written_meanwhile: Sequence[bytes] = ()

    async def save_blocks(
        self, blocks: Sequence[Block], obsolete_hints: ObsoleteHints, proven: Sequence[ProvenPast]
    ) -> SaveResult:
        if self.batches_left == 0:
            raise FieldlineError("The disk is full: nothing was saved. Free some space and try again.")
        self.batches_left -= 1
        return await super().save_blocks(blocks, obsolete_hints, proven)

    async def note_equal_sets(self, root: bytes) -> Sequence[Holding]:
        if self.written_meanwhile:
            await self.store.save_blocks(self.written_meanwhile)  # type: ignore[attr-defined]
        return await super().note_equal_sets(root)


async def make_members(make_store: MakeStore, count: int) -> list[Member]:
    founder = Pen(0, FOUNDING)
    return [
        Member(number, await make_store(FOUNDING), founder if number == 0 else Pen(number)) for number in range(count)
    ]


async def meet(a: Member, b: Member, here: Faulty | None = None) -> tuple[Done | Failed, Done | Failed]:
    """`a` calls `b`."""
    async with link() as (near, far):
        sides = (here or Faulty(a.store, b.device, "tcp"), Faulty(b.store, a.device, "tcp"))
        return await asyncio.gather(
            pump_session(Session(FLEET, b.device, initiator=True, batch_bytes=200), *near, sides[0]),
            pump_session(Session(FLEET, a.device, initiator=False, batch_bytes=200), *far, sides[1]),
        )


async def test_a_session_with_equal_roots_shows_what_the_peer_holds(make_store: MakeStore) -> None:
    a, b = await make_members(make_store, 2)
    change = await a.write()
    assert await a.holders(change) == {}
    await meet(a, b)
    assert await a.holders(change) == {b.device: None}
    later = await a.write()
    assert await a.holders(later) == {}
    # Who made it is not named: of itself everybody knows.
    assert await b.holders(change) == {}
    (contact,) = await a.store.run(read_contacts)
    assert (contact.device, contact.link, contact.at_us) == (b.device, "tcp", 5000)


async def test_a_peer_tells_who_else_holds_it(make_store: MakeStore) -> None:
    a, b, c = await make_members(make_store, 3)
    change = await a.write()
    for pair in ((a, b), (b, c), (a, b)):
        await meet(*pair)
    assert await a.holders(change) == {b.device: None, c.device: b.device}
    # And what was told is told on.
    (d,) = [Member(3, await make_store(FOUNDING), Pen(3))]
    await meet(d, a)
    assert (await d.holders(change)).get(c.device) in (None, a.device)
    # A session with the device itself is better than what another one says.
    await meet(a, c)
    assert await a.holders(change) == {b.device: None, c.device: None, d.device: None}


async def test_a_session_that_was_cut_shows_nothing(make_store: MakeStore) -> None:
    a, b = await make_members(make_store, 2)
    changes = [await b.write() for _ in range(20)]
    replica = Faulty(a.store, b.device, "tcp")
    replica.batches_left = 2
    one, _ = await meet(a, b, replica)
    assert isinstance(one, Failed)
    assert await holders_of(a.store, await a.store.hashes()) == {}
    assert await holders_of(b.store, changes) == {}


async def test_nothing_is_noted_of_a_set_that_is_another_one_by_then(make_store: MakeStore) -> None:
    a, b = await make_members(make_store, 2)
    await meet(a, b)
    replica = Faulty(a.store, b.device, "tcp")
    block = a.pen.write(Fact(ENTITY, "p", 1), at=99)
    replica.written_meanwhile = [block]
    one, _ = await meet(a, b, replica)
    assert isinstance(one, Done)
    assert await a.holders(change_id(block)) == {}


async def test_of_a_chain_with_two_ends_nothing_is_said(make_store: MakeStore) -> None:
    a, b = await make_members(make_store, 2)
    change = await a.write()
    twin = a.pen.branch()
    await meet(a, b)
    other, own = (pen.write(Fact(ENTITY, "p", text), at=200) for pen, text in ((twin, "x"), (a.pen, "y")))
    await a.store.save_blocks([own])
    assert await a.holders(change) == {b.device: None}
    await a.store.save_blocks([other])
    assert await a.holders(change) == {}
    await meet(a, b)
    assert await a.holders(change_id(own)) == {}


async def test_what_was_saved_at_once_is_held_when_all_of_it_is(make_store: MakeStore) -> None:
    a, b = await make_members(make_store, 2)
    batch = b"B" * BATCH_BYTES
    first = a.pen.write(Fact(ENTITY, "p", 1), at=50, batch=batch)
    await a.store.save_blocks([first])
    await meet(a, b)
    assert await a.holders(change_id(first)) == {b.device: None}
    second = a.pen.write(Fact(ENTITY, "q", 1), at=50, batch=batch)
    await a.store.save_blocks([second])
    assert await a.holders(change_id(first)) == {}


async def test_what_nobody_can_hold_is_not_believed(make_store: MakeStore) -> None:
    a, b = await make_members(make_store, 2)
    await a.write()
    await meet(a, b)
    tag = slice(0, 3)
    shown = [Holding(a.device[tag], DEVICES[2][tag], 1 << 20), Holding(b"?!?", DEVICES[2][tag], 0)]
    await a.store.note_reported_holdings(b.device, shown)
    assert {each.holder for each in await a.store.run(read_holdings)} == {b.device}


async def test_sessions_that_show_nothing_new_write_next_to_nothing(make_store: MakeStore) -> None:
    a, b = await make_members(make_store, 2)
    await meet(a, b)
    before = await a.store.run(lambda connection: connection.total_changes)
    await meet(a, b)
    assert await a.store.run(lambda connection: connection.total_changes) == before


async def check_never_wrong(make_store: MakeStore, seed: int, steps: int) -> None:
    """Let devices write, sync and be cut off at random; what is claimed must be so."""
    random = Random(seed)
    members = await make_members(make_store, 4)
    for _ in range(steps):
        a, b = random.sample(members, 2)
        match random.randrange(6):
            case 0 | 1:
                await a.write()
            case 2:
                replica = Faulty(a.store, b.device, "tcp")
                replica.batches_left = random.randrange(3)
                await meet(a, b, replica)
            case 3:
                replica = Faulty(a.store, b.device, "tcp")
                replica.written_meanwhile = [a.pen.write(Fact(ENTITY, "race", seed), at=300)]
                await meet(a, b, replica)
            case _:
                await meet(a, b)
    held = {member.device: set(await member.store.hashes()) for member in members}
    for member in members:
        for change, holders in (await holders_of(member.store, sorted(held[member.device]))).items():
            for holder in holders:
                assert change in held[holder.device], (seed, member.number, holder)


@pytest.mark.parametrize("seed", range(4))
async def test_what_is_said_to_be_held_is_held(make_store: MakeStore, seed: int) -> None:
    await check_never_wrong(make_store, seed, 14)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 150))
async def test_what_is_said_to_be_held_is_held_for_long(make_store: MakeStore, seed: int) -> None:
    await check_never_wrong(make_store, seed, 120)

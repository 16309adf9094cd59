"""Proofs of position count until the chains are here, and nothing else does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.body import Fact
from core.changes import decode_block
from core.member_values import (
    REVOKED_PROPERTY,
    ROLE_PROPERTY,
    Cut,
    readmission_value,
    revocation_value,
    role_value,
)
from core.slots import Slot
from core.store.store import Store
from core.sync.events import Done
from core.sync.position_proofs import ProvenPast
from tests.core.conftest import MakeStore
from tests.core.sync.test_state_first import joined
from tests.core.sync.test_store_sessions import devices, meet
from tests.support.store_fleet import ADMISSION, FOUNDING, READER, Pen, fact_about, fact_of, proven
from tests.support.strategies import DEVICES

PLACES = [bytes([97 + number]) * 16 for number in range(24)]
THEIRS = DEVICES[1]


def written(pen: Pen, times: int = 3) -> list[bytes]:
    """A device edits each place, again and again.

    So that of its changes the last ones are current.
    """
    blocks: list[bytes] = []
    last: dict[bytes, tuple[bytes, ...]] = {}
    for time in range(times):
        for place in PLACES:
            fact = Fact(place, "printer", f"printer {time}", last.get(place, ()))
            blocks.append(pen.write(fact, at=10 + len(blocks)))
            last[place] = (fact_of(blocks[-1]),)
    return blocks


def mark(data: bytes) -> Cut:
    block = decode_block(data)
    return Cut(block.header.fields.position, block.id)


def revoked(blocks: Sequence[bytes], at: int = -1) -> bytes:
    value = revocation_value((mark(blocks[at]),))
    return Pen(0, FOUNDING).write(Fact(THEIRS, REVOKED_PROPERTY, value), at=500, user="admin")


async def shown(store: Store) -> list[Slot]:
    return [await store.now().slot(place, "printer") for place in PLACES]


@dataclass
class Sets:
    """The whole set, its last changes of one device, and what membership says."""

    whole: Store
    membership: list[bytes]
    last: list[bytes]

    async def part(self, make_store: MakeStore, *, with_proofs: bool) -> Store:
        """A store with the last changes of the device, and none of its chain below."""
        store = await make_store(self.membership)
        blocks = [decode_block(data) for data in self.last]
        past = await proven(self.whole, [block.id for block in blocks]) if with_proofs else []
        await store.keep_blocks(blocks, proven=past)
        return store


async def sets(make_store: MakeStore, theirs: list[bytes], about: list[bytes]) -> Sets:
    membership = [*FOUNDING, *about]
    return Sets(await make_store([*membership, *theirs]), membership, theirs[-len(PLACES) :])


async def test_what_a_revoked_device_wrote_before_its_cut_counts_once_it_is_proven(make_store: MakeStore) -> None:
    theirs = written(Pen(1))
    made = await sets(make_store, theirs, [revoked(theirs)])
    expected = await shown(made.whole)
    part = await made.part(make_store, with_proofs=True)
    assert await shown(part) == expected
    assert {slot.value for slot in expected} == {"printer 2"}
    await part.close()
    waiting = await made.part(make_store, with_proofs=False)
    # The cut itself needs no proof.
    assert [slot.value for slot in await shown(waiting)].count(None) == len(PLACES) - 1


async def test_a_change_behind_the_cut_is_not_made_to_count(make_store: MakeStore) -> None:
    theirs = written(Pen(1))
    made = await sets(make_store, theirs, [revoked(theirs, -5)])
    part = await made.part(make_store, with_proofs=True)
    values = [slot.value for slot in await shown(part)]
    assert values == ["printer 2"] * (len(PLACES) - 4) + [None] * 4


async def test_when_the_chain_has_come_it_alone_says_what_lies_where(make_store: MakeStore) -> None:
    theirs = written(Pen(1))
    made = await sets(make_store, theirs, [revoked(theirs, -5)])
    part = await made.part(make_store, with_proofs=True)
    await part.save_blocks(theirs)
    assert await shown(part) == await shown(made.whole)
    await part.clear_obsolete_hints()
    assert await shown(part) == await shown(made.whole)
    assert (await part.verify()).problems == []


async def test_a_role_from_a_place_on_counts_for_what_is_proven_to_lie_behind_it(make_store: MakeStore) -> None:
    pen = Pen(READER)
    theirs = written(pen)
    role = role_value("technician", (mark(theirs[len(PLACES)]),))
    before = (fact_about(ADMISSION, DEVICES[READER], ROLE_PROPERTY),)
    promoted = Pen(0, FOUNDING).write(Fact(DEVICES[READER], ROLE_PROPERTY, role, before), at=500, user="admin")
    made = await sets(make_store, theirs, [promoted])
    expected = await shown(made.whole)
    part = await made.part(make_store, with_proofs=True)
    assert await shown(part) == expected
    assert {slot.value for slot in expected} == {"printer 2"}
    await part.close()
    waiting = await made.part(make_store, with_proofs=False)
    assert {slot.value for slot in await shown(waiting)} == {None}


async def test_a_readmission_counts_for_what_is_proven_to_lie_behind_it(make_store: MakeStore) -> None:
    theirs = written(Pen(1))
    admin = Pen(0, FOUNDING)
    out = admin.write(Fact(THEIRS, REVOKED_PROPERTY, revocation_value((mark(theirs[0]),))), at=500, user="admin")
    lift = readmission_value((mark(theirs[len(PLACES)]),))
    back = admin.write(Fact(THEIRS, REVOKED_PROPERTY, lift, (fact_of(out),)), at=501, user="admin")
    made = await sets(make_store, theirs, [out, back])
    part = await made.part(make_store, with_proofs=True)
    # The first place has a value from before the revocation, too, which nothing that counts obsoletes.
    assert (await shown(part))[1:] == (await shown(made.whole))[1:]
    assert {slot.value for slot in await shown(part)} == {"printer 2"}


async def test_what_a_revoked_admin_said_of_members_counts_once_it_is_proven(make_store: MakeStore) -> None:
    admin = Pen(0, FOUNDING)
    before = (fact_about(ADMISSION, THEIRS, ROLE_PROPERTY),)
    promoted = admin.write(Fact(THEIRS, ROLE_PROPERTY, "admin", before), at=5, user="admin")
    pen = Pen(1)
    long = [pen.write(Fact(PLACES[0], "p", number), at=10 + number) for number in range(20)]
    admitted = pen.write(Fact(DEVICES[5], "kind", "member"), Fact(DEVICES[5], ROLE_PROPERTY, "technician"), at=50)
    late = pen.write(Fact(PLACES[0], "p", "late"), at=51)
    out = admin.write(Fact(THEIRS, REVOKED_PROPERTY, revocation_value((mark(late),))), at=60, user="admin")
    of_new = Pen(5).write(Fact(PLACES[1], "printer", "x"), at=70)
    whole = await make_store([*FOUNDING, promoted, *long, admitted, late, out, of_new])
    assert (await whole.now().slot(PLACES[1], "printer")).value == "x"
    part = await make_store([*FOUNDING, promoted, out])
    blocks = [decode_block(admitted), decode_block(of_new)]
    await part.keep_blocks(blocks)
    assert (await part.now().slot(PLACES[1], "printer")).value is None
    await part.keep_blocks([decode_block(late)], proven=await proven(whole, [blocks[0].id]))
    assert (await part.now().slot(PLACES[1], "printer")).value == "x"
    assert (await part.membership()).may_connect(DEVICES[5])


async def test_only_what_is_here_and_matters_is_kept(make_store: MakeStore) -> None:
    theirs = written(Pen(1), 1)
    about = [revoked(theirs)]
    store = await make_store([*FOUNDING, *about])
    here = decode_block(theirs[3])
    cut = mark(theirs[-1]).change
    await store.keep_blocks(
        [here],
        proven=[
            ProvenPast(THEIRS, cut, {number: bytes([number]) * 32 for number in range(9)}),
            ProvenPast(THEIRS, cut, {2: here.id}),
            ProvenPast(THEIRS, b"h" * 32, {3: here.id}),
            ProvenPast(DEVICES[2], cut, {3: here.id}),
        ],
    )
    assert {slot.value for slot in await shown(store)} == {None}
    await store.keep_blocks([], proven=[ProvenPast(THEIRS, cut, {3: here.id})])
    assert [slot.value for slot in await shown(store)].count("printer 0") == 0
    await store.keep_blocks([here], proven=[ProvenPast(THEIRS, cut, {3: here.id})])
    assert [slot.value for slot in await shown(store)].count("printer 0") == 1


async def test_verify_goes_by_the_chains_alone(make_store: MakeStore) -> None:
    theirs = written(Pen(1))
    made = await sets(make_store, theirs, [revoked(theirs)])
    part = await made.part(make_store, with_proofs=True)
    assert (await part.verify()).problems == []
    assert [slot.value for slot in await shown(part)].count("printer 2") == 1


async def test_a_session_that_is_cut_leaves_what_is_current_of_a_revoked_device(make_store: MakeStore) -> None:
    """On a slow line the current values arrive long before their author's chain."""
    theirs = written(Pen(1), 6)
    whole = await make_store([*FOUNDING, *theirs, revoked(theirs)])
    part = await make_store()
    reported = await joined(whole, part, "current_count")
    assert reported[-1].received < (reported[-1].to_receive or 0)
    assert await shown(part) == await shown(whole)
    one, other = await meet(*devices(whole, part))
    assert isinstance(one, Done)
    assert isinstance(other, Done)
    assert await shown(part) == await shown(whole)
    assert (await part.verify()).problems == []
    assert await part.summary() == await whole.summary()

"""A device that has nothing yet.

What is current comes first, and reads as it does where all the history is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.body import Fact
from core.changes import change_id
from core.schema import Schema
from core.slots import Agreed, Conflict, Slot
from core.store.store import Store
from core.sync.batch_codec import BatchDecoder, BatchEncoder
from core.sync.codec import MalformedMessage
from core.sync.events import Done, Event, Progress
from core.sync.pump import StoreReplica, pump_session
from core.sync.session import Session
from core.value_codec import MAX_FACTS
from tests.core.conftest import MakeStore
from tests.core.sync.test_store_sessions import link
from tests.support.store_fleet import ENTITY, FLEET, FOUNDING, OTHER, Pen, fact_of
from tests.support.strategies import DEVICES

PLACES = [ENTITY, OTHER, *(bytes([97 + n]) * 16 for n in range(20))]
SCHEMA = Schema()


def edited(times: int) -> list[bytes]:
    """A fleet of places, each founded with two properties in one change.

    Then one of them is edited again and again.
    """
    pen, blocks, last = Pen(1), list[bytes](), dict[bytes, bytes]()
    for number, place in enumerate(PLACES):
        blocks.append(pen.write(Fact(place, "name", f"Lane {number}"), Fact(place, "printer", "first"), at=10 + number))
        last[place] = fact_of(blocks[-1], 1)
    for time in range(times):
        for number, place in enumerate(PLACES):
            edit = Fact(place, "printer", f"printer {time}", (last[place],))
            blocks.append(pen.write(edit, at=1000 + time * 100 + number))
            last[place] = fact_of(blocks[-1])
    apart = Pen(2).write(Fact(OTHER, "printer", "apart"), at=5000)
    return [*FOUNDING, *blocks, apart]


async def slots(store: Store, places: Sequence[bytes]) -> list[Mapping[str, Slot]]:
    return [(await store.now().record(place, SCHEMA)).slots for place in places]


async def joined(
    a: Store, b: Store, until: str = "", around: Sequence[bytes] = (), *, lies: bool = False
) -> list[Progress]:
    """`b` takes what `a` has, in small batches, until a part of it is there.

    What was told.

    With `lies` the giver calls the first fact of everything overtaken.
    """
    reported: list[Progress] = []

    async def near(hint: bytes) -> Sequence[bytes]:
        return around

    @dataclass(slots=True)
    class Giving(StoreReplica):
        async def obsolete_hints(self, hashes: Sequence[bytes]) -> Mapping[bytes, Sequence[int]]:
            return {change: [0] for change in hashes} if lies else await self.store.obsolete_hints(hashes)

    def on_event(event: Event) -> None:
        if isinstance(event, Progress):
            reported.append(event)
            if until and getattr(event, until) and event.received >= getattr(event, until):
                taking.cancel()

    async with link() as (here, there):
        giving = asyncio.create_task(
            pump_session(
                Session(FLEET, DEVICES[3], initiator=False, batch_bytes=400), *here, Giving(a, DEVICES[3], "tcp", near)
            )
        )
        taking = asyncio.create_task(
            pump_session(
                Session(FLEET, DEVICES[0], initiator=True),
                *there,
                StoreReplica(b, DEVICES[0], "tcp"),
                on_event=on_event,
            )
        )
        with suppress(asyncio.CancelledError):
            assert isinstance(await taking, Done)
        await giving
    return reported


async def test_its_own_place_is_complete_first_then_all_that_is_current_then_history(make_store: MakeStore) -> None:
    a, b = await make_store(edited(8)), await make_store()
    mine = PLACES[3:6]
    reported = await joined(a, b, "nearby_count", mine)
    assert await slots(b, mine) == await slots(a, mine)
    assert await slots(b, PLACES) != await slots(a, PLACES)
    assert 0 < reported[-1].nearby_count < reported[-1].current_count < (reported[-1].to_receive or 0)
    await b.close()
    c = await make_store()
    await joined(a, c, "current_count", mine)
    assert await slots(c, PLACES) == await slots(a, PLACES)
    assert [type(found["printer"]) for found in await slots(c, PLACES[:2])] == [Agreed, Conflict]
    assert (await c.summary()).count < (await a.summary()).count
    await joined(a, c)
    assert await c.summary() == await a.summary()
    assert await slots(c, PLACES) == await slots(a, PLACES)
    assert (await c.verify()).problems == []


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
async def test_once_all_that_is_current_is_there_history_changes_nothing_that_is_shown(
    make_store: MakeStore, share: float
) -> None:
    """Wherever the session is cut.

    An older value never shows up beside the one that obsoleted it.
    """
    a, b = await make_store(edited(6)), await make_store()
    order = await a.order(await a.hashes())
    upto = order.current_count + int(share * (len(order.hashes) - order.current_count))
    hints = await a.obsolete_hints(order.hashes[order.membership_count : order.current_count])
    await b.save_blocks(await a.blocks(order.hashes[:upto]), obsolete_hints=hints)
    assert await slots(b, PLACES) == await slots(a, PLACES)


async def test_what_a_liar_calls_overtaken_is_back_when_the_session_is_complete(make_store: MakeStore) -> None:
    a, b = await make_store(edited(2)), await make_store()
    await joined(a, b, "current_count", lies=True)
    assert await slots(b, PLACES) != await slots(a, PLACES)
    await joined(a, b)
    assert await slots(b, PLACES) == await slots(a, PLACES)
    assert (await b.verify()).problems == []


async def test_verify_believes_nobody(make_store: MakeStore) -> None:
    a, b = await make_store(edited(2)), await make_store()
    await joined(a, b, "current_count", lies=True)
    assert (await b.verify()).problems == []
    assert all(isinstance(found["name"], Agreed) for found in await slots(b, PLACES))


async def test_an_edit_of_what_is_known_so_far_does_not_touch_what_was_hidden(make_store: MakeStore) -> None:
    blocks = edited(2)
    b = await make_store(FOUNDING)
    founding = blocks[2]
    await b.save_blocks([founding], obsolete_hints={change_id(founding): [1]})
    assert (await b.now().record(PLACES[0], SCHEMA)).slots.keys() == {"name"}
    await b.clear_obsolete_hints()
    assert (await b.now().slot(PLACES[0], "printer")).value == "first"


some_facts = st.lists(st.integers(0, MAX_FACTS - 1), unique=True, min_size=1, max_size=5).map(sorted)


@given(st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=6), st.data())
def test_a_batch_is_read_as_it_was_packed(blocks: list[bytes], data: st.DataObject) -> None:
    overtaken = data.draw(st.dictionaries(st.integers(0, len(blocks) - 1), some_facts))
    batch = BatchDecoder().decode_batch(BatchEncoder().encode_batch(blocks, overtaken))
    assert batch.blocks == blocks
    assert {number: list(facts) for number, facts in batch.obsolete_hints.items()} == overtaken


@pytest.mark.parametrize(
    "overtaken",
    [{1: [0]}, {0: []}, {0: [3, 3]}, {0: [4, 3]}, {0: [MAX_FACTS]}],
    ids=["no such block", "no facts", "twice", "out of order", "no such place"],
)
def test_what_is_overtaken_has_one_form(overtaken: dict[int, list[int]]) -> None:
    with pytest.raises(MalformedMessage):
        BatchDecoder().decode_batch(BatchEncoder().encode_batch([b"block"], overtaken))

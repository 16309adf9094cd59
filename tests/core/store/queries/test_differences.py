"""What differs between two views is what their slots say, one by one."""

from __future__ import annotations

import asyncio
import random
from itertools import count, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.body import Fact
from core.store.store import Store
from core.store.view import View
from core.value_codec import encode_value
from tests.support.store_fleet import ENTITY, FLEET, FOUNDING, OTHER, Pen, histories, save_in_pieces

PLACES = [(entity, name) for entity in (ENTITY, OTHER) for name in ("p", "q")]


async def _values(view: View) -> dict[tuple[bytes, str], bytes]:
    """The values in use of all slots that the histories have, as they are encoded."""
    return {(entity, name): encode_value((await view.slot(entity, name)).value) for entity, name in PLACES}


@settings(max_examples=8)
@given(histories(), st.randoms(use_true_random=False), st.integers(1, 4), st.tuples(st.integers(9, 31), st.just(20)))
def test_differences_are_those_of_the_slots_read_one_by_one(
    tmp_path_factory: pytest.TempPathFactory,
    blocks: list[bytes],
    order: random.Random,
    size: int,
    moments: tuple[int, int],
) -> None:
    async def run() -> None:
        arrivals = count(1000)
        made = await Store.create(tmp_path_factory.mktemp("s") / "s", fleet=FLEET, clock=lambda: next(arrivals))
        try:
            shuffled = [*blocks]
            order.shuffle(shuffled)
            await save_in_pieces(made, [*FOUNDING, *shuffled], size)
            views = [made.now(), *map(made.as_of, moments), made.known_at(order.randint(1000, next(arrivals)))]
            values = [await _values(view) for view in views]
            for (one, before), (other, after) in product(zip(views, values, strict=True), repeat=2):
                found = [each for each in await one.differences(other) if each[:2] in PLACES]
                assert sorted((e, n, encode_value(old), encode_value(new)) for e, n, old, new in found) == [
                    (*slot, before[slot], after[slot]) for slot in PLACES if before[slot] != after[slot]
                ]
                assert await one.differences(other, OTHER) == [each for each in found if each[0] == OTHER]
        finally:
            await made.close()

    asyncio.run(run())


async def test_what_is_about_one_entity_is_on_one_page(tmp_path_factory: pytest.TempPathFactory) -> None:
    made = await Store.create(tmp_path_factory.mktemp("s") / "s", fleet=FLEET, clock=lambda: 1000)
    try:
        pen = Pen(1)
        of = [bytes([number]) * 16 for number in range(1, 210)]
        blocks = [pen.write(*(Fact(entity, f"p{turn}", turn) for entity in of), at=10 + turn) for turn in range(2)]
        await made.save_blocks([*FOUNDING, *blocks])
        pages = [page async for page in made.as_of(9).difference_pages(made.now())]
        assert len(pages) > 1
        assert [each for page in pages for each in page] == await made.as_of(9).differences(made.now())
        owners = [{each[0] for each in page} for page in pages]
        assert sum(map(len, owners)) == len(set().union(*owners)) == len(of)
    finally:
        await made.close()

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from core.store.store import Store
from tests.support.store_fleet import FLEET

MakeStore = Callable[..., Awaitable[Store]]


@pytest.fixture
async def make_store(tmp_path: Path) -> AsyncIterator[MakeStore]:
    """Makes stores on the disk that hold the given blocks."""
    async with AsyncExitStack() as stack:
        number = iter(range(100))

        async def make(blocks: Sequence[bytes] = (), fleet: bytes = FLEET) -> Store:
            store = await Store.create(tmp_path / f"store{next(number)}", fleet=fleet, clock=lambda: 5000)
            stack.push_async_callback(store.close)
            if blocks:
                assert (await store.save_blocks(blocks)).refused == ()
            return store

        yield make

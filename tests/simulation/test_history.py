"""A real fleet's history, split over devices that work apart and meet at random.

All end up with the same.

Each technician of the history works on one of the devices and sees only what has reached it. The sessions are the
real ones, on real stores.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from core.body import Fact
from core.changes import decode_block
from core.history_import import HistoryLine, read_lines
from core.schema_toml import load_builtin_schema
from core.slots import Candidate, Conflict, leaf_ids, slot_of
from core.store import entities
from core.store.scope import NOW
from core.store.store import Store
from core.sync.events import Done
from core.sync.pump import StoreReplica, pump_session
from core.sync.session import Session
from core.value_codec import encode_value
from tests.support.store_fleet import AUTHORS, FLEET, GENESIS, Pen
from tests.support.strategies import DEVICES

SCHEMA = load_builtin_schema("site-network")
SEED = 20231
MEETING_CHANCE = 0.15


@dataclass
class Device:
    """A device at work: `held_before` is what it held at each of its changes."""

    number: int
    store: Store
    held_before: dict[bytes, frozenset[bytes]] = field(default_factory=dict)

    async def work(self, line: HistoryLine) -> None:
        before = frozenset(await self.store.hashes())
        await self.store.import_history(AUTHORS[self.number], [line], SCHEMA, on_progress=lambda done, of: None)
        for change in set(await self.store.hashes()) - before:
            self.held_before[change] = before


def admission() -> bytes:
    """All eight devices, admitted at once by the first."""
    facts = [
        Fact(device, name, value)
        for number, device in enumerate(DEVICES[1:], 1)
        for name, value in (("kind", "member"), ("member.name", f"K{number}"), ("member.role", "technician"))
    ]
    return Pen(0, [GENESIS]).write(*facts, at=2, user="admin")


End = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def pipe() -> tuple[End, End]:
    """Two ends of a local connection."""
    ends: asyncio.Future[End] = asyncio.get_running_loop().create_future()
    server = await asyncio.start_server(lambda reader, writer: ends.set_result((reader, writer)), "127.0.0.1", 0)
    one = await asyncio.open_connection(*server.sockets[0].getsockname())
    other = await ends
    server.close()
    return one, other


async def meet(one: Device, other: Device) -> tuple[Done, Done]:
    """A whole meeting of two devices; both hold the union afterwards."""
    union = set(await one.store.hashes()) | set(await other.store.hashes())
    left, right = await pipe()
    outcomes = await asyncio.gather(
        pump_session(
            Session(FLEET, DEVICES[other.number], initiator=True),
            *left,
            StoreReplica(one.store, DEVICES[other.number], "tcp"),
        ),
        pump_session(
            Session(FLEET, DEVICES[one.number], initiator=False),
            *right,
            StoreReplica(other.store, DEVICES[one.number], "tcp"),
        ),
    )
    for _, writer in (left, right):
        writer.close()
        await writer.wait_closed()
    assert set(await one.store.hashes()) == set(await other.store.hashes()) == union
    assert isinstance(outcomes[0], Done) and isinstance(outcomes[1], Done)
    assert outcomes[0].equal and outcomes[1].equal
    return outcomes[0], outcomes[1]


Reads = dict[bytes, dict[str, tuple[str, list[tuple[bytes, bytes]]]]]


async def reads(store: Store) -> Reads:
    """Every slot of every entity: its state and its leaves in the order of preference."""
    query = "SELECT entity FROM entities ORDER BY entity"
    every = await store._database.run(lambda c: [entity for (entity,) in c.execute(query)])
    leaves = await store._database.run(entities.read_leaves, NOW, every)
    return {
        entity: {
            name: (slot.state, [(leaf.fact, encode_value(leaf.value)) for leaf in slot.leaves])
            for name, found in slots.items()
            for slot in [slot_of(found)]
        }
        for entity, slots in leaves.items()
        if slots
    }


def conflicts(blocks: list[bytes]) -> dict[tuple[bytes, str], list[bytes]]:
    """The slots in conflict and their leaves' changes, by the pure definitions alone."""
    decoded = [decode_block(data) for data in blocks]
    facts = {block.fact_id(number): (block, fact) for block in decoded for number, fact in enumerate(block.facts)}
    places = ((fact_id_, (fact.entity, fact.property), fact.obsoletes) for fact_id_, (_, fact) in facts.items())
    found = {}
    for place, ids in leaf_ids(places).items():
        slot = slot_of(Candidate(i, facts[i][1].value, "", b"", facts[i][0].at_us, None) for i in ids)
        if isinstance(slot, Conflict):
            found[place] = [leaf.change for leaf in slot.leaves]
    return found


def history(shared: Path) -> list[HistoryLine]:
    with (shared / "data" / "site-history.jsonl").open("rb") as file:
        return list(read_lines(file))


async def test_a_real_history_worked_on_by_eight_devices_converges(tmp_path: Path, shared: Path) -> None:
    lines = history(shared)
    await work_apart(tmp_path, lines[: len(lines) // 6])


@pytest.mark.soak
async def test_the_whole_history_worked_on_by_eight_devices_converges(tmp_path: Path, shared: Path) -> None:
    await work_apart(tmp_path, history(shared))


async def work_apart(folder: Path, lines: list[HistoryLine]) -> None:
    """Let each technician work on one of eight devices, which meet at random."""
    order = random.Random(SEED)
    technicians = sorted({line.user for line in lines})
    at_device = {user: number % len(DEVICES) for number, user in enumerate(technicians)}
    async with AsyncExitStack() as stack:
        devices = []
        for number in range(len(DEVICES)):
            store = await Store.create(folder / f"{number}.db", fleet=FLEET, clock=lambda: 3)
            stack.push_async_callback(store.close)
            # Durability is not what this is about, and eight stores on one disk would wait for it most of the time.
            await store._database.run(lambda c: c.execute("PRAGMA synchronous = OFF"))
            await store.save_blocks([GENESIS, admission()])
            devices.append(Device(number, store))
        for line in lines:
            await devices[at_device[line.user]].work(line)
            if order.random() < MEETING_CHANCE:
                await meet(*order.sample(devices, 2))
        while len({(await device.store.summary()).root for device in devices}) > 1:
            await meet(*order.sample(devices, 2))

        first = await reads(devices[0].store)
        for device in devices[1:]:
            assert await reads(device.store) == first
        blocks = await devices[0].store.blocks(await devices[0].store.hashes())
        expected = conflicts(blocks)
        for device in devices:
            assert set(await device.store.now().conflicts()) == expected.keys()
        assert expected, "people who work apart for two years disagree somewhere"
        held = {change: before for device in devices for change, before in device.held_before.items()}
        for place, changes in expected.items():
            for change in changes:
                others = [other for other in changes if other != change]
                assert held[change].isdisjoint(others), f"{place}: an author saw what it is in conflict with"
        assert (await devices[3].store.verify()).problems == []

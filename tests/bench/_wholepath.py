"""Reconciliation by whole sessions on real stores.

Bytes, round trips and CPU time from the files on.

The stores share N changes of which only the ids are there, with the short ids and the tree over them, as if they had
been received; the changes that differ are real ones and are really moved. The two sides take turns in one process, so
that the CPU time of each is known, all threads counted. What is spent on the changes themselves (put in order, read,
packed, checked, saved) is told apart; what it takes to bring the kept cells up to date is not.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.body import Fact
from core.changes import change_id
from core.store.indexes import short_ids
from core.store.store import Store
from core.sync.events import Done
from core.sync.pump import StoreReplica
from core.sync.reconcile.merkle import build_tree
from core.sync.reconcile.set_sketch import short_id
from core.sync.replica import GetBlocks, GetObsoleteHints, GetOrder, SaveBlocks, SendOrder
from core.sync.session import MODES, Session
from tests.support.store_fleet import AUTHORS, FLEET, FOUNDING, Pen

SIZES = (10_000, 100_000, 1_000_000)
DIFFERENCES = (0, 1, 10, 100, 1000)
RUNS = 7
PAYLOAD = (GetOrder, GetBlocks, GetObsoleteHints, SaveBlocks)
BUDGETS = {0: 30, 10: 100}
"""Milliseconds of CPU for each side at the largest size."""


class Replica(StoreReplica):
    """Sends real changes only.

    With those that the peer lacks goes, at times, one that is alike and that it has.
    """

    async def order(self, hashes: Sequence[bytes], location_hint: bytes) -> SendOrder:
        real = [change_id(block) for block in await self.store.blocks(hashes)]
        return await StoreReplica.order(self, real, location_hint)


@dataclass
class Side:
    """One device in a meeting, and what it spent."""

    replica: Replica
    session: Session
    spent: float = 0.0
    payload: float = 0.0

    async def act(self, data: bytes) -> bytes:
        """Take bytes, do all that can be done, and give what is to be sent."""
        begun, payload = time.process_time(), self.payload
        if data:
            self.session.receive_data(data)
        while self.session.request is not None:
            request = self.session.request
            asked = time.process_time()
            answer = await request.perform(self.replica)
            if isinstance(request, PAYLOAD):
                self.payload += time.process_time() - asked
            self.session.resolve(answer)
        sent = self.session.data_to_send()
        self.spent += time.process_time() - begun - (self.payload - payload)
        return sent


async def meet(a: Store, b: Store, modes: tuple[str, ...]) -> tuple[Done, float]:
    """How a meeting went, and the CPU seconds of the side that needed more."""
    sides = [
        Side(
            Replica(store, AUTHORS[1 - who].device, "tcp"),
            Session(FLEET, AUTHORS[1 - who].device, initiator=who == 0, modes=modes),
        )
        for who, store in enumerate((a, b))
    ]
    data, who = b"", 0
    while not (sides[0].session.outcome and sides[1].session.outcome):
        data = await sides[who].act(data)
        who = 1 - who
    outcome = sides[0].session.outcome
    assert isinstance(outcome, Done) and outcome.equal
    assert await a.summary() == await b.summary()
    return outcome, max(side.spent for side in sides)


def fill(connection: sqlite3.Connection, number: int, *, is_shuffled: bool = False) -> None:
    """Ids that were received, and what is derived from the ids alone."""
    chance = random.Random(number)
    ids = [chance.randbytes(32) for _ in range(number)]
    if not is_shuffled:
        ids.sort()
    known = [change for (change,) in connection.execute("SELECT hash FROM changes")]
    first = len(known) + 1
    connection.executemany(
        "INSERT INTO changes (id, hash, device, position, author, lead, at, ordered_later, linked, accepted,"
        " received_at, link) VALUES (?, ?, 1, ?, 1, ?, 1, 0, 1, 1, 1, 'tcp')",
        ((row, change, row, row) for row, change in enumerate(ids, first)),
    )
    key = short_ids.read_short_id_key(connection)
    assert key is not None
    pairs = sorted((short_id(key, change), row) for row, change in enumerate(ids, first))
    connection.executemany("INSERT INTO shorts (short, change) VALUES (?, ?)", pairs)
    connection.execute("DELETE FROM branches")
    connection.executemany(
        "INSERT INTO branches (prefix, count, children) VALUES (?, ?, ?)",
        [(branch.prefix, branch.count, branch.children) for branch in build_tree(sorted(known + ids))[1]],
    )


async def prepared(folder: Path, number: int) -> tuple[Store, Store]:
    """Two stores with the same changes, whose cells are kept."""
    paths = [folder / f"{number}-{name}.db" for name in ("one", "two")]
    store = await Store.create(paths[0], fleet=FLEET, clock=lambda: time.time_ns() // 1000)
    await store.save_blocks(FOUNDING)
    await store._database.write(fill, number)
    await store.sketch()
    await store.close()
    shutil.copy(paths[0], paths[1])
    one, two = [await Store.open(path, clock=lambda: time.time_ns() // 1000) for path in paths]
    return one, two


async def _measure(folder: Path) -> None:
    spent: dict[tuple[str, int, int], float] = {}
    for number in SIZES:
        one, two = await prepared(folder, number)
        pens = [Pen(1), Pen(2)]
        written = itertools.count()
        print(f"  N = {number:,}")
        for mode, modes in (("sketch", tuple(MODES)), ("merkle", ("merkle",))):
            for size in DIFFERENCES:
                met = []
                for run in range(RUNS if size < 1000 else 3):
                    half = (size + run % 2) // 2
                    for store, pen, count in ((one, pens[0], half), (two, pens[1], size - half)):
                        new = [next(written).to_bytes(16, "big") for _ in range(count)]
                        await store.save_blocks([pen.write(Fact(entity, "p", 1), at=100) for entity in new])
                    met.append(await meet(one, two, modes))
                figures = [outcome.stats for outcome, _ in met]
                median = spent[mode, number, size] = statistics.median(cpu for _, cpu in met) * 1e3
                reported = f"  (budget {BUDGETS[size]} ms)" if number == max(SIZES) and size in BUDGETS else ""
                print(
                    f"  {mode:<10}{size:>8,} {statistics.mean(f.reconcile_bytes for f in figures):>11,.0f}"
                    f" {max(f.reconcile_bytes for f in figures):>11,}"
                    f" {statistics.mean(f.round_trips for f in figures):>6.2f} {median:>9.1f}{reported}",
                    flush=True,
                )
        await one.close()
        await two.close()
    ratios = [
        f"{mode} d={size}: x{spent[mode, max(SIZES), size] / spent[mode, min(SIZES), size]:.2f}"
        for mode in ("sketch", "merkle")
        for size in BUDGETS
    ]
    print(f"  CPU time at N = {max(SIZES):,} against N = {min(SIZES):,}: {', '.join(ratios)} (budget x2)")


def run() -> None:
    """Print the figures."""
    print("\nthe same by whole sessions on stores; CPU is the median, of the side that needed more")
    print(f"  {'':<10}{'d':>8} {'mean bytes':>11} {'most bytes':>11} {'turns':>6} {'CPU ms':>9}")
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_measure(Path(folder)))


if __name__ == "__main__":
    run()

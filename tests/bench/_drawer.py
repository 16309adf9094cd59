"""Reconciliation of a device out of a drawer.

It lacks a part of all changes, or has it alone.

By the session's own parts on real stores, which hold the ids of N changes with their short ids and trees. What follows,
the exchange of the changes, is not done. Bytes are those of the frames in both directions, CPU time is that of each
side (both threads), and memory is what the process grew by at most, both sides in one.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
import tempfile
import time
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.store.store import Store
from core.sync import codec
from core.sync.effects import HAS_INPUT, RECEIVE, Signal
from core.sync.messages import Message
from core.sync.pump import StoreReplica
from core.sync.reconcile.sketch_reconciler import SketchReconciler
from core.sync.replica import GetSketch
from tests.bench._wholepath import fill
from tests.support.store_fleet import AUTHORS, FLEET, FOUNDING

SIZE = 1_000_000
MISSING = (10_000, 100_000, 300_000)
MAX_BYTES_PER_DIFFERENCE = 11
MAX_LIST_BYTES = 5_000_000
MAX_CPU_S = 5.0


@dataclass
class End:
    """One side: its store, what it has spent, and what it will send."""

    replica: StoreReplica
    run: Generator[Any, Any, list[bytes] | None]
    spent: float = 0.0
    inbox: deque[Message] = field(default_factory=deque)
    answer: Any = None
    is_over: bool = False
    found: list[bytes] | None = None

    async def act(self) -> list[Message]:
        """Go on as far as it gets, and give what is to be sent."""
        sent: list[Message] = []
        begun = time.process_time()
        while not self.is_over:
            if self.answer is RECEIVE:
                if not self.inbox:
                    break
                self.answer = self.inbox.popleft()
            try:
                step = self.run.send(self.answer)
            except StopIteration as end:
                self.found, self.is_over = end.value, True
                break
            self.answer = None
            if step is HAS_INPUT:
                self.answer = bool(self.inbox)
            elif step is RECEIVE:
                self.answer = RECEIVE
            elif isinstance(step, Message):
                sent.append(step)
            elif not isinstance(step, Signal):
                self.answer = await step.perform(self.replica)
        self.spent += time.process_time() - begun
        return sent


async def reconcile(calling: Store, called: Store) -> tuple[list[End], int]:
    """Let both find out what the other lacks; the ends, and how many bytes it took."""
    replicas = [StoreReplica(store, AUTHORS[1 - who].device, "tcp") for who, store in enumerate((calling, called))]
    kept = [await GetSketch().perform(replica) for replica in replicas]
    ends = [
        End(replica, SketchReconciler(kept[who].summary, kept[1 - who].summary, kept[who], who == 0).run())
        for who, replica in enumerate(replicas)
    ]
    total = 0
    while not all(end.is_over for end in ends):
        for who, end in enumerate(ends):
            sent = await end.act()
            total += sum(len(codec.encode_message(message)) for message in sent)
            ends[1 - who].inbox.extend(sent)
    return ends, total


def peak_mb() -> int:
    """The most memory the process has had since `forget_peak`."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) >> 10


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _drop(connection: sqlite3.Connection, count: int) -> None:
    """Take away the last of what was filled in (the tree is not looked at)."""
    (last,) = connection.execute("SELECT max(id) FROM changes").fetchone()
    connection.execute("DELETE FROM shorts WHERE change > ?", (last - count,))
    connection.execute("DELETE FROM changes WHERE id > ?", (last - count,))
    connection.execute("DELETE FROM meta WHERE key IN ('cells', 'cells_row')")


async def _measure(folder: Path, size: int, missing: Sequence[int]) -> None:
    clock = random.Random(1).random
    paths = [folder / "whole.db", folder / "part.db"]
    whole = await Store.create(paths[0], fleet=FLEET, clock=lambda: int(clock()))
    await whole.save_blocks(FOUNDING)
    await whole._database.write(fill, size, is_shuffled=True)
    await whole.sketch()
    await whole.close()
    for count in missing:
        whole = await Store.open(paths[0], clock=lambda: 1)
        shutil.copy(paths[0], paths[1])
        part = await Store.open(paths[1], clock=lambda: 1)
        await part._database.write(_drop, count)
        await part.sketch()
        for name, pair in (("lacks", (part, whole)), ("has", (whole, part))):
            forget_peak()
            before = peak_mb()
            ends, total = await reconcile(*pair)
            found = ends[0 if name == "has" else 1].found or []
            goal = min(MAX_BYTES_PER_DIFFERENCE * count, MAX_LIST_BYTES)
            print(
                f"  {name:<6}{count:>9,} {total:>10,} {total / count:>6.1f} {goal:>10,}"
                f" {max(end.spent for end in ends):>6.1f} {min(end.spent for end in ends):>6.1f}"
                f" {peak_mb() - before:>6} {len(found):>9,}",
                flush=True,
            )
        await part.close()
        await whole.close()


def run(size: int = SIZE, missing: Sequence[int] = MISSING) -> None:
    """Print the figures."""
    print(f"\na device out of a drawer, of {size:,} changes (goal: {MAX_CPU_S:.0f} s of CPU a side)")
    print("  it      changes      bytes   each       goal  CPU s  other     MB     found")
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_measure(Path(folder), size, missing))


if __name__ == "__main__":
    run()

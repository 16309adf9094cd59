"""The store beside plain sqlite3.

Appending changes of one fact, and reading one entity at 100k and at 1M facts.

Prints rates and ratios; nothing is asserted.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

from core.body import Fact
from core.changes import decode_block
from core.records import Edit
from core.schema_toml import load_builtin_schema
from core.store.block_table import iterate_blocks
from core.store.connection import transaction
from core.store.ingest import Receipt, add_blocks
from core.store.store import Store
from core.value_codec import MAX_FACTS
from tests.support.store_fleet import AUTHORS, FLEET, FOUNDING, Pen

APPENDS = 1000
ROUNDS = 3
CHAIN = 10
"""Facts a slot, so that the past has depth."""
SCHEMA = load_builtin_schema("service-centre")


async def _append(folder: Path) -> float:
    store = await Store.create(folder / "store.db", fleet=FLEET, clock=lambda: time.time_ns() // 1000)
    await store.save_blocks(FOUNDING)
    rng = random.Random(1)
    entities = [rng.randbytes(16) for _ in range(100)]
    begun = time.perf_counter()
    for number in range(APPENDS):
        await store.commit(
            AUTHORS[0], [Edit(entities[number % 100], f"p{number // 100}", f"value {number}", ())], user="u"
        )
    spent = time.perf_counter() - begun
    await store.close()
    return APPENDS / spent


def _plain(folder: Path) -> float:
    """The same rows with plain sqlite3, a transaction each, same `synchronous`."""
    source = sqlite3.connect(folder / "store.db")
    names = ("changes", "blocks", "facts", "contents", "content_digests")
    # What is computed from other columns is not among these.
    columns = {
        name: ", ".join(column for (column,) in source.execute("SELECT name FROM pragma_table_info(?)", (name,)))
        for name in names
    }
    rows = {name: source.execute(f"SELECT {columns[name]} FROM {name} ORDER BY 1").fetchall() for name in names}
    rows["blocks"] = list(iterate_blocks(source))
    tables = [
        sql
        for (sql,) in source.execute(
            "SELECT sql FROM sqlite_master WHERE tbl_name IN (?, ?, ?, ?, ?) AND sql NOT NULL", names
        )
    ]
    source.close()
    connection = sqlite3.connect(folder / "plain.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    for sql in tables:
        connection.execute(sql)
    facts = {row[0] // MAX_FACTS: row for row in rows["facts"]}
    contents = {row[0]: row for row in rows["contents"]}
    digests = {content: digest for digest, content in rows["content_digests"]}
    begun = time.perf_counter()
    count = 0
    for change, block in zip(rows["changes"], rows["blocks"], strict=True):
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"INSERT INTO changes ({columns['changes']}) VALUES ({','.join('?' * len(change))})", change)
        connection.execute("INSERT INTO blocks VALUES (?, ?)", block)
        fact = facts[change[0]]
        connection.execute("INSERT OR IGNORE INTO contents VALUES (?, ?, ?)", contents[fact[3]])
        digest = (digests[fact[3]], fact[3])
        connection.execute("INSERT OR IGNORE INTO content_digests VALUES (?, ?)", digest)
        connection.execute(f"INSERT INTO facts ({columns['facts']}) VALUES ({','.join('?' * len(fact))})", fact)
        connection.execute("COMMIT")
        count += 1
    spent = time.perf_counter() - begun
    connection.close()
    return count / spent


async def _grown(path: Path, facts: int) -> tuple[Store, list[bytes]]:
    """A store of so many facts.

    Entities of ten properties, each property said ten times over.
    """
    store = await Store.create(path, fleet=FLEET, clock=lambda: 1)
    await store.save_blocks(FOUNDING)
    entities = [random.Random(2).randbytes(16) for _ in range(1)]
    rng = random.Random(3)
    entities = [rng.randbytes(16) for _ in range(facts // (10 * CHAIN))]
    pen = Pen(0, FOUNDING)
    seen: dict[bytes, list[bytes]] = {}
    for turn in range(CHAIN):
        blocks = []
        for start in range(0, len(entities), 20):
            content: list[Fact] = []
            for entity in entities[start : start + 20]:
                for number in range(10):
                    target = seen.get(entity + bytes([number]), [])
                    content.append(Fact(entity, f"p{number}", f"value {turn} {rng.getrandbits(64)}", tuple(target)))
            block = decode_block(pen.write(*content, at=10 + turn))
            for index, fact in enumerate(block.facts):
                seen[fact.entity + bytes([int(fact.property[1:])])] = [block.fact_id(index)]
            blocks.append(block)
        await store._database.run(
            lambda c, some: transaction(
                c,
                lambda c: add_blocks(
                    c, some, Receipt(1, None, "bench"), store._membership_cache.read_membership(c, FLEET), FLEET
                ),
            ),
            blocks,
        )
    return store, entities


async def _read(store: Store, entities: list[bytes], moment: int | None) -> float:
    """Median microseconds to read one entity, warm."""
    view = store.now() if moment is None else store.as_of(moment)
    picks = random.Random(4).sample(entities, min(400, len(entities)))
    times = []
    for entity in [*picks, *picks]:
        begun = time.perf_counter()
        record = await view.record(entity, SCHEMA)
        times.append(time.perf_counter() - begun)
        assert len(record.slots) == 10
    return statistics.median(times[len(picks) :]) * 1e6


async def _reading() -> None:
    with tempfile.TemporaryDirectory() as name:
        figures = {}
        for facts in (100_000, 1_000_000):
            begun = time.perf_counter()
            store, entities = await _grown(Path(name, f"{facts}.db"), facts)
            spent = time.perf_counter() - begun
            now, past = await _read(store, entities, None), await _read(store, entities, 14)
            figures[facts] = (now, past)
            size = Path(name, f"{facts}.db").stat().st_size
            print(
                f"  {facts:>9,} facts: one entity {now:6.0f} us now, {past:6.0f} us in the past;"
                f" filled at {facts / spent:,.0f} facts/s, {size / 1e6:.0f} MB"
            )
            await store.close()
        ratios = [big / small for big, small in zip(figures[1_000_000], figures[100_000], strict=True)]
        print(f"  reading at 1M against 100k facts: x{ratios[0]:.2f} now, x{ratios[1]:.2f} in the past (budget x2)")


def run() -> None:
    """Print the figures."""
    print("store: append of changes of one fact, one transaction each, synchronous=FULL")
    ratios = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as name:
            ours = asyncio.run(_append(Path(name)))
            plain = _plain(Path(name))
            ratios.append(ours / plain)
            print(f"  {ours:8,.0f}/s here, {plain:8,.0f}/s plain sqlite3: x{ours / plain:.2f}")
    print(f"  median x{statistics.median(ratios):.2f} (budget: at least x0.25)")
    print("store: reading one entity")
    asyncio.run(_reading())


if __name__ == "__main__":
    run()

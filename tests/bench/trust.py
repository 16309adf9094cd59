"""What trust costs: revocations, callers, signatures, sealing, attacks.

In a fleet of 1,500 devices with 100,000 changes, and beside it in one of two devices. Prints times and ratios; nothing
is asserted. `FIELDLINE_BENCH_CHANGES` makes it smaller, `FIELDLINE_BENCH_FLOOD` says how many changes a flood has.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from core.body import Fact
from core.chain import Tip, advance, first_tip
from core.changes import Change, decode_block, sign_block, verify_block
from core.epoch_keys import EpochKeys
from core.header import device_id
from core.member_values import REVOKED_PROPERTY, ROLE_PROPERTY, Cut, revocation_value
from core.salt_tree import SEED_BYTES
from core.store.indexes.active_members import read_may_connect
from core.store.store import Store
from core.sync import bundle
from core.sync.block_stream import BlockPacker, BlockUnpacker, split_block
from core.sync.sealed_file import SealKeys
from tests.bench import _flood, _half_open
from tests.support.store_fleet import FLEET, FOUNDING, Pen, person_of

MEMBERS = 1500
WRITERS = 100
CHANGES = int(os.environ.get("FIELDLINE_BENCH_CHANGES", "100000"))
ROUNDS = 5
SIGNATURES = 5000
BATCH = 1000


class _Writer:
    def __init__(self, number: int) -> None:
        self.key = Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big"))
        self.device = device_id(self.key.public_key().public_bytes_raw())
        self.tip: Tip | None = None

    def write(self, number: int) -> bytes:
        facts = (Fact(number.to_bytes(16, "big"), "printer", f"Acme {number}"),)
        change = Change(person_of("u"), 1_700_000_000_000_000 + number, None, facts)
        block = sign_block(change, self.key, FLEET, number.to_bytes(SEED_BYTES, "big"), self.tip)
        self.tip = advance(self.tip, block.header) if self.tip else first_tip(block.header)
        return block.data


def _median_ms(times: list[float]) -> float:
    return 1000 * statistics.median(times)


async def _make(path: Path, members: int, changes: int) -> tuple[Store, Pen, list[_Writer]]:
    store = await Store.create(path, fleet=FLEET, clock=lambda: 1_800_000_000_000_000)
    admin = Pen(0, FOUNDING)
    blocks = list(FOUNDING)
    writers = [_Writer(number + 1) for number in range(members)]
    blocks += [admin.write(Fact(each.device, ROLE_PROPERTY, "technician"), at=3) for each in writers]
    await store.save_blocks(blocks)
    authors = writers[: min(WRITERS, members)]
    for start in range(0, changes, BATCH):
        some = range(start, min(start + BATCH, changes))
        await store.save_blocks([authors[number % len(authors)].write(number) for number in some])
    return store, admin, writers


async def _revocations(store: Store, admin: Pen, writers: list[_Writer]) -> float:
    times = []
    for writer in writers[:ROUNDS]:
        cut = (Cut(writer.tip.position, writer.tip.id),) if writer.tip else ()
        block = admin.write(Fact(writer.device, REVOKED_PROPERTY, revocation_value(cut)), at=5)
        begun = time.perf_counter()
        await store.save_blocks([block])
        assert not (await store.membership()).may_write(writer.device)
        times.append(time.perf_counter() - begun)
    return _median_ms(times)


async def _openings(path: Path, device: bytes) -> tuple[float, float]:
    """The time until a process knows whether its first caller may connect.

    And each further one.
    """
    first, further = [], []
    for _ in range(ROUNDS):
        store = await Store.open(path, clock=lambda: 1)
        begun = time.perf_counter()
        assert await store.run(lambda connection: read_may_connect(connection, device))
        first.append(time.perf_counter() - begun)
        for _ in range(20):
            begun = time.perf_counter()
            assert await store.run(lambda connection: read_may_connect(connection, device))
            further.append(time.perf_counter() - begun)
        await store.close()
    return _median_ms(first), _median_ms(further)


def _signatures() -> list[float]:
    """How many signatures are checked on arrival for each in a plain loop.

    Of blocks that are read already; with reading them; and with unpacking them as they go over a link.
    """
    writer = _Writer(1)
    data = [writer.write(number) for number in range(SIGNATURES)]
    blocks = [decode_block(each) for each in data]
    packer = BlockPacker(frozenset(), frozenset(), leaves_out=True)
    batches = [packer.pack_batch([split_block(each) for each in some], {}) for some in _parts(data)]
    message, key = b"m" * 200, writer.key
    signature, public = key.sign(message), key.public_key().public_bytes_raw()

    def plain() -> None:
        for _ in range(SIGNATURES):
            Ed25519PublicKey.from_public_bytes(public).verify(signature, message)

    def check() -> None:
        for block in blocks:
            verify_block(block, FLEET)

    def read_and_check() -> None:
        for some in _parts(data):
            for block in [decode_block(each) for each in some]:
                verify_block(block, FLEET)

    def unpack_and_check() -> None:
        unpacker = BlockUnpacker(FLEET, is_lenient=False)
        for batch in batches:
            unpacker.missing_places(batch)
            assert unpacker.unpack_batch(batch).error is None

    ways = (plain, check, read_and_check, unpack_and_check)
    times = [[_cpu_seconds(way) for way in ways] for _ in range(ROUNDS)]
    return [statistics.median(each[0] / each[number] for each in times) for number in range(1, len(ways))]


def _parts(data: list[bytes]) -> list[list[bytes]]:
    return [data[start : start + BATCH] for start in range(0, len(data), BATCH)]


def _cpu_seconds(work: Callable[[], None]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


async def _sealing(store: Store, folder: Path) -> tuple[float, float]:
    """How many percent more bytes and time a sealed bundle takes than a plain one."""
    keys = SealKeys(FLEET, EpochKeys.of(b"secret", (), ()), lambda: (_ for _ in ()).throw(AssertionError))

    async def load_keys() -> SealKeys | None:
        return keys

    async def no_keys() -> SealKeys | None:
        return None

    times: dict[str, list[float]] = {"plain": [], "sealed": []}
    for _ in range(3):
        for name, load in (("plain", no_keys), ("sealed", load_keys)):
            begun = time.process_time()
            await bundle.export_bundle(folder / name, store, load)
            await bundle.import_bundle(folder / name, store, load)
            times[name].append(time.process_time() - begun)
    sizes = [(folder / name).stat().st_size for name in ("plain", "sealed")]
    spent = [min(times[name]) for name in ("plain", "sealed")]
    return 100 * (sizes[1] / sizes[0] - 1), 100 * (spent[1] / spent[0] - 1)


async def _measure(folder: Path) -> None:
    small, _, writers = await _make(folder / "small.db", 1, 100)
    await small.close()
    before = await _openings(folder / "small.db", writers[0].device)
    store, admin, writers = await _make(folder / "large.db", MEMBERS, CHANGES)
    after = await _openings(folder / "large.db", writers[-1].device)
    print(f"{MEMBERS} members, {CHANGES} changes")
    print(f"who counts after a revocation   {await _revocations(store, admin, writers):8.1f} ms")
    print(f"a caller, store just opened     {after[0]:8.2f} ms, with 2 members {before[0]:.2f} ms")
    print(f"a caller, later                 {after[1]:8.2f} ms, with 2 members {before[1]:.2f} ms")
    more_bytes, more_time = await _sealing(store, folder)
    print(
        f"sealed instead of plain         {more_bytes:8.3f} % more bytes, {more_time:.1f} % more time to write and read"
    )
    await store.close()


def run() -> None:
    """Measure, and print."""
    checked, read, unpacked = _signatures()
    print(f"signatures on arrival           {checked:8.2f} of cryptography's in a loop (goal 0.8)")
    print(f"  with reading the changes      {read:8.2f}, with unpacking them from a link {unpacked:.2f}")
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_measure(Path(folder)))
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_flood.report(Path(folder), print))
    with tempfile.TemporaryDirectory() as folder:
        _half_open.report(Path(folder), print)

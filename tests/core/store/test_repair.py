"""While blocks can be read, a repair gives the whole store back."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import sqlite3
import stat
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from core.body import Fact
from core.changes import change_id
from core.header import header_size
from core.records import Edit
from core.schema_toml import load_builtin_schema
from core.store import repair, store_file, verify
from core.store.block_table import iterate_blocks, pack_loose
from core.store.connection import StoreDamaged, StoreError, StoreGone
from core.store.packs import unpack_blocks
from core.store.salvage import carve_blocks
from core.store.store import Store, repair_at
from core.store.types import Verification
from core.value_codec import ParentRef, Ref
from tests.support.damaged_store import PAGE_BYTES, loosen, overwrite, pages_of, tables_of, zero_page
from tests.support.soak_table import soak_row
from tests.support.store_fleet import AUTHORS, ENTITY, FLEET, FOUNDING, GENESIS, OTHER, Pen, person_of

CENTRE = load_builtin_schema("service-centre")


class Usage(NamedTuple):
    """Room on a disk."""

    total: int
    used: int
    free: int


DERIVED_NOTES = ("active", "cells", "cells_row", "checked", "clues", "matters", "membership", "verified")
FACTS = "SELECT f.id, value, later, current FROM facts f JOIN contents v ON v.id = f.content ORDER BY 1"
BYTES_TABLES = ("blocks", "packs")


def ignore(done: int, total: int) -> None:
    """Nobody looks at the progress."""


async def opened(path: Path) -> Store:
    return await Store.open(path, clock=lambda: 2000)


async def build(path: Path) -> None:
    """A store of some pages.

    Own changes, those of a peer, a long value, and notes of this device.
    """
    store = await Store.create(path, fleet=FLEET, clock=lambda: 1000)
    await store.write_meta("person u", person_of("u"))
    await store.write_meta("own note", b"kept")
    await store.save_blocks(FOUNDING)
    pen = Pen(1)
    peers = [pen.write(Fact(OTHER, f"q{n}", ParentRef(ENTITY) if n % 7 == 0 else n), at=10 + n) for n in range(60)]
    await store.save_blocks(peers, source_device=AUTHORS[1].device, link="tcp")
    for number in range(60):
        edits = [Edit(ENTITY, f"p{number}", "x" * (30 * number), ()), Edit(ENTITY, f"r{number}", Ref(OTHER), ())]
        await store.commit(AUTHORS[0], edits, user="u", note=f"number {number}")
    await store._database.write(lambda connection: pack_loose(connection, min_bytes=16 << 10))
    await store.checkpoint()
    await store.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "store.db"
    asyncio.run(build(path))
    return path


@pytest.fixture
def damaged(whole: Path, tmp_path: Path) -> Path:
    """A copy to be damaged."""
    shutil.copy(whole, tmp_path / "store.db")
    return tmp_path / "store.db"


def rows_of(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """What the store says, from whom and when, and the device's own notes."""
    with closing(sqlite3.connect(path)) as connection:
        return {
            query: connection.execute(query).fetchall()
            for query in (
                FACTS,
                "SELECT id, hash, received_at, link FROM changes ORDER BY 1",
                "SELECT c.id, d.device FROM changes c JOIN devices d ON d.id = c.source ORDER BY 1",
                f"SELECT key, value FROM meta WHERE key NOT IN {DERIVED_NOTES} ORDER BY 1",
            )
        }


async def assert_restored(path: Path, whole: Path) -> None:
    store = await opened(path)
    assert (await store.verify()).problems == []
    await store.close()
    assert blocks_of(path) == blocks_of(whole)
    assert rows_of(path) == rows_of(whole)
    assert sorted(each.name for each in path.parent.iterdir()) == ["store.db", "store.db.lock"]


def is_readable(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as connection:
        return bool(connection.execute("PRAGMA integrity_check(1)").fetchone()[0] == "ok")


@pytest.mark.parametrize("place", [0, -1], ids=["root", "leaf"])
async def test_a_zeroed_page_of_any_table_or_index_comes_back(damaged: Path, whole: Path, place: int) -> None:
    """Only times of receipt and the device's own notes stand nowhere else."""
    for name in tables_of(whole):
        shutil.copy(whole, damaged)
        pages = pages_of(damaged, name)
        if name in BYTES_TABLES and (place == -1 or len(pages) == 1):
            continue  # then blocks are gone, too
        zero_page(damaged, pages[place])
        found = await repair_at(damaged, ignore)
        assert (found.problems, found.kept_file) == ([], None), name
        assert is_readable(damaged), name
        own = {"changes", "devices", "meta", "entities", "properties"}
        here, there = rows_of(damaged), rows_of(whole)
        assert (blocks_of(damaged), here[FACTS]) == (blocks_of(whole), there[FACTS]), name
        assert name in own or here == there, name


async def test_damage_to_pages_that_sqlite_cannot_read_is_found(damaged: Path, whole: Path) -> None:
    for name in (
        "facts",
        "facts_content",
        "contents",
        "branches",
        "content_digests",
        "obsoletes_fact",
        "changes_ordered",
    ):
        shutil.copy(whole, damaged)
        zero_page(damaged, pages_of(damaged, name)[-1])
        store = await opened(damaged)
        problems = [str(each) for each in (await store.verify()).problems]
        await store.close()
        assert problems, name
        assert not [each for each in problems if "fieldline verify" in each]


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE contents SET value = x'ff' WHERE id = (SELECT max(id) FROM contents)",
        "UPDATE contents SET value = CAST(x'ff' || value AS BLOB)",
        "UPDATE facts SET content = (SELECT max(id) FROM contents)",
        "DELETE FROM contents WHERE id > 5",
        "UPDATE persons SET name = 'somebody'",
        "UPDATE changes SET hash = randomblob(32) WHERE id = 1",
        "UPDATE meta SET value = x'ff' WHERE key = 'fleet'",
        "DELETE FROM meta WHERE key IN ('fleet', 'membership')",
        "UPDATE devices SET device = randomblob(16) WHERE id = 1",
        "DELETE FROM facts WHERE id < 2000",
    ],
)
async def test_a_damaged_row_is_found_and_comes_back(damaged: Path, whole: Path, damage: str) -> None:
    with closing(sqlite3.connect(damaged, isolation_level=None)) as connection:
        connection.execute(damage)
    store = await opened(damaged)
    assert (await store.verify()).problems
    found = await store.verify(repair=True)
    assert (found.problems, found.kept_file) == ([], None)
    # The store that was open goes on with the new one.
    assert (await store.now().slot(ENTITY, "p1")).value == "x" * 30
    await store.close()
    await assert_restored(damaged, whole)


async def test_changes_whose_rows_are_gone_come_back_as_received_with_those_before_them(
    damaged: Path, whole: Path
) -> None:
    with closing(sqlite3.connect(damaged, isolation_level=None)) as connection:
        connection.execute("DELETE FROM changes WHERE id IN (1, 7, 100)")
    assert (await repair_at(damaged, ignore)).problems == []
    assert blocks_of(damaged) == blocks_of(whole)
    assert await is_whole(damaged)


async def test_a_file_of_which_only_the_pages_with_blocks_are_left(damaged: Path, whole: Path) -> None:
    kept = {page for name in BYTES_TABLES for page in pages_of(damaged, name)[1:]}
    size = damaged.stat().st_size
    for number in range(1, size // PAGE_BYTES + 1):
        page = damaged.read_bytes()[(number - 1) * PAGE_BYTES : number * PAGE_BYTES]
        # What is neither a leaf of the table nor a page of a long row is gone, the first page, too.
        if number not in kept and page[0] in (2, 5, 10, 13, 83):
            zero_page(damaged, number)
    with pytest.raises(StoreDamaged):
        await opened(damaged)
    assert (await repair_at(damaged, ignore)).problems == []
    assert [data for _, data in blocks_of(damaged)] == [data for _, data in blocks_of(whole)]
    assert await is_whole(damaged)


async def test_what_is_only_in_the_log_comes_back_without_the_first_page(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    await build(path)
    store = await opened(path)
    await store.commit(AUTHORS[0], [Edit(ENTITY, "late", "in the log", ())], user="u")
    held = set(await store.hashes())
    killed = tmp_path / "killed"
    killed.mkdir()
    for each in store_file.store_files(path):
        shutil.copy(each, killed / each.name)
    await store.close()
    zero_page(killed / "store.db", 1)
    log = (killed / "store.db-wal").read_bytes()
    at = 32
    while at < len(log):  # the first page in the log, too
        if int.from_bytes(log[at : at + 4], "big") == 1:
            overwrite(killed / "store.db-wal", at + 24, b"\0" * PAGE_BYTES)
        at += 24 + PAGE_BYTES
    assert (await repair_at(killed / "store.db", ignore)).problems == []
    again = await opened(killed / "store.db")
    assert set(await again.hashes()) == held
    assert (await again.now().slot(ENTITY, "late")).value == "in the log"
    await again.close()


def blocks_of(path: Path) -> list[tuple[int, bytes]]:
    with closing(sqlite3.connect(path)) as connection:
        return list(iterate_blocks(connection))


async def is_whole(path: Path) -> bool:
    store = await opened(path)
    problems = (await store.verify()).problems
    await store.close()
    return not problems


async def test_all_blocks_are_found_in_the_bare_pages(whole: Path) -> None:
    with closing(sqlite3.connect(whole)) as connection:
        counts = [connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in BYTES_TABLES]
    assert min(counts) > 1
    assert sorted(set(carve_blocks(whole))) == blocks_of(whole)


@pytest.mark.parametrize("damage", [lambda data: data[:900] + b"\xff" * 40 + data[940:], lambda data: data[:600]])
async def test_a_damaged_pack_takes_no_more_than_it_holds(
    damaged: Path, whole: Path, damage: Callable[[bytes], bytes]
) -> None:
    """And of that not what lies before the damage."""
    with closing(sqlite3.connect(damaged, isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete = 1")
        first, data = connection.execute("SELECT first, data FROM packs ORDER BY first LIMIT 1 OFFSET 1").fetchone()
        connection.execute("UPDATE packs SET data = ? WHERE first = ?", (damage(data), first))
        connection.execute("VACUUM")  # the loose blocks that it was made of are still in free pages
    held = range(first, first + len(unpack_blocks(data)))
    store = await opened(damaged)
    assert len(await store.blocks(await store.hashes())) < len(blocks_of(whole))
    assert (await store.verify()).problems
    await store.close()
    found = await repair_at(damaged, ignore)
    left, right = {data for _, data in blocks_of(damaged)}, dict(blocks_of(whole))
    lost = sorted(row for row, data in right.items() if data not in left)
    assert len(found.problems) == len(lost) > 0
    assert lost == list(held)[-len(lost) :]
    assert first not in lost
    store = await opened(damaged)
    await store.save_blocks([right[row] for row in lost])
    assert (await store.verify()).problems == []
    assert {data for _, data in blocks_of(damaged)} == set(right.values())
    await store.close()


def damage_block(path: Path, row: int, change: Callable[[bytes], bytes]) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        loosen(connection)
        (data,) = connection.execute("SELECT data FROM blocks WHERE change = ?", (row,)).fetchone()
        connection.execute("UPDATE blocks SET data = ? WHERE change = ?", (change(data), row))


@pytest.mark.parametrize("row", [1, 9, 10, 122])
@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:50] + b"\xff" + data[51:],
        lambda data: data[:200] + bytes([data[200] ^ 4]) + data[201:],
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: data[:-24] + b"\xff" * 14 + data[-10:],
    ],
    ids=["byte of the header", "bit of the header", "bit of the body", "much of a value"],
)
async def test_a_damaged_block_is_restored_from_what_else_is_known(
    damaged: Path, whole: Path, row: int, change: Callable[[bytes], bytes]
) -> None:
    damage_block(damaged, row, change)
    assert len((await _verified(damaged)).problems) == 1
    found = await repair_at(damaged, ignore)
    assert (found.problems, found.kept_file) == ([], None)
    assert "restored: 1" in str(found.repaired[-1])
    await assert_restored(damaged, whole)


async def _verified(path: Path) -> Verification:
    store = await opened(path)
    try:
        return await store.verify()
    finally:
        await store.close()


async def test_what_cannot_be_restored_is_kept_aside_and_reported_and_comes_back_by_a_sync(
    damaged: Path, whole: Path
) -> None:
    lost = dict(blocks_of(whole))[5]
    bad = lost[:100] + b"\0" * 60 + lost[160:]
    damage_block(damaged, 5, lambda data: bad)
    found = await repair_at(damaged, ignore)
    assert len(found.problems) == 1
    message = str(found.problems[0])
    assert change_id(lost).hex() in message
    assert "It set q2; changes that build on it: 1." in message
    assert found.kept_file is not None
    assert stat.S_IMODE(found.kept_file.stat().st_mode) == 0o600
    (line,) = [json.loads(line) for line in found.kept_file.read_text().splitlines()]
    assert (line["change"], line["row"], bytes.fromhex(line["data"])) == (change_id(lost).hex(), 5, bad)
    store = await opened(damaged)
    assert (await store.verify()).problems == []
    assert await store.missing([change_id(lost)]) == [change_id(lost)]
    await store.save_blocks([lost])
    assert (await store.verify()).problems == []
    assert sorted(await store.hashes()) == sorted(change_id(data) for _, data in blocks_of(whole))
    await store.close()


async def test_a_founding_change_that_is_lost_is_reported_as_that(damaged: Path) -> None:
    damage_block(damaged, 1, lambda data: b"\0" * 300 + data[300:])
    found = await repair_at(damaged, ignore)
    assert ["founded the fleet" in str(each) for each in found.problems] == [True]
    store = await opened(damaged)
    assert store.fleet == FLEET
    await store.save_blocks([GENESIS])
    assert (await store.now().slot(ENTITY, "p1")).value == "x" * 30
    assert (await store.verify()).problems == []
    await store.close()


async def test_bytes_that_cannot_be_read_at_all_leave_the_whole_old_file(damaged: Path) -> None:
    with closing(sqlite3.connect(damaged, isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete = 1")
        loosen(connection)
        connection.execute("DELETE FROM blocks WHERE change = 5")
    before = damaged.read_bytes()
    found = await repair_at(damaged, ignore)
    assert len(found.problems) == 1
    assert found.kept_file is not None
    assert found.kept_file.with_suffix(".db").read_bytes() == before


async def test_nobody_is_replaced_under_a_program_that_has_the_store_open(damaged: Path) -> None:
    store = await opened(damaged)
    before = damaged.read_bytes()
    with pytest.raises(StoreError, match="Other programs have the store"):
        await repair_at(damaged, ignore)
    other = await opened(damaged)
    with closing(sqlite3.connect(damaged, isolation_level=None)) as connection:
        connection.execute("UPDATE facts SET state = state | 1")
        connection.execute("PRAGMA wal_checkpoint")
    with pytest.raises(StoreError, match="Other programs have the store"):
        await store.verify(repair=True)
    # And goes on with what it had.
    assert (await store.verify()).problems
    await other.close()
    await store.close()
    assert len(damaged.read_bytes()) == len(before)


async def test_room_is_looked_at_first_and_the_folder_named(damaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = damaged.read_bytes()
    monkeypatch.setattr(repair.shutil, "disk_usage", lambda folder: Usage(1000, 900, 100))
    with pytest.raises(StoreError, match=f"{damaged.parent} has 0 MB free"):
        await repair_at(damaged, ignore)
    assert damaged.read_bytes() == before


async def test_a_file_that_is_no_store_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    for content in (b"", b"something else" * 1000):
        path.write_bytes(content)
        with pytest.raises(StoreDamaged, match="not a Fieldline store"):
            await repair_at(path, ignore)
        assert path.read_bytes() == content
        assert not store_file.replacement_path(path).exists()


async def test_what_a_kill_leaves_is_thrown_away_or_finished_at_the_next_start(damaged: Path, whole: Path) -> None:
    store_file.replacement_path(damaged).write_bytes(b"half")
    store = await opened(damaged)
    assert not store_file.replacement_path(damaged).exists()
    await store.close()
    # Killed when the new store was complete: the old one and its log are worth nothing any more.
    shutil.copy(whole, store_file.complete_path(damaged))
    damaged.write_bytes(b"old")
    damaged.with_name("store.db-wal").write_bytes(b"old log")
    await assert_restored(damaged, whole)


async def test_a_store_that_was_replaced_by_hand_is_noticed_before_saved_is_said(damaged: Path, whole: Path) -> None:
    for replaced in (True, False):
        store = await opened(damaged)
        for each in store_file.store_files(damaged):
            each.unlink(missing_ok=True)
        if replaced:
            shutil.copy(whole, damaged)
        with pytest.raises(StoreGone):
            await store.commit(AUTHORS[0], [Edit(ENTITY, "p", 1, ())], user="u")
        with pytest.raises(StoreGone):
            await store.now().slot(ENTITY, "p1")
        await store.close()
        shutil.copy(whole, damaged)


@pytest.mark.parametrize("count", [12, pytest.param(300, marks=pytest.mark.soak)])
async def test_damage_at_random_places_never_stops_a_repair(
    damaged: Path, whole: Path, count: int, record_property: Callable[[str, object], None]
) -> None:
    """Of blocks that were not hit none is lost, and the store is right after."""
    rng = random.Random(7 + count)
    ends: Counter[str] = Counter()
    right = {data for _, data in blocks_of(whole)}
    with closing(sqlite3.connect(whole)) as connection:
        packs = [data for (data,) in connection.execute("SELECT data FROM packs")]
    size = whole.stat().st_size
    for _ in range(count):
        shutil.copy(whole, damaged)
        for _ in range(rng.randint(1, 4)):
            overwrite(damaged, rng.randrange(size), rng.randbytes(rng.choice([1, 16, 300, 4096])))
        damaged.write_bytes(damaged.read_bytes()[:size])
        data = damaged.read_bytes()
        untouched = {block for block in right if block in data} | {
            block for pack in packs if pack in data for block in unpack_blocks(pack)
        }
        try:
            found = await repair_at(damaged, ignore)
        except StoreDamaged:
            assert not untouched
            ends["nothing was left to read"] += 1
            continue
        left = {data for _, data in blocks_of(damaged)}
        assert untouched <= left <= right
        assert bool(found.problems) == (left != right) or found.kept_file is None
        assert await is_whole(damaged)
        for each in damaged.parent.glob("damaged-*"):
            each.unlink()
        ends["repaired"] += 1
    record_property(*soak_row("the file of a store damaged at random places", count, ends))


async def test_two_processes_find_what_one_does(damaged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[list[str]] = []
    for statement in (
        "SELECT 1",
        "UPDATE facts SET state = state + 8 WHERE id = (SELECT max(id) FROM facts)",
        "UPDATE blocks SET data = zeroblob(300) WHERE change = 9",
        "INSERT INTO said_index (rowid, text) VALUES (1, 'nobody ever said that')",
    ):
        with closing(sqlite3.connect(damaged, isolation_level=None)) as connection:
            loosen(connection)
            connection.execute(statement)
        for least in (0, 10**9):
            monkeypatch.setattr(verify, "MIN_CHANGES_FOR_TWO", least)
            store = await opened(damaged)
            found.append(sorted(str(each) for each in (await store.verify(CENTRE)).problems))
            await store.close()
        assert found[-1] == found[-2]
    assert [len(each) for each in found[::2]] == sorted(len(each) for each in found[::2])
    assert found[0] == []
    assert found[-1]


async def test_a_block_that_somebody_else_signed_is_found_with_two_processes(
    damaged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its id is right and its form is, and only the signature tells."""
    monkeypatch.setattr(verify, "MIN_CHANGES_FOR_TWO", 0)
    data = dict(blocks_of(damaged))[5]
    size = header_size(data)
    forged = data[: size - 8] + bytes([data[size - 8] ^ 1]) + data[size - 7 :]
    with closing(sqlite3.connect(damaged, isolation_level=None)) as connection:
        loosen(connection)
        connection.execute("UPDATE blocks SET data = ? WHERE change = 5", (forged,))
        connection.execute("UPDATE changes SET hash = ? WHERE id = 5", (change_id(forged),))
    store = await opened(damaged)
    assert any(
        f"{change_id(forged).hex()} is damaged: a block is badly signed" in str(e)
        for e in (await store.verify()).problems
    )
    await store.close()

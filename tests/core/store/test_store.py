"""The store answers what the pure definitions say, in any order of arrival."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.body import Fact
from core.changes import SCHEMA_ENTITY, change_id, decode_block, fact_id
from core.effective_time import Dated, effective_times
from core.errors import Refused
from core.records import Edit
from core.schema_toml import load_builtin_schema
from core.slots import Agreed, Candidate, Conflict, Slot, leaf_ids, slot_of
from core.store import migrations, view
from core.store.connection import StoreError
from core.store.queries.log import LogFilter
from core.store.store import Store
from core.sync.reconcile import merkle
from core.value_codec import encode_value, withdrawn_by
from tests.support.older_store import make_version_14
from tests.support.store_fleet import (
    ADMISSION,
    AUTHORS,
    ENTITY,
    FLEET,
    FOUNDING,
    GENESIS,
    OTHER,
    Pen,
    fact_of,
    histories,
    person_of,
    save_in_pieces,
)

SCHEMA = load_builtin_schema("service-centre")
PLACES = [(entity, name) for entity in (ENTITY, OTHER) for name in ("p", "q")]


class Clock:
    """Time that stands still until it is moved."""

    def __init__(self, now: int = 1000) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


async def make(path: Path, clock: Clock | None = None) -> Store:
    """A store of a device of the user `u`, whom the genesis names."""
    store = await Store.create(path, fleet=FLEET, clock=clock or Clock())
    await store.write_meta("person u", person_of("u"))
    return store


def expected(blocks: Iterable[bytes], moment: int = 10**9) -> dict[tuple[bytes, str], Slot]:
    """What each slot holds at a moment by the pure definitions alone.

    A fact counts from the time of its change on, or of what it obsoletes, whatever the standing of that; the author's
    clock is shown as it was.
    """
    decoded = [decode_block(data) for data in blocks]
    facts = {b.fact_id(n): (b, f) for b in decoded for n, f in enumerate(b.facts)}
    dated = {i: Dated((f.entity, f.property), b.at_us, f.obsoletes) for i, (b, f) in facts.items()}
    times = effective_times(dated)
    good = {
        i
        for i, (block, _) in facts.items()
        if block.device in [author.device for author in AUTHORS[:4]] and times[i] <= moment
    }
    slots: dict[tuple[bytes, str], Slot] = {}
    counted = ((i, (f.entity, f.property), f.obsoletes) for i, (_, f) in facts.items() if i in good)
    withdrawals = {i for i, (_, f) in facts.items() if withdrawn_by(f.value)}
    for place, leaves in leaf_ids(counted, withdrawals).items():
        if not leaves:
            continue
        slots[place] = slot_of(
            Candidate(
                leaf,
                facts[leaf][1].value,
                "u",
                facts[leaf][0].device,
                facts[leaf][0].at_us,
                None,
                times[leaf],
                person_of("u"),
                "behind" if facts[leaf][0].at_us < times[leaf] else None,
            )
            for leaf in leaves
        )
    return slots


async def read(store: Store, moment: int | None = None) -> dict[tuple[bytes, str], Slot]:
    view = store.now() if moment is None else store.as_of(moment)
    return {(e, n): slot for e, n in PLACES if (slot := await view.slot(e, n)).state != "absent"}


@settings(max_examples=30)
@given(histories(), st.randoms(use_true_random=False), st.integers(1, 4))
def test_every_order_and_batching_gives_the_same_reads(
    tmp_path_factory: pytest.TempPathFactory, blocks: list[bytes], order: random.Random, size: int
) -> None:
    async def run() -> None:
        folder = tmp_path_factory.mktemp("s")
        every = [*FOUNDING, *blocks]
        shuffled = every[:]
        order.shuffle(shuffled)
        async with AsyncExitStack() as stack:
            one, other = await make(folder / "one"), await make(folder / "other")
            stack.push_async_callback(one.close)
            stack.push_async_callback(other.close)
            await one.save_blocks(every)
            await save_in_pieces(other, shuffled, size)
            assert await read(one) == await read(other) == expected(blocks)
            assert await one.summary() == await other.summary()
            assert (await one.summary()).root == merkle.build_tree({change_id(data) for data in every})[0]
            conflicts = {place for place, slot in expected(blocks).items() if isinstance(slot, Conflict)}
            assert set(await one.now().conflicts()) == set(await other.now().conflicts()) == conflicts
            for moment in (9, 15, 20, 25, 30):
                then = expected(blocks, moment)
                assert await read(one, moment) == await read(other, moment) == then
                assert set(await other.as_of(moment).conflicts()) == {
                    p for p, s in then.items() if isinstance(s, Conflict)
                }
            assert (await other.verify()).problems == []

    asyncio.run(run())


async def test_saving_again_changes_nothing(tmp_path: Path) -> None:
    store = await make(tmp_path / "s")
    first = await store.save_blocks(FOUNDING)
    before = await store.summary()
    again = await store.save_blocks(FOUNDING)
    assert (first.added_count, again.added_count, again.known_count) == (2, 0, 2)
    assert await store.summary() == before
    await store.close()


async def test_the_exact_bytes_come_back(tmp_path: Path) -> None:
    store = await make(tmp_path / "s")
    await store.save_blocks(FOUNDING)
    assert await store.blocks([change_id(ADMISSION), b"?" * 32, change_id(GENESIS)]) == [ADMISSION, GENESIS]
    assert await store.missing([b"?" * 32, change_id(GENESIS)]) == [b"?" * 32]
    await store.close()


async def test_what_is_sent_first_is_what_a_peer_needs_first(tmp_path: Path) -> None:
    store = await make(tmp_path / "s")
    pen = Pen(1)
    old = pen.write(Fact(ENTITY, "p", "old", ()), at=10)
    current = pen.write(Fact(ENTITY, "p", "current", (fact_of(old),)), at=20)
    newer = pen.write(Fact(ENTITY, "q", "newer", ()), at=30)
    schema = Pen(0, FOUNDING).write(Fact(SCHEMA_ENTITY, "schema.place", "x", ()), at=5)
    blocks = [newer, old, ADMISSION, schema, current, GENESIS]
    await store.save_blocks(blocks)
    ids = [change_id(data) for data in blocks]
    order = await store.order(ids)
    assert order.hashes == [change_id(data) for data in (GENESIS, ADMISSION, schema, current, newer, old)]
    assert (order.membership_count, order.nearby_count, order.current_count) == (2, 0, 5)
    near = Pen(2).write(Fact(OTHER, "p", "near", ()), at=15)
    await store.save_blocks([near])
    order = await store.order([*ids, change_id(near)], [OTHER, b"?" * 16])
    assert order.hashes == [change_id(data) for data in (GENESIS, ADMISSION, schema, near, current, newer, old)]
    assert (order.membership_count, order.nearby_count, order.current_count) == (2, 4, 6)
    await store.close()


async def test_a_refused_block_leaves_nothing_and_the_good_ones_stay(tmp_path: Path) -> None:
    store = await make(tmp_path / "s")
    damaged = bytearray(ADMISSION)
    damaged[-1] ^= 1
    saved = await store.save_blocks([GENESIS, bytes(damaged), b"junk"])
    assert saved.added_count == 1
    assert {change for change, _ in saved.refused} == {change_id(bytes(damaged)), b""}
    assert await store.hashes() == [change_id(GENESIS)]
    await store.close()


async def test_a_commit_obsoletes_what_its_author_saw_and_not_what_came_meanwhile(tmp_path: Path) -> None:
    store = await make(tmp_path / "s")
    await store.save_blocks(FOUNDING)
    first = await store.commit(AUTHORS[0], [Edit(ENTITY, "p", "seen", ())], user="u")
    assert first is not None
    meanwhile = Pen(1).write(Fact(ENTITY, "p", "meanwhile", (fact_id(first, 0),)), at=2000)
    await store.save_blocks([meanwhile])
    await store.commit(AUTHORS[0], [Edit(ENTITY, "p", "mine", (fact_id(first, 0),))], user="u")
    slot = await store.now().slot(ENTITY, "p")
    assert isinstance(slot, Conflict)
    assert {leaf.value for leaf in slot.leaves} == {"meanwhile", "mine"}
    await store.close()


async def test_an_edit_counts_after_what_it_obsoletes_and_the_clock_is_not_dragged_along(tmp_path: Path) -> None:
    clock = Clock(1000)
    store = await make(tmp_path / "s", clock)
    future = Pen(1).write(Fact(ENTITY, "p", "far", ()), at=200_000_000_000)
    await store.save_blocks([*FOUNDING, future], source_device=AUTHORS[1].device, link="tcp")
    over = await store.commit(AUTHORS[0], [Edit(ENTITY, "p", "near", (fact_of(future),))], user="u")
    aside = await store.commit(AUTHORS[0], [Edit(ENTITY, "q", "now", ())], user="u")
    entries = {entry.change: entry for entry in await store.now().log()}
    assert over is not None and aside is not None
    assert [(entries[each].at_us, entries[each].moment_us, entries[each].clock) for each in (over, aside)] == [
        (1000, 200_000_000_000, "behind"),
        (1000, 1000, None),
    ]
    assert entries[change_id(future)].clock == "ahead", entries
    assert [entry.change for entry in await store.now().log(limit=2)] == [over, change_id(future)]
    assert (await store.as_of(200_000_000_000).slot(ENTITY, "p")).value == "near"
    assert (await store.as_of(199_999_999_999).slot(ENTITY, "p")).state == "absent"
    await store.close()


async def test_changes_of_a_device_are_kept_from_its_admission_on(tmp_path: Path) -> None:
    store = await make(tmp_path / "s")
    early = Pen(1).write(Fact(ENTITY, "p", "early", ()), at=50)
    await store.save_blocks([GENESIS, early])
    assert (await store.counts()).changes == 1
    await store.save_blocks([ADMISSION])
    assert (await store.now().slot(ENTITY, "p")).state == "absent"
    await store.save_blocks([early])
    assert (await store.now().slot(ENTITY, "p")).value == "early"
    assert (await store.counts()).quarantined == 0
    await store.close()


async def test_what_this_device_knew_then(tmp_path: Path) -> None:
    clock = Clock(100)
    store = await make(tmp_path / "s", clock)
    old = Pen(1).write(Fact(ENTITY, "p", "old", ()), at=10)
    new = Pen(2).write(Fact(ENTITY, "p", "new", (fact_of(old),)), at=20)
    await store.save_blocks([*FOUNDING, old])
    clock.now = 200
    await store.save_blocks([new])
    assert (await store.known_at(150).slot(ENTITY, "p")).value == "old"
    assert (await store.as_of(150).slot(ENTITY, "p")).value == "new"
    assert (await store.known_at(250).slot(ENTITY, "p")).value == "new"
    await store.close()


async def test_the_chain_of_a_device_goes_on_from_its_end_however_it_arrived(tmp_path: Path) -> None:
    pen = Pen(0, FOUNDING)
    chain = [pen.write(Fact(ENTITY, "p", str(n), ()), at=100 + n) for n in range(4)]
    store = await make(tmp_path / "s")
    for data in [GENESIS, chain[3], chain[1], FOUNDING[1], chain[2], chain[0]]:
        await store.save_blocks([data])
    own = await store.commit(AUTHORS[0], [Edit(ENTITY, "q", "x", ())], user="u")
    assert own is not None
    (data,) = await store.blocks([own])
    assert decode_block(data).header.fields.previous == change_id(chain[3])
    await store.close()


async def test_equal_leaves_are_witnesses_not_a_conflict(tmp_path: Path) -> None:
    store = await make(tmp_path / "s")
    await store.save_blocks([*FOUNDING, *(Pen(n).write(Fact(ENTITY, "p", "same", ()), at=n) for n in (1, 2))])
    slot = await store.now().slot(ENTITY, "p")
    assert isinstance(slot, Agreed)
    assert len(slot.witnesses) == 2
    assert (await store.counts()).conflicts == 0
    await store.close()


async def test_a_store_may_be_open_twice_in_one_process(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = await Store.create(path, fleet=FLEET, clock=lambda: 1000)
    await store.write_meta("own", b"1")
    await (await Store.open(path, clock=lambda: 1000)).close()
    write = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); c.commit(); c.close()"
    for value in (b"2", b"3"):
        statement = f"INSERT OR REPLACE INTO meta VALUES ('theirs', x'{value.hex()}')"
        await asyncio.to_thread(subprocess.run, [sys.executable, "-c", write, str(path), statement], check=True)
        # Had the first connection lost its locks, the other process would have taken the log away from under it.
        assert await store.read_meta("theirs") == value
        assert path.with_name("store.db-wal").exists()
    await store.write_meta("own", b"4")
    await store.close()
    again = await Store.open(path, clock=lambda: 1000)
    assert (await again.read_meta("own"), await again.read_meta("theirs")) == (b"4", b"3")
    await again.close()


async def test_another_process_s_change_is_noticed(tmp_path: Path) -> None:
    one = await make(tmp_path / "s")
    await one.save_blocks(FOUNDING)
    other = await Store.open(tmp_path / "s", clock=Clock())
    assert not await other.wait_for_change(timeout=0)
    await one.commit(AUTHORS[0], [Edit(ENTITY, "p", "v", ())], user="u")
    assert await other.wait_for_change(timeout=0)
    assert not await other.wait_for_change(timeout=0)
    assert (await other.now().slot(ENTITY, "p")).value == "v"
    await one.close()
    await other.close()


async def test_the_log_shows_old_and_new_and_pages_without_gaps(tmp_path: Path) -> None:
    store = await make(tmp_path / "s")
    await store.save_blocks(FOUNDING)
    seen: tuple[bytes, ...] = ()
    for number in range(7):
        change = await store.commit(AUTHORS[0], [Edit(ENTITY, "p", number, seen)], user="u", note=f"step {number}")
        assert change is not None
        seen = (fact_id(change, 0),)
    view = store.now()
    whole = await view.log(limit=100)
    paged, after = [], None
    while page := await view.log(limit=2, cursor=after):
        paged += page
        after = page[-1].cursor
    assert paged == whole
    assert list(reversed(await view.log(newest_first=False))) == whole
    assert await view.count_log_entries() == len(whole) == 9
    assert [await view.count_newer(entry.cursor) for entry in whole] == list(range(9))
    (edit,) = await view.fact_diffs(whole[0].change)
    assert (edit.old, edit.new, edit.had_value) == (5, 6, True)
    (first,) = await view.fact_diffs(whole[6].change)
    assert (first.old, first.new, first.had_value) == (None, 0, False)
    await store.close()


async def test_a_new_file_is_not_made_over_an_old_one_and_a_foreign_one_is_not_opened(tmp_path: Path) -> None:
    await (await make(tmp_path / "s")).close()
    with pytest.raises(StoreError, match="already"):
        await make(tmp_path / "s")
    with pytest.raises(StoreError, match="no store"):
        await Store.open(tmp_path / "none", clock=Clock())
    (tmp_path / "text").write_text("not a database, but long enough to be taken for one" * 50)
    with pytest.raises(StoreError, match="not a Fieldline store"):
        await Store.open(tmp_path / "text", clock=Clock())


def indexes(path: Path) -> dict[str, list[str]]:
    """The indexes of each table, in the order in which they were made."""
    found: dict[str, list[str]] = {}
    with closing(sqlite3.connect(path)) as connection:
        for table, sql in connection.execute("SELECT tbl_name, sql FROM sqlite_master WHERE type = 'index'"):
            found.setdefault(table, []).append(sql)
    return found


async def test_a_store_of_the_first_version_gets_the_tables_that_came_since(tmp_path: Path) -> None:
    made = await make(tmp_path / "s")
    await made.close()
    new = indexes(tmp_path / "s")
    with closing(sqlite3.connect(tmp_path / "s")) as old:
        make_version_14(old)
        for table in ("withdrawals", "void", "proven", "holdings", "contacts", "standings", "turns", "said_new"):
            old.execute(f"DROP TABLE {table}")
        old.execute(f"PRAGMA user_version = {migrations.FIRST_VERSION}")
        old.commit()
    opened = await Store.open(tmp_path / "s", clock=Clock())
    await opened.save_blocks(FOUNDING)
    await opened.clear_obsolete_hints()
    assert (await opened.verify()).problems == []
    await opened.close()
    assert indexes(tmp_path / "s") == new  # of two that are equally good SQLite takes the one made first


async def test_a_newer_store_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await (await make(tmp_path / "s")).close()
    monkeypatch.setattr(migrations, "STORE_VERSION", migrations.STORE_VERSION - 1)
    with pytest.raises(StoreError, match="newer Fieldline"):
        await Store.open(tmp_path / "s", clock=Clock())


@pytest.mark.parametrize("version", [0, -3])
async def test_a_version_that_no_program_writes_is_no_store(tmp_path: Path, version: int) -> None:
    await (await make(tmp_path / "s")).close()
    with closing(sqlite3.connect(tmp_path / "s")) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    with pytest.raises(StoreError, match="not a Fieldline store"):
        await Store.open(tmp_path / "s", clock=Clock())


def _old_statements(version: int) -> str:
    """What an old program writes.

    All that its tables have in common with these is where SQLite keeps the version.
    """
    return (
        "PRAGMA journal_mode = WAL; CREATE TABLE changes (id INTEGER PRIMARY KEY, effective INTEGER);"
        f"PRAGMA application_id = {migrations.APPLICATION_ID}; PRAGMA user_version = {version};"
        "PRAGMA wal_checkpoint(TRUNCATE); INSERT INTO changes VALUES (1, 2);"
    )


@pytest.mark.parametrize("version", range(1, 8))
def test_a_store_of_an_old_format_is_refused_in_one_sentence_and_not_touched(tmp_path: Path, version: int) -> None:
    path = tmp_path / "s"
    # The program is killed: there is a log beside the file, which nobody may take for granted.
    old = "import os, sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(sys.argv[2]); os._exit(0)"
    subprocess.run([sys.executable, "-c", old, str(path), _old_statements(version)], check=True)
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    assert len(before) == 3
    with pytest.raises(StoreError, match="before Fieldline's first release and was not touched"):
        asyncio.run(Store.open(path, clock=Clock()))
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before


async def test_a_store_of_an_old_format_that_is_in_use_is_refused_too(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(_old_statements(7))
        with pytest.raises(StoreError, match="before Fieldline's first release and was not touched"):
            await Store.open(path, clock=Clock())
        assert connection.execute("SELECT * FROM changes").fetchall() == [(1, 2)]


async def test_a_failed_transaction_leaves_nothing(tmp_path: Path) -> None:
    store = await make(tmp_path / "s")
    await store.save_blocks(FOUNDING)
    before = await store.counts()
    size = await store._database.run(lambda c: c.execute("PRAGMA page_count").fetchone()[0])
    await store._database.run(lambda c: c.execute(f"PRAGMA max_page_count = {size}"))
    with pytest.raises(StoreError, match="disk is full"):
        for number in range(200):
            await store.commit(AUTHORS[0], [Edit(number.to_bytes(16, "big"), "p", "x" * 5000, ())], user="u")
    await store._database.run(lambda c: c.execute("PRAGMA max_page_count = 1000000"))
    after = await store.counts()
    assert after.changes == after.facts - before.facts + before.changes
    assert (await store.verify()).problems == []
    await store.close()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE facts SET state = state + 1 WHERE id = (SELECT min(id) FROM facts)",
        "DELETE FROM obsoletes",
        "UPDATE contents SET value = x'6161' WHERE id = (SELECT max(id) FROM contents)",
        "UPDATE branches SET count = count + 1",
        "DELETE FROM said_new WHERE content = (SELECT max(content) FROM said_new)",
        "INSERT INTO said_index (rowid, text) VALUES (1, 'nobody ever said that')",
        "INSERT INTO contested VALUES (1, 1)",
        "UPDATE changes SET ordered_later = ordered_later + 1, accepted = 0 WHERE id = 3",
        "UPDATE facts SET state = state + 8 WHERE id = (SELECT max(id) FROM facts)",
        "UPDATE facts SET state = state | 4 WHERE id = (SELECT max(id) FROM facts)",
        "UPDATE changes SET linked = 0 WHERE id = 3",
        "UPDATE persons SET name = 'somebody' WHERE name = 'Maier'",
        "DELETE FROM tips",
    ],
)
async def test_verify_finds_and_repairs_what_is_derived(tmp_path: Path, damage: str) -> None:
    store = await make(tmp_path / "s")
    await store.save_blocks(FOUNDING)
    seen: tuple[bytes, ...] = ()
    for number in range(20):
        change = await store.commit(AUTHORS[0], [Edit(ENTITY, "p", number, seen)], user="u")
        assert change is not None
        seen = (fact_id(change, 0),)
    before = await store.now().slot(ENTITY, "p")
    assert (await store.verify()).problems == []
    assert await store._database.run(lambda c: c.execute(damage).rowcount) > 0
    assert len((await store.verify()).problems) >= 1
    await store.verify(repair=True)
    assert (await store.verify()).problems == []
    assert await store.now().slot(ENTITY, "p") == before
    await store.close()


async def test_verify_finds_a_damaged_block_and_repair_lets_it_be_fetched_again(tmp_path: Path) -> None:
    store = await make(tmp_path / "s")
    data = Pen(1).write(Fact(ENTITY, "p", "v", ()), at=10)
    await store.save_blocks([*FOUNDING, data])
    await store._database.run(lambda c: c.execute("UPDATE blocks SET data = x'00' WHERE change = 3"))
    assert [change_id(data).hex() in str(problem) for problem in (await store.verify()).problems] == [True]
    await store.verify(repair=True)
    assert await store.missing([change_id(data)]) == [change_id(data)]
    await store.save_blocks([data])
    assert (await store.verify()).problems == []
    assert (await store.now().slot(ENTITY, "p")).value == "v"
    await store.close()


async def test_values_are_compared_by_type_in_differences(tmp_path: Path) -> None:
    clock = Clock(100)
    store = await make(tmp_path / "s", clock)
    await store.save_blocks(FOUNDING)
    change = await store.commit(AUTHORS[0], [Edit(ENTITY, "p", 1, ()), Edit(ENTITY, "q", "same", ())], user="u")
    assert change is not None
    clock.now = 200
    await store.commit(AUTHORS[0], [Edit(ENTITY, "p", True, (fact_id(change, 0),))], user="u")
    found = await store.as_of(150).differences(store.now())
    assert [(e, n, encode_value(a), encode_value(b)) for e, n, a, b in found] == [
        (ENTITY, "p", encode_value(1), encode_value(True))
    ]
    await store.close()


async def test_differences_are_the_same_in_pieces_of_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await make(tmp_path / "s", Clock(100))
    await store.save_blocks(FOUNDING)
    pens = [Pen(number) for number in (1, 2)]
    for at in range(10, 40):
        facts = [Fact(bytes([at % 7]) * 16, f"p{at % 3}", at), Fact(bytes([at % 5]) * 16, "q", str(at // 4))]
        await store.save_blocks([pens[at % 2].write(*facts, at=at)])
    one, other = store.as_of(15), store.as_of(33)
    whole = await one.differences(other)
    assert len(whole) > 12
    assert whole == [
        (entity, name, old, new)
        for entity, name, *_values in whole
        for old, new in [((await one.slot(entity, name)).value, (await other.slot(entity, name)).value)]
    ]
    for size in (1, 2, 5):
        monkeypatch.setattr(view, "_CHANGES_PER_STEP", size)
        monkeypatch.setattr(view, "_ENTITIES_PER_PAGE", size)
        assert await one.differences(other) == whole
    entity = whole[0][0]
    assert await one.differences(other, entity) == [each for each in whole if each[0] == entity]
    await store.close()


async def test_what_is_too_much_for_one_change_becomes_several_that_are_shown_as_one(tmp_path: Path) -> None:
    store = await make(tmp_path / "s")
    await store.save_blocks(FOUNDING)
    edits = [Edit(ENTITY, name, "x" * 40_000, ()) for name in ("p", "q")]
    saved = await store.commit(AUTHORS[0], edits, user="u", note="much")
    (entry, *_) = await store.now().log()
    assert (entry.change, len(entry.changes), entry.fact_count, entry.note) == (saved, 2, 2, "much")
    assert await store.now().count_log_entries() == 3
    many = [Edit(OTHER, f"p{number:04}", number, ()) for number in range(1300)]
    await store.commit(AUTHORS[0], many, user="u")
    (entry, *_) = await store.now().log(LogFilter(entity=OTHER))
    assert (len(entry.changes), entry.fact_count) == (3, 1300)
    assert len(await store.now().fact_diffs(entry.changes[1], None)) == 1300
    with pytest.raises(Refused, match="same property twice"):
        await store.commit(AUTHORS[0], [edits[0], edits[0]], user="u")
    assert (await store.verify()).problems == []
    await store.close()

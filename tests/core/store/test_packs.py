"""Blocks come back from packs byte for byte, whatever they hold."""

from __future__ import annotations

import sqlite3
import zlib
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.body import Fact
from core.store import block_table
from core.store.packs import PACK_PREFIX, is_whole, pack_blocks, unpack_blocks
from core.store.store import Store
from tests.support.older_store import pack_as_before
from tests.support.store_fleet import ENTITY, FLEET, Pen, fact_of


@given(blocks=st.lists(st.binary(max_size=200), max_size=8))
def test_what_was_packed_comes_back(blocks: list[bytes]) -> None:
    packed = pack_blocks(blocks)
    assert packed.startswith(PACK_PREFIX)
    assert unpack_blocks(packed) == tuple(blocks)


@given(blocks=st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=8), data=st.data())
def test_of_a_damaged_pack_the_blocks_before_the_damage_come_back(blocks: list[bytes], data: st.DataObject) -> None:
    packed = pack_blocks(blocks)
    cut = data.draw(st.integers(0, len(packed)))
    assert unpack_blocks(packed[:cut]) == tuple(blocks[: len(unpack_blocks(packed[:cut]))])
    unpack_blocks(packed[:cut] + data.draw(st.binary(max_size=50)) + packed[cut:])


async def test_rows_are_read_alike_from_packs_and_from_what_is_loose(tmp_path: Path) -> None:
    await (await Store.create(tmp_path / "s", fleet=FLEET, clock=lambda: 1)).close()
    rows = [(row, row.to_bytes(2, "big") * 3000) for row in (*range(1, 80), *range(100, 180))]
    with closing(sqlite3.connect(tmp_path / "s")) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        for start in range(0, len(rows), 7):
            block_table.add_blocks(connection, rows[start : start + 7])
            assert list(block_table.iterate_blocks(connection)) == rows[: start + 7]
        packs, loose = (connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in ("packs", "blocks"))
        assert packs > 5
        assert 0 < loose < len(rows) / 2
        wanted = [0, 1, 79, 80, 90, 99, 100, 179, 180]
        assert block_table.read_blocks(connection, wanted) == {r: d for r, d in rows if r in wanted}
        assert block_table.read_block(connection, 85) is None


async def test_a_pack_that_does_not_give_the_bytes_back_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await (await Store.create(tmp_path / "s", fleet=FLEET, clock=lambda: 1)).close()
    monkeypatch.setattr(block_table, "unpack_blocks", lambda data: ())
    rows = [(row, b"x" * 4000) for row in range(1, 60)]
    with closing(sqlite3.connect(tmp_path / "s")) as connection:
        block_table.add_blocks(connection, rows)
        assert list(block_table.iterate_blocks(connection)) == rows
        assert connection.execute("SELECT count(*) FROM packs").fetchone() == (0,)


@given(blocks=st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=8), data=st.data())
def test_a_pack_is_whole_until_something_of_it_is_missing(blocks: list[bytes], data: st.DataObject) -> None:
    packed = pack_blocks(blocks)
    assert is_whole(packed)
    assert not is_whole(packed[: data.draw(st.integers(0, len(packed) - 1))])


async def test_small_packs_that_follow_each_other_are_put_together(tmp_path: Path) -> None:
    await (await Store.create(tmp_path / "s", fleet=FLEET, clock=lambda: 1)).close()
    rows = [(row, row.to_bytes(2, "big") * 500) for row in (*range(1, 161), *range(200, 240))]
    damaged = pack_blocks([data for _, data in rows[80:90]])[:-8]
    with closing(sqlite3.connect(tmp_path / "s")) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        for start in range(0, len(rows), 10):
            packed = damaged if start == 80 else pack_blocks([data for _, data in rows[start : start + 10]])
            connection.execute("INSERT INTO packs (first, data) VALUES (?, ?)", (rows[start][0], packed))
        before = list(block_table.iterate_blocks(connection))
        seen: list[int] = []
        block_table.repack(connection, seen.append)
        assert list(block_table.iterate_blocks(connection)) == before
        assert seen == [row for row, _ in rows[::10]]
        packs = dict(connection.execute("SELECT first, data FROM packs"))
        assert sorted(packs) == [1, 71, 81, 91, 200]
        assert packs[81] == damaged


def chain(count: int) -> list[bytes]:
    """Changes of one device, each with a fact of the one before the last."""
    pen, blocks = Pen(1), list[bytes]()
    for number in range(count):
        known = (fact_of(blocks[-2]),) if number > 1 else ()
        blocks.append(pen.write(Fact(ENTITY, "p", number, known), at=10 + number))
    return blocks


def test_ids_that_follow_from_the_pack_take_no_room() -> None:
    blocks = chain(60)
    packed, before = pack_blocks(blocks), pack_as_before(blocks)
    assert unpack_blocks(packed) == tuple(blocks)
    assert len(packed) < len(before) - 60 * 30


@given(data=st.data())
def test_of_a_damaged_pack_of_changes_those_before_the_damage_come_back(data: st.DataObject) -> None:
    blocks = chain(6)
    packed = pack_blocks(blocks)
    cut = data.draw(st.integers(0, len(packed)))
    found = unpack_blocks(packed[:cut])
    assert found == tuple(blocks[: len(found)])
    unpack_blocks(packed[:cut] + data.draw(st.binary(max_size=50)) + packed[cut:])
    plain = bytearray(zlib.decompress(packed[8:]))
    for _ in range(3):
        plain[data.draw(st.integers(0, len(plain) - 1))] ^= data.draw(st.integers(1, 255))
    unpack_blocks(packed[:8] + zlib.compress(bytes(plain)))


@given(blocks=st.lists(st.binary(max_size=200), max_size=8), data=st.data())
def test_packs_of_the_version_before_are_read(blocks: list[bytes], data: st.DataObject) -> None:
    packed = pack_as_before(blocks)
    assert unpack_blocks(packed) == tuple(blocks)
    assert is_whole(packed)
    cut = data.draw(st.integers(0, len(packed) - 1))
    assert not is_whole(packed[:cut])

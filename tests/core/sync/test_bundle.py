from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from core.changes import change_id, decode_block
from core.errors import FieldlineError, Refused
from core.sync import bundle, bundle_file
from core.sync.codec import encode_varint
from core.sync.events import Progress
from tests.core.conftest import MakeStore
from tests.core.sync.test_store_sessions import history
from tests.support.memory_replica import forged
from tests.support.store_fleet import FLEET, FOUNDING


def make_file(path: Path, blocks: list[bytes], fleet: bytes = FLEET, count: int | None = None) -> Path:
    """A bundle as docs/wire-format.md describes it."""
    body = b"".join(encode_varint(len(data)) + data for data in blocks)
    plain = b"FLDBNDL\x02" + fleet + (len(blocks) if count is None else count).to_bytes(8, "big") + body
    path.write_bytes(plain + blake3(plain).digest())
    return path


async def test_what_is_exported_is_taken_elsewhere(make_store: MakeStore, tmp_path: Path) -> None:
    path, a, b = tmp_path / "all.fieldline", await make_store([*FOUNDING, *history(1, 700)]), await make_store()
    written, events = await bundle.export_bundle(path, a), list[Progress]()
    assert written.stats.sent == 702
    assert written.stats.bytes_out == path.stat().st_size
    taken = await bundle.import_bundle(path, b, on_event=events.append)
    assert (taken.stats.received, taken.known_count) == (702, 0)
    assert await a.summary() == await b.summary()
    assert [(event.received, event.to_receive) for event in events] == [(500, 702), (702, 702)]
    again = await bundle.import_bundle(path, b)
    assert (again.stats.received, again.known_count) == (0, 702)
    assert {(met.device, met.link) for met in await b.source_stats()} == {(None, "bundle")}


async def test_changes_of_a_file_are_added_as_they_came_to_be(make_store: MakeStore, tmp_path: Path) -> None:
    blocks, b = history(1, 700), await make_store()
    path = make_file(tmp_path / "all.fieldline", [*FOUNDING, *reversed(blocks)])
    await bundle.import_bundle(path, b)
    rows = await b._database.run(lambda c: c.execute("SELECT hash FROM changes ORDER BY id").fetchall())
    assert [row[0] for row in rows] == [change_id(block) for block in (*FOUNDING, *blocks)]


async def test_devices_meet_through_a_folder_and_touch_no_file_of_others(make_store: MakeStore, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    stores = [await make_store([*FOUNDING, *history(device, 20)]) for device in (1, 2, 3)]
    seen: dict[Path, bytes] = {}
    for store in [*stores, *stores]:
        await bundle.sync_bundle(stick, store)
        files = {path: path.read_bytes() for path in stick.iterdir()}
        assert seen.items() <= files.items()
        seen = files
    assert len({(await store.summary()).root for store in stores}) == 1
    assert len(seen) == 3
    merged = await bundle.sync_bundle(stick, stores[0])
    assert (merged.stats.sent, merged.stats.received, merged.unreadable) == (0, 0, ())


async def test_a_single_file_is_merged_and_left_alone_when_nothing_is_new(
    make_store: MakeStore, tmp_path: Path
) -> None:
    path = tmp_path / "fleet.fieldline"
    a, b = [await make_store([*FOUNDING, *history(device, 20)]) for device in (1, 2)]
    first = await bundle.sync_bundle(path, a)
    assert (first.stats.sent, first.stats.received) == (22, 0)
    second = await bundle.sync_bundle(path, b)
    assert (second.stats.sent, second.stats.received) == (20, 20)
    third = await bundle.sync_bundle(path, a)
    assert (third.stats.sent, third.stats.received, third.stats.bytes_out) == (0, 20, 0)
    assert await a.summary() == await b.summary()


async def test_damaged_and_foreign_files_in_a_folder_do_not_stop_the_rest(
    make_store: MakeStore, tmp_path: Path
) -> None:
    a, b = await make_store([*FOUNDING, *history(1, 20)]), await make_store()
    await bundle.sync_bundle(tmp_path, a)
    (sound,) = bundle_file.list_bundles(tmp_path)
    broken = tmp_path / "broken.fieldline"
    broken.write_bytes(sound.read_bytes()[:-1])
    old = tmp_path / "old.fieldline"
    old.write_bytes(b"FLDBNDL\x01" + FLEET + bytes(100))
    make_file(tmp_path / "foreign.fieldline", [b"x"], fleet=bytes(16))
    (tmp_path / ".half.fieldline.1.part").write_bytes(b"FLDB")
    (tmp_path / "notes.txt").write_text("hello")
    merged = await bundle.sync_bundle(tmp_path, b)
    assert merged.unreadable == (broken, old)
    assert old.read_bytes() == b"FLDBNDL\x01" + FLEET + bytes(100)
    assert await a.summary() == await b.summary()


@settings(max_examples=30)
@given(st.data())
def test_no_damage_to_a_file_goes_unseen(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("b") / "x.fieldline"
    whole = make_file(path, [*FOUNDING, *history(1, 3)]).read_bytes()
    assert set(bundle_file.check_bundle(path, FLEET).offsets) == {
        change_id(block) for block in [*FOUNDING, *history(1, 3)]
    }
    at = data.draw(st.integers(0, len(whole) - 1))
    damaged = data.draw(
        st.sampled_from(
            [
                whole[:at],
                whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :],
                whole[:at] + whole[at + 1 :],
                whole + whole[: at + 1],
            ]
        )
    )
    path.write_bytes(damaged)
    with pytest.raises(Refused):
        bundle_file.check_bundle(path, FLEET)


@pytest.mark.parametrize("count", [0, 1, 3, 5, 2**63])
def test_a_count_that_lies_is_damage(tmp_path: Path, count: int) -> None:
    path = make_file(tmp_path / "x.fieldline", [*FOUNDING, *history(1, 2)], count=count)
    with pytest.raises(bundle_file.DamagedBundle):
        bundle_file.check_bundle(path, FLEET)


@pytest.mark.parametrize(
    "blocks",
    [
        pytest.param([b""], id="an empty block"),
        pytest.param([bytes(65537)], id="a block that is too large"),
    ],
)
def test_blocks_of_impossible_sizes_are_damage(tmp_path: Path, blocks: list[bytes]) -> None:
    with pytest.raises(bundle_file.DamagedBundle):
        bundle_file.check_bundle(make_file(tmp_path / "x.fieldline", blocks), FLEET)


async def test_a_refused_block_leaves_the_store_as_it_was(make_store: MakeStore, tmp_path: Path) -> None:
    good = history(1, 600)
    other = decode_block(good[-2])
    for bad, why in (
        (forged(good[-1]), "badly signed"),
        (decode_block(good[-1]).header.data + other.body.data, "not those that were signed"),
        (b"nonsense", "not a signed change"),
    ):
        path, store = make_file(tmp_path / "x.fieldline", [*FOUNDING, *good[:-1], bad]), await make_store()
        with pytest.raises(Refused, match=why):
            await bundle.import_bundle(path, store)
        assert (await store.summary()).count == 0


async def test_a_file_that_changes_after_it_was_checked_is_damaged(make_store: MakeStore, tmp_path: Path) -> None:
    path, store = make_file(tmp_path / "x.fieldline", [*FOUNDING, *history(1, 3)]), await make_store()
    contents = bundle_file.check_bundle(path, store.fleet)
    ids = list(contents.offsets)
    contents.check_signatures(ids)
    assert [block.id for block in contents.checked_blocks(ids)] == ids
    offset, size = contents.offsets[ids[-1]]
    data = bytearray(path.read_bytes())
    data[offset + size - 2] ^= 1  # in the body, which the id does not cover
    path.write_bytes(data)
    with pytest.raises(bundle_file.DamagedBundle):
        contents.checked_blocks(ids)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        pytest.param(b"", "not a bundle", id="empty"),
        pytest.param(b"PK\x03\x04 something else entirely", "not a bundle", id="another format"),
        pytest.param(b"FLDBNDL\x03" + bytes(64), "not a bundle of this version", id="another version"),
        pytest.param(b"FLDBNDL\x01" + bytes(64), "from before Fieldline's first release", id="format 1"),
        pytest.param(b"FLDBNDL\x02" + FLEET[:5], "damaged or cut short", id="cut short in the head"),
        pytest.param(b"FLDBNDL\x02" + bytes(64), "of another fleet", id="another fleet"),
    ],
)
async def test_what_is_no_bundle_is_refused_with_a_sentence(
    make_store: MakeStore, tmp_path: Path, content: bytes, sentence: str
) -> None:
    path, store = tmp_path / "x.fieldline", await make_store(FOUNDING)
    path.write_bytes(content)
    with pytest.raises(Refused, match=sentence):
        await bundle.sync_bundle(path, store)
    assert path.read_bytes() == content
    assert bundle_file.is_bundle(path) == content.startswith((b"FLDBNDL\x01", b"FLDBNDL\x02"))


async def test_a_missing_file_or_folder_is_reported(make_store: MakeStore, tmp_path: Path) -> None:
    store = await make_store(FOUNDING)
    with pytest.raises(FieldlineError, match="could not be read"):
        await bundle.import_bundle(tmp_path / "none.fieldline", store)
    with pytest.raises(FieldlineError, match="could not be written"):
        await bundle.export_bundle(tmp_path / "none" / "x.fieldline", store)


@contextmanager
def failing_at(step: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A disk that fails to write a large file, to sync it, or to rename it."""

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with monkeypatch.context() as patch:
        if step == "write":
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        elif step == "fsync":
            patch.setattr(os, "fsync", fail)
        else:
            patch.setattr(Path, "replace", fail)
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("step", ["write", "fsync", "rename"])
async def test_a_disk_that_is_full_or_pulled_leaves_what_was_there(
    make_store: MakeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path, old, new = (
        tmp_path / "x.fieldline",
        await make_store(FOUNDING),
        await make_store([*FOUNDING, *history(1, 600)]),
    )
    await bundle.export_bundle(path, old)
    before = path.read_bytes()
    with failing_at(step, monkeypatch), pytest.raises(FieldlineError, match="could not be written"):
        await bundle.export_bundle(path, new)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.glob("*x.fieldline*")] == ["x.fieldline"]
    await bundle.export_bundle(path, new)
    assert len(path.read_bytes()) > 100_000


@pytest.mark.parametrize("name", ["x" * 300, "loop"])
def test_what_is_not_to_be_seen_is_not_taken_for_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(FieldlineError, match="could not be read"):
        bundle_file.path_kind(tmp_path / name)
    (tmp_path / "file").touch()
    assert bundle_file.path_kind(tmp_path / "file") == "file"
    assert bundle_file.path_kind(tmp_path) == "folder"
    assert {bundle_file.path_kind(tmp_path / "file" / "x"), bundle_file.path_kind(tmp_path / "none")} == {"nothing"}

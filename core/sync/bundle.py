"""Sync with a file or a folder on a stick as with a peer.

The files themselves: `core.sync.bundle_file`.

In a folder each device adds a file of its own with what no other file there has, and never touches another one; a
single file is replaced by one that holds everything. So nothing that was on the stick is lost, whenever it is pulled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from blake3 import blake3

from core.changes import Block, decode_block
from core.errors import AuthorUnknown, BlockRefused, OverLimit
from core.sync import bundle_file
from core.sync.events import Progress, SyncStats
from core.sync.replica import SaveResult, SendOrder
from core.sync.sealed_file import SealedForOthers, SealKeys

BATCH_CHANGES = 500


class BundleStore(Protocol):
    """What is needed of the store; `core.store.store.Store` has it."""

    @property
    def fleet(self) -> bytes: ...
    async def hashes(self) -> Sequence[bytes]: ...
    async def missing(self, hashes: Sequence[bytes]) -> Sequence[bytes]: ...
    async def order(self, hashes: Sequence[bytes]) -> SendOrder: ...
    async def blocks(self, hashes: Sequence[bytes]) -> Sequence[bytes]: ...
    async def keep_blocks(
        self, blocks: Sequence[Block], *, source_device: bytes | None = None, link: str = "own"
    ) -> SaveResult: ...


@dataclass(frozen=True, slots=True)
class BundleResult:
    """What a meeting with files came to.

    `known` counts the changes in them that were here already; `unreadable` are damaged files in a folder, and those of
    format 1, which were left as they are. `left_out_count` are changes of this store whose bytes are damaged: who reads
    such a one would refuse all. `refused_count` are the changes of devices that nobody ever admitted. `sealed` are
    files in a folder that are sealed with a key which is not known here. `read_count` counts the files that were read.
    """

    stats: SyncStats
    known_count: int = 0
    unreadable: tuple[Path, ...] = ()
    left_out_count: int = 0
    refused_count: int = 0
    sealed: tuple[Path, ...] = ()
    read_count: int = 0


OnBundleProgress = Callable[[Progress], None]
LoadSealKeys = Callable[[], Awaitable[SealKeys | None]]
"""Gives the keys that the store knows at present; None where there are none yet."""


def _ignore_progress(event: Progress) -> None:
    pass


async def _no_keys() -> None:
    return None


async def sync_bundle(
    path: Path,
    store: BundleStore,
    load_keys: LoadSealKeys = _no_keys,
    *,
    on_event: OnBundleProgress = _ignore_progress,
) -> BundleResult:
    """Take what is new in bundles, and add what is missing there.

    It is sealed where there are keys.

    Raises Refused for a damaged or foreign file, and FieldlineError where it cannot be read or written. In a folder,
    bundles of other fleets are passed over, and so are damaged ones (what only they had is added anew) and those that
    are sealed with a key which is not known here.
    """
    merging = _BundleSync(store, load_keys, on_event)
    there = await asyncio.to_thread(bundle_file.path_kind, path)
    if there == "folder":
        await merging.read_folder(path)
        await merging.add_to_folder(path)
    else:
        if there == "file":
            await merging.read_file(path)
        await merging.replace_file(path)
    return merging.result()


async def import_bundle(
    path: Path,
    store: BundleStore,
    load_keys: LoadSealKeys = _no_keys,
    *,
    on_event: OnBundleProgress = _ignore_progress,
) -> BundleResult:
    """Take what is new in a bundle; raises as `sync` does."""
    merging = _BundleSync(store, load_keys, on_event)
    await merging.read_file(path)
    return merging.result()


async def export_bundle(
    path: Path,
    store: BundleStore,
    load_keys: LoadSealKeys = _no_keys,
    *,
    on_event: OnBundleProgress = _ignore_progress,
) -> BundleResult:
    """Write all changes as a bundle in place of whatever is at that path.

    It is sealed where there are keys.

    Raises FieldlineError if it cannot.
    """
    merging = _BundleSync(store, load_keys, on_event)
    await merging.write_file(path, await store.hashes())
    return merging.result()


class _BundleSync:
    """The steps of one meeting with files, and its figures."""

    def __init__(self, store: BundleStore, load_keys: LoadSealKeys, on_event: OnBundleProgress) -> None:
        self._store = store
        self._load_keys = load_keys
        self._on_event = on_event
        self._present: set[bytes] = set()
        self._unreadable: list[Path] = []
        self._sealed: set[Path] = set()
        self._left_out = 0
        self._refused: dict[Path, int] = {}
        self._sent = self._received = self._known = self._bytes_out = self._bytes_in = 0

    def result(self) -> BundleResult:
        figures = SyncStats(self._sent, self._received, self._bytes_out, self._bytes_in)
        refused = sum(self._refused.values())
        sealed = tuple(sorted(self._sealed))
        unreadable = tuple(self._unreadable)
        return BundleResult(figures, self._known, unreadable, self._left_out, refused, sealed, len(self._refused))

    async def read_file_if_valid(self, path: Path) -> None:
        try:
            await self.read_file(path)
            self._sealed.discard(path)
        except bundle_file.ForeignBundle:
            pass
        except SealedForOthers:
            self._sealed.add(path)
        except (bundle_file.DamagedBundle, bundle_file.OldBundle):
            self._unreadable.append(path)

    async def read_file(self, path: Path) -> None:
        keys = await self._load_keys()
        contents = await asyncio.to_thread(bundle_file.check_bundle, path, self._store.fleet, keys)
        new = await self._store.missing(list(contents.offsets))
        known = len(contents.offsets) - len(new)
        for some in _chunks(new):
            await asyncio.to_thread(contents.check_signatures, some)
        new = contents.in_order_of_time(new)
        unknown, beyond_count = await self._take(path, contents, new)
        while BATCH_CHANGES < len(new) > len(unknown) > 0:
            # Whom the rest of the file admits. What is beyond a limit is so after it, too: limits come first in a file.
            new = unknown
            unknown, more = await self._take(path, contents, unknown)
            beyond_count += more
        if path not in self._refused:
            self._known += known
            self._bytes_in += contents.size
        self._refused[path] = len(unknown) + beyond_count
        self._present |= contents.offsets.keys()

    async def _take(
        self, path: Path, contents: bundle_file.BundleContents, new: Sequence[bytes]
    ) -> tuple[list[bytes], int]:
        """Take these changes of a file.

        Gives those that were refused as nobody here knows their authors, and how many as their devices have too many.
        """
        goal = self._received + len(new)
        unknown: list[bytes] = []
        beyond_count = 0
        for some in _chunks(new):
            saved = await self._store.keep_blocks(await asyncio.to_thread(contents.checked_blocks, some), link="bundle")
            for change, reason in saved.refused:
                if not isinstance(reason, (AuthorUnknown, OverLimit)):
                    raise bundle_file.refused_error(path, reason)
                if isinstance(reason, OverLimit):
                    beyond_count += 1
                else:
                    unknown.append(change)
            self._received += saved.added_count
            self._emit_progress(to_receive=goal)
        return unknown, beyond_count

    async def read_folder(self, path: Path) -> None:
        """Read all bundles in a folder.

        Some again, if others may have admitted those whose changes were refused, or may have brought the key that they
        are sealed with.
        """
        files = await asyncio.to_thread(bundle_file.list_bundles, path)
        while files:
            before = self._received
            for file in files:
                await self.read_file_if_valid(file)
            again = [file for file in files if self._refused.get(file) or file in self._sealed]
            files = again if self._received > before else []

    async def add_to_folder(self, folder: Path) -> None:
        lacking = [change for change in await self._store.hashes() if change not in self._present]
        if lacking:
            name = (
                f"{self._store.fleet.hex()[:8]}-{blake3(b''.join(lacking)).hexdigest()[:16]}{bundle_file.BUNDLE_SUFFIX}"
            )
            await self.write_file(folder / name, lacking)

    async def replace_file(self, path: Path) -> None:
        hashes = await self._store.hashes()
        lacking = sum(change not in self._present for change in hashes)
        if lacking or not self._present:
            await self.write_file(path, hashes)
        self._sent = lacking

    async def write_file(self, path: Path, hashes: Sequence[bytes]) -> None:
        order = await self._store.order(hashes)
        good = await self._good_ones(order.hashes)
        self._left_out += len(order.hashes) - len(good)
        keys = await self._load_keys()
        sealing = keys if keys is not None and keys.epochs.current else None
        writer = await asyncio.to_thread(bundle_file.BundleWriter, path, self._store.fleet, len(good), sealing)
        try:
            for some in _chunks(good):
                blocks = await self._store.blocks(some)
                await asyncio.to_thread(writer.write_blocks, blocks)
                self._sent += len(blocks)
                self._emit_progress(to_send=len(good))
            self._bytes_out += await asyncio.to_thread(writer.finish)
        finally:
            await asyncio.to_thread(writer.discard)

    async def _good_ones(self, hashes: Sequence[bytes]) -> list[bytes]:
        """Those of these changes whose bytes are right."""
        good: set[bytes] = set()
        for some in _chunks(hashes):
            good |= await asyncio.to_thread(_right_ids, await self._store.blocks(some))
        return [change for change in hashes if change in good]

    def _emit_progress(self, *, to_send: int | None = None, to_receive: int | None = None) -> None:
        self._on_event(
            Progress("exchange", self._sent, to_send, self._received, to_receive, self._bytes_out, self._bytes_in)
        )


def _chunks(hashes: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(hashes), BATCH_CHANGES):
        yield hashes[start : start + BATCH_CHANGES]


def _right_ids(blocks: Sequence[bytes]) -> set[bytes]:
    found: set[bytes] = set()
    for data in blocks:
        with suppress(BlockRefused):
            found.add(decode_block(data).id)
    return found

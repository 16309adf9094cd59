"""Meet a file or a folder on a stick as if it were a peer (the files themselves: `core.sync.bundlefile`).

In a folder each device adds a file of its own with what no other file there has, and never touches another one; a
single file is replaced by one that holds everything. So nothing that was on the stick is lost, whenever it is pulled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from blake3 import blake3

from core.sync import bundlefile
from core.sync.events import Figures, Progress
from core.sync.replica import Order, Saved

BATCH = 500


class BundleStore(Protocol):
    """What is needed of the store; `core.store.store.Store` has it."""

    @property
    def fleet(self) -> bytes: ...
    async def hashes(self) -> Sequence[bytes]: ...
    async def missing(self, hashes: Sequence[bytes]) -> Sequence[bytes]: ...
    async def order(self, hashes: Sequence[bytes]) -> Order: ...
    async def blocks(self, hashes: Sequence[bytes]) -> Sequence[bytes]: ...
    async def save(self, blocks: Iterable[bytes], *, source: bytes | None = None, link: str = "own") -> Saved: ...


@dataclass(frozen=True, slots=True)
class Merged:
    """What a meeting with files came to.

    `known` counts the changes in them that were here already; `unreadable` are damaged files in a folder, which were
    left as they are.
    """

    figures: Figures
    known: int = 0
    unreadable: tuple[Path, ...] = ()


Report = Callable[[Progress], None]


def _silent(event: Progress) -> None:
    pass


async def sync(path: Path, store: BundleStore, *, on_event: Report = _silent) -> Merged:
    """Take what is new in a file or a folder of bundles, and add what is missing there.

    Raises Refused for a damaged or foreign file, and FieldlineError where it cannot be read or written. In a folder,
    bundles of other fleets are passed over, and so are damaged ones (what only they had is added anew).
    """
    merging = _Merging(store, on_event)
    there = await asyncio.to_thread(bundlefile.what_is, path)
    if there == "folder":
        for file in await asyncio.to_thread(bundlefile.bundles_in, path):
            await merging.take_if_sound(file)
        await merging.add_to(path)
    else:
        if there == "file":
            await merging.take(path)
        await merging.replace(path)
    return merging.result()


async def take(path: Path, store: BundleStore, *, on_event: Report = _silent) -> Merged:
    """Take what is new in a bundle; raises as `sync` does."""
    merging = _Merging(store, on_event)
    await merging.take(path)
    return merging.result()


async def export(path: Path, store: BundleStore, *, on_event: Report = _silent) -> Merged:
    """Write all changes as a bundle, in place of whatever is at that path; raises FieldlineError if it cannot."""
    merging = _Merging(store, on_event)
    await merging.write(path, await store.hashes())
    return merging.result()


class _Merging:
    """The steps of one meeting with files, and its figures."""

    def __init__(self, store: BundleStore, on_event: Report) -> None:
        self._store = store
        self._on_event = on_event
        self._there: set[bytes] = set()
        self._unreadable: list[Path] = []
        self._sent = self._received = self._known = self._bytes_out = self._bytes_in = 0

    def result(self) -> Merged:
        figures = Figures(self._sent, self._received, self._bytes_out, self._bytes_in)
        return Merged(figures, self._known, tuple(self._unreadable))

    async def take_if_sound(self, path: Path) -> None:
        try:
            await self.take(path)
        except bundlefile.Foreign:
            pass
        except bundlefile.Damaged:
            self._unreadable.append(path)

    async def take(self, path: Path) -> None:
        contents = await asyncio.to_thread(bundlefile.check, path, self._store.fleet)
        new = await self._store.missing(list(contents.places))
        for some in _chunks(new):
            await asyncio.to_thread(contents.check_signatures, some)
        goal = self._received + len(new)
        for some in _chunks(new):
            saved = await self._store.save(await asyncio.to_thread(contents.blocks, some), link="bundle")
            if saved.refused:
                raise bundlefile.refused(path, saved.refused[0][1])
            self._received += saved.saved
            self._tell(to_receive=goal)
        self._known += len(contents.places) - len(new)
        self._there |= contents.places.keys()
        self._bytes_in += contents.size

    async def add_to(self, folder: Path) -> None:
        lacking = [change for change in await self._store.hashes() if change not in self._there]
        if lacking:
            name = f"{self._store.fleet.hex()[:8]}-{blake3(b''.join(lacking)).hexdigest()[:16]}{bundlefile.SUFFIX}"
            await self.write(folder / name, lacking)

    async def replace(self, path: Path) -> None:
        hashes = await self._store.hashes()
        lacking = sum(change not in self._there for change in hashes)
        if lacking or not self._there:
            await self.write(path, hashes)
        self._sent = lacking

    async def write(self, path: Path, hashes: Sequence[bytes]) -> None:
        order = await self._store.order(hashes)
        writer = await asyncio.to_thread(bundlefile.Writer, path, self._store.fleet, len(order.hashes))
        try:
            for some in _chunks(order.hashes):
                blocks = await self._store.blocks(some)
                await asyncio.to_thread(writer.add, blocks)
                self._sent += len(blocks)
                self._tell(to_send=len(order.hashes))
            self._bytes_out += await asyncio.to_thread(writer.finish)
        finally:
            await asyncio.to_thread(writer.abandon)

    def _tell(self, *, to_send: int | None = None, to_receive: int | None = None) -> None:
        self._on_event(
            Progress("exchange", self._sent, to_send, self._received, to_receive, self._bytes_out, self._bytes_in)
        )


def _chunks(hashes: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(hashes), BATCH):
        yield hashes[start : start + BATCH]

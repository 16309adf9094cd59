"""The bundle file: a set of changes, to be carried on a stick. Everything here blocks; `core.sync.bundle` has it on
threads.

A bundle is `MAGIC`, the fleet's id, the number of blocks (8 bytes, big-endian), the blocks (each its size as a varint
and its bytes; the chain of membership first), and BLAKE3-256 of all that. It is checked as a whole before anything of
it is used. It is written beside its place, brought to the disk and then renamed: it is there as a whole or not at
all, even when the stick is pulled meanwhile.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal

from blake3 import blake3

from core.changes import ID_SIZE, MAX_BLOCK, change_id, decode, verify
from core.errors import BlockRefused, FieldlineError, Refused
from core.sync.codec import varint

MAGIC = b"FLDBNDL\x01"
SUFFIX = ".fieldline"
COUNT = 8
HEAD = len(MAGIC) + ID_SIZE + COUNT


class Foreign(Refused):
    """A bundle of another fleet."""


class Damaged(Refused):
    """A file that is no bundle, or is not as it was written."""


@dataclass(slots=True)
class Contents:
    """A bundle that was checked, and where in it each block is: offset and size by id. `size` is that of the file."""

    path: Path
    fleet: bytes
    places: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    size: int = 0

    def blocks(self, wanted: Iterable[bytes]) -> list[bytes]:
        """The bytes of these blocks; raises Damaged if the file is no longer what was checked."""
        found = []
        with _told(self.path), self.path.open("rb") as file:
            for change in wanted:
                offset, size = self.places[change]
                file.seek(offset)
                found.append(file.read(size))
                if change_id(found[-1]) != change:
                    raise _damaged(self.path)
        return found

    def check_signatures(self, wanted: Iterable[bytes]) -> None:
        """Raises Refused if one of these blocks would not be accepted."""
        try:
            for data in self.blocks(wanted):
                verify(decode(data), self.fleet)
        except BlockRefused as why:
            raise refused(self.path, why) from None


def is_bundle(path: Path) -> bool:
    """Whether a file begins as a bundle does; raises FieldlineError if it cannot be read."""
    with _told(path), path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def bundles_in(folder: Path) -> list[Path]:
    """The files in a folder that are named as bundles."""
    with _told(folder):
        return sorted(path for path in folder.glob(f"[!.]*{SUFFIX}") if path.is_file())


def check(path: Path, fleet: bytes) -> Contents:
    """Read a bundle through.

    Raises Damaged if it is none or not as it was written, and Foreign if it is of another fleet.
    """
    contents = Contents(path, fleet)
    with _told(path), path.open("rb") as file:
        head = file.read(HEAD)
        if head[: len(MAGIC)] != MAGIC:
            raise Damaged("{path} is not a bundle of this version of Fieldline.", path=str(path))
        if len(head) < HEAD:
            raise _damaged(path)
        if head[len(MAGIC) : -COUNT] != fleet:
            raise Foreign("The bundle {path} is of another fleet: nothing of it was taken.", path=str(path))
        digest = blake3(head)
        for block in _blocks(file, int.from_bytes(head[-COUNT:], "big"), digest):
            contents.places[change_id(block)] = (file.tell() - len(block), len(block))
        if file.read(digest.digest_size + 1) != digest.digest():
            raise _damaged(path)
        contents.size = file.tell()
    return contents


def _blocks(file: BinaryIO, count: int, digest: blake3) -> Iterator[bytes]:
    """The blocks that follow, at most so many, each added to the digest; ends early where there is none."""
    while count:
        head = b""
        while (byte := file.read(1)) and len(head) < 3:
            head += byte
            if byte[0] < 128:
                break
        size = sum((byte & 127) << 7 * place for place, byte in enumerate(head))
        if not 0 < size <= MAX_BLOCK or head != varint(size):
            return
        block = file.read(size)
        if len(block) < size:
            return
        digest.update(head + block)
        count -= 1
        yield block


class Writer:
    """Writes a bundle of `count` blocks; `finish` puts it in place, `abandon` leaves what was there before."""

    def __init__(self, path: Path, fleet: bytes, count: int) -> None:
        self._path = path
        self._beside = path.with_name(f".{path.name}.{os.getpid()}.part")
        self._digest = blake3()
        self._finished = False
        with _told(path, writing=True):
            self._file = self._beside.open("wb")
        self._put(MAGIC + fleet + count.to_bytes(COUNT, "big"))

    def add(self, blocks: Sequence[bytes]) -> None:
        """Write blocks; raises FieldlineError, as all of these do, if the disk is full or gone."""
        self._put(b"".join(varint(len(block)) + block for block in blocks))

    def finish(self) -> int:
        """Bring the bundle to the disk and put it in its place; gives its size in bytes."""
        self._put(self._digest.digest())
        with _told(self._path, writing=True):
            size = self._file.tell()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._beside.replace(self._path)
            self._finished = True
            _sync_folder(self._path.parent)
        return size

    def abandon(self) -> None:
        """Remove what was written, unless it is in place already."""
        if not self._finished:
            with suppress(OSError):
                self._file.close()
            with suppress(OSError):
                self._beside.unlink()

    def _put(self, data: bytes) -> None:
        with _told(self._path, writing=True):
            self._file.write(data)
        self._digest.update(data)


def what_is(path: Path) -> Literal["folder", "file", "nothing"]:
    """What is at a path; raises FieldlineError where that is not to be seen."""
    # Not with pathlib: from Python 3.14 on it tells nothing from what is not to be seen.
    with _told(path):
        try:
            mode = path.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return "nothing"
        return "folder" if stat.S_ISDIR(mode) else "file"


def _sync_folder(folder: Path) -> None:
    """Bring a rename to the disk, where the file system knows of such a thing."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def _told(path: Path, *, writing: bool = False) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        if writing:
            raise FieldlineError(
                "The bundle {path} could not be written: {why}. What was there before is still there.",
                path=str(path),
                why=why,
            ) from error
        raise FieldlineError("The bundle {path} could not be read: {why}.", path=str(path), why=why) from error


def _damaged(path: Path) -> Damaged:
    return Damaged(
        "The bundle {path} is damaged or cut short: nothing of it was taken. Export it again.", path=str(path)
    )


def refused(path: Path, why: Exception) -> Refused:
    """A bundle that is sound as a file, with a block that is not acceptable."""
    return Refused("The bundle {path} has a change that is refused: {why}. Export it again.", path=str(path), why=why)

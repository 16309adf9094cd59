"""The bundle file: a set of changes, to be carried on a stick.

Everything here blocks; `core.sync.bundle` has it on threads.

A bundle is sealed (`core.sync.sealed_file`) or plain. What it holds is `BUNDLE_MAGIC`, the fleet's id, the number of
blocks (8 bytes, big-endian), the blocks (each its size as a varint and its whole bytes; the chain of membership first),
and BLAKE3-256 of all that. It is checked as a whole before anything of it is used. It is written beside its place,
brought to the disk and then renamed: it is there as a whole or not at all, even when the stick is pulled meanwhile.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

from blake3 import blake3

from core import temporary_files
from core.changes import MAX_BLOCK_BYTES, Block, change_id, decode_block, read_checked_block, verify_block
from core.errors import BlockRefused, FieldlineError, Refused
from core.member_values import LIMIT_PROPERTY, MEMBER_PROPERTIES
from core.paths import is_file
from core.sync.codec import encode_varint
from core.sync.sealed_file import (
    SEALED_MAGIC,
    SealBroken,
    SealedElsewhere,
    SealedReader,
    SealedWriter,
    SealKeys,
    is_sealed,
)
from core.value_codec import ID_BYTES

_MEMBER_PROPERTIES = (*MEMBER_PROPERTIES, LIMIT_PROPERTY)
BUNDLE_MAGIC = b"FLDBNDL\x02"
FORMAT_1_MAGIC = b"FLDBNDL\x01"
BUNDLE_SUFFIX = ".fieldline"
COUNT_BYTES = 8
BUNDLE_HEADER_BYTES = len(BUNDLE_MAGIC) + ID_BYTES + COUNT_BYTES


class ForeignBundle(Refused):
    """A bundle of another fleet."""


class OldBundle(Refused):
    """A bundle of format 1, from before the first release."""


class DamagedBundle(Refused):
    """A file that is no bundle, or is not as it was written."""


class _Reader(Protocol):
    """What is needed of a file's contents, sealed or not."""

    def read(self, size: int, /) -> bytes: ...
    def seek(self, offset: int, /) -> int: ...


@dataclass(slots=True)
class BundleContents:
    """A bundle that was checked, and where in it each block is: offset and size by id.

    `size` is that of the file. `keys` opens it if it is sealed.
    """

    path: Path
    fleet: bytes
    offsets: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    size: int = 0
    keys: SealKeys | None = None
    _checked: dict[bytes, tuple[bytes, int]] = field(default_factory=dict)
    """The hashes of the blocks that were found good, by id, and their place in the order of time."""

    def checked_blocks(self, wanted: Iterable[bytes]) -> list[Block]:
        """These blocks, which `check_signatures` has found good.

        Raises Damaged if the file is no longer what was checked.
        """
        ids = list(wanted)
        found = self.blocks(ids)
        if any(blake3(data).digest() != self._checked[change][0] for change, data in zip(ids, found, strict=True)):
            raise damaged_error(self.path)
        return list(map(read_checked_block, found))

    def in_order_of_time(self, wanted: Iterable[bytes]) -> list[bytes]:
        """These changes, which `check_signatures` has found good, as they came to be.

        What is said of members comes first, as in the file. So hardly anything has to wait for what it builds on,
        which costs as much as all the rest.
        """
        return sorted(wanted, key=lambda change: self._checked[change][1])

    def blocks(self, wanted: Iterable[bytes]) -> list[bytes]:
        """The bytes of these blocks.

        Raises Damaged if the file is no longer what was checked.
        """
        found = []
        with _open_contents(self.path, self.keys) as file:
            for change in wanted:
                offset, size = self.offsets[change]
                file.seek(offset)
                found.append(file.read(size))
                # The id is that of the header; whether the body belongs to it shows when the block is decoded.
                if not _is_of_change(found[-1], change):
                    raise damaged_error(self.path)
        return found

    def check_signatures(self, wanted: Iterable[bytes]) -> None:
        """Raises Refused if one of these blocks would not be accepted."""
        try:
            for data in self.blocks(wanted):
                block = decode_block(data)
                verify_block(block, self.fleet)
                self._checked[block.id] = blake3(data).digest(), _place_in_time(block)
        except BlockRefused as why:
            raise refused_error(self.path, why) from None


def _place_in_time(block: Block) -> int:
    """Give a change's time with its position; -1 if it is about members."""
    if any(fact.property in _MEMBER_PROPERTIES for fact in block.facts):
        return -1
    return block.at_us << 32 | block.header.fields.position


def is_bundle(path: Path) -> bool:
    """Whether a file begins as a bundle does.

    Sealed or not, of this format or the one before.

    Raises FieldlineError if it cannot be read.
    """
    with _translate_os_errors(path), path.open("rb") as file:
        return file.read(len(BUNDLE_MAGIC)) in (BUNDLE_MAGIC, FORMAT_1_MAGIC, SEALED_MAGIC)


def list_bundles(folder: Path) -> list[Path]:
    """The files in a folder that are named as bundles."""
    with _translate_os_errors(folder):
        return sorted(path for path in folder.glob(f"[!.]*{BUNDLE_SUFFIX}") if is_file(path))


@contextmanager
def _open_contents(path: Path, keys: SealKeys | None) -> Iterator[_Reader]:
    """Open what a bundle holds, sealed or not; raises as `check_bundle` does."""
    with _translate_os_errors(path), path.open("rb") as file:
        if not is_sealed(file.read(len(SEALED_MAGIC))):
            file.seek(0)
            yield file
            return
        if keys is None:
            raise damaged_error(path)
        file.seek(0)
        try:
            yield SealedReader(file, keys, path)
        except SealedElsewhere:
            raise _foreign_error(path) from None
        except SealBroken:
            raise damaged_error(path) from None


def check_bundle(path: Path, fleet: bytes, keys: SealKeys | None = None) -> BundleContents:
    """Read a bundle through; `keys` opens one that is sealed.

    Raises DamagedBundle if it is none or not as it was written, ForeignBundle if it is of another fleet, OldBundle if
    it is of format 1, SealedForOthers if it is sealed with a key that is not known here, and Refused for a block that
    is none.
    """
    contents = BundleContents(path, fleet, keys=keys)
    with _open_contents(path, keys) as file:
        head = file.read(BUNDLE_HEADER_BYTES)
        if head[: len(BUNDLE_MAGIC)] == FORMAT_1_MAGIC:
            raise OldBundle(
                "The bundle {path} is from before Fieldline's first release (format 1): nothing of it was taken.",
                path=str(path),
            )
        if head[: len(BUNDLE_MAGIC)] != BUNDLE_MAGIC:
            raise DamagedBundle("{path} is not a bundle of this version of Fieldline.", path=str(path))
        if len(head) < BUNDLE_HEADER_BYTES:
            raise damaged_error(path)
        if head[len(BUNDLE_MAGIC) : -COUNT_BYTES] != fleet:
            raise _foreign_error(path)
        digest, refusal = blake3(head), None
        for offset, block in _read_blocks(file, int.from_bytes(head[-COUNT_BYTES:], "big"), digest):
            try:
                contents.offsets[change_id(block)] = (offset, len(block))
            except BlockRefused as why:
                refusal = why
        if file.read(digest.digest_size + 1) != digest.digest():
            raise damaged_error(path)
        if refusal is not None:
            raise refused_error(path, refusal)
    with _translate_os_errors(path):
        contents.size = path.stat().st_size
    return contents


def _foreign_error(path: Path) -> ForeignBundle:
    return ForeignBundle("The bundle {path} is of another fleet: nothing of it was taken.", path=str(path))


def _is_of_change(block: bytes, change: bytes) -> bool:
    """Whether a block begins with the header of this change."""
    try:
        return change_id(block) == change
    except BlockRefused:
        return False


def _read_blocks(file: _Reader, count: int, digest: blake3) -> Iterator[tuple[int, bytes]]:
    """Read at most so many blocks behind the head, and give where they begin.

    Each is added to the digest.

    Ends early where there is none.
    """
    offset = BUNDLE_HEADER_BYTES
    while count:
        head = b""
        while (byte := file.read(1)) and len(head) < 3:
            head += byte
            if byte[0] < 128:
                break
        size = sum((byte & 127) << 7 * place for place, byte in enumerate(head))
        if not 0 < size <= MAX_BLOCK_BYTES or head != encode_varint(size):
            return
        block = file.read(size)
        if len(block) < size:
            return
        digest.update(head + block)
        count -= 1
        yield offset + len(head), block
        offset += len(head) + len(block)


class BundleWriter:
    """Writes a bundle of `count` blocks, sealed with `keys`, plain without.

    `finish` puts it in place, `discard` leaves what was there before.
    """

    def __init__(self, path: Path, fleet: bytes, count: int, keys: SealKeys | None = None) -> None:
        self._path = path
        self._temporary_path = temporary_files.temporary_path(path, ".part")
        self._digest = blake3()
        self._finished = False
        with _translate_os_errors(path, writing=True):
            temporary_files.clear_leftovers(path)
            self._file: BinaryIO = self._temporary_path.open("wb")
            temporary_files.hold(self._file.fileno())
            self._sealed = None if keys is None else SealedWriter(self._file, keys)
        self._write(BUNDLE_MAGIC + fleet + count.to_bytes(COUNT_BYTES, "big"))

    def write_blocks(self, blocks: Sequence[bytes]) -> None:
        """Write blocks.

        Raises FieldlineError, as all of these do, if the disk is full or gone.
        """
        self._write(b"".join(encode_varint(len(block)) + block for block in blocks))

    def finish(self) -> int:
        """Bring the bundle to the disk and put it in its place; gives its size in bytes."""
        self._write(self._digest.digest())
        with _translate_os_errors(self._path, writing=True):
            if self._sealed is not None:
                self._sealed.finish()
            size = self._file.tell()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._temporary_path.replace(self._path)
            self._finished = True
            # Some file systems of sticks cannot.
            with suppress(OSError):
                temporary_files.sync_folder(self._path.parent)
        return size

    def discard(self) -> None:
        """Remove what was written, unless it is in place already."""
        if not self._finished:
            with suppress(OSError):
                self._file.close()
            with suppress(OSError):
                self._temporary_path.unlink()

    def _write(self, data: bytes) -> None:
        with _translate_os_errors(self._path, writing=True):
            (self._sealed or self._file).write(data)
        self._digest.update(data)


def path_kind(path: Path) -> Literal["folder", "file", "nothing"]:
    """What is at a path; raises FieldlineError where that is not to be seen."""
    # Not with pathlib: from Python 3.14 on it tells nothing from what is not to be seen.
    with _translate_os_errors(path):
        try:
            mode = path.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            return "nothing"
        return "folder" if stat.S_ISDIR(mode) else "file"


@contextmanager
def _translate_os_errors(path: Path, *, writing: bool = False) -> Iterator[None]:
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


def damaged_error(path: Path) -> DamagedBundle:
    return DamagedBundle(
        "The bundle {path} is damaged or cut short: nothing of it was taken. Export it again.", path=str(path)
    )


def refused_error(path: Path, why: Exception) -> Refused:
    """A bundle that is sound as a file, with a block that is not acceptable."""
    return Refused("The bundle {path} has a change that is refused: {why}. Export it again.", path=str(path), why=why)

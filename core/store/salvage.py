"""Read what can be read of a damaged store.

Rows one by one, and blocks from the bare pages of the file.

A block, or a pack of them, is found by the bytes that each begins with and by the record around it, so that neither
the first page, nor the inner pages of any table, nor an index has to be whole. What is found is only as good as its
signature: the caller checks.

The format of the file: https://sqlite.org/fileformat.html
"""

from __future__ import annotations

import mmap
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from core.header import HEADER_PREFIX
from core.store.packs import PACK_PREFIX, unpack_blocks

_DEFAULT_PAGE_BYTES = 4096
_FRAME_HEAD_BYTES, _WAL_HEAD_BYTES = 24, 32
_MAX_RECORD_HEAD_BYTES = 6
"""Of a row of `blocks` or `packs`: its own size, the null that stands for the row id, and the size of the bytes."""


def readable_rows(connection: sqlite3.Connection, query: str, last_id: int) -> Iterator[tuple[Any, ...]]:
    """Give the rows that can be read, by ascending id.

    Passes over those that cannot.

    `query` selects the id first, of the rows whose id is above its one parameter, in order; `last_id` bounds the
    search.
    """
    after = 0
    while after < last_id:
        try:
            for row in connection.execute(query, (after,)):
                if after < row[0] <= last_id:
                    after = row[0]
                    yield row
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorname", "") == "SQLITE_ERROR":  # there is no such table
                return
            after += 1
        else:
            return


def carve_blocks(path: Path) -> Iterator[tuple[int, bytes]]:
    """Give the row ids and bytes of what looks like a block in any page.

    By itself or in a pack, of a store's file and its log.
    """
    yield from _carve_rows(path, HEADER_PREFIX)
    for first, data in _carve_rows(path, PACK_PREFIX):
        yield from enumerate(unpack_blocks(data), first)


def _carve_rows(path: Path, prefix: bytes) -> Iterator[tuple[int, bytes]]:
    """Give the row ids and bytes of what begins like this in any page."""
    with ExitStack() as stack:
        pages = _Pages(path, stack)
        for number in range(1, pages.count + 1):
            page = pages.read(number)
            at = page.find(prefix)
            while at >= 0:
                found = _block_at(pages, page, at)
                if found is not None:
                    yield found
                at = page.find(prefix, at + 1)


class _Pages:
    """The pages of a database file as they are with what its log says on top."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self._file = _map(path, stack)
        self._log = _map(path.with_name(f"{path.name}-wal"), stack)
        size = int.from_bytes(self._file[16:18], "big")
        is_size = 512 <= size <= 32768 and not size & (size - 1) and self._file[:6] == b"SQLite"
        self.size = size if is_size else _DEFAULT_PAGE_BYTES
        self._newer = self._logged_pages()
        self.count = max([len(self._file) // self.size, *self._newer])

    def read(self, number: int) -> bytes:
        if number in self._newer:
            return self._log[self._newer[number] : self._newer[number] + self.size]
        return self._file[(number - 1) * self.size : number * self.size]

    def _logged_pages(self) -> dict[int, int]:
        """Where the log has pages of transactions that were committed.

        What follows the last of those never was.
        """
        salt = self._log[16:24]
        found: dict[int, int] = {}
        pending: dict[int, int] = {}
        step = _FRAME_HEAD_BYTES + self.size
        for at in range(_WAL_HEAD_BYTES, len(self._log) - step + 1, step):
            head = self._log[at : at + _FRAME_HEAD_BYTES]
            if head[8:16] != salt:
                break
            pending[int.from_bytes(head[:4], "big")] = at + _FRAME_HEAD_BYTES
            if any(head[4:8]):
                found.update(pending)
                pending.clear()
        return {number: at for number, at in found.items() if 0 < number < 1 << 32}


def _map(path: Path, stack: ExitStack) -> mmap.mmap | bytes:
    try:
        file = stack.enter_context(path.open("rb"))
        return stack.enter_context(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (FileNotFoundError, ValueError):
        return b""


def _block_at(pages: _Pages, page: bytes, at: int) -> tuple[int, bytes] | None:
    """Read the row whose bytes begin at this place of a page.

    None if there is no such row around them.
    """
    for head_size in range(3, _MAX_RECORD_HEAD_BYTES + 1):
        start = at - head_size
        if start >= 2 and page[start] == head_size and page[start + 1] == 0:
            serial, end = _varint(page, start + 2)
            if end == at and serial >= 12 and serial % 2 == 0:
                break
    else:
        return None
    size = head_size + (serial - 12) // 2
    row_at = _varint_start(page, start)
    size_bytes = _encoded_varint(size)
    if page[max(row_at - len(size_bytes), 0) : row_at] != size_bytes:
        return None
    local = _local_size(size, pages.size)
    data = page[start : start + local]
    following = int.from_bytes(page[start + local : start + local + 4], "big") if local < size else 0
    while following and len(data) < size:
        more = pages.read(following)
        data += more[4 : 4 + size - len(data)]
        following = int.from_bytes(more[:4], "big") if len(more) == pages.size else 0
    return (_varint(page, row_at)[0], data[head_size:size]) if len(data) >= size else None


def _local_size(size: int, page_size: int) -> int:
    """How much of a row lies in its own page; the rest is on a chain of others."""
    if size <= page_size - 35:
        return size
    least = (page_size - 12) * 32 // 255 - 23
    local = least + (size - least) % (page_size - 4)
    return local if local <= page_size - 35 else least


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    value = 0
    for byte in data[at : at + 8]:
        value = value << 7 | byte & 0x7F
        at += 1
        if byte < 0x80:
            break
    return value, at


def _varint_start(data: bytes, end: int) -> int:
    """Where the number begins that ends here.

    What is before it ends with a byte below 0x80, too.
    """
    start = end - 1
    while start > 0 and data[start - 1] >= 0x80 and end - start < 8:
        start -= 1
    return max(start, 0)


def _encoded_varint(number: int) -> bytes:
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(number & 0x7F | 0x80)
    return bytes(reversed(groups))

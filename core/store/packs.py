"""Packs: the blocks of changes that follow each other, compressed together.

A pack is a zlib stream (RFC 1950) of blocks. Each is behind its size in four bytes, the count of ids that were left out
of it in one, and where each of these was (two bytes) and how many blocks before it that is the id of (one): ids cannot
be compressed, and follow from the blocks. What blocks repeat (keys, entities, names of properties) costs next to
nothing; each pack is complete in itself, and small, so that damage takes few changes with it. A dictionary in common
would save a tenth more, and be a single place whose damage takes all.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Sequence
from functools import lru_cache

from core.errors import BlockRefused

PACK_PREFIX = b"FLpack"
"""What the bytes of each pack begin with, so that packs are found in the bare pages of a damaged file."""
_VERSION, _VERSION_BEFORE = b"\x02\x00", b"\x01\x00"
"""Behind the prefix. The version before leaves no ids out and has no count of them; damaged ones stay as they are."""
_HEAD_BYTES = len(PACK_PREFIX) + len(_VERSION)
MIN_PACK_BYTES = 64 << 10
"""Blocks of so many bytes make a pack: a sixth less than packs of a quarter of that, which fill the disk's pages badly,
too. Four times as many would save another thirtieth.
"""
_SIZE_BYTES, _COUNT_BYTES, _OFFSET_BYTES, _DISTANCE_BYTES = 4, 1, 2, 1
_REFERENCE_BYTES = _OFFSET_BYTES + _DISTANCE_BYTES
_ID_BYTES = 32
_MAX_DISTANCE = 8
"""Blocks back to which ids are left out: nearly all are of the one before, or of one of several chains side by side."""
_MAX_LEFT_OUT = 255
_MAX_UNPACKED_BYTES = 1 << 20
"""No pack is larger: the last block that goes in has 64 KiB at most."""
_KEPT_PACKS = 24
"""Unpacked ones that are kept, about 2 MB: blocks that are read one after the other mostly lie together."""


def pack_blocks(blocks: Sequence[bytes]) -> bytes:
    """Compress blocks to a pack."""
    ids: deque[bytes | None] = deque(maxlen=_MAX_DISTANCE)
    plain = b""
    for block in blocks:
        plain += _leave_ids_out(block, ids)
        ids.append(_id_of(block))
    return PACK_PREFIX + _VERSION + zlib.compress(plain, 6)


@lru_cache(maxsize=_KEPT_PACKS)
def unpack_blocks(data: bytes) -> tuple[bytes, ...]:
    """Give the blocks of a pack; of a damaged one those before the damage.

    They are only as good as their ids: a caller that needs more than the bytes checks them.
    """
    return tuple(_split(_decompress(data), data)[0])


def is_whole(data: bytes) -> bool:
    """Whether a pack has all that was put in it."""
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(data[_HEAD_BYTES:], _MAX_UNPACKED_BYTES)
    except zlib.error:
        return False
    return stream.eof and _split(plain, data)[1] == len(plain)


def _id_of(block: bytes) -> bytes | None:
    """The id of a change, None for bytes that are none."""
    from core.changes import change_id

    try:
        return change_id(block)
    except BlockRefused:
        return None


def _leave_ids_out(block: bytes, ids: Sequence[bytes | None]) -> bytes:
    """Give a block as it stands in a pack behind those with these ids."""
    found: list[tuple[int, int]] = []
    for distance, change in enumerate(reversed(ids), 1):
        at = block.find(change) if change is not None else -1
        while at >= 0 and change is not None:
            found.append((at, distance))
            at = block.find(change, at + _ID_BYTES)
    found.sort()
    head, rest, end = b"", b"", 0
    for at, distance in found[:_MAX_LEFT_OUT]:
        head += at.to_bytes(_OFFSET_BYTES, "big") + distance.to_bytes(_DISTANCE_BYTES, "big")
        rest += block[end:at]
        end = at + _ID_BYTES
    rest += block[end:]
    count = min(len(found), _MAX_LEFT_OUT)
    return len(rest).to_bytes(_SIZE_BYTES, "big") + count.to_bytes(_COUNT_BYTES, "big") + head + rest


def _split(plain: bytes, pack: bytes) -> tuple[list[bytes], int]:
    """Give the blocks that are whole, and where they end."""
    has_ids = not pack.startswith(PACK_PREFIX + _VERSION_BEFORE)
    ids: deque[bytes | None] = deque(maxlen=_MAX_DISTANCE)
    blocks: list[bytes] = []
    end = 0
    while end + _SIZE_BYTES + _COUNT_BYTES * has_ids <= len(plain):
        start = end + _SIZE_BYTES
        size, count = int.from_bytes(plain[end:start], "big"), 0
        if has_ids:
            count = plain[start]
            start += _COUNT_BYTES
        body = start + count * _REFERENCE_BYTES
        if body + size > len(plain):
            break
        block = _put_ids_in(plain[start:body], plain[body : body + size], ids)
        if block is None:
            break
        end = body + size
        blocks.append(block)
        if has_ids:
            ids.append(_id_of(block))
    return blocks, end


def _put_ids_in(references: bytes, rest: bytes, ids: Sequence[bytes | None]) -> bytes | None:
    """Give a block as it was before `_leave_ids_out`; None for damaged ones."""
    block, used = b"", 0
    for start in range(0, len(references), _REFERENCE_BYTES):
        at = int.from_bytes(references[start : start + _OFFSET_BYTES], "big")
        distance = references[start + _OFFSET_BYTES]
        change = ids[-distance] if 0 < distance <= len(ids) else None
        missing = at - len(block)
        if change is None or not 0 <= missing <= len(rest) - used:
            return None
        block += rest[used : used + missing] + change
        used += missing
    return block + rest[used:]


def _decompress(data: bytes) -> bytes:
    body = data[_HEAD_BYTES:]
    stream = zlib.decompressobj()
    try:
        return stream.decompress(body, _MAX_UNPACKED_BYTES)
    except zlib.error:
        pass
    # Byte by byte up to the damage.
    stream, plain = zlib.decompressobj(), b""
    try:
        for byte in memoryview(body):
            plain += stream.decompress(bytes((byte,)), _MAX_UNPACKED_BYTES)
    except zlib.error:
        pass
    return plain

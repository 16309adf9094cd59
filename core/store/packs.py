"""Packs: the blocks of changes that follow each other, compressed together.

A pack is a zlib stream (RFC 1950) of blocks, each behind its size in four bytes. What they repeat (keys, entities,
names of properties) costs next to nothing; each is complete in itself, and small, so that damage takes few changes with
it. A dictionary in common would save a tenth more, and be a single place whose damage takes all.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache

PACK_PREFIX = b"FLpack\x01\x00"
"""What the bytes of each pack begin with, so that packs are found in the bare pages of a damaged file."""
MIN_PACK_BYTES = 64 << 10
"""Blocks of so many bytes make a pack: a sixth less than packs of a quarter of that, which fill the disk's pages badly,
too. Four times as many would save another thirtieth.
"""
_SIZE_BYTES = 4
_MAX_UNPACKED_BYTES = 1 << 20
"""No pack is larger: the last block that goes in has 64 KiB at most."""
_KEPT_PACKS = 24
"""Unpacked ones that are kept, about 2 MB: blocks that are read one after the other mostly lie together."""


def pack_blocks(blocks: Sequence[bytes]) -> bytes:
    """Compress blocks to a pack."""
    plain = b"".join(len(block).to_bytes(_SIZE_BYTES, "big") + block for block in blocks)
    return PACK_PREFIX + zlib.compress(plain, 6)


@lru_cache(maxsize=_KEPT_PACKS)
def unpack_blocks(data: bytes) -> tuple[bytes, ...]:
    """Give the blocks of a pack; of a damaged one those before the damage.

    They are only as good as their ids: a caller that needs more than the bytes checks them.
    """
    return tuple(_split(_decompress(data)))


def is_whole(data: bytes) -> bool:
    """Whether a pack has all that was put in it."""
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(data[len(PACK_PREFIX) :], _MAX_UNPACKED_BYTES)
    except zlib.error:
        return False
    return stream.eof and sum(_SIZE_BYTES + len(block) for block in _split(plain)) == len(plain)


def _split(plain: bytes) -> Iterator[bytes]:
    """Give the blocks that are whole."""
    at = 0
    while at + _SIZE_BYTES <= len(plain):
        size = int.from_bytes(plain[at : at + _SIZE_BYTES], "big")
        at += _SIZE_BYTES
        if at + size > len(plain):
            break
        yield plain[at : at + size]
        at += size


def _decompress(data: bytes) -> bytes:
    body = data[len(PACK_PREFIX) :]
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

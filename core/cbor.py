"""The part of CBOR (RFC 8949) that the format uses, in its one deterministic form.

Section 4.2.1.

Writing is by hand: the pieces of a fact are both hashed and joined to a body, and each is encoded once. Reading is the
library's work, without any of the types that it knows and the format does not; who reads encodes again and compares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import cbor2

from core.errors import BlockRefused

UINT, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG = range(7)
"""Major types."""

MAX_DEPTH = 8
"""A body is five arrays deep, a value two more; the rest is refused before it costs anything."""

# The library knows how to read dates, big numbers, patterns, messages, addresses, sets and shared values. None of
# that is in the format, so none of it is run on a peer's bytes.
_LIBRARY_TAGS = (0, 1, 2, 3, 4, 5, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43000, 55799)

Decoder = Callable[[Any, bool], Any]
"""What makes a value of a tag's content; raises ValueError for content that cannot be."""


def head(major: int, number: int) -> bytes:
    """Encode a major type with its argument, in the shortest form."""
    if number < 24:
        return bytes((major << 5 | number,))
    if number < 0x100:
        return bytes((major << 5 | 24, number))
    if number < 0x10000:
        return bytes((major << 5 | 25,)) + number.to_bytes(2, "big")
    if number < 0x100000000:
        return bytes((major << 5 | 26,)) + number.to_bytes(4, "big")
    return bytes((major << 5 | 27,)) + number.to_bytes(8, "big")


def uint(number: int) -> bytes:
    """Encode an integer from 0 to 2^64 - 1."""
    return head(UINT, number)


def integer(number: int) -> bytes:
    """Encode an integer of 64 bits."""
    return head(UINT, number) if number >= 0 else head(NEGATIVE, -1 - number)


def byte_string(data: bytes) -> bytes:
    """Encode bytes."""
    return head(BYTES, len(data)) + data


def text(content: str) -> bytes:
    """Encode text; raises UnicodeEncodeError for a lone surrogate."""
    data = content.encode()
    return head(TEXT, len(data)) + data


def _unwanted(value: Any, immutable: bool) -> Any:
    raise ValueError


def decoders(wanted: Mapping[int, Decoder]) -> dict[int, Decoder]:
    """Give what `loads` needs to read these tags and to refuse the library's own."""
    return {**dict.fromkeys(_LIBRARY_TAGS, _unwanted), **wanted}


def loads(data: bytes, tags: Mapping[int, Decoder]) -> Any:
    """Read one data item that takes up all the bytes.

    Arrays come as lists or tuples, and a tag that is not among `tags` as the library's own type. Whether the form is
    the deterministic one is not checked. Raises BlockRefused.
    """
    try:
        return cbor2.loads(
            data, semantic_decoders=tags, max_depth=MAX_DEPTH, allow_indefinite=False, allow_duplicate_keys=False
        )
    except (cbor2.CBORDecodeError, ValueError, TypeError, OverflowError, MemoryError, RecursionError):
        raise BlockRefused("a block is not well-formed CBOR") from None

"""The Merkle tree over the leaves of a change, shaped as in RFC 6962, 2.1.

A tree of n leaves has the largest power of two below n of them on its left. The salts of a change hang in a tree of the
same shape (`salt_tree`).
"""

from __future__ import annotations

from collections.abc import Sequence

from blake3 import blake3

from core.hashes import NODE


def split(count: int) -> int:
    """Give how many of so many leaves (at least two) are on the left."""
    return 1 << (count - 1).bit_length() - 1


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Give the root of the tree over these leaf hashes, at least one.

    Joining neighbours level by level, with an odd one out going up as it is, makes the same tree as the recursion of
    the RFC, and is faster.
    """
    level = list(leaves)
    while len(level) > 1:
        above = [blake3(NODE + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)]
        if len(level) % 2:
            above.append(level[-1])
        level = above
    return level[0]

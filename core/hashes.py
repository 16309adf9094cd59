"""The hashes of the format.

BLAKE3 (github.com/BLAKE3-team/BLAKE3-specs), with one domain byte in front for each use.

The shape of every tree follows from a number that is signed with its root, so a node never passes for another kind.
"""

from __future__ import annotations

from blake3 import blake3

LEAF, NODE, COMMITMENT, PEAKS, SEED = (bytes((number,)) for number in range(5))


def digest(data: bytes) -> bytes:
    """Hash to 32 bytes."""
    return blake3(data).digest()


def leaf(data: bytes) -> bytes:
    """Hash what a tree's leaf stands for."""
    return blake3(LEAF + data).digest()


def node(left: bytes, right: bytes) -> bytes:
    """Hash two neighbours in a tree to the node above them."""
    return blake3(NODE + left + right).digest()


def commitment(salt: bytes, value: bytes) -> bytes:
    """Commit to an encoded value.

    With the salt gone nobody can find out by trying what it was.
    """
    return blake3(COMMITMENT + salt + value).digest()

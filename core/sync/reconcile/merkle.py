"""The Merkle tree over change ids, kept up to date as the set grows.

The tree has a fan-out of 16: a node stands for all ids that begin with its *prefix*, written in lower-case hex digits
("" is the root). It is defined by the set alone, so the order in which ids arrived cannot be seen in it:

- a prefix with at most `LEAF` ids is a leaf: `BLAKE3(00 || ids in ascending order)`, the first 16 bytes;
- a prefix with more is a branch: `BLAKE3(01 || fingerprints of its 16 children)`, the first 16 bytes.

The bytes 00 and 01 keep leaves and branches apart, as in RFC 6962, 2.1. The empty set is a leaf without ids.

Only branches are kept (a leaf is cheaper to read again than to store). A branch holds its children's fingerprints, so
that an insert reads and writes one row a level, and one read of a row gives all that a peer needs to go a level down.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

from blake3 import blake3

FAN_OUT = 16
MAX_LEAF_IDS = 16
FINGERPRINT_BYTES = 16
CHANGE_ID_BYTES = 32
MAX_DEPTH_DIGITS = 2 * CHANGE_ID_BYTES
HEX_DIGITS = "0123456789abcdef"


def leaf_fingerprint(ids: Iterable[bytes]) -> bytes:
    """Compute the fingerprint of a leaf from its ids, which must be sorted."""
    return blake3(b"\x00" + b"".join(ids)).digest(length=FINGERPRINT_BYTES)


def branch_fingerprint(children: bytes) -> bytes:
    """Compute the fingerprint of a branch from those of its 16 children, joined."""
    return blake3(b"\x01" + children).digest(length=FINGERPRINT_BYTES)


EMPTY_FINGERPRINT = leaf_fingerprint(())


@dataclass(frozen=True, slots=True)
class BranchNode:
    """A prefix with more than `MAX_LEAF_IDS` ids.

    `count` is how many; `children` are the fingerprints of its 16 children, joined (256 bytes).
    """

    prefix: str
    count: int
    children: bytes

    @property
    def fingerprint(self) -> bytes:
        return branch_fingerprint(self.children)

    def child(self, nibble: int) -> bytes:
        """Give the fingerprint of one child."""
        return self.children[nibble * FINGERPRINT_BYTES : (nibble + 1) * FINGERPRINT_BYTES]


@dataclass(frozen=True, slots=True)
class LeafNode:
    """A prefix with at most `MAX_LEAF_IDS` ids, in ascending order."""

    prefix: str
    ids: tuple[bytes, ...]

    @property
    def count(self) -> int:
        return len(self.ids)

    @property
    def fingerprint(self) -> bytes:
        return leaf_fingerprint(self.ids)


MerkleNode = BranchNode | LeafNode


class NodeTable(Protocol):
    """Where the branches are kept, beside the ids themselves."""

    def read_branch(self, prefix: str) -> BranchNode | None:
        """Read the branch of a prefix.

        None if it has at most `MAX_LEAF_IDS` ids, or was never inserted.
        """

    def read_ids(self, prefix: str) -> Sequence[bytes]:
        """Read all ids that begin with a prefix, in ascending order.

        They are between its `prefix_bounds`.
        """

    def write_branches(self, branches: Iterable[BranchNode]) -> None:
        """Write these branches in place of those with the same prefixes."""


def prefix_bounds(prefix: str) -> tuple[bytes, bytes]:
    """Give the least and the greatest id that begin with a prefix, both included."""
    return bytes.fromhex(prefix.ljust(MAX_DEPTH_DIGITS, "0")), bytes.fromhex(prefix.ljust(MAX_DEPTH_DIGITS, "f"))


def digit_at(change: bytes, depth: int) -> int:
    """Give the hex digit of an id at a depth, 0 to 15."""
    byte = change[depth >> 1]
    return byte & 15 if depth & 1 else byte >> 4


def insert_ids(table: NodeTable, new: Iterable[bytes]) -> bytes:
    """Bring the tree up to date with ids that were just added.

    Give the root's fingerprint.

    `table.read_ids` must already give the new ids, and none of them may have been inserted before: call it in the
    transaction that adds them, once for the whole batch. On a table without branches this builds the tree from all
    ids, whatever `new` holds.
    """
    changed: list[BranchNode] = []
    root = _insert_below(table, "", sorted(new), changed)
    table.write_branches(changed)
    return root


def _insert_below(table: NodeTable, prefix: str, new: Sequence[bytes], changed: list[BranchNode]) -> bytes:
    branch = table.read_branch(prefix)
    if branch is None:
        return _build_node(prefix, table.read_ids(prefix), changed)
    children = bytearray(branch.children)
    for digit, group in _group_by_digit(new, len(prefix)):
        children[digit * FINGERPRINT_BYTES : (digit + 1) * FINGERPRINT_BYTES] = _insert_below(
            table, prefix + HEX_DIGITS[digit], group, changed
        )
    grown = BranchNode(prefix, branch.count + len(new), bytes(children))
    changed.append(grown)
    return grown.fingerprint


def _build_node(prefix: str, ids: Sequence[bytes], branches: list[BranchNode]) -> bytes:
    """Compute the fingerprint of a prefix with these sorted ids; append its branches."""
    if len(ids) <= MAX_LEAF_IDS:
        return leaf_fingerprint(ids)
    children = bytearray(EMPTY_FINGERPRINT * FAN_OUT)
    for digit, group in _group_by_digit(ids, len(prefix)):
        children[digit * FINGERPRINT_BYTES : (digit + 1) * FINGERPRINT_BYTES] = _build_node(
            prefix + HEX_DIGITS[digit], group, branches
        )
    branch = BranchNode(prefix, len(ids), bytes(children))
    branches.append(branch)
    return branch.fingerprint


def _group_by_digit(ids: Sequence[bytes], depth: int) -> Iterator[tuple[int, list[bytes]]]:
    for digit, group in groupby(ids, lambda change: digit_at(change, depth)):
        yield digit, list(group)


def build_tree(ids: Iterable[bytes]) -> tuple[bytes, list[BranchNode]]:
    """Build the whole tree of a set: the root's fingerprint and all branches.

    What `insert_ids` keeps must equal it at any time.
    """
    branches: list[BranchNode] = []
    root = _build_node("", sorted(ids), branches)
    return root, branches


def read_node(table: NodeTable, prefix: str) -> MerkleNode:
    """Read the node of a prefix, which may lie below a leaf."""
    return table.read_branch(prefix) or LeafNode(prefix, tuple(table.read_ids(prefix)))

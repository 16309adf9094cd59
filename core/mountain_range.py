"""The Merkle mountain range over the ids of a device's chain.

After P. Todd (OpenTimestamps) and draft-bryce-cose-merkle-mountain-range-proofs. The ids at positions 0 .. n-1 are the
leaves of perfect binary trees, the mountains, one for each one bit of n, the largest first. Adding an id touches few
nodes, the peaks are all that has to be kept for it, and a few hashes prove which id is at a position.

Leaf H(00 || id), node H(01 || left || right), root H(03 || n as 8 bytes || peaks).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from core import hashes
from core.value_codec import HASH_BYTES

Levels = Sequence[Sequence[bytes]]
"""All whole nodes of a range, the hashes of the ids first, then each level above."""


@dataclass(frozen=True, slots=True)
class Range:
    """The range over the first `size` ids of a chain, by its peaks, largest first."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    @property
    def root(self) -> bytes:
        """The one hash that stands for all ids and their positions."""
        return hashes.digest(hashes.PEAKS + self.size.to_bytes(8, "big") + b"".join(self.peaks))

    def append(self, change: bytes) -> Range:
        """Give the range with one more id."""
        peaks = list(self.peaks)
        node = hashes.leaf(change)
        size = self.size
        while size & 1:
            node = hashes.node(peaks.pop(), node)
            size >>= 1
        return Range(self.size + 1, (*peaks, node))

    def to_bytes(self) -> bytes:
        """Give the peaks in a row; the size says how many there are."""
        return b"".join(self.peaks)

    @classmethod
    def from_bytes(cls, size: int, data: bytes) -> Range:
        """Read peaks; raises ValueError if their number does not fit the size."""
        if len(data) != size.bit_count() * HASH_BYTES:
            raise ValueError("a range of this size has another number of peaks")
        return cls(size, tuple(_pieces(data)))


def range_of(changes: Iterable[bytes]) -> Range:
    """Give the range over these ids, the first of the chain first."""
    found = Range()
    for change in changes:
        found = found.append(change)
    return found


def levels_of(changes: Iterable[bytes]) -> list[list[bytes]]:
    """Give all nodes over these ids, for `prove`."""
    levels = [[hashes.leaf(change) for change in changes]]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([hashes.node(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)])
    return levels


def range_at(levels: Levels, size: int) -> Range:
    """Give the range over the first `size` of these ids.

    Raises ValueError if there are fewer.
    """
    if size > len(levels[0]):
        raise ValueError("there are not so many ids")
    return Range(size, tuple(levels[height][index] for height, index in _mountains(size)))


def prove(levels: Levels, size: int, positions: Iterable[int]) -> bytes:
    """Prove which ids are at these positions among the first `size` of the chain.

    `levels` may be those of more ids.

    A proof is the hashes of the largest subtrees without one of these ids, from left to right. Raises ValueError for
    positions that are not among them.
    """
    wanted = sorted(set(positions))
    if not wanted or wanted[0] < 0 or wanted[-1] >= size or size > len(levels[0]):
        raise ValueError("there is no such position to prove")
    return b"".join(
        levels[height][index] for mountain in _mountains(size) for height, index in _beside(*mountain, wanted)
    )


def check(root: bytes, size: int, changes: Mapping[int, bytes], proof: bytes) -> bool:
    """Say whether a proof shows these ids among the first `size` under this root.

    The proof is a peer's: its length is bounded by that of a proof for these positions, and nothing of it is left over.
    """
    wanted = sorted(changes)
    if not wanted or wanted[0] < 0 or wanted[-1] >= size or len(proof) % HASH_BYTES:
        return False
    given = iter(_pieces(proof))
    try:
        peaks = tuple(_rebuilt(*mountain, wanted, changes, given) for mountain in _mountains(size))
    except ValueError:
        return False
    return next(given, None) is None and Range(size, peaks).root == root


def _mountains(size: int) -> Iterator[tuple[int, int]]:
    """Give height and index of each peak.

    The node `index` of level `height` is over ids from `index << height` on.
    """
    start = 0
    for height in range(size.bit_length() - 1, -1, -1):
        if size >> height & 1:
            yield height, start >> height
            start += 1 << height


def _parts(height: int, index: int, wanted: Sequence[int]) -> tuple[list[int], list[int]]:
    """Split positions into those below the left and the right child of a node.

    Others are left out.
    """
    first, middle, end = index << height, (2 * index + 1) << height >> 1, (index + 1) << height
    return [p for p in wanted if first <= p < middle], [p for p in wanted if middle <= p < end]


def _beside(height: int, index: int, wanted: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Give the largest subtrees below a node that have none of these positions.

    32 deep at most.
    """
    if not any(p >> height == index for p in wanted):
        yield height, index
    elif height:
        left, right = _parts(height, index, wanted)
        yield from _beside(height - 1, 2 * index, left)
        yield from _beside(height - 1, 2 * index + 1, right)


def _rebuilt(
    height: int, index: int, wanted: Sequence[int], changes: Mapping[int, bytes], given: Iterator[bytes]
) -> bytes:
    """Make a node of the ids below it and the hashes given.

    Raises ValueError where one is missing.
    """
    if not any(p >> height == index for p in wanted):
        found = next(given, None)
        if found is None:
            raise ValueError("a proof is too short")
        return found
    if not height:
        return hashes.leaf(changes[index])
    left, right = _parts(height, index, wanted)
    one = _rebuilt(height - 1, 2 * index, left, changes, given)
    return hashes.node(one, _rebuilt(height - 1, 2 * index + 1, right, changes, given))


def _pieces(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), HASH_BYTES):
        yield data[start : start + HASH_BYTES]

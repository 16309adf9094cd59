"""The salts of a change's leaves, from one seed by a tree of hashes.

Goldreich, Goldwasser, Micali 1986.

Whoever has a node's seed can make all that is below it, and nothing beside or above it. So the salt of an erased value
is destroyed by keeping, instead of the seed, only the seeds of the largest subtrees without an erased leaf: the
co-path.
The tree has the shape of `leaf_tree`: `child(b) = H(04 || b || seed)`, the first 16 bytes of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from blake3 import blake3

from core.errors import BlockRefused
from core.hashes import SEED
from core.leaf_tree import split

SEED_BYTES = 16

_LEFT, _RIGHT = SEED + b"\0", SEED + b"\1"

Salts = bytes | tuple[bytes, ...]
"""The seed or, where leaves are erased, the seeds of the largest subtrees without one of them, from left to right."""

Span = tuple[int, int, bytes]
"""A subtree: its first leaf, how many leaves it has, its seed."""


def expand(salts: Salts, count: int, erased: AbstractSet[int] = frozenset()) -> list[bytes]:
    """Make the salts of `count` leaves; an erased leaf's is empty.

    Raises BlockRefused if there are too many or few.

    With nothing erased the seed must come as such, so that there is one form only.
    """
    if not erased:
        if not isinstance(salts, bytes) or not _is_seed(salts):
            raise BlockRefused("a change is malformed")
        return _below(salts, count)
    spans = list(_cover(0, count, sorted(erased)))
    seeds: tuple[object, ...] = salts if isinstance(salts, tuple) else ()
    if len(seeds) != len(spans) or not isinstance(salts, tuple) or not all(map(_is_seed, seeds)):
        raise BlockRefused("a change is malformed")
    found = [b""] * count
    for (first, size), seed in zip(spans, salts, strict=True):
        found[first : first + size] = _below(seed, size)
    return found


def puncture(salts: Salts, count: int, before: AbstractSet[int], erased: AbstractSet[int]) -> Salts:
    """Give the co-path that is left when all of `erased` are erased.

    Of a tree in which `before`, a part of them, is erased already.

    The result does not depend on the steps in which leaves were erased.
    """
    if not erased:
        return salts
    known: list[Span]
    if isinstance(salts, bytes):
        known = [(0, count, salts)]
    else:
        spans = _cover(0, count, sorted(before))
        known = [(first, size, seed) for (first, size), seed in zip(spans, salts, strict=True)]
    gone = sorted(erased)
    return tuple(
        seed
        for first, size, whole in known
        for seed in _punctured(whole, first, size, [i for i in gone if first <= i < first + size])
    )


def _is_seed(data: object) -> bool:
    return isinstance(data, bytes) and len(data) == SEED_BYTES


def _below(seed: bytes, count: int) -> list[bytes]:
    """Make the salts of a whole subtree, level by level in each full half."""
    if count == 1:
        return [seed]
    left = split(count)
    if left * 2 == count:
        level = [seed]
        while len(level) < count:
            level = [blake3(side + each).digest(length=SEED_BYTES) for each in level for side in (_LEFT, _RIGHT)]
        return level
    return [
        *_below(blake3(_LEFT + seed).digest(length=SEED_BYTES), left),
        *_below(blake3(_RIGHT + seed).digest(length=SEED_BYTES), count - left),
    ]


def _cover(first: int, count: int, erased: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Give first leaf and size of the largest subtrees without an erased leaf.

    The recursion is ten deep at most.
    """
    if not erased:
        yield first, count
    elif count > 1:
        left = split(count)
        yield from _cover(first, left, [i for i in erased if i < first + left])
        yield from _cover(first + left, count - left, [i for i in erased if i >= first + left])


def _punctured(seed: bytes, first: int, count: int, erased: Sequence[int]) -> Iterator[bytes]:
    if not erased:
        yield seed
    elif count > 1:
        left = split(count)
        for side, start, size in ((_LEFT, first, left), (_RIGHT, first + left, count - left)):
            child = blake3(side + seed).digest(length=SEED_BYTES)
            yield from _punctured(child, start, size, [i for i in erased if start <= i < start + size])

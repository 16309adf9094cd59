"""Stand-ins for the store in tests of sync: whole sets in memory, whose blocks are opaque bytes with id = BLAKE3(bytes)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Sequence

from core.sync.merkle import Branch, bounds


class MemoryTable:
    """A `NodeTable` in a dict, beside a sorted list of ids."""

    def __init__(self) -> None:
        self.branches: dict[str, Branch] = {}
        self.sorted_ids: list[bytes] = []

    def add(self, ids: Iterable[bytes]) -> None:
        for change in ids:
            insort(self.sorted_ids, change)

    def branch(self, prefix: str) -> Branch | None:
        return self.branches.get(prefix)

    def ids(self, prefix: str) -> Sequence[bytes]:
        low, high = bounds(prefix)
        return self.sorted_ids[bisect_left(self.sorted_ids, low) : bisect_right(self.sorted_ids, high)]

    def put(self, branches: Iterable[Branch]) -> None:
        self.branches.update((branch.prefix, branch) for branch in branches)

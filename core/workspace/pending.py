"""What waits for a decision, of which only what somebody looks at is worked out where it is much."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

# The screens hold one of these from their start: what working them out needs is imported when there are any.
if TYPE_CHECKING:
    from core.inbox import Matter
    from core.store.matters import Mention

SMALL = 200
"""So many matters are worked out at once; of more only those that somebody looks at."""
KEPT = 400
"""Matters that are kept in memory where there are many."""

Whole = Callable[["Sequence[Mention]"], Awaitable["Sequence[Matter | None]"]]


async def _nothing(some: Sequence[Mention]) -> Sequence[Matter | None]:
    return [None for _ in some]


class Pending:
    """Matters in their order, of which those are here that were loaded."""

    def __init__(self, found: Sequence[Mention] = (), whole: Whole = _nothing) -> None:
        self.mentions = found
        self._whole = whole
        self._loaded: dict[int, Matter] = {}

    @classmethod
    def of(cls, found: Sequence[Matter]) -> Pending:
        """Matters that are all here."""

        from core.store.matters import mentions

        # In the order that they are given in, which need not be that of their mentions.
        pending = cls([mention for matter in found for mention in mentions([matter])])
        pending._loaded = dict(enumerate(found))
        return pending

    def __len__(self) -> int:
        return len(self.mentions)

    def __getitem__(self, index: int) -> Matter | None:
        """A matter, None if it is not loaded, or is none any more."""
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self._loaded.get(index % len(self))

    def lacks(self, first: int, last: int) -> bool:
        """Whether any of these has to be loaded."""
        return any(index not in self._loaded for index in range(first, min(last + 1, len(self))))

    async def load(self, first: int, last: int) -> None:
        """Work these out."""
        wanted = [index for index in range(max(0, first), min(last + 1, len(self))) if index not in self._loaded]
        found = await self._whole([self.mentions[index] for index in wanted]) if wanted else ()
        while len(self._loaded) > max(KEPT, len(wanted)):
            del self._loaded[next(iter(self._loaded))]
        self._loaded.update({index: matter for index, matter in zip(wanted, found, strict=True) if matter is not None})

    async def all(self) -> list[Matter]:
        """All of them."""
        found: list[Matter] = []
        for start in range(0, len(self), SMALL):
            loaded = [self[index] for index in range(start, min(start + SMALL, len(self)))]
            if None in loaded:
                loaded = list(await self._whole(self.mentions[start : start + SMALL]))
            found += [matter for matter in loaded if matter is not None]
        return found

"""What waits for a decision, of which only what somebody looks at is worked out where it is much."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

# The screens hold one of these from their start: what working them out needs is imported when there are any.
if TYPE_CHECKING:
    from core.inbox import InboxItem
    from core.store.indexes.inbox_cache import ItemKey

MAX_EAGER_ITEMS = 200
"""So many matters are worked out at once; of more only those that somebody looks at."""
MAX_LOADED_ITEMS = 400
"""Matters that are kept in memory where there are many."""

LoadItems = Callable[["Sequence[ItemKey]"], Awaitable["Sequence[InboxItem | None]"]]


async def _load_nothing(some: Sequence[ItemKey]) -> Sequence[InboxItem | None]:
    return [None for _ in some]


class LazyInbox:
    """Matters in their order, of which those are here that were loaded."""

    def __init__(self, found: Sequence[ItemKey] = (), whole: LoadItems = _load_nothing) -> None:
        self.keys = found
        self._load_items = whole
        self._loaded: dict[int, InboxItem] = {}

    @classmethod
    def of_items(cls, found: Sequence[InboxItem]) -> LazyInbox:
        """Matters that are all here."""

        from core.store.indexes.inbox_cache import item_keys

        # In the order that they are given in, which need not be that of their mentions.
        pending = cls([mention for matter in found for mention in item_keys([matter])])
        pending._loaded = dict(enumerate(found))
        return pending

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: int) -> InboxItem | None:
        """A matter, None if it is not loaded, or is none any more."""
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self._loaded.get(index % len(self))

    def has_unloaded(self, first: int, last: int) -> bool:
        """Whether any of these has to be loaded."""
        return any(index not in self._loaded for index in range(first, min(last + 1, len(self))))

    async def load_range(self, first: int, last: int) -> None:
        """Work these out."""
        wanted = [index for index in range(max(0, first), min(last + 1, len(self))) if index not in self._loaded]
        found = await self._load_items([self.keys[index] for index in wanted]) if wanted else ()
        while len(self._loaded) > max(MAX_LOADED_ITEMS, len(wanted)):
            del self._loaded[next(iter(self._loaded))]
        self._loaded.update({index: matter for index, matter in zip(wanted, found, strict=True) if matter is not None})

    async def load_all(self) -> list[InboxItem]:
        """All of them."""
        found: list[InboxItem] = []
        for start in range(0, len(self), MAX_EAGER_ITEMS):
            loaded = [self[index] for index in range(start, min(start + MAX_EAGER_ITEMS, len(self)))]
            if None in loaded:
                loaded = list(await self._load_items(self.keys[start : start + MAX_EAGER_ITEMS]))
            found += [matter for matter in loaded if matter is not None]
        return found

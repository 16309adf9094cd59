"""The inbox as a sequence, computing many items only where looked at."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

# The screens hold one of these from their start: what computing them needs is imported when there are any.
if TYPE_CHECKING:
    from core.inbox import InboxItem
    from core.store.indexes.inbox_cache import ItemKey

MAX_EAGER_ITEMS = 200
"""Computed at once, which a person does not notice; of more only those that are looked at."""
MAX_LOADED_ITEMS = 400
"""Kept in memory of many: some screens full."""

LoadItems = Callable[["Sequence[ItemKey]"], Awaitable["Sequence[InboxItem | None]"]]


async def _load_nothing(keys: Sequence[ItemKey]) -> Sequence[InboxItem | None]:
    return [None for _ in keys]


class LazyInbox:
    """Items in their order, some of them loaded.

    Those that are accepted as they are are in an inbox of their own.
    """

    def __init__(
        self, found: Sequence[ItemKey] = (), whole: LoadItems = _load_nothing, *, are_accepted: bool = False
    ) -> None:
        self.keys = [key for key in found if key.is_accepted == are_accepted]
        self._load_items = whole
        self._loaded: dict[int, InboxItem] = {}
        self._accepted_keys = () if are_accepted else [key for key in found if key.is_accepted]
        self._accepted: LazyInbox | None = None

    @property
    def accepted(self) -> LazyInbox:
        """Those that somebody accepted as they are, which are not counted here."""
        if self._accepted is None:
            self._accepted = LazyInbox(self._accepted_keys, self._load_items, are_accepted=True)
        return self._accepted

    @classmethod
    def of_items(cls, found: Sequence[InboxItem]) -> LazyInbox:
        """Give an inbox of items that are all loaded."""

        from core.store.indexes.inbox_cache import item_keys

        # In the order that they are given in, which need not be that of their keys.
        inbox = cls([key for item in found for key in item_keys([item])])
        inbox._loaded = dict(enumerate(item for item in found if item.acceptance is None))
        inbox.accepted._loaded = dict(enumerate(item for item in found if item.acceptance is not None))
        return inbox

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: int) -> InboxItem | None:
        """An item; None if it is not loaded, or is none any more. Raises IndexError."""
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self._loaded.get(index % len(self))

    def has_unloaded(self, first: int, last: int) -> bool:
        """Whether any of the items from `first` to `last` (included) has to be loaded."""
        return any(index not in self._loaded for index in range(first, min(last + 1, len(self))))

    async def load_range(self, first: int, last: int) -> None:
        """Load the items from `first` to `last`, and drop others if memory is full."""
        wanted = [index for index in range(max(0, first), min(last + 1, len(self))) if index not in self._loaded]
        found = await self._load_items([self.keys[index] for index in wanted]) if wanted else ()
        while len(self._loaded) > max(MAX_LOADED_ITEMS, len(wanted)):
            del self._loaded[next(iter(self._loaded))]
        self._loaded.update({index: item for index, item in zip(wanted, found, strict=True) if item is not None})

    async def load_all(self) -> list[InboxItem]:
        """Load all items, without keeping them."""
        return [item async for some in self.pages() for item in some]

    async def pages(self) -> AsyncIterator[list[InboxItem]]:
        """Load all items, some at a time, without keeping them."""
        for start in range(0, len(self), MAX_EAGER_ITEMS):
            loaded = [self[index] for index in range(start, min(start + MAX_EAGER_ITEMS, len(self)))]
            if None in loaded:
                loaded = list(await self._load_items(self.keys[start : start + MAX_EAGER_ITEMS]))
            yield [item for item in loaded if item is not None]

"""The rows of the inbox; those of many are worked out when they come into sight."""

from __future__ import annotations

from typing import Protocol

from core.inbox import InboxItem
from core.store.indexes.inbox_cache import ItemKey
from core.workspace.lazy_inbox import LazyInbox
from tui.layout import Line
from tui.view_models.form import DisplayNames

RowKey = tuple[bytes, str, str]


def item_key(matter: InboxItem | ItemKey) -> RowKey:
    """What stays the same about a matter while others come and go."""
    return (matter.entity, matter.property_name if isinstance(matter, ItemKey) else matter.property, matter.type)


class InboxItemsScreen(Protocol):
    """The screen that shows the rows: it draws a matter, and knows what the entities are called."""

    names: DisplayNames

    def item_line(self, matter: InboxItem, width: int) -> Line: ...

    async def load_names(self, matters: list[InboxItem], max_entities: int) -> None: ...


class InboxRows:
    """The rows of the inbox; those of many are worked out when they come into sight."""

    def __init__(self, page: InboxItemsScreen, matters: LazyInbox) -> None:
        self._screen = page
        self.items = matters

    def __len__(self) -> int:
        return len(self.items)

    def key(self, index: int) -> RowKey:
        return item_key(self.items.keys[index])

    def index(self, key: object) -> int | None:
        """The row with this key."""
        return next((index for index, each in enumerate(self.items.keys) if item_key(each) == key), None)

    def is_skipped(self, index: int) -> bool:
        return False

    def line(self, index: int, width: int) -> Line:
        matter = self.items[index]
        return self._screen.item_line(matter, width) if matter is not None else []

    def needs_load(self, first: int, last: int) -> bool:
        known = self._screen.names.entities
        return self.items.has_unloaded(first, last) or any(
            each.entity not in known for each in self.items.keys[first : last + 1]
        )

    async def load(self, first: int, last: int) -> None:
        await self.items.load_range(first, last)
        indexes = range(max(0, first), min(last + 1, len(self)))
        await self._screen.load_names([matter for index in indexes if (matter := self.items[index])], 2)

"""The rows of the inbox; those of many are worked out when they come into sight."""

from __future__ import annotations

from typing import Protocol

from core.inbox import Matter
from core.store.matters import Mention
from core.workspace.pending import Pending
from tui.rows.forms import Names
from tui.rows.lines import Line

Key = tuple[bytes, str, str]


def key_of(matter: Matter | Mention) -> Key:
    """What stays the same about a matter while others come and go."""
    return (matter.entity, matter.name if isinstance(matter, Mention) else matter.property, matter.type)


class MatterScreen(Protocol):
    """The screen that shows the rows: it draws a matter, and knows what the entities are called."""

    names: Names

    def row(self, matter: Matter, width: int) -> Line: ...

    async def learn(self, matters: list[Matter], most: int) -> None: ...


class Matters:
    """The rows of the inbox; those of many are worked out when they come into sight."""

    def __init__(self, page: MatterScreen, matters: Pending) -> None:
        self._page = page
        self.matters = matters

    def __len__(self) -> int:
        return len(self.matters)

    def key(self, index: int) -> Key:
        return key_of(self.matters.mentions[index])

    def index(self, key: object) -> int | None:
        """The row with this key."""
        return next((index for index, each in enumerate(self.matters.mentions) if key_of(each) == key), None)

    def skip(self, index: int) -> bool:
        return False

    def line(self, index: int, width: int) -> Line:
        matter = self.matters[index]
        return self._page.row(matter, width) if matter is not None else []

    def lacks(self, first: int, last: int) -> bool:
        known = self._page.names.entities
        return self.matters.lacks(first, last) or any(
            each.entity not in known for each in self.matters.mentions[first : last + 1]
        )

    async def load(self, first: int, last: int) -> None:
        await self.matters.load(first, last)
        indexes = range(max(0, first), min(last + 1, len(self)))
        await self._page.learn([matter for index in indexes if (matter := self.matters[index])], 2)

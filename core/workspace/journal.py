"""What a device notes, for one of its users, of what was taken back: enough for undo and redo after a restart."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.workspace.context import DeviceContext

MOST_NOTED = 1000


@dataclass(slots=True)
class Journal:
    """Change ids in hex. `skip` are those that undo passes over: taken back, or themselves an undo. `redo` is what redo
    takes back again (the latest last) and `last` the change after which that holds. `groups` were saved together, and
    `turns` are pairs of what an undo or redo saved and what it took back by that.
    """

    skip: list[str] = field(default_factory=list)
    redo: list[list[str]] = field(default_factory=list)
    last: str = ""
    groups: list[list[str]] = field(default_factory=list)
    turns: list[list[list[str]]] = field(default_factory=list)

    def group(self, change: str) -> list[str]:
        """The changes that were saved together with this one."""
        return next((group for group in self.groups if change in group), [change])

    def took_back(self, change: str) -> list[str]:
        """What an undo or redo that saved this change took back; nothing for any other change."""
        return next((taken for made, taken in self.turns if change in made), [])


async def load(workspace: DeviceContext) -> Journal:
    """What was noted; what cannot be read counts as nothing, since the log has all that matters."""
    data = await workspace.store.get_meta(_key(workspace))
    try:
        return Journal(**json.loads(data)) if data else Journal()
    except (ValueError, TypeError):
        return Journal()


async def keep(workspace: DeviceContext, journal: Journal) -> None:
    """Note it."""
    for noted in (journal.skip, journal.redo, journal.groups, journal.turns):
        del noted[:-MOST_NOTED]
    await workspace.store.put_meta(_key(workspace), json.dumps(asdict(journal)).encode())


def _key(workspace: DeviceContext) -> str:
    return f"undo {workspace.user}"

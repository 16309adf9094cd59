"""What a device notes, for one of its users, of what was taken back: enough for undo and redo after a restart."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.device.context import DeviceContext

MAX_ENTRIES = 1000


@dataclass(slots=True)
class UndoJournal:
    """Change ids in hex. `skip` are those that undo passes over: taken back, or themselves an undo. `redo` is what redo
    takes back again (the latest last) and `last` the change after which that holds. `turns` are pairs of what an undo
    or redo saved and what it took back by that. A change stands for all that was saved at once with it.
    """

    skip: list[str] = field(default_factory=list)
    redo: list[str] = field(default_factory=list)
    last: str = ""
    turns: list[list[str]] = field(default_factory=list)

    def undone_by(self, change: str) -> list[str]:
        """What an undo or redo that saved this change took back; nothing for any other change."""
        return [taken for made, taken in self.turns if made == change]


async def load_journal(workspace: DeviceContext) -> UndoJournal:
    """What was noted; what cannot be read counts as nothing, since the log has all that matters."""
    data = await workspace.store.read_meta(_meta_key(workspace))
    try:
        return UndoJournal(**json.loads(data)) if data else UndoJournal()
    except (ValueError, TypeError):
        return UndoJournal()


async def save_journal(workspace: DeviceContext, journal: UndoJournal) -> None:
    """Note it."""
    for noted in (journal.skip, journal.redo, journal.turns):
        del noted[:-MAX_ENTRIES]
    await workspace.store.write_meta(_meta_key(workspace), json.dumps(asdict(journal)).encode())


def _meta_key(workspace: DeviceContext) -> str:
    return f"undo {workspace.user}"

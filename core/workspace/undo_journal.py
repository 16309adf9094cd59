"""Keep what a user of this device has undone.

So that undo and redo go on after a restart.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from core.parsers import parse_json

if TYPE_CHECKING:
    from core.device.context import DeviceContext

MAX_ENTRIES = 1000
"""Of each list: more than anybody undoes, and the note stays small."""


@dataclass(slots=True)
class UndoJournal:
    """Change ids in hex, saved as JSON by these names.

    A change stands for all that was saved at once with it.

    `skip` are those that undo passes over: undone, or themselves an undo. `redo` is what redo undoes (the latest last),
    which holds as long as `last` is the user's latest change.
    """

    skip: list[str] = field(default_factory=list)
    redo: list[str] = field(default_factory=list)
    last: str = ""


async def load_journal(workspace: DeviceContext) -> UndoJournal:
    """Read the journal; one that cannot be read counts as empty.

    Since the log has everything else.
    """
    data = await workspace.store.read_meta(_meta_key(workspace))
    try:
        found = parse_json(data) if data else {}
        return UndoJournal(found.get("skip", []), found.get("redo", []), found.get("last", ""))
    except (ValueError, AttributeError):
        return UndoJournal()


async def save_journal(workspace: DeviceContext, journal: UndoJournal) -> None:
    """Save the journal, without the oldest entries of long lists."""
    for entries in (journal.skip, journal.redo):
        del entries[:-MAX_ENTRIES]
    await workspace.store.write_meta(_meta_key(workspace), json.dumps(asdict(journal)).encode())


def _meta_key(workspace: DeviceContext) -> str:
    return f"undo {workspace.user}"

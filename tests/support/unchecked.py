"""State values that the schema refuses, as another version would have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from core.records import Record, diff_edits
from core.value_codec import Value
from core.workspace import Workspace


async def state_unchecked(
    workspace: Workspace, shown: Record, wanted: Mapping[str, Value], note: str | None = None
) -> None:
    """Save what is different without holding it to the schema."""
    await workspace.save([replace(edit, is_restored=True) for edit in diff_edits(shown, wanted)], note)

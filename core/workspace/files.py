"""Taking over what a file holds, and writing one that others can take over."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import Refused
from core.importing import Line, read_lines
from core.store.writing import Imported
from core.sync import bundle, bundlefile
from core.sync.events import Progress as Moved

if TYPE_CHECKING:
    from core.workspace.context import DeviceContext, Progress


async def take(workspace: DeviceContext, path: Path, progress: Progress) -> Imported:
    """See `Workspace.import_file`."""
    if await asyncio.to_thread(bundlefile.is_bundle, path):
        return await _take_bundle(workspace, path, progress)
    lines = await asyncio.to_thread(_history, path)
    schema = await workspace.schema()
    return await workspace.store.import_history(workspace.identity, lines, schema, progress=progress)


async def export(workspace: DeviceContext, path: Path, progress: Progress) -> Imported:
    """See `Workspace.export_file`."""

    def told(event: Moved) -> None:
        progress(event.sent, event.to_send or event.sent)

    merged = await bundle.export(path, workspace.store, on_event=told)
    return Imported(merged.figures.sent, (await workspace.store.counts()).facts, 0)


async def _take_bundle(workspace: DeviceContext, path: Path, progress: Progress) -> Imported:
    def told(event: Moved) -> None:
        progress(event.received, event.to_receive or event.received)

    before = await workspace.store.counts()
    merged = await bundle.take(path, workspace.store, on_event=told)
    after = await workspace.store.counts()
    return Imported(merged.figures.received, after.facts - before.facts, merged.known)


def _history(path: Path) -> list[Line]:
    with path.open("rb") as file:
        if not file.read(256).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
            raise Refused("{path} is neither a bundle nor an edit history in JSON lines.", path=str(path))
        file.seek(0)
        return list(read_lines(file))

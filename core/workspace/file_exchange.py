"""Import a bundle or an edit history, and export a bundle."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import Refused
from core.history_import import HistoryLine, read_history
from core.store.commit import ImportResult
from core.sync import bundle, bundle_file
from core.sync.events import Progress as Moved

if TYPE_CHECKING:
    from core.device.context import DeviceContext
    from core.store.types import OnProgress


async def import_file(workspace: DeviceContext, path: Path, on_progress: OnProgress) -> ImportResult:
    """See `Workspace.import_file`."""
    if await asyncio.to_thread(bundle_file.is_bundle, path):
        return await _import_bundle(workspace, path, on_progress)
    lines = await asyncio.to_thread(_read_history, path)
    schema = await workspace.schema()
    await workspace.prepare_to_write()
    return await workspace.store.import_history(workspace.identity, lines, schema, on_progress=on_progress)


async def export_file(workspace: DeviceContext, path: Path, on_progress: OnProgress, *, plain: bool) -> ImportResult:
    """See `Workspace.export_file`."""

    def on_event(event: Moved) -> None:
        on_progress(event.sent, event.to_send or event.sent)

    load_keys = _no_keys if plain else workspace.seal_keys
    merged = await bundle.export_bundle(path, workspace.store, load_keys, on_event=on_event)
    return ImportResult(merged.stats.sent, (await workspace.store.counts()).facts, merged.left_out_count)


async def _no_keys() -> None:
    return None


async def _import_bundle(workspace: DeviceContext, path: Path, progress: OnProgress) -> ImportResult:
    def on_event(event: Moved) -> None:
        progress(event.received, event.to_receive or event.received)

    before = await workspace.store.counts()
    merged = await bundle.import_bundle(path, workspace.store, workspace.seal_keys, on_event=on_event)
    after = await workspace.store.counts()
    facts = after.facts - before.facts
    return ImportResult(merged.stats.received, facts, merged.known_count, merged.refused_count)


def _read_history(path: Path) -> list[HistoryLine]:
    with path.open("rb") as file:
        if not file.read(256).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
            raise Refused("{path} is neither a bundle nor an edit history in JSON lines.", path=str(path))
        file.seek(0)
        return read_history(file)

"""Sync once with what an endpoint names.

A device over tcp or a serial cable, or files.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import FieldlineError, Refused
from core.service.endpoint import parse_endpoint
from core.service.mounted_sticks import is_on_same_disk
from core.service.session_runner import TCP_PROFILE, OnEvent, SyncResult, loop_time, make_peer_filter, run_session
from core.sync import bundle, bundle_file
from core.sync.links import tcp
from core.sync.session import MODES
from core.values import quote_value

if TYPE_CHECKING:
    from core.device.context import DeviceContext


async def sync_once(
    workspace: DeviceContext, endpoint: str, *, mode: str | None, timeout_s: float | None, on_event: OnEvent
) -> SyncResult:
    """See `Workspace.sync`."""
    parsed = parse_endpoint(endpoint)
    if mode is not None and mode not in MODES:
        raise Refused("There is no mode {mode}: there are {modes}.", mode=quote_value(mode), modes=", ".join(MODES))
    if parsed.path is not None:
        return await _sync_files(workspace, parsed.path, on_event)
    workspace.identity.unlock()
    modes = tuple(MODES) if mode is None else (mode,)
    if parsed.serial is not None:
        from core.service import serial_sync

        return await serial_sync.sync_over_serial(
            workspace, parsed.serial, modes=modes, timeout_s=timeout_s, on_event=on_event
        )
    started_at_s = loop_time()
    connect_timeout_s = tcp.CONNECT_TIMEOUT_S if timeout_s is None else timeout_s
    link = await tcp.dial_tcp(
        parsed.host, parsed.port, workspace.identity, make_peer_filter(workspace), timeout_s=connect_timeout_s
    )
    try:
        return await run_session(
            workspace,
            link,
            TCP_PROFILE,
            initiator=True,
            modes=modes,
            started_at_s=started_at_s,
            timeout_s=timeout_s,
            on_event=on_event,
        )
    finally:
        await link.close()


async def _sync_files(workspace: DeviceContext, path: Path, on_event: OnEvent) -> SyncResult:
    started_at_s = loop_time()
    if await asyncio.to_thread(bundle_file.path_kind, path) == "nothing" and path.suffix != bundle_file.BUNDLE_SUFFIX:
        raise FieldlineError(
            "There is no folder or file {path}: is the stick mounted? The name of a new file ends in {suffix}.",
            path=str(path),
            suffix=bundle_file.BUNDLE_SUFFIX,
        )
    merged = await bundle.sync_bundle(path, workspace.store, workspace.seal_keys, on_event=on_event)
    root = (await workspace.store.summary()).root
    same = await asyncio.to_thread(is_on_same_disk, path, workspace.home.folder)
    duration_s = loop_time() - started_at_s
    return SyncResult(
        None,
        merged.stats,
        duration_s,
        root,
        merged.unreadable,
        same,
        merged.left_out_count,
        merged.sealed,
        merged.read_count,
    )

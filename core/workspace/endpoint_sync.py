"""Meeting another device or files once, over the link that the target names: tcp, a serial cable or a bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import Refused
from core.sync import bundle
from core.sync.links import tcp
from core.sync.session import MODES
from core.values import quoted
from core.workspace.endpoint import target_of
from core.workspace.meeting import TCP, Met, Told, allowed, meet, now

if TYPE_CHECKING:
    from core.workspace.context import DeviceContext


async def sync(workspace: DeviceContext, target: str, *, mode: str | None, timeout: float | None, told: Told) -> Met:
    """See `Workspace.sync`."""
    wanted = target_of(target)
    if mode is not None and mode not in MODES:
        raise Refused("There is no mode {mode}: there are {modes}.", mode=quoted(mode), modes=", ".join(MODES))
    if wanted.path is not None:
        return await _files(workspace, wanted.path, told)
    modes = tuple(MODES) if mode is None else (mode,)
    if wanted.serial is not None:
        from core.workspace import cables

        return await cables.sync(workspace, wanted.serial, modes=modes, timeout=timeout, told=told)
    began = now()
    seconds = tcp.CONNECT_SECONDS if timeout is None else timeout
    link = await tcp.connect(wanted.host, wanted.port, workspace.identity, allowed(workspace), timeout=seconds)
    try:
        return await meet(workspace, link, TCP, initiator=True, modes=modes, began=began, timeout=timeout, told=told)
    finally:
        await link.close()


async def _files(workspace: DeviceContext, path: Path, told: Told) -> Met:
    began = now()
    merged = await bundle.sync(path, workspace.store, on_event=told)
    root = (await workspace.store.summary()).root
    return Met(None, merged.figures, now() - began, root, merged.unreadable)

"""Trying something out on a copy of this device that is thrown away afterwards, with the code of the real thing."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from core.workspace.backup import backup
from core.workspace.context import DeviceContext
from core.workspace.home import KEY, SETTINGS, STORE

Opened = TypeVar("Opened", bound=DeviceContext)


def _untold(done: int, total: int) -> None:
    """Where nobody wants to know."""


@asynccontextmanager
async def copy(workspace: Opened) -> AsyncIterator[Opened]:
    """This device as it is now, in a folder that is gone in the end; it needs as much room as the store has."""
    with tempfile.TemporaryDirectory(prefix=".rehearsal-", dir=workspace.home.folder) as name:
        folder = Path(name)
        await backup(workspace, folder / STORE, _untold)
        for part in (KEY, SETTINGS):
            if (workspace.home.folder / part).exists():
                os.link(workspace.home.folder / part, folder / part)
        kind = type(workspace)
        other = await kind.open(folder, user=workspace.user, clock=workspace.clock, entropy=workspace.entropy)
        async with other:
            yield other

"""Trying something out on a copy of this device that is thrown away afterwards, with the code of the real thing."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from core.workspace.home import KEY, SETTINGS, STORE
from core.workspace.workspace import Workspace


@asynccontextmanager
async def copy(workspace: Workspace) -> AsyncIterator[Workspace]:
    """This device as it is now, in a folder that is gone in the end; it needs as much room as the store has."""
    with tempfile.TemporaryDirectory(prefix=".rehearsal-", dir=workspace.home.folder) as name:
        folder = Path(name)
        await workspace.backup(folder / STORE)
        for part in (KEY, SETTINGS):
            if (workspace.home.folder / part).exists():
                os.link(workspace.home.folder / part, folder / part)
        other = await Workspace.open(folder, user=workspace.user, clock=workspace.clock, entropy=workspace.entropy)
        async with other:
            yield other

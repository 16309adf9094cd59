"""Open a copy of this device to try something out, with the real code."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from core.device.context import DeviceContext
from core.device.home import KEY_FILE, SETTINGS_FILE, STORE_FILE
from core.paths import exists
from core.workspace.backup import backup_store

Opened = TypeVar("Opened", bound=DeviceContext)


def _ignore_progress(done: int, total: int) -> None:
    """Ignore the progress."""


@asynccontextmanager
async def open_copy(workspace: Opened) -> AsyncIterator[Opened]:
    """Open a copy of this device in a temporary folder.

    It needs as much room as the store has.
    """
    with tempfile.TemporaryDirectory(prefix=".rehearsal-", dir=workspace.home.folder) as name:
        folder = Path(name)
        await backup_store(workspace, folder / STORE_FILE, _ignore_progress, plain=True)
        for part in (KEY_FILE, SETTINGS_FILE):
            if exists(workspace.home.folder / part):
                os.link(workspace.home.folder / part, folder / part)
        kind = type(workspace)
        other = await kind.open(folder, user=workspace.user, clock=workspace.clock, entropy=workspace.entropy)
        async with other:
            yield other

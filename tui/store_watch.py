"""Refresh the screens when something was written, here or by another process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from core.errors import FieldlineError
from tui.i18n.translate import error_text

if TYPE_CHECKING:
    from tui.app_state import AppState

MIN_REFRESH_INTERVAL_S = 2.0
"""How often the screens are refreshed while much is written: on a slow line each time costs much of it."""


async def watch_store(app: AppState, show_error: Callable[[str], None]) -> None:
    """Refresh the screens as soon as this or another process, or a sync, has written.

    While much is written it is shown every other second: reading and drawing it again costs, on a slow line most.
    """
    from core.workspace.own_chain import read_doubt

    with suppress(FieldlineError):
        if doubt := await read_doubt(app.workspace):
            show_error(error_text(doubt))
    root = b""
    while True:
        try:
            changed = await app.workspace.store.wait_for_change(60)
            before, root = root, (await app.workspace.store.summary()).root
            # What reading the inbox notes down for itself is no change.
            if changed and (root != before or app.inbox_loader.progress is None):
                await app.refresh_data()
                app.equipment_monitor.poke()
                await asyncio.sleep(MIN_REFRESH_INTERVAL_S)
        except FieldlineError as error:
            show_error(error_text(error))

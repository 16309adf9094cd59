"""What `serve` tells of the mirror that it keeps, as objects for its event lines."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from core.errors import FieldlineError
from core.mirror import state_file
from core.mirror.findings import NOT_INSTALLED
from core.mirror.settings import parse_dsn
from core.mirror.state_file import MirrorState
from core.store.connection import StoreGone
from tui.cli.context import CliContext
from tui.i18n.translate import error_text

if TYPE_CHECKING:
    from core.mirror.mirror import MirrorResult
    from core.workspace import Workspace

PrintEvent = Callable[[dict[str, Any]], None]
LOCK_RETRY_S = 5.0
"""How often is looked whether the process that keeps the mirror has ended."""


async def serve_mirror(context: CliContext, print_event: PrintEvent) -> None:
    """Keep the mirror of the settings until cancelled, and tell of each run.

    At once done if there is none.
    """
    from core.device.home import Home

    try:
        dsn = parse_dsn(Home(context.home).read_settings())
        if dsn is None:
            return
        try:
            import core.mirror.follower  # noqa: F401 - psycopg is there only with an extra
        except ImportError:
            raise NOT_INSTALLED from None
        while (lock := _try_lock(context)) is None:  # noqa: ASYNC110 - it is another process that releases it
            await asyncio.sleep(LOCK_RETRY_S)
        try:
            async with await context.open_workspace() as workspace:
                await _MirrorTeller(workspace, print_event).follow(dsn)
        finally:
            os.close(lock)
    except StoreGone:
        # Who serves from the same store finds it out, too, and says so.
        pass
    except FieldlineError as error:
        print_event(_failed(error))


def _try_lock(context: CliContext) -> int | None:
    try:
        return state_file.try_lock(context.home)
    except OSError as error:
        raise FieldlineError(
            "{path} cannot be written: {why}. It is as it was.",
            path=str(context.home / state_file.LOCK_FILE),
            why=error.strerror or str(error),
        ) from None


class _MirrorTeller:
    """Keeps the mirror, and its state for `doctor`.

    What fails for the same reason again is told once.
    """

    def __init__(self, workspace: Workspace, print_event: PrintEvent) -> None:
        self._workspace = workspace
        self._print_event = print_event
        self._state: MirrorState | None = None

    async def follow(self, dsn: str) -> None:
        from core.mirror.follower import follow

        await follow(
            self._workspace, self._workspace.lazy_inbox, dsn, on_result=self._on_result, on_error=self._on_error
        )

    def _on_result(self, result: MirrorResult) -> None:
        has_change = result.change_count or self._state != MirrorState()
        # Who hears of it finds the state already.
        self._set_state(MirrorState())
        if has_change:
            self._print_event({"event": "mirrored", **result_json(result)})

    def _on_error(self, error: FieldlineError, wait_s: float) -> bool:
        before = self._state or MirrorState()
        after = before.after_error(error, self._workspace.clock())
        self._set_state(after)
        if after.error != before.error:
            self._print_event(_failed(error))
        return True

    def _set_state(self, state: MirrorState) -> None:
        if state != self._state:
            self._state = state
            # What `doctor` reads; the mirror goes on without it.
            with suppress(OSError):
                state_file.write_state(self._workspace.home.folder, state)


def result_json(result: MirrorResult) -> dict[str, Any]:
    """What a run of the mirror wrote, as the verb's JSON."""
    return {
        "changes": result.change_count,
        "facts": result.fact_count,
        "root": result.root.hex(),
        "seconds": round(result.seconds, 3),
    }


def _failed(error: FieldlineError) -> dict[str, Any]:
    return {"event": "failed", "message": error_text(error), "link": "mirror", "peer": None}

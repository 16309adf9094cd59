"""What `serve` tells of the hooks that it runs, as objects for its event lines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from core.errors import FieldlineError
from core.value_codec import CHANGE_ID_BYTES
from tui.cli.context import CliContext
from tui.i18n.translate import error_text

if TYPE_CHECKING:
    from core.hooks.runner import HookEvent

SETTINGS_INTERVAL_S = 5.0
"""How often is looked whether the settings have hooks by now."""
PrintEvent = Callable[[dict[str, Any]], None]


async def serve_hooks(context: CliContext, print_event: PrintEvent) -> None:
    """Run the hooks of this device until cancelled, and tell of each time.

    The store is opened once it has some.
    """
    from core.device.home import Home

    try:
        while not Home(context.home).read_settings().get("hooks"):  # noqa: ASYNC110 - an editor tells nobody
            await asyncio.sleep(SETTINGS_INTERVAL_S)
        from core.hooks.runner import run_hooks

        async with await context.open_workspace() as workspace:
            await run_hooks(workspace, lambda event: print_event(_event_json(event)))
    except FieldlineError as error:
        print_event({"event": "failed", "message": error_text(error), "link": "hooks", "peer": None})


def _event_json(event: HookEvent) -> dict[str, Any]:
    outcome = "done" if event.error is None else "given-up" if event.has_given_up else "failed"
    return {
        "event": "hook",
        "hook": event.hook,
        "outcome": outcome,
        "attempt": event.attempt,
        "change": None if event.fact is None else event.fact[:CHANGE_ID_BYTES].hex(),
        "fact": None if event.fact is None else event.fact.hex(),
        "message": None if event.error is None else error_text(event.error),
    }

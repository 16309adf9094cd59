"""The verb that opens the terminal UI. Nothing else on the command line loads it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from core.errors import Refused
from tui.cli.desk import Desk
from tui.cli.help import option, verb
from tui.i18n import N_

if TYPE_CHECKING:
    from core.workspace import Workspace


@verb(N_("Open the terminal UI."))
@option("--readonly", is_flag=True, help=N_("Change nothing."))
@option("--ascii", "plain", is_flag=True, help=N_("Draw with ASCII characters only."))
@option("--no-mouse", is_flag=True, help=N_("Leave the mouse to the terminal, which saves a slow line a lot."))
async def tui(desk: Desk, readonly: bool, plain: bool, no_mouse: bool) -> int:
    if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
        raise Refused("The terminal UI needs a terminal; `fieldline --help` lists the verbs that need none.")
    async with await desk.open() as workspace:
        return await opened(workspace, readonly=readonly, plain=plain, mouse=not no_mouse)


async def opened(workspace: Workspace, *, readonly: bool = False, plain: bool = False, mouse: bool = True) -> int:
    """Show the terminal UI on a workspace until it is left; gives the exit code."""
    from core.workspace import system_clock
    from tui.app import FieldlineApp, Options

    app = FieldlineApp(workspace, system_clock, Options(readonly=readonly, plain=plain, discovery=True))
    await app.run_async(mouse=mouse)
    return app.return_code or 0

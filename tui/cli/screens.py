"""The verb that opens the terminal UI. Nothing else on the command line loads it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.errors import Refused
from tui import i18n
from tui.cli.desk import Desk
from tui.cli.help import option, verb
from tui.i18n import N_
from tui.options import THEMES

if TYPE_CHECKING:
    from core.workspace import Workspace
    from tui.options import Settings


@verb(N_("Open the terminal UI. Without a device in the home it helps to start a fleet or to join one."))
@option("--readonly", is_flag=True, help=N_("Change nothing."))
@option("--ascii", "plain", is_flag=True, help=N_("Draw with ASCII characters only."))
@option("--no-mouse", is_flag=True, help=N_("Leave the mouse to the terminal, which saves a slow line a lot."))
@option("--theme", type=click.Choice(THEMES), help=N_("The colours to use."))
@option("--no-discovery", is_flag=True, help=N_("Do not look for other devices in the network."))
@option(
    "--options",
    "options_path",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help=N_("The file with your options (or set FIELDLINE_OPTIONS)."),
)
async def tui(
    desk: Desk,
    readonly: bool,
    plain: bool,
    no_mouse: bool,
    theme: str | None,
    no_discovery: bool,
    options_path: Path | None,
) -> int:
    from tui import options

    if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
        raise Refused("The terminal UI needs a terminal; `fieldline --help` lists the verbs that need none.")
    path = options_path or options.default_path(os.environ)
    said = _with_flags(
        options.read(path, needed=options_path is not None), readonly, plain, no_mouse, theme, no_discovery
    )
    _prepare(said)
    if not _has_device(desk) and not await _first_run(desk, said):
        return 0
    async with await desk.open() as workspace:
        return await opened(workspace, said)


def _with_flags(
    said: Settings, readonly: bool, plain: bool, no_mouse: bool, theme: str | None, no_discovery: bool
) -> Settings:
    """What the file says, where the call says nothing else."""
    from dataclasses import replace

    return replace(
        said,
        readonly=readonly or said.readonly,
        ascii=plain or said.ascii,
        mouse=False if no_mouse else said.mouse,
        theme=theme or said.theme,
        discovery=False if no_discovery else said.discovery,
    )


def _prepare(said: Settings) -> None:
    """Use the language and the keys that somebody wants, before a screen is imported."""
    from tui import commands

    root = click.get_current_context().find_root()
    if said.language and not root.params.get("lang"):
        i18n.use(said.language)
    commands.rebind(said.keys)


def _has_device(desk: Desk) -> bool:
    from core.workspace.home import Home

    return Home(desk.home).store.exists()


async def _first_run(desk: Desk, said: Settings) -> bool:
    """Help to start a fleet or to join one; False if somebody left instead."""
    from tui.app import FirstRun

    guide = FirstRun(desk.home, desk.user, plain=bool(said.ascii), theme=said.theme or THEMES[0])
    return bool(await guide.run_async(mouse=False))


async def opened(workspace: Workspace, said: Settings | None = None) -> int:
    """Show the terminal UI on a workspace until it is left; gives the exit code."""
    from core.workspace import system_clock
    from tui.app import FieldlineApp, Options
    from tui.options import Settings

    said = said or Settings()
    wanted = Options(
        readonly=bool(said.readonly),
        plain=bool(said.ascii),
        discovery=said.discovery is not False,
        theme=said.theme or THEMES[0],
    )
    app = FieldlineApp(workspace, system_clock, wanted)
    await app.run_async(mouse=said.mouse is not False)
    return app.return_code or 0

"""The verb that opens the terminal UI. Nothing else on the command line loads it."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.errors import Refused
from tui.cli.desk import Desk
from tui.cli.help import option, verb
from tui.language import i18n
from tui.language.i18n import N_
from tui.options import THEMES

if TYPE_CHECKING:
    from core.workspace import Workspace
    from tui.app import FieldlineApp
    from tui.options import Settings

_UNABLE = ("dumb", "unknown")
"""What a terminal is called that cannot move its cursor."""


@verb(N_("Open the terminal UI. Without a device in the home it helps to start a fleet or to join one."))
@option("--readonly", is_flag=True, help=N_("Change nothing."))
@option("--ascii", "plain", is_flag=True, help=N_("Draw with ASCII characters only."))
@option("--no-mouse", is_flag=True, help=N_("Leave the mouse to the terminal, which saves a slow line a lot."))
@option("--theme", type=click.Choice(THEMES), help=N_("The colours to use."))
@option("--no-discovery", is_flag=True, help=N_("Do not look for other devices in the network."))
@option("--kiosk", is_flag=True, help=N_("Let nobody out, and ask for a PIN for all but this place."))
@option("--set-pin", is_flag=True, help=N_("Ask for the PIN of the kiosk, keep it and leave."))
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
    kiosk: bool,
    set_pin: bool,
    options_path: Path | None,
) -> int:
    from tui import options

    if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
        raise Refused("The terminal UI needs a terminal; `fieldline --help` lists the verbs that need none.")
    if (term := os.environ.get("TERM", "")) in _UNABLE:
        raise Refused(
            "This terminal cannot show screens (TERM={term}); `fieldline --help` lists the verbs that need none.",
            term=term,
        )
    if set_pin:
        return _set_pin(desk)
    if kiosk:
        _ignore_keyboard()
    path = options_path or options.default_path(os.environ)
    said = _with_flags(
        options.read(path, needed=options_path is not None), readonly, plain, no_mouse, theme, no_discovery
    )
    _prepare(said)
    if not kiosk and not _has_device(desk) and not await _first_run(desk, said):
        return 0
    async with await desk.open() as workspace:
        return await opened(workspace, said, kiosk=kiosk)


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
    from tui.firstrun import FirstRun

    guide = FirstRun(desk.home, desk.user, plain=bool(said.ascii), theme=said.theme or THEMES[0])
    return bool(await guide.run_async(mouse=False))


def _ignore_keyboard() -> None:
    """Let no key end or stop a kiosk while it starts; once it is there, keys are only keys."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _set_pin(desk: Desk) -> int:
    """Ask for the PIN twice and keep it."""
    from getpass import getpass

    from core.errors import FieldlineError
    from core.workspace import system_clock
    from tui.pin import Pin

    if not _has_device(desk):
        raise FieldlineError("There is no device in {path}: set it up first.", path=str(desk.home))
    pin = getpass(i18n._("New PIN of the kiosk (4 to 12 digits): "))
    if pin != getpass(i18n._("Again: ")):
        raise Refused("The two are not the same: nothing was changed.")
    Pin(desk.home, system_clock).set(pin)
    desk.say(i18n._("The PIN is set."))
    return 0


async def opened(workspace: Workspace, said: Settings | None = None, *, kiosk: bool = False) -> int:
    """Show the terminal UI on a workspace until it is left; gives the exit code."""
    from core.workspace import nearby, system_clock
    from tui.app import FieldlineApp
    from tui.options import Settings
    from tui.status import Options

    said = said or Settings()
    wanted = Options(
        readonly=bool(said.readonly),
        plain=bool(said.ascii),
        discovery=said.discovery is not False,
        theme=said.theme or THEMES[0],
    )
    here = await nearby.chosen(workspace)
    if kiosk:
        from tui.kiosk import IDLE_SECONDS, KioskApp

        app: FieldlineApp = KioskApp(workspace, system_clock, wanted, said.idle or IDLE_SECONDS, here=here)
    else:
        app = FieldlineApp(workspace, system_clock, wanted, here=here)
    gc.freeze()
    freezing = asyncio.create_task(_freeze_when_loaded(app))
    await app.run_async(mouse=said.mouse is not False)
    freezing.cancel()
    return app.return_code or 0


async def _freeze_when_loaded(app: FieldlineApp) -> None:
    """What is here by then stays: looking through it for garbage would hold keys up for 50 ms, again and again."""
    await app.loaded.wait()
    gc.freeze()

"""The verb that opens the terminal UI. Nothing else on the command line loads it."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from core.errors import Refused
from core.paths import exists
from tui.cli.context import CliContext
from tui.cli.help import option, verb
from tui.i18n import translate
from tui.i18n.translate import N_
from tui.looks import THEME_NAMES

if TYPE_CHECKING:
    from core.workspace import Workspace
    from tui.app import FieldlineApp
    from tui.options import FileOptions
    from tui.setup_wizard import SetupWizard
    from tui.terminal.profile import TerminalProfile

AnyApp = TypeVar("AnyApp", bound="FieldlineApp | SetupWizard")

_MESSAGE_S = 10.0
"""Seconds after which a message goes away: long enough to read two lines, and to look up first."""
_DETAILS_DELAY_S, _SLOW_DETAILS_DELAY_S = 0.15, 0.6
"""Seconds that the cursor rests before details follow: longer than a key that is held down takes to come again."""
_INCAPABLE_TERMINALS = ("dumb", "unknown")
"""What a terminal is called that cannot move its cursor."""


@verb(
    N_("Open the terminal UI. Without a device in the home it helps to create a fleet or to join one."),
    prints_data=False,
)
@option("--readonly", is_flag=True, help=N_("Change nothing."))
@option("--ascii", is_flag=True, help=N_("Draw with ASCII characters only."))
@option("--plain", is_flag=True, help=N_("Draw nothing, but say what is there in lines, for a screen reader."))
@option("--no-mouse", is_flag=True, help=N_("Leave the mouse to the terminal, which saves a slow line a lot."))
@option("--theme", type=click.Choice(THEME_NAMES), help=N_("The colours to use."))
@option("--slow", is_flag=True, help=N_("Write as little as possible, as on a slow serial line."))
@option("--no-discovery", is_flag=True, help=N_("Do not look for other devices in the network."))
@option("--kiosk", is_flag=True, help=N_("Let nobody out, and ask for a PIN for all but this place."))
@option("--set-pin", is_flag=True, help=N_("Ask for the PIN of the kiosk, keep it and leave."))
@option(
    "--pin-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help=N_("Keep the PIN in this file's first line (`-`: standard input), and leave; for scripts."),
)
@option(
    "--options",
    "options_path",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help=N_("The file with your options (or set FIELDLINE_OPTIONS)."),
)
async def tui(
    context: CliContext,
    readonly: bool,
    ascii: bool,
    plain: bool,
    no_mouse: bool,
    theme: str | None,
    slow: bool,
    no_discovery: bool,
    kiosk: bool,
    set_pin: bool,
    pin_file: Path | None,
    options_path: Path | None,
) -> int:
    from tui import options

    if pin_file is not None:
        from tui.cli.pin import keep_pin

        keep_pin(context, pin_file)
        return 0
    if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
        raise Refused("The terminal UI needs a terminal; `fieldline --help` lists the commands that need none.")
    if set_pin:
        from tui.cli.pin import keep_pin

        keep_pin(context, None)
        return 0
    if kiosk:
        _ignore_keyboard()
    path = options_path or options.default_options_path(os.environ)
    chosen = options.merge_options(
        options.read_options(path, required=options_path is not None),
        readonly=readonly or None,
        ascii=ascii or None,
        plain=plain or None,
        mouse=False if no_mouse else None,
        theme=theme,
        slow=slow or None,
        discovery=False if no_discovery else None,
    )
    if (term := os.environ.get("TERM", "")) in _INCAPABLE_TERMINALS and not chosen.plain:
        raise Refused(
            "This terminal cannot show screens (TERM={term}): try `fieldline tui --plain`; `fieldline --help` lists the"
            " commands that need none.",
            term=term,
        )
    _prepare(chosen)
    # What is being loaded stays: to look through it again and again for what could go takes a tenth of the start.
    gc.disable()
    # Before the store is opened, which may ask for a passphrase: the terminal's answer is none.
    profile = _read_profile(chosen, is_kiosk=kiosk)
    if not kiosk and not _is_device_there(context) and (code := await _run_setup(context, chosen, profile)) is not None:
        return code
    async with await context.open_workspace() as workspace:
        if not workspace.home.has_plain_key():
            # Whoever has the passphrase is asked while the terminal is still a plain one.
            workspace.identity.unlock()
        return await run_app(workspace, chosen, profile, is_kiosk=kiosk)


def _read_profile(chosen: FileOptions, *, is_kiosk: bool = False) -> TerminalProfile:
    """Find out what the terminal can show, and load the screens while it answers."""
    from importlib import import_module

    from tui.terminal.profile import read_profile

    def load() -> None:
        import_module("tui.kiosk" if is_kiosk else "tui.app")

    theme = "mono" if chosen.plain else chosen.theme or "auto"
    return read_profile(theme, bool(chosen.slow), os.environ, sys.stdout.fileno(), load)


def _prepare(chosen: FileOptions) -> None:
    """Use the language and the keys that somebody wants, before a screen is imported."""
    from tui import commands

    root = click.get_current_context().find_root()
    if chosen.language and not root.params.get("lang"):
        translate.set_language(chosen.language)
    commands.rebind_keys(chosen.keys)


def _is_device_there(context: CliContext) -> bool:
    from core.device.home import Home

    return exists(Home(context.home).store)


async def _run_setup(context: CliContext, chosen: FileOptions, profile: TerminalProfile) -> int | None:
    """Help to start a fleet or to join one.

    Return the exit code if somebody left instead.
    """
    from tui.setup_wizard import SetupWizard
    from tui.widgets.role_styles import Palette

    gc.enable()
    palette = Palette(profile.theme, profile.colours)
    wizard = _shown(SetupWizard, chosen)(context.home, context.user, plain=_is_ascii(chosen, profile), palette=palette)
    return None if await wizard.run_async(mouse=False) else wizard.return_code or 0


def _ignore_keyboard() -> None:
    """Let no key end or stop a kiosk while it starts.

    Once it is there, keys are only keys.
    """
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _is_ascii(chosen: FileOptions, profile: TerminalProfile) -> bool:
    """Whether glyphs are those of ASCII.

    By what somebody wants, else by what the terminal can show.
    """
    return not profile.has_glyphs if chosen.ascii is None else chosen.ascii


async def run_app(
    workspace: Workspace,
    chosen: FileOptions | None = None,
    profile: TerminalProfile | None = None,
    *,
    is_kiosk: bool = False,
) -> int:
    """Show the terminal UI on a workspace until it is left; return the exit code."""
    from core.service import location
    from core.workspace import system_clock
    from tui.app import FieldlineApp
    from tui.app_status import Options
    from tui.options import FileOptions

    chosen = chosen or FileOptions()
    profile = profile or _read_profile(chosen)
    wanted = Options(
        readonly=bool(chosen.readonly),
        plain=_is_ascii(chosen, profile),
        discovery=chosen.discovery is not False,
        equipment=True,
        theme=profile.theme,
        colours=profile.colours,
        slow=profile.is_slow,
        typed_ahead=profile.typed_ahead,
        message_s=_MESSAGE_S,
        details_delay_s=_SLOW_DETAILS_DELAY_S if profile.is_slow else _DETAILS_DELAY_S,
        here_only=bool(chosen.here_only),
    )
    here = await location.read_location(workspace)
    if is_kiosk:
        from tui.kiosk import DEFAULT_IDLE_S, KioskApp

        idle_s = chosen.idle or DEFAULT_IDLE_S
        app: FieldlineApp = _shown(KioskApp, chosen)(workspace, system_clock, wanted, idle_s, here=here)
    else:
        app = _shown(FieldlineApp, chosen)(workspace, system_clock, wanted, here=here)
    freezing = asyncio.create_task(_freeze_when_loaded(app))
    try:
        await app.run_async(mouse=chosen.mouse is not False and not chosen.plain)
    finally:
        freezing.cancel()
        gc.enable()
    return app.return_code or 0


def _shown(app: type[AnyApp], chosen: FileOptions) -> type[AnyApp]:
    """The class of an application that is drawn, or said in lines."""
    if not chosen.plain:
        return app
    from tui.terminal.screen_reader import speaking_app

    return speaking_app(app)


async def _freeze_when_loaded(app: FieldlineApp) -> None:
    """Begin to collect garbage, but not in what is loaded, which would hold up keys.

    For 50 ms again and again.
    """
    await app.painted.wait()
    gc.freeze()
    gc.enable()
    await app.loaded.wait()
    gc.freeze()

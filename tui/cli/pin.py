"""Keep the PIN of a kiosk.

One that is asked for at the terminal, or that stands in a file.
"""

from __future__ import annotations

from pathlib import Path

from core.device.home import Home
from core.errors import FieldlineError, Refused
from core.paths import exists
from core.workspace import system_clock
from tui.cli.context import CliContext
from tui.cli.secret_file import read_secret
from tui.i18n.translate import _
from tui.pin import KioskPin


def keep_pin(context: CliContext, file: Path | None) -> None:
    """Keep the PIN from a file's first line (`-`: stdin), or ask for it twice.

    Raises FieldlineError if there is no device or the file cannot be read, Refused for what is no PIN.
    """
    if not exists(Home(context.home).store):
        raise FieldlineError("There is no device in {path}: set it up first.", path=str(context.home))
    KioskPin(context.home, system_clock).set(_ask() if file is None else read_secret(file))
    context.print_message(_("The PIN is set."))


def _ask() -> str:
    from getpass import getpass

    pin = getpass(_("New PIN of the kiosk (4 to 12 digits): "))
    if pin != getpass(_("Again: ")):
        raise Refused("The two are not the same: nothing was changed.")
    return pin

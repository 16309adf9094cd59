"""Ask for the passphrase of this device's key.

From a file that was named, else at the terminal, without echo.
"""

from __future__ import annotations

import sys
from pathlib import Path

from core.errors import FieldlineError, Refused
from core.identity import ask_nobody
from tui.cli.secret_file import read_secret
from tui.i18n.translate import _


def read_passphrase(file: Path | None, question: str | None = None) -> str:
    """Read the passphrase: a file's first line, stdin (`-`), or what is typed.

    Raises Refused for a file without one, FieldlineError if it cannot be read or nobody is there to ask.
    """
    return read_secret(file) if file is not None else _ask(question or _("Passphrase of this device's key: "))


def read_new_passphrase(file: Path | None, question: str | None = None) -> str:
    """Read a passphrase that is to be set; at the terminal it is typed twice.

    Raises as `read_passphrase` does.
    """
    if file is not None:
        return read_secret(file)
    if not sys.stdin.isatty():
        raise FieldlineError("There is nobody to ask for the passphrase: name a file with --passphrase-file.")
    passphrase = _ask(question or _("New passphrase of this device's key: "))
    if passphrase != _ask(_("Again: ")):
        raise Refused("The two are not the same: nothing was changed.")
    return passphrase


def _ask(question: str) -> str:
    from getpass import getpass

    if not sys.stdin.isatty():
        return ask_nobody()
    try:
        return getpass(question, stream=sys.stderr)
    except (EOFError, UnicodeDecodeError):
        return ask_nobody()

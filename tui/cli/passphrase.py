"""Ask for the passphrase of this device's key.

From a file that was named, else at the terminal, without echo.
"""

from __future__ import annotations

import sys
from pathlib import Path

from core.errors import FieldlineError, Refused
from core.identity import ask_nobody
from core.values import quote_value
from tui.i18n.translate import _

MAX_FILE_BYTES = 4096
"""Read of a passphrase's file: more is another file, named by mistake."""


def read_passphrase(file: Path | None) -> str:
    """Read the passphrase: a file's first line, stdin (`-`), or what is typed.

    Raises Refused for a file without one, FieldlineError if it cannot be read or nobody is there to ask.
    """
    return _read_file(file) if file is not None else _ask(_("Passphrase of this device's key: "))


def read_new_passphrase(file: Path | None) -> str:
    """Read a passphrase that is to be set; at the terminal it is typed twice.

    Raises as `read_passphrase` does.
    """
    if file is not None:
        return _read_file(file)
    passphrase = _ask(_("New passphrase of this device's key: "))
    if passphrase != _ask(_("Again: ")):
        raise Refused("The two are not the same: nothing was changed.")
    return passphrase


def _read_file(path: Path) -> str:
    try:
        if str(path) == "-":
            data = sys.stdin.buffer.read(MAX_FILE_BYTES)
        else:
            with path.open("rb") as file:
                data = file.read(MAX_FILE_BYTES)
    except OSError as error:
        raise FieldlineError(
            "The passphrase cannot be read from {path} ({why}): name another file.",
            path=quote_value(str(path)),
            why=error.strerror or str(error),
        ) from None
    try:
        passphrase = data.splitlines()[0].decode() if data else ""
    except UnicodeDecodeError:
        passphrase = ""
    if not passphrase:
        raise Refused(
            "{path} holds no passphrase: it is to stand in the first line, in UTF-8.", path=quote_value(str(path))
        )
    return passphrase


def _ask(question: str) -> str:
    from getpass import getpass

    if not sys.stdin.isatty():
        return ask_nobody()
    try:
        return getpass(question, stream=sys.stderr)
    except (EOFError, UnicodeDecodeError):
        return ask_nobody()

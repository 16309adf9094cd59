"""Read a secret from a file that a call names.

Its first line, with `-` from standard input.
"""

from __future__ import annotations

import sys
from pathlib import Path

from core.errors import FieldlineError, Refused
from core.values import quote_value

MAX_FILE_BYTES = 4096
"""Read of a secret's file: more is another file, named by mistake."""


def read_secret(path: Path) -> str:
    """Read the first line.

    Raises FieldlineError if the file cannot be read, Refused if its first line is empty or not UTF-8.
    """
    try:
        if str(path) == "-":
            data = sys.stdin.buffer.read(MAX_FILE_BYTES)
        else:
            with path.open("rb") as file:
                data = file.read(MAX_FILE_BYTES)
    except OSError as error:
        raise FieldlineError(
            "{path} cannot be read ({why}): name another file.",
            path=quote_value(str(path)),
            why=error.strerror or str(error),
        ) from None
    try:
        secret = data.splitlines()[0].decode() if data else ""
    except UnicodeDecodeError:
        secret = ""
    if not secret:
        raise Refused(
            "{path} holds no passphrase or PIN: it is to stand in the first line, in UTF-8.",
            path=quote_value(str(path)),
        )
    return secret

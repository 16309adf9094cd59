"""Read and write the fleet's recovery key.

At the terminal, or in a file under a passphrase.
"""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import FieldlineError, Refused
from core.identity import write_secret_file
from core.paths import exists
from core.recovery_key import parse_recovery_text
from core.sealed_key import (
    MAX_FILE_BYTES,
    NONCE_BYTES,
    SALT_BYTES,
    SEALED_PREFIX,
    MalformedKey,
    decode_sealed_key,
    seal_key,
)
from core.values import quote_value
from tui.cli.passphrase import read_new_passphrase, read_passphrase
from tui.i18n.translate import _

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def write_recovery_file(path: Path, key: Ed25519PrivateKey, passphrase_file: Path | None) -> None:
    """Write a recovery key under a passphrase into a new file, for its owner alone.

    Raises Refused if there is a file already, FieldlineError if it cannot be written.
    """
    if exists(path):
        raise Refused("{path} is there already: name a new file.", path=quote_value(str(path)))
    passphrase = read_new_passphrase(passphrase_file, _("New passphrase of the recovery key: "))
    sealed = seal_key(key, passphrase, secrets.token_bytes(SALT_BYTES), secrets.token_bytes(NONCE_BYTES))
    try:
        write_secret_file(path, sealed.encode())
    except OSError as error:
        raise FieldlineError(
            "The recovery key cannot be written to {path} ({why}): name another file.",
            path=quote_value(str(path)),
            why=error.strerror or str(error),
        ) from None


def remove_recovery_file(path: Path) -> None:
    """Remove the file of a recovery key that no fleet knows."""
    path.unlink(missing_ok=True)


def read_recovery_key(path: Path | None, passphrase_file: Path | None) -> Ed25519PrivateKey:
    """Read a recovery key from a file, sealed or as it was printed.

    Or as it is typed without echo.

    Raises Refused for what is none, FieldlineError if it cannot be read or nobody is there to ask.
    """
    if path is None:
        return parse_recovery_text(_ask())
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise FieldlineError(
            "The recovery key cannot be read from {path} ({why}): name another file.",
            path=quote_value(str(path)),
            why=error.strerror or str(error),
        ) from None
    if not data.startswith(SEALED_PREFIX):
        return parse_recovery_text(data.decode("ascii", errors="replace"))
    try:
        sealed = decode_sealed_key(data)
    except MalformedKey:
        raise Refused("{path} is damaged: it holds no recovery key.", path=quote_value(str(path))) from None
    return sealed.open(read_passphrase(passphrase_file, _("Passphrase of the recovery key: ")))


def _ask() -> str:
    from getpass import getpass

    if not sys.stdin.isatty():
        raise FieldlineError("There is nobody to ask for the recovery key: name the file with --recovery-file.")
    try:
        return getpass(_("Recovery key of the fleet: "), stream=sys.stderr)
    except (EOFError, UnicodeDecodeError):
        raise Refused("No recovery key was typed: nothing was changed.") from None

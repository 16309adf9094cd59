"""Writing a file made from a template.

All of it or nothing, owner and mode kept, the old one beside.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from core import temporary_files
from core.errors import FieldlineError
from core.paths import exists

MAX_FILE_BYTES = 1 << 20
BACKUP_SUFFIX = ".fieldline-old"
DEFAULT_MODE = 0o644


def read_text(path: Path) -> str | None:
    """The text of a file, None if there is none.

    Raises FieldlineError if it cannot be read or is no text file.
    """
    try:
        with path.open("rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise FieldlineError("{path} is not a file.", path=str(path))
            data = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FieldlineError("{path} cannot be read: {why}.", path=str(path), why=error.strerror) from None
    if len(data) > MAX_FILE_BYTES:
        raise FieldlineError("{path} is larger than {limit} bytes.", path=str(path), limit=MAX_FILE_BYTES)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise FieldlineError("{path} is not UTF-8 text.", path=str(path)) from None


def write_text(path: Path, text: str) -> None:
    """Put a text in place of a file.

    Raises FieldlineError, and then the file is as it was.
    """
    target = Path(os.path.realpath(path))
    try:
        before = target.stat() if exists(target) else None
        with temporary_files.open_replacement(target) as file:
            file.write(text.encode("utf-8"))
            os.fchmod(file.fileno(), DEFAULT_MODE if before is None else stat.S_IMODE(before.st_mode))
            if before is not None:
                if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(file.fileno(), before.st_uid, before.st_gid)
                _keep_old(target)
    except OSError as error:
        raise FieldlineError(
            "{path} cannot be written: {why}. It is as it was.", path=str(path), why=error.strerror or str(error)
        ) from None


def _keep_old(target: Path) -> None:
    old = target.with_name(target.name + BACKUP_SUFFIX)
    link = target.with_name(f".{target.name[:100]}{BACKUP_SUFFIX}.{os.getpid()}")
    with suppress(FileNotFoundError):
        link.unlink()
    os.link(target, link)
    link.replace(old)

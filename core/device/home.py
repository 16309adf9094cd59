"""The folder of one device: its store, its key and its settings.

Nobody but the owner may enter it. A new one is made aside and moved into place when it is complete, so that a setup
that fails leaves nothing behind.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from core.errors import FieldlineError
from core.parsers import parse_toml
from core.paths import exists

STORE_FILE = "store.db"
KEY_FILE = "device.key"
NEXT_KEY_FILE = "device.key.next"
SETTINGS_FILE = "settings.toml"
LAST_CHANGE_FILE = "last-change"
_CHANGE_DIGITS = 64
_PEM_HEAD = b"-----BEGIN PRIVATE KEY-----"
"""What a key in PKCS 8 begins with, and one under a passphrase does not have (RFC 7468)."""
_MAX_KEY_BYTES = 4096
"""More than any file with a key has."""
_TEMPORARY_FOLDER = ".founding"


class Home:
    """The paths of one device's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / STORE_FILE
        self.key = folder / KEY_FILE
        self.next_key = folder / NEXT_KEY_FILE
        self.settings = folder / SETTINGS_FILE
        self.last_change = folder / LAST_CHANGE_FILE

    def name(self) -> str:
        """Read the name that this device was set up with; empty if it was given none."""
        name = self.read_settings().get("name")
        return name if isinstance(name, str) else ""

    def has_plain_key(self) -> bool:
        """Whether the key is there and under no passphrase.

        Found out without what uses keys, which takes long to load.
        """
        try:
            with self.key.open("rb") as file:
                return _PEM_HEAD in file.read(_MAX_KEY_BYTES)
        except OSError:
            return False

    def read_last_change(self) -> bytes | None:
        """Read the id of the last change that was saved here; None if that is not noted.

        It stands outside the store, so that it shows if an older copy of that was put back.
        """
        try:
            text = self.last_change.read_bytes()[:_CHANGE_DIGITS]
            return bytes.fromhex(text.decode("ascii")) if len(text) == _CHANGE_DIGITS else None
        except (OSError, ValueError):
            return None

    def note_last_change(self, change: bytes) -> None:
        """Note the last change that was saved.

        Where nothing can be written, it is not noted.
        """
        with suppress(OSError):
            self.last_change.write_text(f"{change.hex()}\n", encoding="ascii")
            self.last_change.chmod(stat.S_IRUSR | stat.S_IWUSR)

    def served_ports(self) -> list[str]:
        """Read the ports that are always served (`cables = ["/dev/ttyS0?baud=9600"]`)."""
        named = self.read_settings().get("cables", [])
        return [str(each) for each in (named if isinstance(named, list) else [named])]

    def read_settings(self) -> dict[str, Any]:
        """Read all settings; empty without a file.

        Raises FieldlineError if it is not TOML.
        """
        try:
            return parse_toml(self.settings.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError:
            raise FieldlineError("{path} is not valid TOML: mend it, or delete it.", path=str(self.settings)) from None

    def write_settings(self, name: str) -> None:
        """Write the settings of a new device."""
        import tomli_w

        self.settings.write_text(tomli_w.dumps({"name": name}), encoding="utf-8")


@contextmanager
def new_home(folder: Path) -> Iterator[Home]:
    """Give a home to fill, which becomes the one at `folder` when the block ends.

    On any error nothing is left of it.

    A key that is there without a store stays this device's key. Raises FieldlineError if there is a store already,
    or if another process is making one there right now.
    """
    made = make_folder(folder)
    lock = os.open(folder, os.O_RDONLY)
    try:
        _lock_for_setup(lock, folder)
    except FieldlineError:
        os.close(lock)
        raise
    aside = folder / _TEMPORARY_FOLDER
    try:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(mode=stat.S_IRWXU)
        if exists(folder / KEY_FILE):
            os.link(folder / KEY_FILE, aside / KEY_FILE)
        yield Home(aside)
        # The store comes last: without it there is nothing here yet.
        for name in (SETTINGS_FILE, KEY_FILE, STORE_FILE):
            if exists(aside / name):
                (aside / name).chmod(stat.S_IRUSR | stat.S_IWUSR)
                (aside / name).replace(folder / name)
        os.fsync(lock)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        for path in made:
            path.rmdir()
        raise
    finally:
        os.close(lock)
    shutil.rmtree(aside, ignore_errors=True)


def _lock_for_setup(lock: int, folder: Path) -> None:
    """Take the lock of a folder without a store.

    Raises FieldlineError if it has one or the lock is taken.
    """
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise FieldlineError("{path} is being set up by another process: wait for it.", path=str(folder)) from None
    if exists(folder / STORE_FILE):
        raise FieldlineError(
            "{path} holds a device of a fleet already: name another folder with --home.", path=str(folder)
        )


def make_folder(folder: Path) -> list[Path]:
    """Make the folder, for its owner only.

    Gives the folders that were made, the innermost first.

    A folder that was there and is empty is made private, too; one with other things in it stays as it is.
    """
    made: list[Path] = []
    try:
        missing = [path for path in (folder, *folder.parents) if not exists(path)]
        for path in reversed(missing):
            path.mkdir(mode=stat.S_IRWXU)
            made.insert(0, path)
        if not any(folder.iterdir()):
            folder.chmod(stat.S_IRWXU)
    except OSError as error:
        for path in made:
            path.rmdir()
        raise FieldlineError(
            "The folder {path} cannot be made or used ({why}): name another one with --home.",
            path=str(folder),
            why=error.strerror or str(error),
        ) from None
    return made

"""How the mirror of `serve` is doing, in a file of the home with one writer."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from core import file_lock, temporary_files
from core.errors import FieldlineError
from core.parsers import parse_json

STATE_FILE, LOCK_FILE = "mirror.json", "mirror.lock"


@dataclass(frozen=True, slots=True)
class MirrorState:
    """Why the mirror fails (template and fields), since when and how often in a row.

    No error if it does not.
    """

    error: tuple[str, dict[str, str]] | None = None
    failing_since_us: int = 0
    failure_count: int = 0

    def after_error(self, error: FieldlineError, now_us: int) -> Self:
        """Give the state after one more failure."""
        kept = error.template, {name: str(value) for name, value in error.params.items()}
        return type(self)(kept, self.failing_since_us if self.error else now_us, self.failure_count + 1)

    def last_error(self) -> FieldlineError | None:
        """Give why it fails; None if it does not."""
        return None if self.error is None else FieldlineError(self.error[0], **self.error[1])


def read_state(folder: Path) -> MirrorState:
    """Read the state; as if nothing failed, if there is none that can be read."""
    try:
        return MirrorState(**parse_json((folder / STATE_FILE).read_bytes()))
    except (OSError, ValueError, TypeError):
        return MirrorState()


def write_state(folder: Path, state: MirrorState) -> None:
    """Write the state; raises OSError, and then the file is as it was."""
    path = folder / STATE_FILE
    with temporary_files.open_replacement(path) as file:
        file.write(json.dumps(asdict(state)).encode())


def try_lock(folder: Path) -> int | None:
    """Be the only process that keeps the mirror of this home: a descriptor to close.

    None if another one does. Raises OSError.
    """
    return file_lock.try_lock(folder / LOCK_FILE)


def is_running(folder: Path) -> bool:
    """Whether a process keeps the mirror of this home."""
    return file_lock.is_locked(folder / LOCK_FILE)

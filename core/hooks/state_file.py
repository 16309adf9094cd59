"""How far each hook has come, in a file of the home with one writer at a time."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from core import file_lock, temporary_files
from core.errors import FieldlineError
from core.parsers import parse_json

STATE_FILE, LOCK_FILE = "hooks.json", "hooks.lock"


@dataclass(slots=True)
class HookState:
    """How far a hook has come.

    `position` is that of the feed up to which all is done. `failure_count` counts how often it failed in a row, and
    `error` is why (template and fields). `given_up_count` counts the values that it was never run for with success, the
    last of which is `given_up_fact`, at `given_up_at_us`.
    """

    position: str
    failure_count: int = 0
    error: tuple[str, dict[str, str]] | None = None
    given_up_count: int = 0
    given_up_fact: str = ""
    given_up_at_us: int = 0

    def set_error(self, error: FieldlineError | None) -> None:
        """Keep why it failed last; None if it did not."""
        self.error = None if error is None else (error.template, {name: str(v) for name, v in error.params.items()})

    def last_error(self) -> FieldlineError | None:
        """Give why it failed last; None if it did not."""
        return None if self.error is None else FieldlineError(self.error[0], **self.error[1])


@dataclass
class StateFile:
    """The states by the names of their hooks."""

    folder: Path
    states: dict[str, HookState] = field(default_factory=dict)
    _lock: int | None = None

    def try_lock(self) -> bool:
        """Be the only process that runs hooks; False if another one does.

        Raises FieldlineError without a file.
        """
        path = self.folder / LOCK_FILE
        try:
            self._lock = file_lock.try_lock(path)
        except OSError as error:
            raise _unwritable(path, error) from None
        return self._lock is not None

    def close(self) -> None:
        """Let another process run them."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def load(self) -> None:
        """Read the file, if there is one.

        Raises FieldlineError for one that cannot be read.
        """
        self.states = read_states(self.folder)

    def save(self) -> None:
        """Write the file, which is on the disk when this returns.

        Raises FieldlineError, and then it is as it was.
        """
        path = self.folder / STATE_FILE
        try:
            with temporary_files.open_replacement(path) as file:
                file.write(json.dumps({name: asdict(state) for name, state in self.states.items()}).encode())
        except OSError as error:
            raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> FieldlineError:
    return FieldlineError(
        "{path} cannot be written: {why}. It is as it was.", path=str(path), why=error.strerror or str(error)
    )


def read_states(folder: Path) -> dict[str, HookState]:
    """Read the states by the names of their hooks.

    Raises FieldlineError for a file that cannot be read.
    """
    path = folder / STATE_FILE
    try:
        return {name: HookState(**fields) for name, fields in parse_json(path.read_bytes()).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError):
        raise FieldlineError(
            "{path} cannot be read, so no hook is run: delete it, then hooks begin with what comes from then on.",
            path=str(path),
        ) from None


def is_running(folder: Path) -> bool:
    """Whether a process runs the hooks of this home."""
    return file_lock.is_locked(folder / LOCK_FILE)

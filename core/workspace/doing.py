"""What the process that serves is doing, told to the other processes of this device: a small file in the home.

The file counts as long as its writer holds the lock beside it, so one that a crash left behind is not believed.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import FieldlineError
from core.sync.calling import Standing

NAME, LOCK = "serving.json", "serving.lock"
MAX_SIZE = 1 << 20


@dataclass(frozen=True, slots=True)
class Doing:
    """How it stands with one peer: `state` is "meeting", "calling", "failing" or "", that of a port "serving" instead.

    `next_try` and `met_at` are microseconds since 1970 UTC; `failures` counts those in a row, `trouble` is the last.
    `same` says whether it holds the same as this device (None: not known).
    """

    target: str
    device: bytes | None = None
    root: bytes | None = None
    same: bool | None = None
    state: str = ""
    failures: int = 0
    next_try: int | None = None
    met_at: int | None = None
    trouble: FieldlineError | None = None

    @property
    def is_port(self) -> bool:
        """Whether it is a serial port, at which somebody may be or not."""
        return self.target.startswith("serial:")

    @classmethod
    def of(
        cls,
        standing: Standing,
        target: str,
        *,
        is_meeting: bool,
        met_at: int | None,
        trouble: FieldlineError | None,
        epoch: float,
    ) -> Doing:
        """How it stands with a peer at a target; `epoch` is when its clock began (seconds since 1970)."""
        state = "meeting" if is_meeting else "calling" if standing.calling else "failing" if standing.failures else ""
        return cls(
            target,
            standing.device,
            standing.root,
            standing.same,
            state,
            standing.failures,
            None if standing.next_try is None else round((standing.next_try + epoch) * 1_000_000),
            met_at,
            trouble if standing.failures else None,
        )


class Report:
    """Tells what this process is doing, as long as no other one does so already."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._path = home / NAME
        self._last = ""
        self._lock: int | None = None

    def tell(self, doing: Sequence[Doing]) -> bool:
        """Write it down if it is new. What cannot be written is not told.

        Gives whether this process is the one that tells; who reads just now keeps it from that for a moment, too.
        """
        text = json.dumps([_plain(each) for each in doing])
        if self._lock is None:
            self._lock = _locked(self._home / LOCK)
        if self._lock is None:
            return False
        if text == self._last:
            return True
        aside = self._path.with_suffix(".new")
        with suppress(OSError):
            aside.write_text(text, encoding="utf-8")
            aside.replace(self._path)
            self._last = text
        return True

    def close(self) -> None:
        """Tell nothing any more."""
        if self._lock is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None


def told(home: Path) -> list[Doing] | None:
    """What the process that serves is doing; None if there is none."""
    try:
        lock = os.open(home / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None
    except OSError:
        return _read(home / NAME)
    finally:
        os.close(lock)


def _locked(path: Path) -> int | None:
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


def _read(path: Path) -> list[Doing]:
    try:
        with path.open("rb") as file:
            return [_doing(each) for each in json.loads(file.read(MAX_SIZE))]
    except (OSError, ValueError, TypeError, KeyError):
        return []


def _plain(doing: Doing) -> dict[str, Any]:
    trouble = doing.trouble and [doing.trouble.template, {k: str(v) for k, v in doing.trouble.params.items()}]
    return {
        "target": doing.target,
        "device": doing.device.hex() if doing.device else None,
        "root": doing.root.hex() if doing.root else None,
        "same": doing.same,
        "state": doing.state,
        "failures": doing.failures,
        "next_try": doing.next_try,
        "met_at": doing.met_at,
        "trouble": trouble,
    }


def _doing(plain: dict[str, Any]) -> Doing:
    device, root, trouble = (plain.pop(name) for name in ("device", "root", "trouble"))
    return Doing(
        device=bytes.fromhex(device) if device else None,
        root=bytes.fromhex(root) if root else None,
        trouble=FieldlineError(trouble[0], **trouble[1]) if trouble else None,
        **plain,
    )

"""Publish the status of the process that serves, in a file in the home.

For the other processes of this device.

The file counts as long as its writer holds the lock beside it, so one that a crash left behind is ignored.
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
from core.parsers import parse_json
from core.sync.discovery.dial_scheduler import DialStatus

STATUS_FILE, LOCK_FILE = "serving.json", "serving.lock"
MAX_STATUS_BYTES = 1 << 20
"""Read of the file: more than as many peers as a scheduler remembers need."""


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """Status of one peer or port.

    `state` is "meeting" (in a session), "calling" (dialing), "failing" or "", that of an idle port "serving". Times are
    microseconds since 1970 UTC; `next_try_us` is None if there is no need to dial, `is_in_sync` None if that is not
    known. `failure_count` counts failures in a row, of which `last_error` is the last.
    """

    endpoint: str
    device: bytes | None = None
    root: bytes | None = None
    is_in_sync: bool | None = None
    state: str = ""
    failure_count: int = 0
    next_try_us: int | None = None
    last_sync_us: int | None = None
    last_error: FieldlineError | None = None

    @property
    def is_serial_port(self) -> bool:
        """Whether it is a serial port, with or without a peer at the other end."""
        return self.endpoint.startswith("serial:")

    @classmethod
    def from_dial_status(
        cls,
        dial_status: DialStatus,
        target: str,
        *,
        is_in_session: bool,
        last_sync_us: int | None,
        last_error: FieldlineError | None,
        epoch_s: float,
    ) -> PeerStatus:
        """Build the status of a peer from what the scheduler knows of it.

        Args:
            dial_status: the scheduler's part, whose times are seconds of the loop's clock.
            target: the endpoint at which the peer is dialed.
            is_in_session: whether a session with it is under way, whoever dialed.
            last_sync_us: when the last one ended, in microseconds since 1970 UTC.
            last_error: why the last dial failed; left out of the status once a dial has succeeded.
            epoch_s: the start of the loop's clock, in seconds since 1970 UTC.
        """
        state = (
            "meeting"
            if is_in_session
            else "calling"
            if dial_status.is_dialing
            else "failing"
            if dial_status.failures
            else ""
        )
        return cls(
            target,
            dial_status.device,
            dial_status.root,
            dial_status.same,
            state,
            dial_status.failures,
            None if dial_status.next_dial_at is None else round((dial_status.next_dial_at + epoch_s) * 1_000_000),
            last_sync_us,
            last_error if dial_status.failures else None,
        )


class StatusPublisher:
    """Write the status of this process, unless another one does so already."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._path = home / STATUS_FILE
        self._last = ""
        self._lock: int | None = None

    def publish(self, statuses: Sequence[PeerStatus]) -> bool:
        """Write the status if it is new; a file that cannot be written is left as it is.

        Gives whether this process is the one that publishes; a reader keeps it from that for an instant, too.
        """
        text = json.dumps([_to_json(each) for each in statuses])
        if self._lock is None:
            self._lock = _try_lock(self._home / LOCK_FILE)
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
        """Remove the file and release the lock."""
        if self._lock is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None


def read_status(home: Path) -> list[PeerStatus] | None:
    """Read the status of the process that serves.

    None if there is none, [] if it cannot be read.
    """
    try:
        lock = os.open(home / LOCK_FILE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None
    except OSError:
        return _read_file(home / STATUS_FILE)
    finally:
        os.close(lock)


def _try_lock(path: Path) -> int | None:
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


def _read_file(path: Path) -> list[PeerStatus]:
    try:
        with path.open("rb") as file:
            return [_from_json(each) for each in parse_json(file.read(MAX_STATUS_BYTES))]
    except (OSError, ValueError, TypeError, KeyError):
        return []


def _to_json(status: PeerStatus) -> dict[str, Any]:
    error = status.last_error and [status.last_error.template, {k: str(v) for k, v in status.last_error.params.items()}]
    return {
        "target": status.endpoint,
        "device": status.device.hex() if status.device else None,
        "root": status.root.hex() if status.root else None,
        "same": status.is_in_sync,
        "state": status.state,
        "failures": status.failure_count,
        "next_try": status.next_try_us,
        "met_at": status.last_sync_us,
        "trouble": error,
    }


def _from_json(fields: dict[str, Any]) -> PeerStatus:
    """Read the fields by their names in the file, whatever the attributes are called."""
    device, root, error = fields["device"], fields["root"], fields["trouble"]
    return PeerStatus(
        endpoint=fields["target"],
        device=bytes.fromhex(device) if device else None,
        root=bytes.fromhex(root) if root else None,
        is_in_sync=fields["same"],
        state=fields["state"],
        failure_count=fields["failures"],
        next_try_us=fields["next_try"],
        last_sync_us=fields["met_at"],
        last_error=FieldlineError(error[0], **error[1]) if error else None,
    )

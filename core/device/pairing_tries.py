"""Count the tries to pair, on the disk.

After three that came to nothing each further one has to wait longer.

Counted for the device, not for who tried: a key or an address costs nothing. One file holds the count, the time of the
last try and the lock that lets one pairing at a time be under way.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from core.errors import FieldlineError

TRIES_FILE = "pairing.tries"
FREE_TRIES = 3
"""Wrong neighbours and mistyped addresses happen; each try gives an attacker one chance in a million."""
FIRST_WAIT_S, MAX_WAIT_S = 60, 3600
"""After the last free one, doubled after each further one: at most some thirty tries a day."""
FORGET_AFTER_S = 86_400
"""Nobody has to wait for what failed the day before."""
_MAX_TRIES = 99
_RECORD_BYTES = 32
"""Written at once and in place: less than any disk's sector."""

Clock = Callable[[], int]
"""Microseconds since 1970 UTC."""


def wait_after(tries: int) -> int:
    """Give how many seconds lie between so many counted tries and the next one."""
    if tries < FREE_TRIES:
        return 0
    return min(MAX_WAIT_S, FIRST_WAIT_S << min(tries - FREE_TRIES, 16))


class PairingTries:
    """The count, and the right to pair until it is closed.

    `is_counted` says whether it has counted one. Raises FieldlineError if another process of this device is pairing, or
    if the last tries are too fresh.
    """

    def __init__(self, home: Path, clock: Clock) -> None:
        self.is_counted = False
        self._clock = clock
        self._path = home / TRIES_FILE
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._unwritable(error) from None
        try:
            self._lock()
            self._require_wait_over()
        except BaseException:
            os.close(self._file)
            raise

    def count(self) -> None:
        """Count a try, and have that on the disk before anything else is done."""
        self.is_counted = True
        self._write(min(self._tries() + 1, _MAX_TRIES))

    def clear(self) -> None:
        """Forget the tries: one came to its end."""
        self._write(0)

    def close(self) -> None:
        """Let others pair."""
        os.close(self._file)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FieldlineError("This device is pairing already: finish that first.") from None

    def _require_wait_over(self) -> None:
        tries, at_us = self._read()
        # A clock that was set back must not make it longer.
        left_s = min(wait_after(tries), wait_after(tries) - (self._clock() - at_us) // 1_000_000)
        if left_s > 0:
            raise FieldlineError(
                "{count} tries to pair came to nothing: wait {seconds} s before the next one. If the digits differed,"
                " use another network, or a cable.",
                count=tries,
                seconds=left_s,
            )

    def _tries(self) -> int:
        tries, at_us = self._read()
        return 0 if self._clock() - at_us > FORGET_AFTER_S * 1_000_000 else tries

    def _read(self) -> tuple[int, int]:
        """Read the count and the time of the last try, in microseconds since 1970 UTC."""
        data = os.pread(self._file, _RECORD_BYTES, 0)
        if not data:
            return 0, 0
        try:
            tries, at_us = map(int, data.split())
        except ValueError:
            raise FieldlineError("{path} is damaged: delete it, then pair again.", path=str(self._path)) from None
        return tries, at_us

    def _write(self, tries: int) -> None:
        try:
            os.pwrite(self._file, f"{tries} {self._clock()}".ljust(_RECORD_BYTES).encode(), 0)
            os.fsync(self._file)
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> FieldlineError:
        return FieldlineError(
            "Tries to pair cannot be counted in {path} ({why}), so this device does not pair: make room, or let this"
            " user write there.",
            path=str(self._path),
            why=error.strerror or str(error),
        )

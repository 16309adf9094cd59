"""The PIN of a kiosk: kept as a hash (scrypt, RFC 7914), and tried only so often.

Four digits are few: what keeps them is that each wrong one doubles the wait, also across a restart. A try is noted
before it is made, so that pulling the plug in between gives nothing away.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core import temporary_files
from core.errors import FieldlineError, Refused
from core.parsers import parse_json
from core.paths import exists
from core.timestamps import SECOND_US

PIN_FILE_NAME = "kiosk-pin.json"
MAX_FREE_TRIES = 3
"""Wrong PINs before there is a wait: people mistype."""
MIN_WAIT_S, MAX_WAIT_S = 30, 3600
"""The first wait, doubled by each wrong PIN, and the longest: nobody is locked out for good."""
_SCRYPT_COST = {"n": 1 << 14, "r": 8, "p": 1}  # 16 MiB


class KioskPin:
    """The PIN in a home. `clock` gives microseconds since 1970 UTC."""

    def __init__(self, home: Path, clock: Callable[[], int]) -> None:
        self._path = home / PIN_FILE_NAME
        self._clock = clock

    @property
    def is_set(self) -> bool:
        """Whether there is a PIN."""
        return exists(self._path)

    def set(self, pin: str) -> None:
        """Keep this one from now on; raises Refused for what is none."""
        if not re.fullmatch(r"[0-9]{4,12}", pin):
            raise Refused("A PIN has 4 to 12 digits.")
        salt = secrets.token_bytes(16)
        with self._lock():
            self._write({"salt": salt.hex(), "hash": _hash(pin, salt).hex(), "failures": 0, "at": 0})

    def attempt(self, pin: str) -> None:
        """Try a PIN; takes a moment, on purpose.

        Raises Refused if it is wrong or it is too early for another try.
        """
        with self._lock():
            kept = self._read()
            wait = self._wait_s(kept)
            if wait > 0:
                raise Refused("Too many wrong PINs: wait {seconds} seconds.", seconds=wait)
            kept["failures"], kept["at"] = kept["failures"] + 1, self._clock()
            self._write(kept)
            right = hmac.compare_digest(_hash(pin[:64], bytes.fromhex(kept["salt"])), bytes.fromhex(kept["hash"]))
            if not right:
                raise Refused("That is not the PIN.")
            self._write({**kept, "failures": 0, "at": 0})

    def _wait_s(self, kept: dict[str, Any]) -> int:
        """Seconds until the next try.

        A clock that was set back makes nobody wait longer than once more.
        """
        if kept["failures"] < MAX_FREE_TRIES:
            return 0
        wait = min(MAX_WAIT_S, MIN_WAIT_S << min(int(kept["failures"]) - MAX_FREE_TRIES, 10))
        elapsed_s = (self._clock() - int(kept["at"])) // SECOND_US
        return wait - elapsed_s if elapsed_s >= 0 else wait

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """One at a time, also of several processes.

        Raises FieldlineError where the home cannot be used.
        """
        try:
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                fcntl.flock(folder, fcntl.LOCK_EX)
                yield
            finally:
                os.close(folder)
        except OSError as error:
            raise FieldlineError(
                "The PIN in {path} cannot be read or kept: {why}.", path=str(self._path), why=error.strerror or ""
            ) from None

    def _read(self) -> dict[str, Any]:
        try:
            kept = parse_json(self._path.read_text(encoding="ascii"))
            bytes.fromhex(kept["salt"]), bytes.fromhex(kept["hash"])
            return {**kept, "failures": int(kept["failures"]), "at": int(kept["at"])}
        except (ValueError, KeyError, TypeError):
            raise FieldlineError("{path} is damaged: set the PIN again.", path=str(self._path)) from None

    def _write(self, kept: dict[str, Any]) -> None:
        with temporary_files.open_replacement(self._path) as file:
            file.write(json.dumps(kept).encode("ascii"))


def _hash(pin: str, salt: bytes) -> bytes:
    return hashlib.scrypt(pin.encode("utf-8", "surrogatepass"), salt=salt, **_SCRYPT_COST, maxmem=64 << 20)

"""Check the store in the background, slowly, while the device serves."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from core.errors import FieldlineError
from core.parsers import parse_json
from core.service.error_reporter import ErrorReporter
from core.service.serve_config import CheckResult, ServeEvent, ServiceIntervals
from core.store.check_note import CHECKED_META_KEY, LastCheck, decode_damage
from core.store.connection import StoreError
from core.timestamps import SECOND_US

if TYPE_CHECKING:
    from core.device.context import DeviceContext

CPU_SHARE = 0.05
"""Of one processor: a million changes take some minutes."""


class StoreChecker:
    """Checks all changes and facts now and then, in a process of its own.

    `on_event` is told of each result; the store notes it for `doctor`.
    """

    def __init__(
        self,
        workspace: DeviceContext,
        errors: ErrorReporter,
        intervals: ServiceIntervals,
        on_event: Callable[[ServeEvent], None],
    ) -> None:
        self._workspace = workspace
        self._errors = errors
        self._intervals = intervals
        self._on_event = on_event

    async def run(self) -> None:
        """Check whenever it is due, until cancelled; a check under way ends at once then."""
        await asyncio.sleep(self._intervals.first_check_s)
        while True:
            if await self._is_due():
                await self._check()
            await asyncio.sleep(self._intervals.check_poll_s)

    async def _is_due(self) -> bool:
        last = LastCheck.from_bytes(await self._workspace.store.read_meta(CHECKED_META_KEY))
        if last is None:
            return True
        # A clock that was set back must not put it off for years.
        return abs(self._workspace.clock() - last.at_us) >= self._intervals.check_every_s * SECOND_US

    async def _check(self) -> None:
        begun = time.monotonic()
        answer = await self._run_beside()
        try:
            fields = parse_json(answer)
            count, damage = int(fields["changes"]), decode_damage(fields["damage"])
        except (ValueError, TypeError, KeyError):
            self._errors.report(
                FieldlineError("The store could not be checked in the background: run `fieldline verify`.")
            )
            return
        with suppress(StoreError):
            note = LastCheck(self._workspace.clock(), damage).to_bytes()
            await self._workspace.store.write_meta(CHECKED_META_KEY, note)
        self._on_event(ServeEvent(None, check=CheckResult(count, time.monotonic() - begun, damage)))

    async def _run_beside(self) -> bytes:
        """Run the check as a program; gives what it prints."""
        store = self._workspace.store
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "core.store.slow_check",
                str(self._workspace.home.store.absolute()),
                store.fleet.hex(),
                str(CPU_SHARE if self._intervals.check_share is None else self._intervals.check_share),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                start_new_session=True,  # an interruption from the keyboard is not for it
            )
        except OSError:
            return b""
        try:
            answer, _ = await process.communicate()
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await asyncio.shield(process.wait())
        return answer

"""Keep which devices called that are no members.

So that an admin sees whom to admit.

What a caller is is only what it claims, and anybody who reaches this device can call: few are kept, and seldom written.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.errors import FieldlineError
from core.value_codec import ID_BYTES

if TYPE_CHECKING:
    from core.device.context import DeviceContext
    from core.store.store import Store

CALLERS_META_KEY = "callers"
"""Key of this device's own note."""
MAX_CALLERS = 8
"""As many as a person compares ids of; the latest."""
WRITE_INTERVAL_S = 2.0
"""Between two writes: who calls all the time costs no more than that."""
_TIME_BYTES = 8
_RECORD_BYTES = ID_BYTES + _TIME_BYTES


@dataclass(frozen=True, slots=True)
class UnknownCaller:
    """The device that somebody claimed to be, and when it called last.

    In microseconds since 1970 UTC.
    """

    device: bytes
    at_us: int


async def read_callers(store: Store) -> list[UnknownCaller]:
    """Read who called, the latest first."""
    data = bytes(await store.read_meta(CALLERS_META_KEY) or b"")
    records = [data[at : at + _RECORD_BYTES] for at in range(0, len(data), _RECORD_BYTES)][:MAX_CALLERS]
    return [
        UnknownCaller(record[:ID_BYTES], int.from_bytes(record[ID_BYTES:], "big"))
        for record in records
        if len(record) == _RECORD_BYTES
    ]


class CallerLog:
    """Records who called while this device serves."""

    def __init__(self, workspace: DeviceContext, write_interval_s: float = WRITE_INTERVAL_S) -> None:
        self._workspace = workspace
        self._write_interval_s = write_interval_s
        self._pending: dict[bytes, UnknownCaller] = {}
        self._has_pending = asyncio.Event()

    def record(self, device: bytes) -> None:
        """Take note that a device called."""
        self._pending.pop(device, None)
        self._pending[device] = UnknownCaller(device, self._workspace.clock())
        while len(self._pending) > MAX_CALLERS:
            del self._pending[next(iter(self._pending))]
        self._has_pending.set()

    async def run(self) -> None:
        """Write down who called, until cancelled."""
        while True:
            await self._has_pending.wait()
            self._has_pending.clear()
            latest = list(reversed(self._pending.values()))
            self._pending.clear()
            # Nothing depends on it: a store that cannot be written now is reported by what needs it.
            with suppress(FieldlineError):
                await self._write(latest)
            await asyncio.sleep(self._write_interval_s)

    async def _write(self, latest: list[UnknownCaller]) -> None:
        known = {each.device for each in latest}
        every = latest + [each for each in await read_callers(self._workspace.store) if each.device not in known]
        data = b"".join(each.device + each.at_us.to_bytes(_TIME_BYTES, "big") for each in every[:MAX_CALLERS])
        await self._workspace.store.write_meta(CALLERS_META_KEY, data)

"""Track the sessions under way, and when the last one with each device ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class ActiveSessions:
    """Sessions under way by device, dialed and accepted ones alike.

    `on_change` is called when one begins or ends.
    """

    def __init__(self, clock: Callable[[], int], on_change: Callable[[], None]) -> None:
        self._clock = clock
        self._on_change = on_change
        self._counts: Counter[bytes] = Counter()
        self._last_sync_us: dict[bytes, int] = {}

    def __len__(self) -> int:
        return self._counts.total()

    def __contains__(self, device: object) -> bool:
        return device in self._counts

    @contextmanager
    def track(self, device: bytes) -> Iterator[None]:
        """Count a session with a device for as long as the block runs."""
        self._counts[device] += 1
        self._on_change()
        try:
            yield
        finally:
            self._counts[device] -= 1
            self._counts += Counter()
            self._on_change()

    def record_sync(self, device: bytes) -> None:
        """Note that a session with a device has just come to its end."""
        self._last_sync_us[device] = self._clock()

    def last_sync_us(self, device: bytes | None) -> int | None:
        """Microseconds since 1970 UTC of the last complete session of this run.

        None if there was none.
        """
        return None if device is None else self._last_sync_us.get(device)

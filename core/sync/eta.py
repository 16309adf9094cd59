"""Estimate how far a session is, and how long it takes yet.

Pure arithmetic over its events.
"""

from __future__ import annotations

from collections import deque

from core.sync.events import Progress

ETA_WINDOW_S = 20.0
"""The past that says how fast it goes: long enough for several batches on a slow line."""
MIN_SAMPLE_S = 1.0
"""Less than that says nothing: the first batch comes at once."""


class EtaEstimator:
    """Estimates how long a session takes yet.

    Seconds are those of any monotonic clock.
    """

    def __init__(self) -> None:
        self.progress = Progress("hello")
        self._samples: deque[tuple[float, int]] = deque()

    def update(self, progress: Progress, now: float) -> None:
        """Note how far the session is at a time."""
        self.progress = progress
        if progress.phase != "exchange":
            return
        self._samples.append((now, self.done_count))
        # The last one before the window stays, so that a pause between two batches does not leave it empty.
        while len(self._samples) > 2 and self._samples[1][0] <= now - ETA_WINDOW_S:
            self._samples.popleft()

    @property
    def done_count(self) -> int:
        """Changes moved, both ways."""
        return self.progress.sent + self.progress.received

    @property
    def total_count(self) -> int | None:
        """Changes to move both ways; None while that is not known."""
        if self.progress.to_send is None and self.progress.to_receive is None:
            return None
        return (self.progress.to_send or 0) + (self.progress.to_receive or 0)

    def eta_s(self, now: float) -> float | None:
        """Estimate the seconds left at the rate of the last ones.

        None while that is not known.
        """
        if self.total_count is None or not self._samples:
            return None
        began, done_then = self._samples[0]
        moved, seconds = self.done_count - done_then, now - began
        if moved <= 0 or seconds < MIN_SAMPLE_S:
            return None
        return max(0, self.total_count - self.done_count) * seconds / moved

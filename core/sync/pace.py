"""How far a meeting is, and how long it takes yet: pure arithmetic over the events of a session."""

from __future__ import annotations

from collections import deque

from core.sync.events import Progress

WINDOW = 20.0
"""Seconds of the past that say how fast it goes."""
LEAST = 1.0
"""Seconds of it before anything can be said."""


class Pace:
    """Hears the events of one session; seconds are those of any clock that does not jump."""

    def __init__(self) -> None:
        self.progress = Progress("hello")
        self._heard: deque[tuple[float, int]] = deque()

    def hear(self, progress: Progress, now: float) -> None:
        """Note how far it is."""
        self.progress = progress
        if progress.phase != "exchange":
            return
        self._heard.append((now, self.done))
        # The last one before the window stays, so that a pause between two batches does not leave it empty.
        while len(self._heard) > 2 and self._heard[1][0] <= now - WINDOW:
            self._heard.popleft()

    @property
    def done(self) -> int:
        """Changes moved, both ways."""
        return self.progress.sent + self.progress.received

    @property
    def total(self) -> int | None:
        """Changes to move both ways; None while that is not known."""
        if self.progress.to_send is None and self.progress.to_receive is None:
            return None
        return (self.progress.to_send or 0) + (self.progress.to_receive or 0)

    def seconds_left(self, now: float) -> float | None:
        """How long it takes yet at the pace of the last seconds; None while nobody can say."""
        if self.total is None or not self._heard:
            return None
        began, done_then = self._heard[0]
        moved, seconds = self.done - done_then, now - began
        if moved <= 0 or seconds < LEAST:
            return None
        return max(0, self.total - self.done) * seconds / moved

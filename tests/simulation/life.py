"""What is counted of a fleet's life, and how soon its changes spread."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

HOUR_US = 3_600 * 1_000_000
REPORT_SHARES = (0.5, 0.95, 1.0)
MISHAPS = ("cut", "clock jump", "crash", "restored backup")


@dataclass
class Life:
    """What happened, what was saved when, and how soon others had it."""

    happened: Counter[str] = field(default_factory=Counter)
    saved: dict[bytes, int] = field(default_factory=dict)
    lost_with_restore: set[bytes] = field(default_factory=set)
    reached: dict[bytes, dict[int, int]] = field(default_factory=dict)
    """When each device got a change that was saved in the period under way."""
    watched_from_us: int = 0
    """When that period began."""
    hours: dict[float, list[float]] = field(default_factory=lambda: {share: [] for share in REPORT_SHARES})
    """Until so many devices held a change; infinite for one that came to less within the time that all were watched."""
    byte_count: int = 0
    day_count: int = 0

    @property
    def mishaps(self) -> Counter[str]:
        """How often what went wrong."""
        return Counter({name: self.happened[name] for name in (*MISHAPS, "revocation")})

    def note_reached(self, change: bytes, device: int, now_us: int) -> None:
        """A device got a change, for the first time or again."""
        if self.saved[change] > self.watched_from_us:
            self.reached.setdefault(change, {}).setdefault(device, now_us)

    def end_period(self, end_us: int, active: Collection[int]) -> None:
        """Work out how soon what was saved in the first quarter spread.

        Each change is watched for as long as the three others take, so that those saved late count like the others.
        What a device got that was revoked since counts for nobody.
        """
        quarter_us = (end_us - self.watched_from_us) // 4
        for change, times_by_device in self.reached.items():
            saved_us = self.saved[change]
            if saved_us >= self.watched_from_us + quarter_us:
                continue
            times = sorted(times_by_device[device] - saved_us for device in times_by_device.keys() & set(active))
            times = [time for time in times if time <= 3 * quarter_us]
            for share, hours in self.hours.items():
                needed = math.ceil(share * len(active))
                hours.append(times[needed - 1] / HOUR_US if len(times) >= needed else math.inf)
        self.watch_from(end_us)

    def watch_from(self, now_us: int) -> None:
        """Begin a period."""
        self.watched_from_us = now_us
        self.reached.clear()


def quantile(hours: Sequence[float], part: float) -> str:
    """Say after how many hours so many of the changes were there."""
    ordered = sorted(hours)
    found = ordered[int(len(ordered) * part)] if ordered else math.inf
    return "later than was watched" if math.isinf(found) else f"after {found:.0f} h"

"""Let a fleet live, and print how its changes spread.

`python -m tests.simulation DEVICES DAYS SEED [PLOT.svg]`.
"""

from __future__ import annotations

import asyncio
import math
import sys
import tempfile
from pathlib import Path

from tests.simulation.fleet_life import Fleet, Rates
from tests.simulation.life import REPORT_SHARES, Life, quantile
from tests.simulation.test_fleet_life import LARGE_FLEET_RATES, live

QUIET_AFTER_DAYS = 30
LARGE_FLEET = 300
WIDTH, HEIGHT, MARGIN = 640, 300, 40
POINTS = 200
"""Of a line in the plot: more cannot be told apart."""
HOURS_SHOWN = (1.0, 720.0)
COLOURS = ("#1f77b4", "#ff7f0e", "#2ca02c")


def report(life: Life, size: int) -> str:
    """Make the table: what happened, and how soon a change was on how many devices."""
    lines = [f"| {what} | {count} |" for what, count in sorted(life.happened.items())]
    for share, hours in life.hours.items():
        middle, late = (quantile(hours, part) for part in (0.5, 0.95))
        lines.append(f"| on {share:.0%} of the devices | half {middle}, 95 % {late} |")
    watched = len(life.hours[REPORT_SHARES[0]])
    per_day = life.byte_count / size / life.day_count
    lines.append(f"| saved | {len(life.saved)}, {watched} of them watched |")
    return "\n".join(["| | |", "|---|---|", *lines, f"| bytes a device and day | {per_day:.0f} |"])


def plot(life: Life) -> str:
    """Draw the share of changes that reached so many devices over hours (SVG)."""
    low, high = map(math.log10, HOURS_SHOWN)

    def point(hours: float, share: float) -> str:
        at = (math.log10(max(hours, HOURS_SHOWN[0])) - low) / (high - low)
        x = MARGIN + min(at, 1.0) * (WIDTH - 2 * MARGIN)
        return f"{x:.1f},{HEIGHT - MARGIN - share * (HEIGHT - 2 * MARGIN):.1f}"

    parts = []
    for (share, hours), colour in zip(life.hours.items(), COLOURS, strict=True):
        there = [each for each in enumerate(sorted(hours), 1) if not math.isinf(each[1])]
        shown = there[:: max(1, len(there) // POINTS)]
        points = " ".join(point(at, number / len(hours)) for number, at in shown)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        y = MARGIN + 16 * REPORT_SHARES.index(share)
        parts.append(f'<text x="{MARGIN + 8}" y="{y}" fill="{colour}">on {share:.0%} of the devices</text>')
    for hour, label in ((1, "1 hour"), (24, "1 day"), (168, "1 week"), (720, "30 days")):
        x = point(hour, 0).partition(",")[0]
        parts.append(f'<text x="{x}" y="{HEIGHT - MARGIN / 3}" text-anchor="middle">{label}</text>')
        parts.append(f'<line x1="{x}" x2="{x}" y1="{MARGIN}" y2="{HEIGHT - MARGIN}" stroke="#ddd"/>')
    body = "".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"'
        f' font-size="12"><rect width="100%" height="100%" fill="white"/>{body}</svg>\n'
    )


def print_progress(fleet: Fleet) -> None:
    """Say how far it is; all devices have just been found to agree."""
    life = fleet.life
    print(f"day {life.day_count}: {len(life.saved)} saved, {life.happened.total()} events", file=sys.stderr, flush=True)


def main(arguments: list[str]) -> None:
    """Run it."""
    size, days, seed = map(int, arguments[:3])
    rates = Rates() if size < LARGE_FLEET else LARGE_FLEET_RATES
    with tempfile.TemporaryDirectory() as folder:
        fleet = asyncio.run(live(Path(folder), seed, size, days, rates, QUIET_AFTER_DAYS, print_progress))
    print(report(fleet.life, size))
    if arguments[3:]:
        Path(arguments[3]).write_text(plot(fleet.life), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])

"""Counts over time as a row of blocks. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, sqrt

BLOCKS = "▁▂▃▄▅▆▇"
"""Heights of a count, low to high; the full block is left out, so that rows below each other do not grow together."""


def bucket_counts(times_us: Sequence[int], start_us: int, end_us: int, count: int) -> list[int]:
    """How many times lie in each of `count` equal parts of a span.

    From `start_us` to `end_us`, both included.
    """
    counts = [0] * max(0, count)
    span = max(1, end_us - start_us)
    for each in times_us:
        if counts and start_us <= each <= end_us:
            counts[min(count - 1, (each - start_us) * count // span)] += 1
    return counts


def sparkline(counts: Sequence[int], top: int | None = None) -> str:
    """A block for each count, root scale, a line at the bottom for none.

    `top` is the count of the highest block.
    """
    highest = max(top or 0, *counts, 1) if counts else 1
    return "".join("─" if count == 0 else BLOCKS[_height(count, highest, len(BLOCKS)) - 1] for count in counts)


def tall_bars(counts: Sequence[int], rows: int) -> list[str]:
    """Bars that are several rows high, the top row first.

    A count that is not 0 is seen, however small it is.
    """
    highest = max([1, *counts])
    eighths = [0 if count == 0 else _height(count, highest, rows * 8) for count in counts]
    return ["".join(_block(height - row * 8) for height in eighths) for row in range(rows - 1, -1, -1)]


def _height(count: int, highest: int, steps: int) -> int:
    return max(1, min(steps, ceil(sqrt(count / highest) * steps)))


def _block(eighths: int) -> str:
    return " " if eighths <= 0 else "█" if eighths >= 8 else "▁▂▃▄▅▆▇"[eighths - 1]


def bar(count: int, highest: int, width: int) -> str:
    """A bar of a list of counts, at most `width` columns long."""
    return "▆" * max(1, round(width * count / max(1, highest))) if count else ""

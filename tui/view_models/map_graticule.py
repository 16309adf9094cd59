"""The lines of degrees behind a map: dots, and what degrees they are. Pure.

How close they are follows from how near one looks: the step is a round number of degrees, or of parts of one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, floor

from tui.view_models.map_projection import DOTS_ACROSS, DOTS_DOWN, Viewport

_STEPS: tuple[float, ...] = (30.0, 10.0, 5.0, *(base / 10.0**power for power in range(7) for base in (2.0, 1.0, 0.5)))
"""Degrees between two lines, the largest first: round numbers that divide 90."""
_MIN_COLUMNS, _MIN_ROWS = 14, 5
"""Between two lines: closer ones would be more to look at than what lies between."""
_DOT_COLUMNS, _DOT_ROWS = 4, 2
_MAX_LINES = 100
"""Bounds what is drawn, whatever the viewport."""


@dataclass(frozen=True, slots=True)
class Graticule:
    """Rows of parallels and columns of meridians, each with its label."""

    rows: tuple[tuple[int, str], ...] = ()
    columns: tuple[tuple[int, str], ...] = ()

    def dots(self, width: int, height: int) -> Iterator[tuple[int, int]]:
        """Column and row of each dot in so many cells."""
        for row, _label in self.rows:
            yield from ((column, row) for column in range(0, width, _DOT_COLUMNS))
            yield from ((column, row) for column, _name in self.columns)
        for column, _label in self.columns:
            yield from ((column, row) for row in range(0, height, _DOT_ROWS))


def make_graticule(viewport: Viewport, width: int, height: int) -> Graticule:
    """Find the lines that are in sight."""
    down = viewport.dot_degrees * DOTS_DOWN
    across = viewport.dot_degrees * DOTS_ACROSS / viewport.shrink
    rows = []
    step = _round_step(down * _MIN_ROWS)
    for degrees in _multiples(viewport.latitude - down * height / 2, viewport.latitude + down * height / 2, step):
        row = viewport.project(degrees, viewport.longitude, width, height)[1] // DOTS_DOWN
        if -90 <= degrees <= 90 and 0 <= row < height:
            rows.append((row, _label(degrees, step)))
    columns = []
    step = _round_step(across * _MIN_COLUMNS)
    half = min(180.0, across * width / 2)
    for degrees in _multiples(viewport.longitude - half, viewport.longitude + half, step):
        column = viewport.project(viewport.latitude, degrees, width, height)[0] // DOTS_ACROSS
        if 0 <= column < width:
            columns.append((column, _label((degrees + 180) % 360 - 180, step)))
    return Graticule(tuple(rows), tuple(columns))


def _round_step(smallest: float) -> float:
    return min((step for step in _STEPS if step >= smallest), default=_STEPS[0])


def _multiples(first: float, last: float, step: float) -> Iterator[float]:
    start = ceil(first / step)
    return (number * step for number in range(start, min(floor(last / step), start + _MAX_LINES) + 1))


def _label(degrees: float, step: float) -> str:
    """The degrees with as many decimals as tell two lines apart."""
    decimals = next((count for count in range(8) if abs(step * 10**count - round(step * 10**count)) < 1e-6), 8)
    return f"{degrees:.{decimals}f}"

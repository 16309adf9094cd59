"""Frames of terminals as one SVG that moves by itself.

Each row of text is kept once, however many frames show it. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from xml.sax.saxutils import escape

from rich.color import ColorTriplet
from rich.style import Style
from rich.text import Text

COLUMNS, LINES = 80, 24
CELL, ROW = 7.2, 15.0
"""Pixels of a cell and of a row at a font of 12 pixels."""
MARGIN, BAND = 12.0, 30.0
"""Pixels around the terminals, and of the band with the caption and of that between them."""
GROUND, INK, DIM, PLUGGED = "#16181d", "#d0d0d0", "#7c828d", "#5fd7ff"
LOOK = (
    'font-family="ui-monospace,Menlo,Consolas,DejaVu Sans Mono,monospace" font-size="12" xml:space="preserve"'
    f' fill="{INK}"'
)
WIDTH = COLUMNS * CELL + 2 * MARGIN
SCREEN_HEIGHT = LINES * ROW


@dataclass(frozen=True)
class Frame:
    """What both terminals show, each as rows with SGR sequences, for how long."""

    seconds: float
    caption: str
    is_plugged: bool
    screens: tuple[tuple[str, ...], tuple[str, ...]]


@dataclass
class Film:
    """Frames behind each other; two that look the same become one."""

    frames: list[Frame] = field(default_factory=list)

    def add(self, frame: Frame) -> None:
        """Show a frame next."""
        last = self.frames[-1] if self.frames else None
        if last and (last.caption, last.is_plugged, last.screens) == (frame.caption, frame.is_plugged, frame.screens):
            frame = Frame(last.seconds + frame.seconds, *(frame.caption, frame.is_plugged, frame.screens))
            self.frames.pop()
        self.frames.append(frame)

    def svg(self) -> str:
        """The film as SVG, which begins anew when it is over."""
        rows: dict[str, str] = {}
        total = sum(frame.seconds for frame in self.frames)
        shown, begin = [], 0.0
        for frame in self.frames:
            shown.append(_frame(frame, rows, begin / total, (begin + frame.seconds) / total, total))
            begin += frame.seconds
        height = 2 * SCREEN_HEIGHT + 2 * BAND + 2 * MARGIN
        drawn = [f'<g id="{name}">{row}</g>' for row, name in rows.items()]
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_number(WIDTH)} {_number(height)}" {LOOK}>',
                f'<rect width="100%" height="100%" rx="8" fill="{GROUND}"/>',
                "<defs>",
                *drawn,
                "</defs>",
                *shown,
                "</svg>\n",
            ]
        )


def _frame(frame: Frame, rows: dict[str, str], start: float, end: float, total: float) -> str:
    top = MARGIN + BAND
    uses = []
    for screen in frame.screens:
        for y, line in enumerate(screen):
            if drawn := _row(line):
                name = rows.setdefault(drawn, f"r{len(rows)}")
                uses.append(f'<use href="#{name}" x="{_number(MARGIN)}" y="{_number(top + y * ROW)}"/>')
        top += SCREEN_HEIGHT + BAND
    caption = (
        f'<text x="{_number(MARGIN)}" y="{_number(MARGIN + 14)}" font-weight="bold">{escape(frame.caption)}</text>'
    )
    times = f"0;{start:.4f};{end:.4f};1" if end < 1 else f"0;{start:.4f};1"
    values = "none;inline;none;none" if end < 1 else "none;inline;inline"
    if start == 0:
        times, values = f"0;{end:.4f};1", "inline;none;none"
    moved = (
        f'<animate attributeName="display" dur="{_number(total)}s" repeatCount="indefinite" calcMode="discrete"'
        f' keyTimes="{times}" values="{values}"/>'
    )
    hidden = "" if start == 0 else ' display="none"'
    return f"<g{hidden}>{moved}{caption}{_cable(frame.is_plugged)}{''.join(uses)}</g>"


def _cable(is_plugged: bool) -> str:
    """The cable between the two terminals."""
    y = MARGIN + BAND + SCREEN_HEIGHT + BAND / 2
    middle = WIDTH / 2
    ends = (MARGIN, WIDTH - MARGIN) if is_plugged else (MARGIN, middle - 40)
    parts = [f"M{_number(ends[0])} {_number(y)}H{_number(ends[1])}"]
    if not is_plugged:
        parts.append(f"M{_number(middle + 40)} {_number(y)}H{_number(WIDTH - MARGIN)}")
    colour = PLUGGED if is_plugged else DIM
    return f'<path d="{"".join(parts)}" stroke="{colour}" stroke-width="3" fill="none"/>'


def _row(line: str) -> str:
    """A row of a terminal: the grounds of its cells, and its texts.

    Empty if there is nothing to see.
    """
    grounds, texts, column = [], [], 0
    for text, style in _spans(line):
        width = len(text)
        ink, ground = _colours(style)
        x = column * CELL
        if ground != GROUND:
            size = f'width="{_number(width * CELL)}" height="{_number(ROW)}"'
            grounds.append(f'<rect x="{_number(x)}" {size} fill="{ground}"/>')
        if text.strip():
            lead = len(text) - len(text.lstrip())
            shown = text.strip()
            look = "" if ink == INK else f' fill="{ink}"'
            look += ' font-weight="bold"' if style.bold else ""
            place = f'x="{_number(x + lead * CELL)}" y="11" textLength="{_number(len(shown) * CELL)}"'
            texts.append(f"<text {place}{look}>{escape(shown)}</text>")
        column += width
    return "".join(grounds + texts)


def _spans(line: str) -> Sequence[tuple[str, Style]]:
    text = Text.from_ansi(line)
    edges = sorted({0, len(text), *(edge for span in text.spans for edge in (span.start, span.end))})
    found: list[tuple[str, Style]] = []
    for start, end in pairwise(edges):
        over = [span.style for span in text.spans if span.start <= start and end <= span.end]
        style = sum((each for each in over if isinstance(each, Style)), Style())
        found.append((text.plain[start:end], style))
    return found


def _colours(style: Style) -> tuple[str, str]:
    ink = _hex(style.color.get_truecolor()) if style.color and not style.color.is_default else INK
    ground = _hex(style.bgcolor.get_truecolor()) if style.bgcolor and not style.bgcolor.is_default else GROUND
    return (ground, ink) if style.reverse else (ink, ground)


def _hex(triplet: ColorTriplet) -> str:
    return triplet.hex


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")

"""`--ascii`: every glyph outside ASCII that the program draws becomes one of the same width that every font has."""

from __future__ import annotations

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

GLYPHS = str.maketrans(
    {
        "●": "*", "○": "o", "–": "-", "≠": "#", "‼": "!", "∩": "&", "↯": "x", "▸": ">", "▾": "v", "›": ">", "→": ">",
        "←": "<", "↑": "^", "↓": "v", "…": "~", "·": "-", "─": "-", "│": "|", "┌": "+", "┐": "+", "└": "+", "┘": "+",
        "├": "+", "┤": "+", "┬": "+", "█": "#", "░": ".", "“": '"', "”": '"', "„": '"', "’": "'", "⏎": "/", "↵": "/",
    }
)  # fmt: skip


class PlainGlyphs(LineFilter):
    """Replaces the glyphs in whatever is drawn; letters of people's own texts stay as they are."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [Segment(text.translate(GLYPHS), style, control) for text, style, control in segments]

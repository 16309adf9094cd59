"""What a terminal may lack.

Glyphs outside ASCII (`--ascii`) become ones of the same width, colours (NO_COLOR) none.
"""

from __future__ import annotations

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from tui.glyphs import ASCII_GLYPHS


class AsciiFilter(LineFilter):
    """Replaces the glyphs in whatever is drawn.

    Letters of people's own texts stay as they are.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [Segment(text.translate(ASCII_GLYPHS), style, control) for text, style, control in segments]


class NoColourFilter(LineFilter):
    """Leaves bold, dim, reverse and underlined as they are, and every colour out."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [Segment(text, style.without_color if style else style, control) for text, style, control in segments]

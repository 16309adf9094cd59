"""What the terminal in front of the person can show.

Colours, glyphs, its background, and how fast its line is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tui.looks import can_show_glyphs, choose_theme, colour_depth
from tui.terminal.background import BackgroundQuery
from tui.terminal.line_speed import is_slow_line


@dataclass(frozen=True, slots=True)
class TerminalProfile:
    """How to draw on a terminal; `typed_ahead` was typed while it was asked."""

    theme: str
    colours: str
    has_glyphs: bool
    is_slow: bool
    typed_ahead: bytes = b""


def read_profile(
    wanted_theme: str,
    wants_slow: bool,
    environ: Mapping[str, str],
    fileno: int,
    meanwhile: Callable[[], object] = lambda: None,
) -> TerminalProfile:
    """Find out what the terminal can show.

    Args:
        wanted_theme: one of `tui.looks.THEME_NAMES`.
        wants_slow: whether it is to be taken as slow whatever it says.
        environ: what the terminal says of itself.
        fileno: the terminal, to be written to and read from.
        meanwhile: is called while the terminal may answer.
    """
    depth, is_slow = colour_depth(environ), wants_slow or is_slow_line(fileno)
    query = BackgroundQuery(fileno)
    if wanted_theme == "auto" and depth in ("true", "256") and not is_slow:
        query.ask()
    try:
        meanwhile()
    finally:
        background, typed = query.finish()
    # True colour costs a quarter more bytes.
    depth = "256" if is_slow and depth == "true" else depth
    theme = choose_theme(wanted_theme, depth, background)
    return TerminalProfile(theme, depth, can_show_glyphs(environ), is_slow, typed)

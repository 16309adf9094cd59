"""The themes at work: each is a class of the app that the style sheets know."""

from __future__ import annotations

from typing import Any

from textual.app import App

from tui.options import THEMES


def next_theme(app: App[Any]) -> str:
    """Go to the next theme; return its name."""
    now = next((index for index, name in enumerate(THEMES) if app.has_class(f"-{name}")), 0)
    after = THEMES[(now + 1) % len(THEMES)]
    app.remove_class(f"-{THEMES[now]}")
    app.add_class(f"-{after}")
    return after

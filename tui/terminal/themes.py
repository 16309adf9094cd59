"""An application whose widgets share a palette that can change at any time."""

from __future__ import annotations

from typing import TypeVar

from textual.app import App

from tui.looks import THEMES
from tui.terminal.crash_handler import CrashSafeApp
from tui.widgets.role_styles import Palette

Result = TypeVar("Result")
"""What the application returns."""


class ThemedApp(CrashSafeApp[Result]):
    """Draws in the terminal's own colours where the palette says nothing else."""

    def __init__(self, palette: Palette) -> None:
        self.palette = palette
        super().__init__(ansi_color=True)
        # Now, and not when it runs: every change of a theme parses all styles again.
        self.set_reactive(App.theme, "ansi-dark")
        self.stylesheet.set_variables(self.get_css_variables())

    def get_css_variables(self) -> dict[str, str]:
        """Textual's own, and the palette's."""
        return {**super().get_css_variables(), **self.palette.css_variables}

    def show_theme(self, name: str) -> None:
        """Draw everything in another theme."""
        self.palette = Palette(name, self.palette.depth)
        self.refresh_css(animate=False)
        for screen in self.screen_stack:
            for widget in screen.walk_children():
                widget.refresh()

    def next_theme(self) -> str:
        """Go to the next theme; return its name."""
        names = list(THEMES)
        name = names[(names.index(self.palette.theme.name) + 1) % len(names)]
        self.show_theme(name)
        return name

"""An empty Textual application with the widgets of the program's first screen.

What that is compared with.
"""

from __future__ import annotations

from typing import ClassVar

from textual.app import App, ComposeResult
from textual.screen import Screen

from tui.layout import Line
from tui.widgets.lines import LineList, Lines, StaticRows
from tui.widgets.role_styles import Palette

MARK = "row 7"
ABOVE, BELOW = ("too-small", "first", "places", "frame-gap", "heading"), ("details-title", "details", "message", "keys")


def _text(_width: int, _height: int) -> list[Line]:
    return [[("a line", "plain")]]


class Page(Screen[None]):
    """A screen that shows lines which are there already."""

    def compose(self) -> ComposeResult:
        for name in ABOVE:
            yield Lines(_text, id=name)
        yield LineList(StaticRows([(str(row), [(f"row {row}", "plain")]) for row in range(40)]), id="list")
        for name in BELOW:
            yield Lines(_text, id=name)


class Empty(App[None]):
    """Nothing but the screen."""

    ENABLE_COMMAND_PALETTE = False

    def get_css_variables(self) -> dict[str, str]:
        return {**super().get_css_variables(), **Palette().css_variables}

    CSS_PATH: ClassVar = "../../tui/styles/fieldline.tcss"

    def on_mount(self) -> None:
        self.push_screen(Page())


if __name__ == "__main__":
    Empty().run(mouse=False)

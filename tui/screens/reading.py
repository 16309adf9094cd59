"""A dialog to read in."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import ComposeResult

from tui.commands import Command
from tui.i18n import _
from tui.lines import Line
from tui.screens.dialogs import Dialog
from tui.widgets.text import Fixed, LineList

WIDTH = 66


class Reading(Dialog[None]):
    """Lines to look at; `draw` gives them for a width."""

    def __init__(self, title: str, draw: Callable[[int], list[Line]]) -> None:
        super().__init__(title)
        self._draw = draw

    def body(self) -> ComposeResult:
        rows = list(enumerate(self._draw(WIDTH)))
        shown = LineList(Fixed(rows))
        shown.styles.height = min(len(rows), 16)
        yield shown

    def offered(self) -> list[Command]:
        word = _("close")
        return [Command(c.name, c.keys, word, c.help) for c in super().offered() if c.name == "cancel"]

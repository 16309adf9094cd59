"""A dialog to read in, and texts in full for it."""

from __future__ import annotations

from collections.abc import Callable

from rich.cells import chop_cells
from textual.app import ComposeResult

from core.changes import Value
from core.schema import Property
from tui.commands import Command
from tui.language.i18n import _
from tui.rows.forms import Names, shown
from tui.rows.lines import Line, clean
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


def in_full(prop: Property, value: Value, names: Names, width: int) -> list[str]:
    """A value on as many lines as it needs, its own lines kept apart."""
    text = value if isinstance(value, str) else shown(prop, value, names)
    return [piece for line in text.split("\n") for piece in chop_cells(clean(line), width) or [""]]

"""The line that people type into.

Its text may come from elsewhere, and a paste may be many lines.
"""

from __future__ import annotations

from rich.cells import cell_len
from rich.text import Text
from textual.events import Paste
from textual.widgets import Input

_CONTROL_SIGNS = {"\n": "↵", "\r": "↵", "\t": "→"}


class Field(Input):
    """One line of text that neither blinks nor selects what stands in it.

    A character that would steer the terminal is shown as a sign in its place; only deleting it takes it out of the
    value. Of a paste all lines are taken, with `between` where one ended.
    """

    def __init__(self, text: str, between: str = " ") -> None:
        super().__init__(text, compact=True, select_on_focus=False)
        self.cursor_blink = False
        self._between = between

    @property
    def _value(self) -> Text:
        if self.password:
            return super()._value
        return Text(visible_text(self.value), no_wrap=True, overflow="ignore", end="")

    def _position_to_cell(self, position: int) -> int:
        return cell_len(visible_text(self.value[:position]))

    def _on_paste(self, event: Paste) -> None:
        event.stop()
        event.prevent_default()
        self.replace(one_line(event.text, self._between), *self.selection)


def visible_text(text: str) -> str:
    """The text with a sign of one column for each character that is none to look at."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _CONTROL_SIGNS.get(char, "·") for char in text)


def one_line(text: str, between: str = " ") -> str:
    """The lines of a text as one, and without what would steer a terminal."""
    lines = ["".join(char if char.isprintable() else " " for char in line) for line in text.splitlines()]
    return lines[0] if len(lines) == 1 else between.join(line for each in lines if (line := each.strip()))

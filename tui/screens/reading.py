"""A dialog to read in, and texts in full for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.cells import chop_cells
from textual.app import ComposeResult

from core.changes import Value
from core.schema import Property
from core.slots import Candidate
from tui.commands import Command
from tui.language.i18n import _
from tui.language.quoting import quote
from tui.language.when import When
from tui.rows.formlines import letter
from tui.rows.forms import GLYPHS, FormRow, Names, shown
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


def candidates_in_full(prop: Property, leaves: Sequence[Candidate], names: Names, when: When, width: int) -> list[Line]:
    """Each value whole, below who said it and why."""
    lines: list[Line] = []
    for index, leaf in enumerate(leaves):
        who = _("{user} on {device}, {when}").format(
            user=leaf.user, device=names.device(leaf.device), when=when.full(leaf.at)
        )
        which = f"{letter(index)}  " if len(leaves) > 1 else ""
        lines += [[], [(which + who, "strong"), (f"  {quote(leaf.note)}", "dim")]]
        lines += [[(line, "plain")] for line in in_full(prop, leaf.value, names, width)]
    return lines[1:]


def row_in_full(row: FormRow, names: Names, when: When, width: int) -> list[Line]:
    """What is wanted for a property, and every value that is said of it."""
    lines: list[Line] = []
    if row.edited:
        lines += [[(f"{GLYPHS['edited']}  " + _("not applied"), "attention")]]
        lines += [[(line, "plain")] for line in in_full(row.prop, row.wanted, names, width)]
    said = candidates_in_full(row.prop, row.slot.leaves, names, when, width)
    return [*lines, *([[]] if lines and said else []), *said]

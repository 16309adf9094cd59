"""A dialog to read in, and texts in full for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.cells import chop_cells
from textual.app import ComposeResult

from core.schema import Property
from core.slots import Candidate
from core.value_codec import Value
from tui.commands import Command
from tui.dialogs.base import Dialog
from tui.glyphs import GLYPHS
from tui.i18n.dates import DateFormatter, with_clock_error
from tui.i18n.quotes import quote
from tui.i18n.translate import _
from tui.layout import Line, clean_text
from tui.view_models.form import DisplayNames, FormRow, format_value
from tui.view_models.form_lines import candidate_letter
from tui.widgets.lines import LineList, StaticRows

TEXT_COLUMNS = 66
"""Columns of a text in a dialog's box, on the smallest terminal."""
_MAX_LINES = 16
"""Lines of the box, so that the keys stay in sight on the smallest terminal."""


class TextViewer(Dialog[None]):
    """Lines to look at; `draw` gives them for a width."""

    def __init__(self, title: str, draw: Callable[[int], list[Line]]) -> None:
        super().__init__(title)
        self._draw = draw

    def body(self) -> ComposeResult:
        rows = list(enumerate(self._draw(TEXT_COLUMNS)))
        shown = LineList(StaticRows(rows))
        shown.styles.height = min(len(rows), _MAX_LINES)
        yield shown

    def available_commands(self) -> list[Command]:
        word = _("close")
        return [Command(c.name, c.keys, word, c.help) for c in super().available_commands() if c.name == "cancel"]


def wrap_value(prop: Property, value: Value, names: DisplayNames, width: int) -> list[str]:
    """A value on as many lines as it needs, its own lines kept apart.

    Args:
        prop: the definition of the property.
        value: the value; None for no value.
        names: what entities and devices are called.
        width: the columns that a line may take.
    """
    text = value if isinstance(value, str) else format_value(prop, value, names)
    return [piece for line in text.split("\n") for piece in chop_cells(clean_text(line), width) or [""]]


def candidate_texts(
    prop: Property, leaves: Sequence[Candidate], names: DisplayNames, dates: DateFormatter, width: int
) -> list[Line]:
    """Each value in full, below its author and note.

    Args:
        prop: the definition of the property.
        leaves: the leaves, the pick first.
        names: what entities and devices are called.
        dates: formats times.
        width: the columns that a line may take.
    """
    lines: list[Line] = []
    for index, leaf in enumerate(leaves):
        who = _("{user} on {device}, {when}").format(
            user=leaf.user, device=names.device(leaf.device), when=with_clock_error(dates.full(leaf.at_us), leaf.clock)
        )
        which = f"{candidate_letter(index)}  " if len(leaves) > 1 else ""
        lines += [[], [(which + who, "strong"), (f"  {quote(leaf.note)}", "dim")]]
        lines += [[(line, "plain")] for line in wrap_value(prop, leaf.value, names, width)]
    return lines[1:]


def before_and_after(prop: Property, old: Value, new: Value, names: DisplayNames, width: int) -> list[Line]:
    """Draw both values of a difference in full.

    Args:
        prop: the property that differs.
        old: the value before, None if there was none.
        new: the value after, None if there is none.
        names: of the entities that the values refer to.
        width: the columns that a line may take.
    """
    before: list[Line] = [[(line, "dim")] for line in wrap_value(prop, old, names, width)] if old is not None else []
    after: list[Line] = [[(line, "plain")] for line in wrap_value(prop, new, names, width)]
    return [
        [(_("before"), "strong")],
        *(before or [[(_("not configured"), "dim")]]),
        [],
        [(_("after"), "strong")],
        *after,
    ]


def row_texts(row: FormRow, names: DisplayNames, dates: DateFormatter, width: int) -> list[Line]:
    """The value wanted for a property, and every leaf that it has.

    Args:
        row: the property with its edit.
        names: what entities and devices are called.
        dates: formats times.
        width: the columns that a line may take.
    """
    lines: list[Line] = []
    if row.edited:
        lines += [[(f"{GLYPHS['edited']}  " + _("not applied"), "attention")]]
        lines += [[(line, "plain")] for line in wrap_value(row.prop, row.wanted, names, width)]
    candidates = candidate_texts(row.prop, row.slot.leaves, names, dates, width)
    return [*lines, *([[]] if lines and candidates else []), *candidates]

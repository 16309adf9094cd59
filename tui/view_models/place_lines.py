"""The lines of Here: the form's, each with what this device has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from core.schema import Kind
from tui.i18n.dates import DateFormatter
from tui.layout import Line
from tui.view_models.equipment import actual_line
from tui.view_models.form import DisplayNames, FormRow
from tui.view_models.form_lines import FormLines

if TYPE_CHECKING:
    from core.equipment.plan import PropertyState

MIN_VALUE_COLUMNS, MAX_VALUE_COLUMNS = 16, 40
"""Columns of a configured value beside what this device has."""
WIDE = 400
"""Columns in which a form's line has its value whole, and who set it far behind that."""


class PlaceLines(FormLines):
    """The form's lines, with `states` by property."""

    def __init__(
        self,
        rows: Sequence[FormRow],
        kind: Kind,
        names: DisplayNames,
        dates: DateFormatter,
        states: Mapping[str, PropertyState],
    ) -> None:
        super().__init__(rows, kind, names, dates)
        self._states = states

    def line(self, index: int, width: int) -> Line:
        row = self.row(index)
        state = self._states.get(row.prop.name) if row is not None else None
        if state is None:
            return super().line(index, width)
        half = (width - self.value_column) // 2
        column = self.value_column + max(MIN_VALUE_COLUMNS, min(MAX_VALUE_COLUMNS, half))
        # Who set it and when is told in the details; here the room is for what this device has.
        return actual_line(super().line(index, WIDE), state, width, column)

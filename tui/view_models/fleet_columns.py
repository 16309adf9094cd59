"""The columns of the fleet's lines.

A kind's main properties, each as wide as its longest value. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from rich.cells import cell_len

from core.records import Record
from core.schema import KIND, RETIRED, Kind, Property
from tui.i18n.translate import language
from tui.layout import Line, cut, fit, fit_line
from tui.view_models.form import DisplayNames, format_value

MIN_NAME_COLUMNS, MAX_NAME_COLUMNS = 12, 25
"""Columns of a name with its indent and fold: shorter ones leave a gap, longer ones are cut."""
MAX_VALUE_COLUMNS, MIN_VALUE_COLUMNS = 24, 8
"""Columns of a value: longer ones are cut, and where less is left the column is left out."""
_GAP_COLUMNS = 2
_MAX_COLUMNS = 4
"""Columns of a kind that names none: those that a person sets first stand first."""
_NUMBER_TYPES = ("integer", "decimal")
_UNCUT_TYPES = ("ip-address", "ip-network", "mac")
"""What has lost its end is another address."""


@dataclass(frozen=True, slots=True)
class ValueColumn:
    """A property as a column, `width` columns wide; numbers stand at its right edge."""

    prop: Property
    width: int
    is_right: bool


@dataclass(frozen=True, slots=True)
class KindColumns:
    """The columns of a kind's lines, behind a name of `name_width` columns."""

    name_width: int = MIN_NAME_COLUMNS
    columns: Sequence[ValueColumn] = field(default_factory=tuple)


def main_properties(kind: Kind) -> list[Property]:
    """The properties that stand beside the names.

    Those that the schema names, else the first ones.
    """
    if kind.columns:
        return [kind.property(name) for name in kind.columns]
    skipped = {KIND, RETIRED, kind.title, kind.parent, kind.within}
    shown = [prop for prop in kind.properties.values() if prop.name not in skipped and not prop.many]
    return shown[:_MAX_COLUMNS]


def value_text(prop: Property, record: Record | None, names: DisplayNames) -> str:
    """The value in use of a property, empty if there is none."""
    value = record.value(prop.name) if record else None
    return "" if value is None else format_value(prop, value, names)


def measure_columns(
    kind: Kind, records: Sequence[Record | None], name_widths: Sequence[int], width: int, names: DisplayNames
) -> KindColumns:
    """Lay the columns of a kind out; what does not fit is left out from the right.

    Args:
        kind: the kind.
        records: what its lines show.
        name_widths: the columns of the names on the screen, with what stands before them.
        width: the columns that a line may take.
        names: what entities are called.
    """
    name_width = min(max([MIN_NAME_COLUMNS, *name_widths]), MAX_NAME_COLUMNS)
    left = width - name_width
    columns: list[ValueColumn] = []
    for prop in main_properties(kind):
        texts = [value_text(prop, record, names) for record in records]
        longest = max(map(cell_len, texts), default=0)
        if not longest:
            continue
        wanted = max(longest, min(cell_len(prop.label(language())), MAX_VALUE_COLUMNS // 2))
        size = wanted if prop.type in _UNCUT_TYPES else min(wanted, MAX_VALUE_COLUMNS)
        if size + _GAP_COLUMNS > left:
            size = left - _GAP_COLUMNS
            if size < MIN_VALUE_COLUMNS or prop.type in _UNCUT_TYPES:
                break
        columns.append(ValueColumn(prop, size, prop.type in _NUMBER_TYPES))
        left -= size + _GAP_COLUMNS
    return KindColumns(name_width, _widen_heads(columns, left))


def _widen_heads(columns: list[ValueColumn], left: int) -> list[ValueColumn]:
    """Give heads that are longer than their columns what is left of the line."""
    widened = []
    for column in columns:
        size = min(cell_len(column.prop.label(language())), MAX_VALUE_COLUMNS)
        more = max(0, min(left, size - column.width))
        widened.append(replace(column, width=column.width + more))
        left -= more
    return widened


def value_cells(layout: KindColumns, record: Record | None, role: str, names: DisplayNames) -> Line:
    """The values of a line in their columns; what wants a person is amber."""
    cells: Line = []
    for column in layout.columns:
        text = fit(value_text(column.prop, record, names), column.width, column.is_right)
        cells += [(" " * _GAP_COLUMNS, role), (text, _value_role(column.prop, record, role))]
    return cells


def _value_role(prop: Property, record: Record | None, role: str) -> str:
    if record is None or (slot := record.slots.get(prop.name)) is None:
        return role
    value = record.value(prop.name)
    is_odd = slot.state == "conflict" or (value is not None and prop.check(value) is not None)
    return "attention" if is_odd else role


def head_cells(layout: KindColumns, name: str, sorted_by: str | None, is_reverse: bool, width: int) -> Line:
    """The heads of the columns; that by which the lines are sorted is marked.

    Args:
        layout: the columns.
        name: the head of the names.
        sorted_by: the property by which lines are sorted, None for their names.
        is_reverse: whether they are sorted the other way round.
        width: the columns that a line may take.
    """
    arrow = "▼" if is_reverse else "▲"
    cells: Line = _head(name, layout.name_width, sorted_by is None, arrow, right=False)
    for column in layout.columns:
        label = column.prop.label(language())
        cells.append((" " * _GAP_COLUMNS, "dim"))
        cells += _head(label, column.width, sorted_by == column.prop.name, arrow, right=column.is_right)
    return fit_line(cells, width)


def property_at(layout: KindColumns, column: int) -> str | None:
    """The property whose head is in a column behind the marks.

    Empty for that of the names, None for neither.
    """
    if 0 <= column < layout.name_width:
        return ""
    start = layout.name_width
    for each in layout.columns:
        if start + _GAP_COLUMNS <= column < start + _GAP_COLUMNS + each.width:
            return each.prop.name
        start += _GAP_COLUMNS + each.width
    return None


def _head(label: str, width: int, is_sorted: bool, arrow: str, *, right: bool) -> Line:
    if not is_sorted:
        return [(fit(label, width, right), "dim")]
    text = cut(label, width - 1)
    blanks = " " * (width - 1 - cell_len(text))
    shown: Line = [(text, "plain"), (arrow, "accent")]
    return [(blanks, "dim"), *shown] if right else [*shown, (blanks, "dim")]

"""The details of an entity beside the fleet.

To resolve first, then its values by group, what is below it, its life.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len

from core.records import Record
from core.schema import Kind, Schema
from core.store.entities import EntityRow
from tui.glyphs import GLYPHS
from tui.i18n.dates import DateFormatter
from tui.i18n.translate import N_, _, format_number, language
from tui.layout import Column, Line, layout_columns, rule_line
from tui.view_models.entity_life import EntityLife, life_lines
from tui.view_models.fleet_columns import MAX_NAME_COLUMNS, MIN_NAME_COLUMNS, main_properties, value_text
from tui.view_models.form import DisplayNames, FormRow, form_rows, label_width, state_glyph, state_text, value_role

MAX_CHILDREN = 8
"""Lines for what is below an entity: what there is of more is counted."""
TYPE_WORDS = {
    "conflict": N_("several values"),
    "duplicate": N_("claimed by several"),
    "overlap": N_("networks overlap"),
    "dangling": N_("refers to nothing"),
    "retired-edit": N_("retired, then edited"),
    "invalid": N_("not valid"),
}


@dataclass(frozen=True, slots=True)
class EntityDetails:
    """What was read of an entity: `children` by kind, and its `life`."""

    record: Record
    names: DisplayNames
    items: Mapping[str, int] = field(default_factory=dict)
    children: Sequence[tuple[Kind, Sequence[EntityRow]]] = ()
    child_records: Mapping[bytes, Record] = field(default_factory=dict)
    life: EntityLife = field(default_factory=EntityLife)


def pane_lines(details: EntityDetails, schema: Schema, dates: DateFormatter, width: int, height: int) -> list[Line]:
    """Draw all of it, as far as there is room.

    Args:
        details: what was read.
        schema: the definitions of kinds and properties.
        dates: formats times.
        width: the columns that a line may take.
        height: the lines that there are.
    """
    lines: list[Line] = []
    for part in (
        _item_lines(details, width),
        _group_lines(details, schema, width),
        _child_lines(details, width),
    ):
        if part and len(lines) + 2 < height:
            lines += [[], *part] if lines else part
    kind = schema.kind(details.record.kind)
    if life := life_lines(details.life, kind, details.names, dates, width, height - len(lines) - 1):
        lines += [[], *life]
    return lines[:height]


def head(text: str, width: int, right: Line | None = None, context: str = "") -> Line:
    """The head of a part: bold, with a thin rule, and a number or state at its end."""
    left: Line = [(text, "strong")]
    if context:
        left.append((f"  {context}", "dim"))
    return rule_line(width + 1, left, right)[1:] if not right else rule_line(width + 1, left, right)


def _item_lines(details: EntityDetails, width: int) -> list[Line]:
    if not details.items:
        return []
    count = sum(details.items.values())
    lines: list[Line] = [head(_("To resolve"), width, [(format_number(count), "alert")])]
    for type_name, number in details.items.items():
        text = f"{GLYPHS[type_name]} {_(TYPE_WORDS[type_name])}" + (f"  {number}" if number > 1 else "")
        lines.append([(" ", "plain"), (text, "attention")])
    return lines


def _group_lines(details: EntityDetails, schema: Schema, width: int) -> list[Line]:
    rows = form_rows(details.record, schema)
    label = label_width(rows, width)
    kind = schema.kind(details.record.kind)
    lines: list[Line] = []
    group: str | None = None
    for row in rows:
        if row.state == "absent" and len(rows) > height_of_all(rows):
            continue
        if row.prop.group != group:
            group = row.prop.group
            title = kind.group_label(group, language())
            lines += [[], head(title, width)] if lines else [head(title, width)]
        lines += _value_lines(row, label, width, details.names)
    return lines


def height_of_all(rows: Sequence[FormRow]) -> int:
    """How many properties are shown although they have no value: of a large kind none."""
    return min(len(rows), 12)


def _value_lines(row: FormRow, label: int, width: int, names: DisplayNames) -> list[Line]:
    """A property; the words for its state stand below the value where both do not fit."""
    value, words = state_text(row, names)
    is_long = label + 4 + cell_len(value + words) > width
    role = value_role(row.state)
    cells = [
        Column(row.prop.label(language()), label, "dim"),
        Column(state_glyph(row.state), 1, role),
        Column(value, None, role, tail="" if is_long else words),
    ]
    lines: list[Line] = [[(" ", "plain"), *layout_columns(width - 1, cells)]]
    if is_long and words:
        lines.append([(" " * (label + 4), "plain"), (words.strip(), role)])
    return lines


def _child_lines(details: EntityDetails, width: int) -> list[Line]:
    shown = [(kind, rows) for kind, rows in details.children if rows]
    if not shown:
        return []
    counts = []
    for kind, rows in shown:
        more = "+" if len(rows) > MAX_CHILDREN else ""
        counts.append(f"{min(len(rows), MAX_CHILDREN)}{more} {kind.plural(language())}")
    lines: list[Line] = [head(_("Below it"), width, context=" · ".join(counts))]
    for kind, rows in shown:
        prop = next(iter(main_properties(kind)), None)
        for row in rows[:MAX_CHILDREN]:
            record = details.child_records.get(row.entity)
            text = value_text(prop, record, details.names) if prop else ""
            name = max(MIN_NAME_COLUMNS, min(width * 2 // 5, MAX_NAME_COLUMNS))
            cells = [Column(row.title, name, "value"), Column(text, None, "plain")]
            lines.append([(" ", "plain"), *layout_columns(width - 1, cells)])
    return lines

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
from core.store.queries.log import LogFilter
from core.store.view import View
from tui.glyphs import GLYPHS
from tui.i18n.dates import DateFormatter
from tui.i18n.translate import N_, _, format_number, language
from tui.layout import Column, Line, layout_columns, rule_line
from tui.view_models.entity_life import EntityLife, life_lines
from tui.view_models.fleet_columns import MAX_NAME_COLUMNS, MIN_NAME_COLUMNS, main_properties, value_text
from tui.view_models.form import DisplayNames, FormRow, form_rows, label_width, state_glyph, state_text, value_role
from tui.view_models.latest_changes import LatestChanges, pane_latest_lines, read_latest
from tui.view_models.pane_columns import Part, arrange_parts

MAX_CHILDREN, MAX_CHILDREN_TALL = 8, 16
"""Lines for each kind below an entity, and on a tall screen: what there is of more is counted."""
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
    """What was read of an entity, of its children by kind, and of its life."""

    record: Record
    names: DisplayNames
    items: Mapping[str, int] = field(default_factory=dict)
    children: Sequence[tuple[Kind, Sequence[EntityRow]]] = ()
    child_records: Mapping[bytes, Record] = field(default_factory=dict)
    max_children: int = MAX_CHILDREN
    life: EntityLife = field(default_factory=EntityLife)
    latest_below: LatestChanges = field(default_factory=LatestChanges)


async def read_children(
    record: Record, view: View, schema: Schema, is_tall: bool
) -> tuple[list[tuple[Kind, Sequence[EntityRow]]], Mapping[bytes, Record], int]:
    """Read what is below an entity.

    Rows by kind, their records, and how many of a kind are shown.
    """
    limit = MAX_CHILDREN_TALL if is_tall else MAX_CHILDREN
    children: list[tuple[Kind, Sequence[EntityRow]]] = []
    for kind in schema.children(record.kind or ""):
        parent = (kind.parent or "", record.entity)
        children.append((kind, await view.page(kind.name, schema, parent=parent, limit=limit + 1)))
    below = [row.entity for _kind, rows in children for row in rows]
    return children, await view.records_by_id(below, schema) if below else {}, limit


def pane_lines(details: EntityDetails, schema: Schema, dates: DateFormatter, width: int, height: int) -> list[Line]:
    """Draw all of it, as far as there is room.

    Args:
        details: what was read.
        schema: the definitions of kinds and properties.
        dates: formats times.
        width: the columns that a line may take.
        height: the lines that there are.
    """
    kind = schema.kind(details.record.kind)
    values: list[Part] = [
        lambda columns, _room: _item_lines(details, columns),
        lambda columns, room: group_lines(details, schema, columns)[:room],
    ]
    around: list[Part] = [
        lambda columns, room: child_lines(details, columns)[:room],
        lambda columns, room: life_lines(details.life, kind, details.names, dates, columns, room),
        lambda columns, room: below_lines(details, schema, dates, columns, room),
    ]
    return arrange_parts(values, around, width, height)


async def read_latest_below(
    children: Sequence[tuple[Kind, Sequence[EntityRow]]],
    view: View,
    schema: Schema,
    names: DisplayNames,
    is_tall: bool,
) -> LatestChanges:
    """Read the latest changes of the shown children of an entity, for a tall screen."""
    if not is_tall:
        return LatestChanges()
    below = tuple(row.entity for _kind, rows in children for row in rows)
    return await read_latest(view, schema, names, LogFilter(entities=below)) if below else LatestChanges()


def below_lines(details: EntityDetails, schema: Schema, dates: DateFormatter, width: int, height: int) -> list[Line]:
    """Draw what changed lately below an entity."""
    latest, devices = details.latest_below, details.names.devices
    return pane_latest_lines(latest, schema, devices, dates, width, height, _("Changed there lately"))


def head(text: str, width: int, right: Line | None = None, context: str = "") -> Line:
    """The head of a part: bold, with a thin rule, and a number or state at its end."""
    left: Line = [(text, "strong")]
    if context:
        left.append((f"  {context}", "dim"))
    return rule_line(width + 1, left, right)[1:]


def _item_lines(details: EntityDetails, width: int) -> list[Line]:
    if not details.items:
        return []
    count = sum(details.items.values())
    lines: list[Line] = [head(_("To resolve"), width, [(format_number(count), "alert")])]
    for type_name, number in details.items.items():
        text = f"{GLYPHS[type_name]} {_(TYPE_WORDS[type_name])}" + (f"  {number}" if number > 1 else "")
        lines.append([(" ", "plain"), (text, "attention")])
    return lines


def group_lines(details: EntityDetails, schema: Schema, width: int) -> list[Line]:
    """The values of an entity, below the heads of their groups."""
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


def child_lines(details: EntityDetails, width: int, title: str = "") -> list[Line]:
    """A head, by default that it is below the entity, and a line for each child."""
    shown = [(kind, rows) for kind, rows in details.children if rows]
    if not shown:
        return []
    counts = []
    limit = details.max_children
    for kind, rows in shown:
        more = "+" if len(rows) > limit else ""
        counts.append(f"{min(len(rows), limit)}{more} {kind.plural(language())}")
    lines: list[Line] = [head(title or _("Below it"), width, context=" · ".join(counts))]
    for kind, rows in shown:
        lines += _child_table(kind, rows[:limit], details, width - 1)
    return lines


def _child_table(kind: Kind, rows: Sequence[EntityRow], details: EntityDetails, width: int) -> list[Line]:
    """A line for each entity: its name, and the main properties that have room."""
    longest = max(cell_len(row.title) for row in rows)
    name = max(MIN_NAME_COLUMNS, min(longest, width * 2 // 5, MAX_NAME_COLUMNS))
    columns: list[tuple[int, list[str]]] = []
    room = width - name
    for prop in main_properties(kind):
        texts = [value_text(prop, details.child_records.get(row.entity), details.names) for row in rows]
        size = min(MAX_NAME_COLUMNS, max(map(cell_len, texts)))
        if size and room < size + 1 and columns:
            break
        if size:
            columns.append((min(size, max(1, room - 1)), texts))
            room -= size + 1
    lines: list[Line] = []
    for index, row in enumerate(rows):
        cells = [Column(row.title, name, "value"), *(Column(texts[index], size, "plain") for size, texts in columns)]
        lines.append([(" ", "plain"), *layout_columns(width, cells)])
    return lines

"""The lines of a form, and the details below: help, author and note, candidates.

Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from rich.cells import cell_len

from core.schema import Kind, Property
from core.slots import Candidate, Slot
from core.value_codec import Value
from core.values import is_same_value
from tui.glyphs import GLYPHS
from tui.i18n.dates import DateFormatter, mark_clock_error, with_clock_error
from tui.i18n.quotes import quote
from tui.i18n.translate import _, language
from tui.layout import Column, Line, cut, fit, fit_pair, layout_columns, wrap_text
from tui.view_models.form import (
    DisplayNames,
    FormRow,
    form_line,
    format_value,
    label_width,
    property_help,
    refusal_text,
)

_CANDIDATE_COLUMNS = 56
"""Columns from which a candidate stands on one line."""
_INDENT_COLUMNS = 3
"""Columns before the labels: properties stand below the heading of their group."""
_SHORT_VALUE_COLUMNS = 24
"""A longer value may be cut on its line, however wide the details are."""


@dataclass(frozen=True, slots=True)
class GroupHeading:
    """The title of a group of properties."""

    text: str


class FormLines:
    """Headings of groups, and a row for each property."""

    def __init__(self, rows: Sequence[FormRow], kind: Kind, names: DisplayNames, dates: DateFormatter) -> None:
        self._names = names
        self._dates = dates
        self._label = label_width(rows, 80)
        self._lines: list[FormRow | GroupHeading] = []
        group: str | None = None
        for row in rows:
            if row.prop.group != group:
                group = row.prop.group
                self._lines.append(GroupHeading(kind.group_label(group, language()) or _("Others")))
            self._lines.append(row)

    def __len__(self) -> int:
        return len(self._lines)

    def row(self, index: int) -> FormRow | None:
        """The property on a line, None for a heading."""
        line = self._lines[index] if 0 <= index < len(self._lines) else None
        return line if isinstance(line, FormRow) else None

    def index(self, name: object) -> int | None:
        """The line of a property."""
        return next((i for i in range(len(self._lines)) if name is not None and self.key(i) == name), None)

    def key(self, index: int) -> str | None:
        row = self.row(index)
        return row.prop.name if row else None

    def is_skipped(self, index: int) -> bool:
        return isinstance(self._lines[index], GroupHeading)

    def line(self, index: int, width: int) -> Line:
        line = self._lines[index]
        if isinstance(line, GroupHeading):
            rule = "─" * max(0, width - cell_len(line.text) - 2)
            return [(" ", "plain"), (line.text + " ", "accent"), (rule, "line")]
        indent = " " * _INDENT_COLUMNS
        return [
            (indent, "plain"),
            *form_line(line, width - _INDENT_COLUMNS, self._label, self._names, self._dates),
        ]

    def needs_load(self, first: int, last: int) -> bool:
        return False

    async def load(self, first: int, last: int) -> None:
        return None

    @property
    def value_column(self) -> int:
        """The column of the list where the values begin."""
        return self._label + 4 + _INDENT_COLUMNS


def candidate_letter(index: int) -> str:
    """The letter of a candidate: digits always mean the six screens."""
    return ascii_uppercase[index] if index < len(ascii_uppercase) else "·"


def candidate_line(
    prop: Property,
    leaf: Candidate,
    index: int,
    width: int,
    names: DisplayNames,
    dates: DateFormatter,
    chosen: bool,
    notes: bool,
) -> Line:
    """A candidate: letter, value, who, when, where and, with `notes`, why.

    Args:
        prop: the definition of the property.
        leaf: the candidate.
        index: its place among the candidates, from 0.
        width: the columns that a line may take.
        names: what entities and devices are called.
        dates: formats times.
        chosen: whether it is the chosen one.
        notes: whether any candidate has a note, which then has a column.
    """
    wide = width >= 96
    note = quote(leaf.note)
    time = dates.dated(leaf.at_us) if wide else dates.short(leaf.at_us)
    return layout_columns(
        width,
        [
            Column(candidate_letter(index), 1, "key"),
            Column(format_value(prop, leaf.value, names), None, "strong" if chosen else "value"),
            Column(leaf.user, 16 if wide else 9, "plain"),
            Column(mark_clock_error(time, leaf.clock), 17 if wide else 11, "dim"),
            Column(names.device(leaf.device), 12 if wide else 6, "dim"),
            Column(note, (30 if wide else 14) if notes else 0, "dim"),
        ],
    )


def candidate_lines(row: FormRow, width: int, names: DisplayNames, dates: DateFormatter) -> list[Line]:
    """The candidates of a conflict, the one in use first.

    Args:
        row: the property in conflict.
        width: the columns that a line may take.
        names: what entities and devices are called.
        dates: formats times.
    """
    leaves = row.slot.leaves
    if width < _CANDIDATE_COLUMNS:
        return [
            line for index, leaf in enumerate(leaves) for line in _stacked(row.prop, leaf, index, width, names, dates)
        ]
    notes = any(leaf.note for leaf in leaves)
    return [
        candidate_line(row.prop, leaf, index, width, names, dates, index == 0, notes)
        for index, leaf in enumerate(leaves)
    ]


def _stacked(
    prop: Property, leaf: Candidate, index: int, width: int, names: DisplayNames, dates: DateFormatter
) -> list[Line]:
    """A candidate where there is no room for columns.

    Its value, and below it who, when, where and why.
    """
    value = cut(format_value(prop, leaf.value, names), width - 2)
    who = _("{user} on {device}, {when}").format(
        user=leaf.user,
        device=names.device(leaf.device),
        when=mark_clock_error(dates.short(leaf.at_us), leaf.clock),
    )
    lines: list[Line] = [[(f"{candidate_letter(index)} ", "key"), (value, "strong" if index == 0 else "value")]]
    return [*lines, *[[("  ", "plain"), (text, "dim")] for text in wrap_text(f"{who} {quote(leaf.note)}", width - 2)]]


def property_details(row: FormRow, width: int, names: DisplayNames, dates: DateFormatter) -> list[Line]:
    """The details of a property.

    Help, a value too long for its line, its author and note, or the candidates.

    Args:
        row: the property.
        width: the columns that a line may take.
        names: what entities and devices are called.
        dates: formats times.
    """
    prop = row.prop
    lines: list[Line] = []
    help_text = property_help(prop)
    if not prop.is_known:
        help_text = _("The schema of this fleet does not know this property; it is kept as it is.")
    lines += [[(text, "plain")] for text in wrap_text(help_text, width)]
    if row.slot.state == "conflict":
        used = _("In use on every device, provisional: {letter}").format(letter=candidate_letter(0))
        lines += [[(text, "attention")] for text in wrap_text(used, width)]
        return lines + candidate_lines(row, width, names, dates)
    if row.state == "invalid" and (refusal := prop.check(row.slot.value)):
        lines += [
            [(f"{GLYPHS['invalid']} {text}", "attention")] for text in wrap_text(refusal_text(refusal, prop), width - 2)
        ]
    text = format_value(prop, row.slot.value, names)
    if row.slot.state == "good" and cell_len(text) > min(width // 3, _SHORT_VALUE_COLUMNS):
        lines += [[(part, "plain")] for part in wrap_text(text, width)]
    if pick := row.pick:
        who = _("{user} on {device}, {when}").format(
            user=pick.user, device=names.device(pick.device), when=with_clock_error(dates.full(pick.at_us), pick.clock)
        )
        note = quote(pick.note)
        about = [f"{who}  {note}"] if cell_len(who) + cell_len(note) + 2 <= width else [who, *wrap_text(note, width)]
        lines += [[(text, "dim")] for text in about]
    return lines


def replaced_lines(
    prop: Property, slot: Slot, seen: Collection[bytes], new: Value, indent: int, names: DisplayNames
) -> list[Line]:
    """The values in conflict that an edit replaces, beside the one in use.

    Of the facts that its author saw.

    Args:
        prop: the definition of the property.
        slot: what is there now.
        seen: the facts that the author of the edit saw.
        new: the value that replaces them.
        indent: columns before each line.
        names: what entities and devices are called.
    """
    shown: list[Value] = [slot.value, new]
    lines: list[Line] = []
    for leaf in slot.leaves:
        if leaf.fact in seen and not any(is_same_value(leaf.value, value) for value in shown):
            shown.append(leaf.value)
            value = f"{GLYPHS['conflict']} {format_value(prop, leaf.value, names)}"
            lines.append([(" " * indent, "plain"), (f"{value}  {leaf.user}", "dim")])
    return lines


def diff_lines(items: Sequence[tuple[Property, Value, bool, Value]], width: int, names: DisplayNames) -> list[Line]:
    """Old → new for each property.

    The third field says whether there was anything before.
    """
    label = max((len(prop.label(language())) for prop, *_rest in items), default=0)
    label = min(label, width // 3)
    room = max(8, width - label - 5)
    lines: list[Line] = []
    for prop, old, seen, new in items:
        before = format_value(prop, old, names) if seen else _("not configured") if width >= 90 else GLYPHS["absent"]
        before, after = fit_pair(before, format_value(prop, new, names), room)
        lines.append(
            [
                (fit(prop.label(language()), label) + "  ", "dim"),
                (before, "dim"),
                (" → ", "dim"),
                (after, "value"),
            ]
        )
    return lines


def apply_lines(rows: Sequence[FormRow], base_slots: Mapping[str, Slot], width: int, names: DisplayNames) -> list[Line]:
    """Old → new for each edited row, and what else of a conflict it replaces.

    Args:
        rows: the edited properties.
        base_slots: what each property showed when its edit began.
        width: the columns that a line may take.
        names: what entities and devices are called.
    """
    slots = [base_slots[row.prop.name] for row in rows]
    pairs = zip(rows, slots, strict=True)
    items = [(row.prop, slot.value, bool(slot.leaves), row.wanted) for row, slot in pairs]
    indent = cell_len(lines[0][0][0]) if (lines := diff_lines(items, width, names)) else 0
    drawn: list[Line] = []
    for row, slot, line in zip(rows, slots, lines, strict=True):
        seen = [leaf.fact for leaf in slot.leaves]
        drawn += [line, *replaced_lines(row.prop, slot, seen, row.wanted, indent, names)]
    return drawn

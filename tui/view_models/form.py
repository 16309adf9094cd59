"""The rows of a form and of a summary. Pure.

Made from a record, its schema and the edits that are not applied yet.

A state is a word and a glyph; colour only repeats it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from core.device.display_names import is_new_key
from core.errors import FieldlineError
from core.records import Record
from core.schema import KIND, RETIRED, Kind, Property, Schema, is_acceptance
from core.slots import Candidate, Slot
from core.value_codec import Ref, Value, withdrawn_by
from tui.draft import Draft
from tui.glyphs import GLYPHS
from tui.i18n.dates import DateFormatter
from tui.i18n.quotes import quote
from tui.i18n.translate import _, error_text, language
from tui.layout import Column, Line, layout_columns


@dataclass(frozen=True, slots=True)
class DisplayNames:
    """What people call entities and devices."""

    entities: Mapping[bytes, str]
    devices: Mapping[bytes, str]

    def entity(self, entity: bytes) -> str:
        """An entity's title, or the start of its id."""
        return self.entities.get(entity) or entity.hex()[:8]

    def device(self, device: bytes) -> str:
        """A device's name, or the start of its id."""
        return self.devices.get(device) or device.hex()[:8]


NO_NAMES = DisplayNames({}, {})
MAX_LABEL_COLUMNS = 20
"""Columns of a label, beside which the values stand below each other."""
_MIN_VALUE_COLUMNS = 22
"""Columns that a value gets, with its glyph, where it is narrow."""
WIDE_COLUMNS = 100
"""From so many columns there is room for the whole time of a value."""


@dataclass(frozen=True, slots=True)
class FormRow:
    """A property of a form.

    Its slot, its state, and the value wanted instead if it is edited.
    """

    prop: Property
    slot: Slot
    state: str
    edited: bool = False
    wanted: Value = None
    newer_candidate: Candidate | None = None
    """A leaf that the property has got since the edit began; None if it has none."""
    is_needed: bool = False
    """Whether an entity of the kind cannot do without it."""

    @property
    def pick(self) -> Candidate | None:
        """The leaf of the value in use; None if there is none."""
        return self.slot.leaves[0] if self.slot.leaves else None


def form_rows(record: Record, schema: Schema, draft: Draft | None = None) -> list[FormRow]:
    """A row for each property in the schema's order, then the unknown ones."""
    kind = schema.kind(record.kind)
    names = [name for name in kind.properties if name not in (KIND, RETIRED)]
    if kind.is_known and not record.slots and kind.key not in names:
        names.insert(0, kind.key)
    names += sorted(name for name in record.slots if name not in kind.properties and name not in (KIND, RETIRED))
    # What is accepted as it is stands in the inbox, where one sees of what.
    names = [name for name in names if not is_acceptance(name) or record.slot(name).provisional]
    return [_form_row(kind, name, record.slot(name), draft) for name in names]


def _form_row(kind: Kind, name: str, slot: Slot, draft: Draft | None) -> FormRow:
    prop = kind.property(name)
    edited = draft is not None and name in draft.wanted
    state = slot.state
    if state == "good" and prop.check(slot.value) is not None:
        state = "invalid"
    wanted = draft.wanted[name] if draft is not None and edited else None
    newer = draft.newer_candidate(name, slot) if draft else None
    return FormRow(prop, slot, state, edited, wanted, newer, prop.required or name == kind.key)


def format_value(prop: Property, value: Value, names: DisplayNames) -> str:
    """A value on one line for people; no value is a word."""
    if value is None:
        return _("unset")
    if isinstance(value, Ref):
        return names.entity(value.entity)
    if withdrawn_by(value):
        return _("undone")
    if is_new_key(prop.name, value):
        return _("has a new key")
    if isinstance(value, tuple) and any(isinstance(item, Ref) for item in value):
        return ", ".join(format_value(prop, item, names) for item in value)
    text = prop.show(value, language())
    # Blanks around a value are why it differs from another one, or is not valid: they must be seen.
    return (quote(text) if text != text.strip() else text) or _("(empty)")


def with_label(error: FieldlineError, prop: Property) -> FieldlineError:
    """An error about a value, with the label instead of the name of the property."""
    if "property" not in error.params:
        return error
    return type(error)(error.template, **{**error.params, "property": prop.label(language())})


def refusal_text(error: FieldlineError, prop: Property) -> str:
    """The sentence of an error about a value, with the property's label."""
    return error_text(with_label(error, prop))


def property_help(prop: Property) -> str:
    """The help of a property, and its choices."""
    text = prop.help_text(language())
    if prop.choices:
        choices = _("One of: {choices}.").format(choices=", ".join(prop.choices))
        text = f"{text} {choices}".strip()
    return text


def referenced_entities(record: Record) -> set[bytes]:
    """The entities that the record's values refer to."""
    found: set[bytes] = set()
    for slot in record.slots.values():
        for leaf in slot.leaves:
            found.update(value_references(leaf.value))
    return found


def value_references(value: Value) -> list[bytes]:
    """The entities that a value refers to."""
    items = value if isinstance(value, tuple) else (value,)
    return [item.entity for item in items if isinstance(item, Ref)]


def state_text(row: FormRow, names: DisplayNames) -> tuple[str, str]:
    """The value in use, or the word for none.

    And the words for a conflict or an invalid value.
    """
    slot = row.slot
    if slot.state == "absent":
        return _("not configured"), ""
    text = format_value(row.prop, slot.value, names)
    if slot.state == "conflict":
        return text, "  " + _("(1 of {count})").format(count=len({repr(leaf.value) for leaf in slot.leaves}))
    return text, "  " + _("(not valid)") if row.state == "invalid" else ""


def value_role(state: str) -> str:
    """The role of a value by the state of its property."""
    return {"conflict": "attention", "invalid": "attention", "good": "value"}.get(state, "dim")


def state_glyph(state: str) -> str:
    """The glyph of a property's state; what is configured and undisturbed has none."""
    return " " if state == "good" else GLYPHS[state]


def label_width(rows: Sequence[FormRow], width: int) -> int:
    """How many columns the labels get.

    As many as the longest needs, at most 20; of a narrow line the values keep 18.
    """
    longest = max((len(row.prop.label(language())) for row in rows), default=0)
    return max(8, min(longest, MAX_LABEL_COLUMNS, width - _MIN_VALUE_COLUMNS))


def form_line(row: FormRow, width: int, label: int, names: DisplayNames, dates: DateFormatter) -> Line:
    """A row of the form: label, state and value, who, when, on which device.

    Args:
        row: the property with its edit.
        width: the columns that a line may take.
        label: the columns of the labels.
        names: what entities and devices are called.
        dates: formats times.
    """
    wide = width >= WIDE_COLUMNS
    if row.edited:
        glyph, value, role = GLYPHS["edited"], format_value(row.prop, row.wanted, names), "attention"
        if row.newer_candidate:
            new = format_value(row.prop, row.newer_candidate.value, names)
            tail = _("{user} meanwhile: {value}").format(user=row.newer_candidate.user, value=new)
        else:
            tail = _("was {value}").format(value="".join(state_text(row, names)))
        last = _("not applied")
        room = width - label - 1 - cell_len(last) - 4
        shown = min(cell_len(value), max(room // 2, room - cell_len(tail)))
        return layout_columns(
            width,
            [
                Column(row.prop.label(language()), label, "dim"),
                Column(glyph, 1, role),
                Column(value, shown, "strong"),
                Column(tail, None, "attention" if row.newer_candidate else "dim"),
                Column(last, cell_len(last), role),
            ],
        )
    role = value_role(row.state)
    value, words = state_text(row, names)
    if row.is_needed and row.state == "absent":
        value, role = _("needs a value"), "attention"
    return layout_columns(
        width,
        [
            Column(row.prop.label(language()), label, "dim"),
            Column(state_glyph(row.state), 1, role),
            Column(value, None, role, tail=words),
            *author_columns(row.pick, wide, names, dates),
        ],
    )


def author_columns(leaf: Candidate | None, wide: bool, names: DisplayNames, dates: DateFormatter) -> list[Column]:
    """Return the last columns of a property: user, time and device of the value.

    Args:
        leaf: the value's leaf; None if there is none, which leaves the columns empty.
        wide: whether there is room for the whole time.
        names: what devices are called.
        dates: formats times.
    """
    user_width, time_width, device_width = (14, 17, 12) if wide else (9, 9, 7)
    if leaf is None:
        return [Column("", size, "dim") for size in (user_width, time_width, device_width)]
    return [
        Column(leaf.user, user_width, "dim"),
        Column(dates.dated(leaf.at_us) if wide else dates.brief(leaf.at_us), time_width, "dim"),
        Column(names.device(leaf.device), device_width, "dim"),
    ]


def summary_lines(rows: list[FormRow], width: int, height: int, names: DisplayNames) -> list[Line]:
    """The configured values, those in need of a person first, on `height` lines.

    Args:
        rows: the properties of the entity.
        width: the columns that a line may take.
        height: the lines that there are.
        names: what entities and devices are called.
    """
    shown = [row for row in rows if row.state != "absent"] or rows
    # There may be room for three lines only: what wants a person must be among them.
    shown = sorted(shown, key=lambda row: row.state not in ("conflict", "invalid"))
    label = label_width(rows, width)
    lines: list[Line] = []
    for row in shown[:height]:
        role = value_role(row.state)
        value, words = state_text(row, names)
        lines.append(
            layout_columns(
                width,
                [
                    Column(row.prop.label(language()), label, "dim"),
                    Column(state_glyph(row.state), 1, role),
                    Column(value, None, role, tail=words),
                ],
            )
        )
    if len(shown) > height and height:
        lines[-1] = [(_("… and {count} more").format(count=len(shown) - height + 1), "dim")]
    return lines

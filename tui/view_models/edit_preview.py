"""Preview edits line by line, before what was not typed itself is written."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from core.records import Edit, Record
from core.schema import Schema, in_schema_order
from core.store.view import View
from tui.glyphs import GLYPHS
from tui.i18n.translate import _, format_number, language
from tui.layout import Line, cut, fit, fit_pair
from tui.view_models.breadcrumbs import breadcrumbs, property_breadcrumb
from tui.view_models.form import DisplayNames, format_value, value_references
from tui.view_models.form_lines import replaced_lines

MAX_PREVIEWED_EDITS = 200
"""Edits that are shown one by one: nobody reads more, and each costs a reading."""
PREVIEW_COLUMNS = 68
"""Columns of a dialog's box, on the smallest terminal."""


async def preview_edits(
    edits: Sequence[Edit], view: View, schema: Schema, devices: DisplayNames, *, with_breadcrumbs: bool = False
) -> list[Line]:
    """Return old → new for each edit against what is there now.

    Args:
        edits: what would be written.
        view: the present.
        schema: the definitions of their properties.
        devices: the names of devices.
        with_breadcrumbs: whether the entity stands before each line; it does if there are several.
    """
    some = edits[:MAX_PREVIEWED_EDITS]
    entities = list(dict.fromkeys(edit.entity for edit in some))
    records = {entity: await view.record(entity, schema) for entity in entities}
    some = in_schema_order(some, lambda edit: (edit.entity, edit.property), lambda entity: records[entity].kind, schema)
    refs = {
        e
        for edit in some
        for value in (edit.value, *(leaf.value for leaf in records[edit.entity].slot(edit.property).leaves))
        for e in value_references(value)
    }
    called = {entity: name.title for entity, name in (await view.names(refs, schema)).items()}
    names = DisplayNames(called, devices.devices)
    paths = await breadcrumbs(entities, view, schema) if with_breadcrumbs or len(entities) > 1 else {}
    lines = [_edit_texts(edit, records[edit.entity], paths.get(edit.entity, ""), schema, names) for edit in some]
    # The values take what they need, at most half; what entities are called gets the rest.
    need = max((cell_len(old) + cell_len(_("stays") if old == new else new) for _head, (old, new) in lines), default=0)
    label = min(
        max(PREVIEW_COLUMNS // 2, PREVIEW_COLUMNS - need - 5), max((cell_len(head) for head, _tail in lines), default=0)
    )
    shown_lines: list[Line] = []
    for edit, (head, (old, new)) in zip(some, lines, strict=True):
        before, after = fit_pair(old, new, PREVIEW_COLUMNS - label - 5)
        tail: Line = [(before, "dim"), (" → ", "plain"), (after, "plain")]
        if old == new:
            tail = [(cut(old, PREVIEW_COLUMNS - label - 10), "plain"), (" " + _("stays"), "dim")]
        shown_lines.append([(fit(_cut_start(head, label), label) + "  ", "plain"), *tail])
        record = records[edit.entity]
        prop, slot = schema.property(record.kind, edit.property), record.slot(edit.property)
        shown_lines += replaced_lines(prop, slot, edit.obsoletes, edit.value, label + 2, names)
    if len(edits) > MAX_PREVIEWED_EDITS:
        shown_lines.append(
            [(_("… and {count} more").format(count=format_number(len(edits) - MAX_PREVIEWED_EDITS)), "dim")]
        )
    return shown_lines


def _edit_texts(
    edit: Edit, record: Record, path: str, schema: Schema, names: DisplayNames
) -> tuple[str, tuple[str, str]]:
    """Of what an edit is, and the old and the new value."""
    prop = schema.property(record.kind, edit.property)
    label = prop.label(language())
    old = (
        format_value(prop, record.value(edit.property), names)
        if record.slot(edit.property).leaves
        else GLYPHS["absent"]
    )
    return property_breadcrumb(path, label), (old, format_value(prop, edit.value, names))


def _cut_start(path: str, width: int) -> str:
    """The end of a path says more than its beginning."""
    return path if cell_len(path) <= width else "…" + path[len(path) - width + 1 :]

"""What edits would change, line by line: shown before anything is written that was not typed value by value."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from core.records import Edit, Record
from core.schema import Schema
from core.store.view import View
from tui.language.i18n import _, language, number
from tui.rows.formlines import given_up
from tui.rows.forms import GLYPHS, Names, referred, shown
from tui.rows.lines import Line, beside, cut, fit
from tui.rows.naming import SEPARATOR, paths

MOST = 200
"""Edits that are shown one by one."""
WIDTH = 68


async def preview(
    edits: Sequence[Edit], view: View, schema: Schema, devices: Names, *, where: bool = False
) -> list[Line]:
    """Old → new for each edit against what is there now, with the entity before it if there are several or `where`."""
    some = edits[:MOST]
    entities = list(dict.fromkeys(edit.entity for edit in some))
    records = {entity: await view.record(entity, schema) for entity in entities}
    refs = {
        e
        for edit in some
        for value in (edit.value, *(leaf.value for leaf in records[edit.entity].slot(edit.property).leaves))
        for e in referred(value)
    }
    called = {entity: name.title for entity, name in (await view.names(refs, schema)).items()}
    names = Names(called, devices.devices)
    places = await paths(entities, view, schema) if where or len(entities) > 1 else {}
    lines = [_line(edit, records[edit.entity], places.get(edit.entity, ""), schema, names) for edit in some]
    # The values take what they need, at most half; what entities are called gets the rest.
    need = max((cell_len(old) + cell_len(_("stays") if old == new else new) for _head, (old, new) in lines), default=0)
    label = min(max(WIDTH // 2, WIDTH - need - 5), max((cell_len(head) for head, _tail in lines), default=0))
    shown_lines: list[Line] = []
    for edit, (head, (old, new)) in zip(some, lines, strict=True):
        before, after = beside(old, new, WIDTH - label - 5)
        tail: Line = [(before, "dim"), (" → ", "plain"), (after, "plain")]
        if old == new:
            tail = [(cut(old, WIDTH - label - 10), "plain"), (" " + _("stays"), "dim")]
        shown_lines.append([(fit(_end(head, label), label) + "  ", "plain"), *tail])
        record = records[edit.entity]
        prop, slot = schema.property(record.kind, edit.property), record.slot(edit.property)
        shown_lines += given_up(prop, slot, edit.obsoletes, edit.value, label + 2, names)
    if len(edits) > MOST:
        shown_lines.append([(_("… and {count} more").format(count=number(len(edits) - MOST)), "dim")])
    return shown_lines


def _line(edit: Edit, record: Record, place: str, schema: Schema, names: Names) -> tuple[str, tuple[str, str]]:
    """Of what an edit is, and the old and the new value."""
    prop = schema.property(record.kind, edit.property)
    label = prop.label(language())
    old = shown(prop, record.value(edit.property), names) if record.slot(edit.property).leaves else GLYPHS["absent"]
    return f"{place}{SEPARATOR}{label}" if place else label, (old, shown(prop, edit.value, names))


def _end(path: str, width: int) -> str:
    """The end of a path says more than its beginning."""
    return path if cell_len(path) <= width else "…" + path[len(path) - width + 1 :]

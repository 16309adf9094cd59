"""Take something out of use, or into use again: what that means first, then one change."""

from __future__ import annotations

from functools import partial

from core.records import Record, make_edit
from core.resolution import unretire_entity
from core.schema import RETIRED, Schema
from core.store.view import View
from tui.dialogs.base import SaveDialog
from tui.i18n.translate import _, format_number, language
from tui.screens.base import BaseScreen
from tui.view_models.edit_preview import preview_edits

MAX_COUNTED_CHILDREN = 100
"""What is placed below something is counted so far."""


async def ask_retire(page: BaseScreen, record: Record) -> None:
    """Ask, and do it if the answer is yes."""
    desk = page.state
    path = await desk.breadcrumb_of(record.entity)
    if record.retired:
        title, edits = _("Put {name} back in use"), [unretire_entity(record)]
        remarks = []
    else:
        title, edits = _("Retire {name}"), [make_edit(record, RETIRED, True)]
        remarks = [_("Nothing of it is lost: all its values stay, and X puts it back in use.")]
        remarks += await _child_warnings(record, desk.view, desk.schema)
    rows = await preview_edits(edits, desk.view, desk.schema, desk.names)

    async def save(note: str) -> None:
        await desk.workspace.save(edits, note or None)
        await desk.refresh_data()
        text = _("{name} is back in use.") if record.retired else _("{name} is retired. u undoes it.")
        page.show_message(text.format(name=path))

    def answered(note: str | None) -> None:
        if note is not None:
            page.run_task(partial(save, note), group="save")

    page.open_dialog(SaveDialog(title.format(name=path), rows, remarks), answered)


async def _child_warnings(record: Record, view: View, schema: Schema) -> list[str]:
    """What is placed under it, and would be under nothing."""
    remarks: list[str] = []
    for kind in schema.children(record.kind or ""):
        rows = await view.page(kind.name, schema, parent=(kind.parent or "", record.entity), limit=MAX_COUNTED_CHILDREN)
        if rows:
            count = format_number(len(rows)) + ("+" if len(rows) == MAX_COUNTED_CHILDREN else "")
            text = _("{kind} below it: {count}. They would refer to something retired.")
            remarks.append(text.format(count=count, kind=kind.plural(language())))
    return remarks

"""Take something out of use, or into use again: what that means first, then one change."""

from __future__ import annotations

from functools import partial

from core.answers import bring_back
from core.records import Record, edit
from core.schema import RETIRED, Schema
from core.store.view import View
from tui.language.i18n import _, language, number
from tui.rows.preview import preview
from tui.screens.dialogs import Save
from tui.screens.page import Page

MOST = 100
"""What is placed below something is counted so far."""


async def ask_retire(page: Page, record: Record) -> None:
    """Ask, and do it if the answer is yes."""
    desk = page.desk
    path = await desk.path(record.entity)
    if record.retired:
        title, edits = _("Take {name} into use again"), [bring_back(record)]
        remarks = []
    else:
        title, edits = _("Take {name} out of use"), [edit(record, RETIRED, True)]
        remarks = [_("Nothing of it is lost: all it says stays, and X takes it into use again.")]
        remarks += await _below(record, desk.view, desk.schema)
    rows = await preview(edits, desk.view, desk.schema, desk.names)

    async def save(note: str) -> None:
        await desk.workspace.save(edits, note or None)
        await desk.news()
        text = _("{name} is in use again.") if record.retired else _("{name} is out of use. u takes that back.")
        page.message(text.format(name=path))

    def answered(note: str | None) -> None:
        if note is not None:
            page.work(partial(save, note), group="save")

    page.ask(Save(title.format(name=path), rows, remarks), answered)


async def _below(record: Record, view: View, schema: Schema) -> list[str]:
    """What is placed under it, and would be under nothing."""
    remarks: list[str] = []
    for kind in schema.children(record.kind or ""):
        rows = await view.page(kind.name, schema, parent=(kind.parent or "", record.entity), limit=MOST)
        if rows:
            count = number(len(rows)) + ("+" if len(rows) == MOST else "")
            text = _("{kind} below it: {count}. They would refer to something out of use.")
            remarks.append(text.format(count=count, kind=kind.plural(language())))
    return remarks

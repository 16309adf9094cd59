"""Retire an entity, or put it back in use: what that means first, then one change."""

from __future__ import annotations

from core.records import Record, make_edit
from core.resolution import unretire_entity
from core.schema import RETIRED, Schema
from core.store.view import View
from tui.i18n.translate import _, format_number, language
from tui.screens.actions.save import ask_save
from tui.screens.base import BaseScreen
from tui.view_models.edit_preview import preview_edits

MAX_COUNTED_CHILDREN = 100
"""Children that are counted exactly; of more it is only said that there are more, so that counting stays short."""


async def ask_retire(screen: BaseScreen, record: Record) -> None:
    """Ask, and do it if the answer is yes."""
    state = screen.state
    path = await state.breadcrumb_of(record.entity)
    if record.retired:
        title, edits = _("Put {name} back in use"), [unretire_entity(record)]
        warnings = []
    else:
        title, edits = _("Retire {name}"), [make_edit(record, RETIRED, True)]
        warnings = [_("Nothing of it is lost: all its values stay, and X puts it back in use.")]
        warnings += await _child_warnings(record, state.view, state.schema)
    rows = await preview_edits(edits, state.view, state.schema, state.names)

    async def save(note: str) -> None:
        await state.workspace.save(edits, note or None)
        await state.refresh_data()
        text = _("{name} is back in use.") if record.retired else _("{name} is retired. u undoes it.")
        screen.show_message(text.format(name=path))

    ask_save(screen, title.format(name=path), rows, warnings, save)


async def _child_warnings(record: Record, view: View, schema: Schema) -> list[str]:
    """A sentence for each kind of which something is below the entity."""
    warnings: list[str] = []
    for kind in schema.children(record.kind or ""):
        rows = await view.page(kind.name, schema, parent=(kind.parent or "", record.entity), limit=MAX_COUNTED_CHILDREN)
        if rows:
            count = format_number(len(rows)) + ("+" if len(rows) == MAX_COUNTED_CHILDREN else "")
            text = _("{kind} below it: {count}. They would refer to something retired.")
            warnings.append(text.format(count=count, kind=kind.plural(language())))
    return warnings

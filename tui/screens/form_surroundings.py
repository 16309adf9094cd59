"""What stands beside and below a form where there is room.

The life of the entity, what is below it, and what it is in, read when the form is shown already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.records import Record
from tui.i18n.translate import _, language
from tui.layout import Line, rule_line
from tui.screens.base import BaseScreen, is_very_tall
from tui.screens.form_editor import FormEditor
from tui.screens.form_state import FormState
from tui.view_models.entity_life import EntityLife, life_lines, read_life, value_lines
from tui.view_models.form import DisplayNames, FormRow, referenced_entities, value_references
from tui.view_models.pane_columns import Part, arrange_parts

# What draws relatives is imported when they have been read: a form is shown first.
if TYPE_CHECKING:
    from tui.view_models.fleet_details import EntityDetails


class FormSurroundings:
    """What is read besides the entity of a form, and drawn as parts of panes."""

    def __init__(self, screen: BaseScreen, form: FormState) -> None:
        self._screen = screen
        self._form = form
        self.life = EntityLife()
        self._own: EntityDetails | None = None
        self._outer: EntityDetails | None = None

    # --- reading ------------------------------------------------------------------------------------------------------

    async def read_life(self) -> None:
        """Read the life of the entity."""
        screen = self._screen
        is_shown = screen.has_panes and self._form.record.slots
        entity, view = self._form.entity, screen.state.view
        self.life = await read_life(entity, view, is_very_tall(screen)) if is_shown else EntityLife()

    async def read_relatives(self) -> None:
        """Read what is below the entity, and what it is in."""
        record, kind = self._form.record, self._form.kind
        if not (self._screen.has_panes and record.slots):
            self._own = self._outer = None
            return
        own = await self._read(record)
        slot = record.slots.get(kind.parent) if kind.parent else None
        outer = next(iter(value_references(slot.value)), None) if slot is not None else None
        view, schema = self._screen.state.view, self._screen.state.schema
        around = await self._read(await view.record(outer, schema)) if outer is not None else None
        self._own, self._outer = own, around
        self._screen.redraw()

    async def _read(self, record: Record) -> EntityDetails:
        from tui.view_models.fleet_details import EntityDetails, read_children, read_latest_below

        state = self._screen.state
        children, records, limit = await read_children(record, state.view, state.schema, is_very_tall(self._screen))
        wanted = {record.entity, *referenced_entities(record)}
        named = await state.view.names(wanted, state.schema)
        names = DisplayNames({entity: name.title for entity, name in named.items()}, state.names.devices)
        is_tall = is_very_tall(self._screen)
        latest = await read_latest_below(children, state.view, state.schema, state.names, is_tall)
        return EntityDetails(
            record, names, children=children, child_records=records, max_children=limit, latest_below=latest
        )

    # --- drawing ------------------------------------------------------------------------------------------------------

    def life_lines(self, width: int, height: int) -> list[Line]:
        """Draw the life of the entity."""
        form = self._form
        return life_lines(self.life, form.kind, form.names, self._screen.state.dates, width, height)

    def _value_lines(self, row: FormRow, width: int, height: int) -> list[Line]:
        """Draw the values that a property has had."""
        return value_lines(self.life, row.prop, self._form.names, self._screen.state.dates, width, height)

    def details(self, row: FormRow, editor: FormEditor, width: int, height: int) -> list[Line]:
        """Draw notes on a property, its values so far, and what is around the entity."""

        def notes(columns: int, room: int) -> list[Line]:
            return (editor.typing_lines(columns) + self._form.details(row, columns))[:room]

        if not self._screen.has_panes:
            return [[("   ", "plain"), *line] for line in notes(width - 4, height)]
        first: list[Part] = [notes, lambda columns, room: self._value_lines(row, columns, room)]
        lines = arrange_parts(first, self._parts(), width - 2, height)
        return [[(" ", "plain"), *line] for line in lines]

    def _parts(self) -> list[Part]:
        """The parts about what is below the entity, and what it is in."""
        own, outer, state = self._own, self._outer, self._screen.state
        if own is None:
            return []
        from tui.view_models.fleet_details import below_lines, child_lines

        changed = outer if outer is not None and not own.children else own
        parts: list[Part] = [lambda width, height: child_lines(own, width)[:height]]
        if outer is not None:
            parts.append(lambda width, height: self._outer_lines(outer, width)[:height])
            parts.append(lambda width, height: child_lines(outer, width, _("Beside it"))[:height])
        parts.append(lambda width, height: below_lines(changed, state.schema, state.dates, width, height))
        return parts

    def _outer_lines(self, outer: EntityDetails, width: int) -> list[Line]:
        """What the entity is in: its name, and its values."""
        from tui.view_models.fleet_details import group_lines

        schema = self._screen.state.schema
        kind = schema.kind(outer.record.kind)
        head: Line = [(outer.names.entity(outer.record.entity), "strong"), (f"  {kind.label(language())}", "dim")]
        return [rule_line(width + 1, head)[1:], *group_lines(outer, schema, width)]

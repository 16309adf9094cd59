"""What a form is about.

An entity's record, the edits that are not applied yet, and what everything is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.confirmation import Confirmations, confirmation_state
from core.records import Record
from core.schema import Kind
from core.value_codec import Value
from tui.draft import Draft
from tui.i18n.translate import _, language
from tui.layout import Line
from tui.view_models.confirmation import confirmation_text, confirmed_text
from tui.view_models.equipment import state_details
from tui.view_models.form import (
    NO_NAMES,
    DisplayNames,
    FormRow,
    form_rows,
    format_value,
    referenced_entities,
    value_references,
)
from tui.view_models.form_lines import FormLines, property_details
from tui.view_models.place_lines import PlaceLines

if TYPE_CHECKING:
    from core.equipment.plan import PropertyState
    from tui.app_state import AppState


class FormState:
    """The data of a form, shared by its screen and by what carries out its commands."""

    def __init__(self, state: AppState, entity: bytes, prefilled_count: int = 0) -> None:
        """`prefilled_count` is how many values of a new entity its author did not type."""
        self._state = state
        self.entity = entity
        self._prefilled_count = prefilled_count
        self.record = Record(entity, None, None, False, {})
        self.names: DisplayNames = NO_NAMES
        self.path = ""
        """Where the entity is, or what is new."""
        self.confirmations: Confirmations = {}
        self.is_compared = False
        """Whether what this device has is shown beside what is configured."""

    @property
    def kind(self) -> Kind:
        """The definition of the entity's kind."""
        return self._state.schema.kind(self.record.kind)

    @property
    def draft(self) -> Draft:
        """The edits of this entity that are not applied yet."""
        draft = self._state.drafts.get(self.entity)
        return draft if draft is not None and self._state.viewed_at_us is None else Draft(self.entity, self.record.kind)

    @property
    def is_new(self) -> bool:
        """Whether no device has a value of the entity: it is being made here."""
        return self.record.kind is not None and not self.record.slots

    @property
    def states(self) -> dict[str, PropertyState]:
        """Wanted against actual by property, of those that this device can have.

        Empty where it is not compared.
        """
        if not self.is_compared or self._state.viewed_at_us is not None:
            return {}
        return self._state.equipment_monitor.states_at(self.entity)

    async def load(self) -> None:
        """Read the record and the names."""
        view, schema = self._state.view, self._state.schema
        record = await view.record(self.entity, schema)
        if record.kind is None and self.draft.kind is not None:
            record = Record(self.entity, self.draft.kind)
        wanted = [entity for value in self.draft.wanted.values() for entity in value_references(value)]
        called = await view.names({self.entity, *referenced_entities(record), *wanted}, schema)
        self.names = DisplayNames({e: name.title for e, name in called.items()}, self._state.names.devices)
        self.confirmations = (await view.confirmations([self.entity])).get(self.entity, {}) if record.slots else {}
        self.record = record
        self.path = await self._state.breadcrumb_of(self.entity) if record.slots else self._new_path()

    def _new_path(self) -> str:
        return _("New: {kind}").format(kind=self.kind.label(language())) if self.is_new else ""

    def rows(self) -> list[FormRow]:
        """The properties with their edits."""
        return form_rows(self.record, self._state.schema, self.draft)

    def lines(self) -> FormLines:
        """The rows of the list."""
        rows, kind, names, dates = self.rows(), self.kind, self.names, self._state.dates
        return PlaceLines(rows, kind, names, dates, self.states) if self.states else FormLines(rows, kind, names, dates)

    def details(self, row: FormRow, width: int) -> list[Line]:
        """What there is to know of a property."""
        state = self.states.get(row.prop.name)
        wanted = format_value(row.prop, row.slot.value, self.names) if row.slot.leaves else ""
        lines = state_details(state, wanted, width) if state is not None else []
        lines += property_details(row, width, self.names, self._state.dates)
        if (leaf := self.confirmations.get(row.prop.name)) and not row.slot.provisional:
            text = _("{confirmed}; h shows who set it").format(confirmed=confirmed_text(leaf, self._state.dates))
            lines.append([(text, "dim")])
        return lines

    def confirmation_text(self) -> str:
        """How far the entity is confirmed; empty if nobody has."""
        return confirmation_text(confirmation_state(self.record, self.confirmations), self._state.dates)

    def clipboard_text(self, row: FormRow) -> str:
        """The value of a property as it is wanted, to paste it elsewhere.

        Empty if there is none.
        """
        value = row.wanted if row.edited else row.slot.value
        if value is None:
            return ""
        return value if isinstance(value, str) else format_value(row.prop, value, self.names)

    # --- edits --------------------------------------------------------------------------------------------------------

    def edit(self, row: FormRow, value: Value) -> None:
        """Want a value instead of what the row showed when its author began."""
        draft = self._state.drafts.setdefault(self.entity, Draft(self.entity, self.record.kind))
        draft.edit(row.prop.name, row.slot, value)
        self._drop_empty_draft()

    def save_typed(self, row: FormRow, value: Value) -> None:
        """Keep what is being typed, should the line go dead; the draft stays as it is."""
        self._state.save_drafts(self.draft.with_edit(row.prop.name, row.slot, value))

    def discard(self, name: str) -> None:
        """Discard the edit of a property."""
        self.draft.discard(name)
        self._drop_empty_draft()

    def discard_all(self) -> None:
        """Discard all edits."""
        self._state.drafts.pop(self.entity, None)
        self._state.save_drafts()

    def discard_untouched(self) -> None:
        """Forget a new entity of which nothing was typed."""
        if self.is_new and len(self.draft) <= self._prefilled_count:
            self.discard_all()

    def _drop_empty_draft(self) -> None:
        if not len(self.draft) and not self.is_new:
            self._state.drafts.pop(self.entity, None)
        self._state.save_drafts()

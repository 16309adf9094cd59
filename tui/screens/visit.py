"""What has changed at a place since somebody last looked at it here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.records import Record
from tui.i18n.translate import _, ngettext
from tui.layout import Line
from tui.view_models.form import NO_NAMES, DisplayNames, form_rows, label_width, referenced_entities
from tui.view_models.whats_new import (
    ChangedProperty,
    changed_properties,
    changed_property_line,
    read_last_visit,
    save_visit,
)

if TYPE_CHECKING:
    from tui.app_state import AppState

_LABEL_WIDTH_COLUMNS = 80
"""Columns for which the labels are laid out, so that they stand below those of the form."""


class Visit:
    """A visit of the person at the screen to a place, and what is new there."""

    def __init__(self, state: AppState) -> None:
        self._state = state
        self.last_us: int | None = None
        """When they last visited the place (microseconds since 1970 UTC), None if never."""
        self.changes: list[ChangedProperty] = []
        self._record = Record(b"")
        self._names = NO_NAMES

    async def begin(self, entity: bytes) -> None:
        """Begin a visit; the one before is read first."""
        workspace = self._state.workspace
        self.last_us = await read_last_visit(workspace.store, workspace.user, entity)
        await self.end(entity)

    async def end(self, entity: bytes) -> None:
        """Remember that the place was looked at until now."""
        workspace = self._state.workspace
        await save_visit(workspace.store, workspace.user, entity, self._state.dates.clock())

    async def load_changes(self, record: Record, names: DisplayNames) -> None:
        """Read what differs between the record and what was known here at the last visit."""
        self.changes, self._record = [], record
        if self.last_us is None or self._state.viewed_at_us is not None:
            return
        workspace, schema = self._state.workspace, self._state.schema
        view = workspace.store.known_at(self.last_us)
        before = await view.record(record.entity, schema)
        self.changes = changed_properties(before, record, schema, workspace.user, workspace.identity.device)
        called = await view.names(referenced_entities(before), schema)
        titles = {entity: name.title for entity, name in called.items()}
        self._names = DisplayNames({**titles, **names.entities}, names.devices)

    def heading(self) -> Line:
        """That nothing is new, for the heading.

        Empty if something is, or if there was no visit before.
        """
        if self.last_us is None or self.changes or self._state.viewed_at_us is not None:
            return []
        when = self._state.dates.short(self.last_us)
        return [(_("nothing new since your last visit, {when}").format(when=when), "dim")]

    def title(self) -> str:
        """How much has changed."""
        when = self._state.dates.short(self.last_us or 0)
        count = ngettext("{count} property has changed", "{count} properties have changed", len(self.changes))
        return _("{count} since your last visit, {when}").format(count=count, when=when)

    def lines(self, width: int, height: int) -> list[Line]:
        """A line for each changed property, the last for those without room."""
        label = label_width(form_rows(self._record, self._state.schema), _LABEL_WIDTH_COLUMNS)
        lines = [changed_property_line(each, width - 2, label, self._names, self._state.dates) for each in self.changes]
        if len(lines) > height:
            more = _("… and {count} more: h shows the history").format(count=len(lines) - height + 1)
            lines = [*lines[: height - 1], [(more, "dim")]]
        return [[(" ", "plain"), *line] for line in lines]

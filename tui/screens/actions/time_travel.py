"""Look back from a change.

Everything as of then, what differs, which change made it so, and restore.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from core.records import Edit
from core.store.queries.log import LogEntry
from core.workspace import log_query, revisions, value_history
from tui.dialogs.base import ChoiceDialog, PromptDialog
from tui.i18n.translate import _, language
from tui.layout import Line
from tui.screens.actions.save import ask_save
from tui.screens.base import ScreenActions
from tui.screens.diff import ChangeDiffScreen, TimeDiffScreen
from tui.screens.list_screen import ListScreen
from tui.screens.log_filter import LogFilterActions
from tui.screens.log_list import LogSelection
from tui.view_models.breadcrumbs import ancestor_chain, property_breadcrumb
from tui.view_models.edit_preview import preview_edits
from tui.view_models.form import DisplayNames, format_value, value_references
from tui.view_models.save_warnings import edit_warnings

SlotId = tuple[bytes, str]
_MAX_CHAINS = 50
"""Entities whose ancestors are offered, so that a large import opens its dialog at once."""
_ADMIN_KINDS = ("fleet", "schema", "member")
"""What only admins change, elsewhere."""
NOW, BEFORE, TYPED = "now", "before", "typed"


class TimeTravelActions(ScreenActions):
    """What the log offers for the change under its cursor."""

    screen: ListScreen

    def __init__(self, screen: ListScreen, selection: LogSelection, log_filter: LogFilterActions) -> None:
        super().__init__(screen)
        self._selection = selection
        self._filter = log_filter
        self._stepped_slot: SlotId | None = None

    def disabled_reason(self, name: str) -> str | None:
        return _("No change is here.") if name != "moment" and self._selection.entry is None else None

    # --- times -------------------------------------------------------------------------------------------------------

    def do_as_of(self) -> None:
        """Look at everything as it was right after this change."""
        if entry := self._selection.entry:
            self.state.view_at(entry.moment_us)

    def do_known(self) -> None:
        """Look at everything as this device knew it right after this change."""
        if entry := self._selection.entry:
            self.state.view_at(entry.received_at_us, as_known=True)

    def do_moment(self) -> None:
        """Ask for a time, and look at everything as it was then."""
        self._ask_time(_("Look at everything as of"), self.state.view_at)

    def _ask_time(self, title: str, use: Callable[[int], None]) -> None:
        state = self.state

        async def check(text: str) -> None:
            await log_query.parse_query_time(text, state.workspace, zone=state.dates.zone)

        async def answer(text: str) -> None:
            use(await log_query.parse_query_time(text, state.workspace, zone=state.dates.zone))

        def answered(text: str | None) -> None:
            if text is not None:
                self.screen.run_task(partial(answer, text), group="time")

        help_text = _("A date, a time such as 2026-03-31T14:00, a time ago such as -2h or -7d, or a change's id.")
        self.screen.open_dialog(PromptDialog(title, "", help_text, check), answered)

    # --- what differs ------------------------------------------------------------------------------------------------

    def do_mark(self) -> None:
        """Mark the change to compare with, or take the mark away."""
        entry = self._selection.entry
        marked = self._selection.marked_entry
        self._selection.marked_entry = None if marked and entry and marked.change == entry.change else entry
        if self._selection.marked_entry:
            self.screen.show_message(_("Marked: go to another change and press d to see what differs between the two."))
        self.screen.refresh_data()

    def do_compare(self) -> None:
        """Show what differs between this time and another one."""
        entry = self._selection.entry
        if entry is None:
            return
        here, marked = entry.moment_us, self._selection.marked_entry
        if marked and marked.change != entry.change:
            self._open_diff(marked.moment_us, here)
            return

        def chosen(what: object) -> None:
            if what == NOW:
                self.screen.open_dialog(self._diff(here, None))
            elif what == BEFORE:
                self._open_diff(here - 1, here)
            elif what == TYPED:
                self._ask_time(_("Compare with"), partial(self._open_diff, here))

        rows: list[tuple[str, Line]] = [
            (NOW, [(_("how everything is now"), "plain")]),
            (BEFORE, [(_("how everything was just before it"), "plain")]),
            (TYPED, [(_("another time, that you type"), "plain")]),
        ]
        when = self.state.dates.full(entry.at_us)
        title = _("Compare {when} with").format(when=when)
        self.screen.open_dialog(ChoiceDialog(title, rows), chosen)

    def _open_diff(self, one: int, other: int) -> None:
        self.screen.open_dialog(self._diff(min(one, other), max(one, other)))

    def _diff(self, start_us: int, end_us: int | None) -> TimeDiffScreen:
        """What differs of that which the list is the changes of."""
        wanted = self._filter.active
        return TimeDiffScreen(start_us, end_us, wanted.entity, wanted.property, self._filter.title)

    def do_whole(self) -> None:
        """All that this change did."""
        if entry := self._selection.entry:
            self.screen.open_dialog(ChangeDiffScreen(entry))

    # --- which change made it so -------------------------------------------------------------------------------------

    def do_older(self) -> None:
        """Go to the change that made the value what it is here, or to the one before."""
        self._step_change(newer=False)

    def do_newer(self) -> None:
        """Go to the next change that made the value another one."""
        self._step_change(newer=True)

    def _step_change(self, newer: bool) -> None:
        every = list(dict.fromkeys((edit.entity, edit.property) for edit in self._selection.edits))
        slots = [slot for slot in every if self._filter.is_for(*slot)] or every
        if self._stepped_slot in slots or len(slots) == 1:
            slot = self._stepped_slot if self._stepped_slot in slots else slots[0]
            self.screen.run_task(partial(self._go_to_value_change, slot, newer), group="step")
            return

        def chosen(slot: object) -> None:
            if isinstance(slot, tuple):
                self.screen.run_task(partial(self._go_to_value_change, slot, newer), group="step")

        rows = [(slot, [(self._slot_text(slot), "plain")]) for slot in slots]
        self.screen.open_dialog(ChoiceDialog(_("Find the change of which of them?"), rows), chosen)

    def _slot_text(self, slot: SlotId) -> str:
        entity, name = slot
        prop = self.state.schema.property(self._selection.kind_of(entity), name)
        return property_breadcrumb(self._selection.names.entity(entity), prop.label(language()))

    async def _go_to_value_change(self, slot: SlotId, newer: bool) -> None:
        entry, state = self._selection.entry, self.state
        if entry is None:
            return
        self._stepped_slot = slot
        called, prop = self._slot_text(slot), state.schema.property(self._selection.kind_of(slot[0]), slot[1])
        found = await value_history.find_value_change(
            state.workspace.store, *slot, entry.cursor, is_newer=newer, until_us=state.viewed_at_us if newer else None
        )
        if found is None:
            text = _("{property} has not changed since.") if newer else _("{property} was not set before.")
            self.screen.show_message(text.format(property=called))
            return
        refs = [*value_references(found.old), *value_references(found.new)]
        known = await state.view.names(refs, state.schema)
        names = DisplayNames({entity: name.title for entity, name in known.items()}, state.names.devices)
        await self._filter.move_to_change(found.entry.cursor)
        old = _("not configured") if found.is_first else format_value(prop, found.old, names)
        text = _("{property} changed to {new} here; before: {old}.")
        # The details above name the entity: with its path the line would be cut.
        label, new = prop.label(language()), format_value(prop, found.new, names)
        self.screen.show_message(text.format(property=label, new=new, old=old))

    # --- restore -----------------------------------------------------------------------------------------------------

    async def do_restore(self) -> None:
        """Choose what to restore, then show the difference."""
        entry = self._selection.entry
        if entry is None:
            return
        rows = await self._restore_choices()
        if not rows:
            self.screen.show_message(
                _("Who belongs to the fleet, and its schema, are not restored here."), attention=True
            )
            return

        def chosen(what: object) -> None:
            if isinstance(what, tuple):
                self.screen.run_task(partial(self._plan_restore, what[0], what[1], entry), group="plan")

        if len(rows) == 1:
            chosen(rows[0][0])
        else:
            self.screen.open_dialog(
                ChoiceDialog(_("Restore which of them to how it was after this change?"), rows), chosen
            )

    async def _restore_choices(self) -> list[tuple[tuple[bytes, bool], Line]]:
        """What the change is about: each alone, with all below, or with its parents."""
        state, schema = self.state, self.state.schema
        selection = self._selection
        every = dict.fromkeys(edit.entity for edit in selection.edits)
        entities = [entity for entity in every if selection.kind_of(entity) not in _ADMIN_KINDS]
        rows: list[tuple[tuple[bytes, bool], Line]] = [
            ((entity, False), [(selection.names.entity(entity), "plain")]) for entity in entities
        ]
        chains = [await ancestor_chain(entity, state.view, schema) for entity in entities[:_MAX_CHAINS]]
        tops = list(dict.fromkeys(each for chain in chains for each in reversed(chain)))
        for entity, name in (await state.view.names(tops, schema)).items():
            if schema.children(name.kind or ""):
                text = _("{name} and everything below it").format(name=name.title)
                rows.append(((entity, True), [(text, "plain")]))
        return rows

    async def _plan_restore(self, entity: bytes, below: bool, entry: LogEntry) -> None:
        state, timestamp_us = self.state, entry.moment_us
        if below:
            edits = await revisions.plan_restore_tree(state.workspace.store, entity, timestamp_us, state.schema)
        else:
            edits = await state.workspace.plan_restore(entity, timestamp_us)
        title, when = await state.breadcrumb_of(entity), state.dates.full(entry.at_us)
        if not edits:
            self.screen.show_message(_("{title} is now as it was then.").format(title=title))
            return
        rows = await preview_edits(edits, state.workspace.store.now(), state.schema, state.names)

        heading = _("Restore {title} to {when}").format(title=title, when=when)
        warnings = await edit_warnings(state.workspace.store.now(), state.schema, edits)
        ask_save(self.screen, heading, rows, warnings, partial(self._save_restore, edits, title))

    async def _save_restore(self, edits: list[Edit], title: str, note: str) -> None:
        await self.state.workspace.save(edits, note or None)
        await self.state.refresh_data()
        self.screen.show_message(_("{title} is as it was then. u undoes it.").format(title=title))

"""The ways to look back from a change: as of then, what differs, when it became so, and bringing back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from core.records import Edit
from core.store.queries.log import FactDiff, LogCursor, LogEntry
from core.workspace import log_query, revisions, undo, value_history
from tui.dialogs.base import ChoiceDialog, PromptDialog, SaveDialog
from tui.i18n.translate import _, format_number, language
from tui.layout import Line
from tui.screens.actions.undo import SAVE_GROUP, UndoActions
from tui.screens.diff import ChangeDiffScreen, TimeDiffScreen
from tui.view_models.breadcrumbs import ancestor_chain
from tui.view_models.edit_preview import preview_edits
from tui.view_models.form import DisplayNames, format_value, value_references
from tui.view_models.save_warnings import edit_warnings

SlotId = tuple[bytes, str]
_MAX_CHAINS = 50
_ADMIN_KINDS = ("fleet", "schema", "member")
"""What only admins change, elsewhere."""
NOW, BEFORE, TYPED = "now", "before", "typed"


class TimeTravelActions(UndoActions):
    """What History offers for the change under its cursor; the page itself says which that is."""

    def __init__(self) -> None:
        super().__init__()
        self.marked_entry: LogEntry | None = None
        self._stepped_slot: SlotId | None = None

    @property
    def entry(self) -> LogEntry | None:
        """The change under the cursor."""
        raise NotImplementedError

    @property
    def edits(self) -> list[FactDiff]:
        """What it did."""
        raise NotImplementedError

    @property
    def names(self) -> DisplayNames:
        """What the entities are called that it speaks of."""
        raise NotImplementedError

    def kind_of(self, entity: bytes) -> str | None:
        """The kind of one of these entities."""
        raise NotImplementedError

    def is_filtered_for(self, place: SlotId) -> bool:
        """Whether the changes are shown because of this property of this entity."""
        raise NotImplementedError

    async def move_to_change(self, position: LogCursor) -> None:
        """Put the cursor on a change."""
        raise NotImplementedError

    def change_disabled_reason(self, name: str) -> str | None:
        """Why a command cannot act on this change."""
        if name in ("undo", "redo", "moment", "filter"):
            return None
        return _("No change is here.") if self.entry is None else None

    # --- moments -----------------------------------------------------------------------------------------------------

    def do_as_of(self) -> None:
        """Look at everything as it was right after this change."""
        if entry := self.entry:
            self.state.view_at(entry.cursor[0])

    def do_known(self) -> None:
        """Look at everything as this device knew it right after this change had reached it."""
        if entry := self.entry:
            self.state.view_at(entry.received_at_us, as_known=True)

    def do_moment(self) -> None:
        """Ask for a moment, and look at everything as it was then."""
        self._ask_time(_("Look at everything as of"), self.state.view_at)

    def _ask_time(self, title: str, use: Callable[[int], None]) -> None:
        desk = self.state

        async def check(text: str) -> None:
            await log_query.parse_query_time(text, desk.workspace, zone=desk.dates.zone)

        async def answer(text: str) -> None:
            use(await log_query.parse_query_time(text, desk.workspace, zone=desk.dates.zone))

        def answered(text: str | None) -> None:
            if text is not None:
                self.run_task(partial(answer, text), group="moment")

        help_text = _("A date, a time such as 2026-03-31T14:00, a time ago such as -2h or -7d, or a change's id.")
        self.open_dialog(PromptDialog(title, "", help_text, check), answered)

    # --- what differs ------------------------------------------------------------------------------------------------

    def do_mark(self) -> None:
        """Mark the change to compare with, or take the mark away."""
        entry = self.entry
        self.marked_entry = None if self.marked_entry and entry and self.marked_entry.change == entry.change else entry
        if self.marked_entry:
            self.show_message(_("Marked: go to another change and press d to see what differs between the two."))
        self.refresh_data()

    def do_compare(self) -> None:
        """Show what differs between this moment and another one."""
        entry = self.entry
        if entry is None:
            return
        here = entry.cursor[0]
        if self.marked_entry and self.marked_entry.change != entry.change:
            self._open_diff(self.marked_entry.cursor[0], here)
            return

        def chosen(what: object) -> None:
            if what == NOW:
                self.open_dialog(TimeDiffScreen(here, None))
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
        self.open_dialog(ChoiceDialog(title, rows), chosen)

    def _open_diff(self, one: int, other: int) -> None:
        self.open_dialog(TimeDiffScreen(min(one, other), max(one, other)))

    def do_whole(self) -> None:
        """All that this change did."""
        if entry := self.entry:
            self.open_dialog(ChangeDiffScreen(entry))

    # --- when did this become so -------------------------------------------------------------------------------------

    def do_older(self) -> None:
        """Go to the change that made the value what it is here, or to the one before."""
        self._step_change(newer=False)

    def do_newer(self) -> None:
        """Go to the next change that made the value another one."""
        self._step_change(newer=True)

    def _step_change(self, newer: bool) -> None:
        every = list(dict.fromkeys((edit.entity, edit.property) for edit in self.edits))
        places = list(filter(self.is_filtered_for, every)) or every
        if self._stepped_slot in places or len(places) == 1:
            place = self._stepped_slot if self._stepped_slot in places else places[0]
            self.run_task(partial(self._go_to_value_change, place, newer), group="step")
            return

        def chosen(place: object) -> None:
            if isinstance(place, tuple):
                self.run_task(partial(self._go_to_value_change, place, newer), group="step")

        rows = [(place, [(self._slot_text(place), "plain")]) for place in places]
        self.open_dialog(ChoiceDialog(_("Find the change of which of them?"), rows), chosen)

    def _slot_text(self, place: SlotId) -> str:
        entity, name = place
        return (
            f"{self.names.entity(entity)} › {self.state.schema.property(self.kind_of(entity), name).label(language())}"
        )

    async def _go_to_value_change(self, place: SlotId, newer: bool) -> None:
        entry, desk = self.entry, self.state
        if entry is None:
            return
        self._stepped_slot = place
        called, prop = self._slot_text(place), desk.schema.property(self.kind_of(place[0]), place[1])
        became = await value_history.find_value_change(
            desk.workspace.store, *place, entry.cursor, is_newer=newer, until_us=desk.viewed_at_us if newer else None
        )
        if became is None:
            text = _("{property} has not changed since.") if newer else _("{property} was not set before.")
            self.show_message(text.format(property=called))
            return
        refs = [*value_references(became.old), *value_references(became.new)]
        known = await desk.view.names(refs, desk.schema)
        names = DisplayNames({entity: name.title for entity, name in known.items()}, desk.names.devices)
        await self.move_to_change(became.entry.cursor)
        old = _("not configured") if became.is_first else format_value(prop, became.old, names)
        text = _("{property} changed to {new} here; before: {old}.")
        # The details above name the entity: with its path the line would be cut.
        label, new = prop.label(language()), format_value(prop, became.new, names)
        self.show_message(text.format(property=label, new=new, old=old))

    # --- bringing back -----------------------------------------------------------------------------------------------

    async def do_restore(self) -> None:
        """Choose what to bring back, then show the difference."""
        entry = self.entry
        if entry is None:
            return
        rows = await self._restore_choices()
        if not rows:
            self.show_message(_("Who belongs to the fleet, and its schema, are not restored here."), attention=True)
            return

        def chosen(what: object) -> None:
            if isinstance(what, tuple):
                self.run_task(partial(self._plan_restore, what[0], what[1], entry), group="plan")

        if len(rows) == 1:
            chosen(rows[0][0])
        else:
            self.open_dialog(ChoiceDialog(_("Restore which of them to how it was after this change?"), rows), chosen)

    async def _restore_choices(self) -> list[tuple[tuple[bytes, bool], Line]]:
        """What the change is about, each alone, then with all that is below it or below what it is part of."""
        desk, schema = self.state, self.state.schema
        entities = [e for e in dict.fromkeys(edit.entity for edit in self.edits) if self.kind_of(e) not in _ADMIN_KINDS]
        rows: list[tuple[tuple[bytes, bool], Line]] = [
            ((entity, False), [(self.names.entity(entity), "plain")]) for entity in entities
        ]
        chains = [await ancestor_chain(entity, desk.view, schema) for entity in entities[:_MAX_CHAINS]]
        tops = list(dict.fromkeys(each for chain in chains for each in reversed(chain)))
        for entity, name in (await desk.view.names(tops, schema)).items():
            if schema.children(name.kind or ""):
                text = _("{name} and everything below it").format(name=name.title)
                rows.append(((entity, True), [(text, "plain")]))
        return rows

    async def _plan_restore(self, entity: bytes, below: bool, entry: LogEntry) -> None:
        desk, moment = self.state, entry.cursor[0]
        if below:
            edits = await revisions.plan_restore_tree(desk.workspace.store, entity, moment, desk.schema)
        else:
            edits = await desk.workspace.plan_restore(entity, moment)
        title, when = await desk.breadcrumb_of(entity), desk.dates.full(entry.at_us)
        if not edits:
            self.show_message(_("{title} is now as it was then.").format(title=title))
            return
        rows = await preview_edits(edits, desk.workspace.store.now(), desk.schema, desk.names)

        def answered(note: str | None) -> None:
            if note is not None:
                self.run_task(partial(self._save_restore, edits, note, title), group=SAVE_GROUP)

        heading = _("Restore {title} to {when}: {count}").format(
            title=title, when=when, count=format_number(len(edits))
        )
        remarks = await edit_warnings(desk.workspace.store.now(), desk.schema, edits)
        self.open_dialog(SaveDialog(heading, rows, remarks), answered)

    async def _save_restore(self, edits: list[Edit], note: str, title: str) -> None:
        await undo.save_batches(self.state.workspace, [edits], note or None, self.show_save_progress)
        await self.state.refresh_data()
        self.show_message(_("{title} is as it was then. u undoes it.").format(title=title))

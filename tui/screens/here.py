"""Here: the place where this device is, chosen by hand and remembered here; what is new there, and its form."""

from __future__ import annotations

from dataclasses import replace

from textual.app import ComposeResult

from core.equipment.plan import PropertyState
from core.records import Record
from tui import commands
from tui.command_host import command_bindings
from tui.commands import Command
from tui.i18n.translate import _, ngettext
from tui.layout import Line, rule_line
from tui.screens.actions.equipment import adopt_into_draft, ask_apply, show_journal
from tui.screens.form import FormScreen
from tui.view_models.equipment import location_lines, seen_by, state_details, summary_line
from tui.view_models.form import (
    NO_NAMES,
    DisplayNames,
    FormRow,
    form_rows,
    format_value,
    label_width,
    referenced_entities,
)
from tui.view_models.form_lines import FormLines
from tui.view_models.place_lines import PlaceLines
from tui.view_models.whats_new import (
    ChangedProperty,
    changed_properties,
    changed_property_line,
    read_last_visit,
    save_visit,
)
from tui.widgets.lines import Lines, StaticRows

MIN_CHANGE_LINES = 3
"""Lines of news on a small screen; a tall one shows three times as many."""


class Here(FormScreen):
    """The form of the place where this device is."""

    TAB = "here"
    SCOPES = ("form", "here", "listing")  # type: ignore[assignment]  # a longer tuple than the form's
    BINDINGS = command_bindings("here")
    CSS = """
    Here #nowhere { display: none; height: 1fr; padding: 1 0; }
    Here.-nowhere #nowhere { display: block; }
    Here.-nowhere #list, Here.-nowhere #details, Here.-nowhere #details-title { display: none; }
    Here #news-title, Here #news { display: none; }
    Here.-news #news-title, Here.-news #news { display: block; }
    """

    def __init__(self) -> None:
        super().__init__(b"")
        self._last_visit_us: int | None = None
        self._changes: list[ChangedProperty] = []
        self._old_names = NO_NAMES

    def body(self) -> ComposeResult:
        yield Lines(self._no_place_lines, id="nowhere", classes="to-read")
        parts = list(super().body())
        yield parts[0]
        yield Lines(lambda width, _height: [rule_line(width, [(self._changes_title(), "strong")])], id="news-title")
        yield Lines(self._change_lines, id="news")
        yield from parts[1:]

    # --- what is shown -----------------------------------------------------------------------------------------------

    def breadcrumb(self) -> str:
        return super().breadcrumb() or _("Here")

    def heading(self) -> tuple[Line, Line]:
        if not self.entity:
            return [], []
        left, right = super().heading()
        if states := self._states:
            right = summary_line(list(states.values()))
            inspection = self.state.equipment_monitor.inspection
            if inspection is not None and (text := seen_by(inspection.location)):
                left = [*left, (f"  {text}", "dim")]
            return left, right
        if self._last_visit_us is not None and not self._changes and self.state.viewed_at_us is None:
            when = self.state.dates.short(self._last_visit_us)
            right = [(_("nothing new since your last visit, {when}").format(when=when), "dim")]
        return left, right

    async def reload_content(self) -> None:
        place = self.state.here
        was_nowhere = self.has_class("-nowhere")
        self.set_class(place is None, "-nowhere")
        if place is None:
            self.entity, self.record, self._changes = b"", Record(b""), []
            self._show_changes()
            self.lines.show_rows(StaticRows())
            self.redraw()
            return
        if place != self.entity:
            if self._typed_row:
                self._stop_typing()
            self.entity = place
            await self._begin_visit()
        await super().reload_content()
        await self._read_changes()
        self.redraw()
        if was_nowhere:
            # Without a place the list was hidden, and what is hidden loses the focus.
            self.call_after_refresh(self.lines.focus)

    @property
    def _states(self) -> dict[str, PropertyState]:
        """Wanted against actual of this place's properties, as far as this device can have them."""
        inspection = self.state.equipment_monitor.inspection
        if inspection is None or self.state.viewed_at_us is not None:
            return {}
        return {s.property: s for s in inspection.states if s.verdict != "unmanaged" and s.entity == self.entity}

    def make_lines(self, rows: list[FormRow]) -> FormLines:
        return PlaceLines(rows, self.kind, self.names, self.state.dates, self._states)

    def details(self, width: int, height: int) -> list[Line]:
        row = self.row
        state = self._states.get(row.prop.name) if row is not None else None
        if row is None or state is None:
            return super().details(width, height)
        wanted = format_value(row.prop, row.slot.value, self.names) if row.slot.leaves else ""
        lines: list[Line] = [[("   ", "plain"), *line] for line in state_details(state, wanted, width - 4)]
        return [*lines, *super().details(width, height)][:height]

    async def _begin_visit(self) -> None:
        workspace = self.state.workspace
        self._last_visit_us = await read_last_visit(workspace.store, workspace.user, self.entity)
        await save_visit(workspace.store, workspace.user, self.entity, self.state.dates.clock())

    async def on_unmount(self) -> None:
        """The visit ends with the program."""
        if self.entity:
            workspace = self.state.workspace
            await save_visit(workspace.store, workspace.user, self.entity, self.state.dates.clock())

    async def _read_changes(self) -> None:
        self._changes = []
        if self._last_visit_us is not None and self.state.viewed_at_us is None:
            workspace, schema = self.state.workspace, self.state.schema
            view = workspace.store.known_at(self._last_visit_us)
            before = await view.record(self.entity, schema)
            self._changes = changed_properties(before, self.record, schema, workspace.user, workspace.identity.device)
            called = await view.names(referenced_entities(before), schema)
            titles = {entity: name.title for entity, name in called.items()}
            self._old_names = DisplayNames({**titles, **self.names.entities}, self.names.devices)
        self._show_changes()

    def _show_changes(self) -> None:
        self.set_class(bool(self._changes), "-news")
        most = MIN_CHANGE_LINES * 3 if self.size.height >= 30 else MIN_CHANGE_LINES
        self.query_one("#news", Lines).styles.height = min(len(self._changes), most)

    def _changes_title(self) -> str:
        when = self.state.dates.short(self._last_visit_us or 0)
        count = ngettext("{count} property has changed", "{count} properties have changed", len(self._changes))
        return _("{count} since your last visit, {when}").format(count=count, when=when)

    def _change_lines(self, width: int, height: int) -> list[Line]:
        label = label_width(form_rows(self.record, self.state.schema), 80)
        lines = [
            changed_property_line(new, width - 2, label, self._old_names, self.state.dates) for new in self._changes
        ]
        if len(lines) > height:
            more = _("… and {count} more: h shows the history").format(count=len(lines) - height + 1)
            lines = [*lines[: height - 1], [(more, "dim")]]
        return [[(" ", "plain"), *line] for line in lines]

    def _no_place_lines(self, width: int, height: int) -> list[Line]:
        text = _(
            "Which place this device is at has not been chosen. Press c: it goes to Fleet, where you put the cursor "
            "on the place and press c again. The place then stands here with everything that is configured at it, "
            "and is remembered on this device only."
        )
        inspection = self.state.equipment_monitor.inspection
        seen = location_lines(inspection.location, min(width, 96)) if inspection is not None else []
        return [*self.empty_lines(text, min(width, 96)), *([[], *seen] if seen else [])]

    # --- commands ----------------------------------------------------------------------------------------------------

    def available_commands(self) -> list[Command]:
        offered = super().available_commands()
        if self._typed_row:
            return offered
        if not self.entity:
            choose = commands.find_command(("here",), "choose")
            shown = replace(choose, label=_("choose place"))
            offered = [shown, *(command for command in offered if command.name != "choose")]
        return [command for command in offered if command.name != "back"]

    def screen_disabled_reason(self, name: str) -> str | None:
        if name in ("choose", "back", "find", "journal"):
            return None
        if name == "find_place":
            inspection = self.state.equipment_monitor.inspection
            is_found = inspection is None or not inspection.location.is_chosen
            return _("The place is found by what this device sees already.") if is_found else None
        if not self.entity:
            return _("No place is chosen yet: c goes to Fleet to choose one.")
        if name in ("adopt", "configure"):
            if self.state.equipment_monitor.is_applying:
                return _("This device is being set up: wait until it is done.")
            if not self._states:
                return _("settings.toml of this device names no equipment of this place: see docs/equipment.md.")
            return None
        return super().screen_disabled_reason(name)

    async def do_adopt(self) -> None:
        """Make edits of what this device has: of the current property if it differs, else of all that do."""
        state = self._states.get(self.row.prop.name) if self.row else None
        differs = state is not None and state.verdict == "differs" and state.actual is not None
        if await adopt_into_draft(self, state.property if state is not None and differs else None):
            self._show_rows()

    async def do_configure(self) -> None:
        """Show the plan, then set this device up."""
        await ask_apply(self)

    async def do_journal(self) -> None:
        """Show what was applied on this device."""
        await show_journal(self)

    async def do_find_place(self) -> None:
        """Forget the place that was chosen by hand."""
        await self.state.set_here(None)
        found = (await self.state.equipment_monitor.inspect()).location
        self.state.here = found.place or found.locality
        self.refresh_data()

    def do_back(self) -> None:
        """Leave the line that is typed into; there is nothing to go back to from here."""
        if self._typed_row:
            super().do_back()

    def do_choose(self) -> None:
        """Go to Fleet to choose."""
        self.app.switch_mode("fleet")

    def do_history_of_place(self) -> None:
        """The changes of this place."""
        self.state.show_history(self.entity, None, self.breadcrumb())

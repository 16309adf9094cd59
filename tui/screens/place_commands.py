"""Commands on the place where this device is.

Choose or find it, adopt what the device has, set it up, show more.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from tui.draft import Draft
from tui.i18n.translate import _, error_text, language, ngettext
from tui.layout import Line
from tui.screens.base import ScreenActions
from tui.screens.form_editor import FormEditor
from tui.screens.form_state import FormState
from tui.screens.list_screen import ListScreen
from tui.view_models.equipment import journal_lines, step_lines

if TYPE_CHECKING:
    from core.equipment.inspection import Inspection
    from core.equipment.plan import Step

MAX_JOURNAL_ROWS = 100
"""Rows that are shown; the command line shows all of them."""
_PREVIEW_COLUMNS = 68
"""Columns of a dialog's box on the smallest terminal."""


class PlaceCommands(ScreenActions):
    """Show this device's place, and line up what it has with the configuration."""

    screen: ListScreen

    def __init__(self, screen: ListScreen, form: FormState, editor: FormEditor, show_rows: Callable[[], None]) -> None:
        """`show_rows` shows the rows again, after an edit."""
        super().__init__(screen)
        self._form = form
        self._editor = editor
        self._show_rows = show_rows

    def disabled_reason(self, name: str) -> str | None:
        monitor = self.state.equipment_monitor
        if name == "find_place":
            is_found = monitor.inspection is None or not monitor.inspection.location.is_chosen
            return _("The place is found by what this device sees already.") if is_found else None
        if name in ("adopt", "configure"):
            if monitor.is_applying:
                return _("This device is being set up: wait until it is done.")
            if not self._form.states:
                return _("settings.toml of this device names no equipment of this place: see docs/equipment.md.")
        return None

    async def do_adopt(self) -> None:
        """Make edits of what this device has.

        Of the current property if it differs, else of all that do.
        """
        row = self._editor.row
        state = self._form.states.get(row.prop.name) if row else None
        differs = state is not None and state.verdict == "differs" and state.actual is not None
        if await self._adopt_into_drafts([state.property] if state is not None and differs else []):
            self._show_rows()

    async def _adopt_into_drafts(self, names: list[str]) -> bool:
        from core.equipment import adoption

        state = self.state
        inspection = await state.equipment_monitor.inspect()
        adoptions = await adoption.plan_adoption(state.workspace, inspection, names)
        for each in adoptions:
            record = each.subject.record
            if refusal := each.subject.prop.check(each.new):
                raise refusal
            draft = state.drafts.setdefault(record.entity, Draft(record.entity, record.kind))
            draft.edit(each.name, each.slot, each.new)
        state.save_drafts()
        text = _("Nothing that could be read on this device differs.")
        if adoptions:
            text = ngettext(
                "{count} value of this device is an edit now: ^s applies it.",
                "{count} values of this device are edits now: ^s applies them.",
                len(adoptions),
            )
        self.screen.show_message(text)
        return bool(adoptions)

    async def do_configure(self) -> None:
        """Show what setting this device up would do, and do it if the answer is yes."""
        from core.equipment.apply import require_place
        from core.equipment.plan import plan

        inspection = require_place(await self.state.equipment_monitor.inspect())
        steps = plan(inspection.states)
        labels = property_labels(inspection)
        if not any(step.outcome == "planned" for step in steps):
            problem = next((step.problem for step in steps if step.problem is not None), None)
            nothing = _("There is nothing to do: this device has what is configured.")
            self.screen.show_message(error_text(problem) if problem else nothing, attention=problem is not None)
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self.screen.run_task(partial(self._apply, steps, labels), group="equipment")

        from tui.dialogs.base import ConfirmRowsDialog

        lines = step_lines(steps, labels, _PREVIEW_COLUMNS)
        self.screen.open_dialog(ConfirmRowsDialog(_("Set this device up?"), lines, _("set up")), answered)

    async def _apply(self, steps: list[Step], labels: dict[str, str]) -> None:
        screen = self.screen
        planned = [step.property for step in steps if step.outcome == "planned"]

        def on_step(step: Step) -> None:
            if step.outcome == "planned" and step.property in planned:
                text = _("{done} of {total}: setting {label} …")
                done = planned.index(step.property) + 1
                screen.show_message(text.format(done=done, total=len(planned), label=labels[step.property]))

        ended = await self.state.equipment_monitor.apply(steps, on_step)
        failed = [step for step in ended if step.outcome == "failed"]
        if not failed:
            count = sum(step.outcome in ("done", "unknown") for step in ended)
            screen.show_message(ngettext("{count} property was set.", "{count} properties were set.", count))
        elif len(ended) == 1 and failed[0].problem is not None:
            screen.show_message(error_text(failed[0].problem), attention=True)
        else:
            from tui.dialogs.text_viewer import TextViewer

            title = ngettext("{count} property could not be set", "{count} properties could not be set", len(failed))
            screen.open_dialog(TextViewer(title, lambda width: step_lines(ended, labels, width)))

    async def do_journal(self) -> None:
        """Show what was applied on this device."""
        import asyncio

        from tui.dialogs.text_viewer import TextViewer

        monitor, dates = self.state.equipment_monitor, self.state.dates
        rows = await asyncio.to_thread(monitor.inspector.journal.rows, MAX_JOURNAL_ROWS)
        labels = property_labels(monitor.inspection) if monitor.inspection else {}

        def draw(width: int) -> list[Line]:
            return journal_lines(rows, labels, dates, width)

        self.screen.open_dialog(TextViewer(_("What was applied on this device"), draw))

    def do_choose(self) -> None:
        """Go to Fleet to choose."""
        self.screen.app.switch_mode("fleet")

    def do_history_of_place(self) -> None:
        """Show the changes of this place."""
        self.state.show_history(self._form.entity, None, self.screen.breadcrumb())

    async def do_find_place(self) -> None:
        """Forget the place that was chosen by hand."""
        await self.state.set_here(None)
        found = (await self.state.equipment_monitor.inspect()).location
        self.state.here = found.place or found.locality
        self.screen.refresh_data()


def property_labels(inspection: Inspection) -> dict[str, str]:
    """What people call the properties of this place."""
    known = {name: subject.prop.label(language()) for name, subject in inspection.subjects.items()}
    return {state.property: known.get(state.property, state.property) for state in inspection.states}

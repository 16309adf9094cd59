"""What one can do with the equipment of this place: adopt what the device has, set it up, read its journal."""

from __future__ import annotations

from functools import partial

from core.equipment import adoption
from core.equipment.inspection import Inspection
from core.equipment.plan import Step
from tui.dialogs.base import ConfirmRowsDialog
from tui.dialogs.text_viewer import TextViewer
from tui.draft import Draft
from tui.i18n.translate import _, error_text, language, ngettext
from tui.layout import Line
from tui.screens.base import BaseScreen
from tui.view_models.equipment import journal_lines, step_lines

MAX_JOURNAL_ROWS = 100
"""Rows that are shown; the command line shows all of them."""


async def adopt_into_draft(page: BaseScreen, name: str | None) -> int:
    """Make edits of what this device has, of one property or all that differ; gives how many. Nothing is saved yet."""
    desk = page.state
    inspection = await desk.equipment_monitor.inspect()
    names = [name] if name is not None else []
    adoptions = await adoption.plan_adoption(desk.workspace, inspection, names)
    for each in adoptions:
        record = each.subject.record
        if refusal := each.subject.prop.check(each.new):
            raise refusal
        draft = desk.drafts.setdefault(record.entity, Draft(record.entity, record.kind))
        draft.edit(each.name, each.slot, each.new)
    desk.save_drafts()
    if adoptions:
        text = ngettext(
            "{count} value of this device is an edit now: ^s applies it.",
            "{count} values of this device are edits now: ^s applies them.",
            len(adoptions),
        )
        page.show_message(text)
    else:
        page.show_message(_("Nothing that could be read on this device differs."))
    return len(adoptions)


async def ask_apply(page: BaseScreen) -> None:
    """Show what setting this device up would do, and do it if the answer is yes."""
    from core.equipment.apply import require_place
    from core.equipment.plan import plan

    monitor = page.state.equipment_monitor
    inspection = require_place(await monitor.inspect())
    steps = plan(inspection.states)
    labels = property_labels(inspection)
    if not any(step.outcome == "planned" for step in steps):
        problem = next((step.problem for step in steps if step.problem is not None), None)
        told = error_text(problem) if problem else _("There is nothing to do: this device has what is configured.")
        page.show_message(told, attention=problem is not None)
        return

    def answered(yes: bool | None) -> None:
        if yes:
            page.run_task(partial(_apply, page, steps, labels), group="equipment")

    lines = step_lines(steps, labels, 68)
    page.open_dialog(ConfirmRowsDialog(_("Set this device up?"), lines, _("set up")), answered)


async def _apply(page: BaseScreen, steps: list[Step], labels: dict[str, str]) -> None:
    planned = [step.property for step in steps if step.outcome == "planned"]

    def on_step(step: Step) -> None:
        if step.outcome == "planned" and step.property in planned:
            text = _("{done} of {total}: setting {label} …")
            done = planned.index(step.property) + 1
            page.show_message(text.format(done=done, total=len(planned), label=labels[step.property]))

    ended = await page.state.equipment_monitor.apply(steps, on_step)
    failed = [step for step in ended if step.outcome == "failed"]
    if not failed:
        count = sum(step.outcome in ("done", "unknown") for step in ended)
        page.show_message(ngettext("{count} property was set.", "{count} properties were set.", count))
    elif len(ended) == 1 and failed[0].problem is not None:
        page.show_message(error_text(failed[0].problem), attention=True)
    else:
        title = ngettext("{count} property could not be set", "{count} properties could not be set", len(failed))
        page.open_dialog(TextViewer(title, lambda width: step_lines(ended, labels, width)))


async def show_journal(page: BaseScreen) -> None:
    """Show what was applied on this device."""
    import asyncio

    desk = page.state
    rows = await asyncio.to_thread(desk.equipment_monitor.inspector.journal.rows, MAX_JOURNAL_ROWS)
    inspection = desk.equipment_monitor.inspection
    labels = property_labels(inspection) if inspection else {}

    def draw(width: int) -> list[Line]:
        return journal_lines(rows, labels, desk.dates, width)

    page.open_dialog(TextViewer(_("What was applied on this device"), draw))


def property_labels(inspection: Inspection) -> dict[str, str]:
    """What people call the properties of this place."""
    known = {name: subject.prop.label(language()) for name, subject in inspection.subjects.items()}
    return {state.property: known.get(state.property, state.property) for state in inspection.states}

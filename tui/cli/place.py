"""Verbs about the place where this device is.

Place, and its choose, adopt, apply, journal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from core.errors import Refused
from core.service import location as own_location
from core.timestamps import format_timestamp
from tui.cli.context import CliContext
from tui.cli.edit import NOTE_OPTION, resolved_text
from tui.cli.formatting import Formatter
from tui.cli.help import TranslatedCommand, TranslatedOption, argument, option, run_verb, verb
from tui.cli.plan import DRY_RUN_OPTION, print_dry_run
from tui.i18n.translate import N_, _, error_text, ngettext
from tui.view_models.equipment import VERDICT_GLYPHS, evidence_text, outcome_text, verdict_text

if TYPE_CHECKING:
    from core.equipment.adoption import Adoption
    from core.equipment.inspection import Inspection, Inspector
    from core.equipment.location import Location
    from core.equipment.plan import PropertyState, Step
    from core.workspace import Workspace

SHOWN_JOURNAL_ROWS = 50


class _Place(TranslatedCommand, click.Group):
    pass


@click.group(
    cls=_Place,
    invoke_without_command=True,
    help=N_("Show where this device is and why, and what it has beside what is configured there."),
)
@click.option("--json", "as_json", cls=TranslatedOption, is_flag=True, help=N_("Print the data as JSON."))
@click.pass_context
def place(ctx: click.Context, as_json: bool) -> int | None:
    context = ctx.ensure_object(CliContext)
    context.json = as_json
    return run_verb(context, lambda: _show(context)) if ctx.invoked_subcommand is None else None


async def _show(context: CliContext) -> None:
    async with await context.open_workspace() as workspace:
        await print_place(context, workspace)


@verb(N_("Choose by hand the place where this device is; nothing of it is written into the fleet."))
@argument("entity", required=False)
@option("--auto", is_flag=True, help=N_("Find the place by what this device sees again."))
async def choose(context: CliContext, entity: str | None, auto: bool) -> None:
    if (entity is None) != auto:
        raise Refused("Name either the place or --auto.")
    async with await context.open_workspace() as workspace:
        chosen = None
        if entity is not None:
            chosen = await workspace.find(entity)
            record = await workspace.record(chosen)
            if not (await workspace.schema()).kind(record.kind).is_known:
                raise Refused("{entity} is nothing that a device can be at.", entity=entity)
        await own_location.save_location(workspace, chosen)
        await print_place(context, workspace)


@verb(N_("Take over what this device has into the fleet, all that differs or these properties, as one change."))
@argument("properties", nargs=-1, metavar="[PROP...]")
@NOTE_OPTION
@DRY_RUN_OPTION
async def adopt(context: CliContext, properties: tuple[str, ...], note: str | None, dry_run: bool) -> None:
    from core.equipment import adoption

    async with await context.open_workspace(dry_run=dry_run) as workspace:
        change, adopted = await adoption.adopt(_inspector(workspace), properties, note)
        if dry_run:
            await print_dry_run(context, workspace)
            return
        formatter = await Formatter.create(workspace)
        await formatter.load_names(values=[value for each in adopted for value in (each.slot.value, each.new)])
    if context.json:
        rows = [_adoption_json(each, formatter) for each in adopted]
        context.print_json({"change": change.hex() if change else None, "adopted": rows})
    elif change is None:
        context.print_message(_("Nothing is different: nothing was written."))
    else:
        if resolved := sum(each.slot.provisional for each in adopted):
            context.print_message(resolved_text(resolved))
        for each in adopted:
            prop = each.subject.prop
            old, new = (formatter.value_text(prop, value) for value in (each.slot.value, each.new))
            context.print_line(f"{each.name}: {old} → {new}")
        count = ngettext("{count} value", "{count} values", len(adopted))
        context.print_message(_("{count} adopted as change {change}.").format(count=count, change=change.hex()[:8]))


@verb(N_("Set this device up with what is configured at its place; what is so already is left alone."))
@option("--dry-run", is_flag=True, help=N_("Only show what would be done."))
async def apply(context: CliContext, dry_run: bool) -> int:
    from core.equipment import apply as applying

    async with await context.open_workspace() as workspace:
        inspector = _inspector(workspace)
        steps = await applying.make_plan(inspector) if dry_run else await applying.apply(inspector)
    if context.json:
        context.print_json({"steps": [step_json(step) for step in steps]})
    elif steps:
        context.print_table(
            [[step.property, step.now or "–", step.wanted or "–", outcome_text(step.outcome)] for step in steps],
            [_("Property"), _("This device"), _("Configured"), _("Outcome")],
            shrinkable=(1, 2),
        )
        for step in steps:
            if step.problem is not None:
                context.print_message(f"{step.property}: {error_text(step.problem)}")
    else:
        context.print_message(_("The settings of this device name no equipment of this place: nothing was done."))
    return 1 if any(step.outcome == "failed" for step in steps) else 0


@verb(N_("Show what was applied on this device, the latest first."))
@option("--limit", type=click.IntRange(min=1), metavar="N", help=N_("At most so many."))
async def journal(context: CliContext, limit: int | None) -> None:
    async with await context.open_workspace() as workspace:
        rows = _inspector(workspace).journal.rows(limit if limit or context.json else SHOWN_JOURNAL_ROWS)
    if context.json:
        context.print_json(
            [
                {
                    "at": format_timestamp(row.at_us),
                    "property": row.property,
                    "before": row.before,
                    "after": row.after,
                    "outcome": row.outcome,
                    "message": error_text(row.problem) if row.problem else "",
                }
                for row in rows
            ]
        )
        return
    for row in rows:
        change = f"{row.before or '–'} → {row.after or '–'}"
        context.print_line(f"{context.dates.full(row.at_us)}  {row.property}  {change}  {outcome_text(row.outcome)}")
        if row.problem is not None:
            context.print_line(f"    {error_text(row.problem)}")
    if not rows:
        context.print_message(_("Nothing was applied on this device yet."))


for command in (choose, adopt, apply, journal):
    place.add_command(command)


def _inspector(workspace: Workspace) -> Inspector:
    from core.equipment.inspection import Inspector

    return Inspector(workspace)


async def print_place(context: CliContext, workspace: Workspace) -> None:
    """Print where this device is, and wanted against actual there."""
    inspection = await _inspector(workspace).inspect()
    formatter = await inspection_formatter(workspace, inspection)
    if context.json:
        context.print_json(inspection_json(inspection, formatter))
        return
    found = inspection.location
    where = found.place or found.locality
    if where is not None:
        context.print_line(formatter.entity_text(where), bold=True)
    why = [_("chosen by hand")] if found.is_chosen else []
    why += [evidence_text(each) for each in found.evidence if each.problem is None]
    for line in why:
        context.print_line("  " + line)
    if found.problem is not None:
        context.print_message(error_text(found.problem))
    rows = [_property_row(inspection, state, formatter) for state in inspection.states]
    if rows:
        header = ["", _("Property"), _("Configured"), _("This device"), ""]
        context.print_table(rows, header, shrinkable=(2, 3))
    for state in inspection.states:
        if state.problem is not None:
            context.print_message(f"{state.property}: {error_text(state.problem)}")


def _property_row(inspection: Inspection, state: PropertyState, formatter: Formatter) -> list[str]:
    subject = inspection.subjects.get(state.property)
    wanted = formatter.value_text(subject.prop, state.wanted) if subject and state.wanted is not None else "–"
    verdict = verdict_text(state.verdict)
    if state.is_provisional:
        verdict += ", " + _("provisional")
    return [VERDICT_GLYPHS[state.verdict], state.property, wanted, state.actual or "–", verdict]


async def inspection_formatter(workspace: Workspace, inspection: Inspection) -> Formatter:
    """A formatter that knows everything that an inspection names."""
    formatter = await Formatter.create(workspace)
    found = inspection.location
    entities = [entity for entity in (found.place, found.locality) if entity is not None]
    await formatter.load_names(entities, [state.wanted for state in inspection.states])
    return formatter


def location_json(found: Location, formatter: Formatter) -> dict[str, Any]:
    """Where this device is, as JSON."""
    return {
        "locality": None if found.locality is None else formatter.entity_text(found.locality),
        "place": None if found.place is None else formatter.entity_text(found.place),
        "chosen": found.is_chosen,
        "evidence": [
            {"kind": each.kind, "value": each.value, "source": each.source}
            for each in found.evidence
            if each.problem is None
        ],
        "message": error_text(found.problem) if found.problem else "",
    }


def inspection_json(inspection: Inspection, formatter: Formatter) -> dict[str, Any]:
    """Where this device is and how it stands there, as JSON."""
    return {
        **location_json(inspection.location, formatter),
        "properties": [state_json(state, formatter) for state in inspection.states],
    }


def state_json(state: PropertyState, formatter: Formatter) -> dict[str, Any]:
    """Wanted against actual of one property, as JSON."""
    return {
        "property": state.property,
        "verdict": state.verdict,
        "wanted": formatter.value_json(state.wanted),
        "actual": state.actual,
        "provisional": state.is_provisional,
        "message": error_text(state.problem) if state.problem else "",
    }


def step_json(step: Step) -> dict[str, Any]:
    """A step as JSON."""
    return {
        "property": step.property,
        "now": step.now,
        "wanted": step.wanted,
        "outcome": step.outcome,
        "message": error_text(step.problem) if step.problem else "",
    }


def steps_json(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Steps as JSON."""
    return [step_json(step) for step in steps]


def _adoption_json(adopted: Adoption, formatter: Formatter) -> dict[str, Any]:
    return {
        "property": adopted.name,
        "old": formatter.value_json(adopted.slot.value),
        "new": formatter.value_json(adopted.new),
    }

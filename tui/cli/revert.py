"""Verbs that revert: restore, undo.

They write new facts on top of the present; an undo withdraws.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.errors import FieldlineError, Refused
from core.revert import Skipped
from tui.cli.context import CliContext
from tui.cli.edit import NOTE_OPTION, resolved_text
from tui.cli.formatting import Formatter
from tui.cli.help import argument, option, verb
from tui.cli.plan import DRY_RUN_OPTION, print_dry_run
from tui.i18n.quotes import quote
from tui.i18n.translate import N_, _, error_text, language, ngettext

if TYPE_CHECKING:
    from core.store.queries.log import LogEntry
    from core.workspace import Workspace
    from core.workspace.undo import UndoPlan

MAX_PASSED_SHOWN = 3
"""Changes that an undo passes over, of which it says why: what it undoes is to stay in sight."""


@verb(N_("Restore something to how it was at a time. Later changes stay in the log."))
@argument("entity")
@option("--at", metavar="T", required=True, help=N_("The time whose state is restored."))
@NOTE_OPTION
@DRY_RUN_OPTION
async def restore(context: CliContext, entity: str, at: str, note: str | None, dry_run: bool) -> None:
    async with await context.open_workspace(dry_run=dry_run) as workspace:
        moment = await workspace.parse_view_time(at)
        found = await workspace.find(entity, workspace.view(moment))
        edits = await workspace.plan_restore(found, moment)
        records = await workspace.view().records_by_id({edit.entity for edit in edits}, await workspace.schema())
        resolved = sum(records[e.entity].slot(e.property).provisional for e in edits if e.entity in records)
        change = await workspace.save(edits, note)
        if dry_run:
            await print_dry_run(context, workspace, resolved=resolved)
            return
    if resolved:
        context.print_message(resolved_text(resolved))
    _print_saved(context, change, len(edits), resolved=resolved)


@verb(N_("Undo a change: what was in use before it is in use again. What was changed since is left alone, and listed."))
@argument("change", required=False)
@option("--last", is_flag=True, help=N_("Your latest change on this device that is not undone yet."))
@NOTE_OPTION
@DRY_RUN_OPTION
async def undo(context: CliContext, change: str | None, last: bool, note: str | None, dry_run: bool) -> None:
    if (change is None) != last:
        raise Refused("Name one CHANGE, or give --last.")
    from core.workspace import undo as undoing

    async with await context.open_workspace(dry_run=dry_run) as workspace:
        if change is not None:
            plan = await undoing.plan_undo(workspace, await workspace.change(change))
            if not plan.edits:
                raise _nothing_to_undo(plan.skipped)
        else:
            plan = await undoing.plan_next_undo(workspace)
            reasons = [left for _entry, left in plan.not_undoable if left is not None]
            if plan.entry is None and reasons:
                raise _nothing_to_undo((reasons[0],))
            if plan.entry is None:
                raise FieldlineError("There is no change of yours on this device that could be undone.")
            await _print_passed_over(context, workspace, plan.not_undoable)
        written = await undoing.apply_plan(workspace, plan, note)
        if plan.entry is None:
            return
        if last and not context.json:
            time = context.dates.dated(plan.entry.at_us)
            template = _("Undo of change {change} of {time} {note}")
            text = template.format(change=plan.entry.change.hex()[:8], time=time, note=quote(plan.entry.note))
            context.print_message(text.rstrip())
        await _print_undone(context, workspace, written, plan, plan.entry.change)


async def _print_passed_over(
    context: CliContext, workspace: Workspace, passed: Sequence[tuple[LogEntry, Skipped | None]]
) -> None:
    """Print which later changes an undo passes over, and why.

    What it undoes may not be what one meant.
    """
    formatter = await Formatter.create(workspace)
    await formatter.load_names(left.entity for _entry, left in passed if left is not None)
    for entry, left in passed[:MAX_PASSED_SHOWN]:
        why = _left_text(formatter, left) if left is not None else _("Nothing of it counts any more.")
        template = _("What you saved on {when} is passed over. {why}")
        context.print_message(template.format(when=context.dates.full(entry.at_us), why=why))


def _left_text(formatter: Formatter, left: Skipped) -> str:
    """Why a property is left alone."""
    label = formatter.schema.property(formatter.names[left.entity].kind, left.property).label(language())
    template = _("{property} of {entity} is left alone: {reason}.")
    return template.format(property=label, entity=formatter.entity_text(left.entity), reason=error_text(left.reason))


async def _print_undone(
    context: CliContext, workspace: Workspace, written: bytes | None, plan: UndoPlan, undone: bytes
) -> None:
    """Print what an undo wrote, and what it left alone."""
    formatter = await Formatter.create(workspace)
    await formatter.load_names(left.entity for left in plan.skipped)
    left = [
        {**formatter.kind_json(each.entity), "property": each.property, "reason": error_text(each.reason)}
        for each in plan.skipped
    ]
    for each in plan.skipped:
        context.print_message(_left_text(formatter, each))
    more = {"left": left, "reopened": plan.reopened_count, "undone": undone.hex()}
    if workspace.planned is not None:
        await print_dry_run(context, workspace, plan.results, **more)
    elif context.json:
        context.print_json({"change": written.hex() if written else None, "facts": len(plan.edits), **more})
    else:
        _print_saved(context, written, len(plan.edits))
    if plan.reopened_count and not context.json:
        text = ngettext(
            "{count} conflict is open as before, with its candidates.",
            "{count} conflicts are open as before, with their candidates.",
            plan.reopened_count,
        )
        context.print_message(text)


def _nothing_to_undo(left: Sequence[Skipped]) -> FieldlineError:
    if not left:
        return FieldlineError("There is nothing in that change to undo.")
    return FieldlineError("The change cannot be undone: {reason}.", reason=error_text(left[0].reason))


def _print_saved(context: CliContext, change: bytes | None, facts: int, **more: int) -> None:
    if context.json:
        context.print_json({"change": change.hex() if change else None, "facts": facts, **more})
    elif change is None:
        context.print_message(_("Nothing is different: nothing was written."))
    else:
        count = ngettext("{count} value", "{count} values", facts)
        context.print_message(_("{facts} saved as change {change}.").format(facts=count, change=change.hex()[:8]))

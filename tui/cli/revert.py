"""Verbs that revert: restore, undo. They write new facts on top of the present."""

from __future__ import annotations

from core.errors import FieldlineError
from core.revert import Skipped
from tui.cli.context import CliContext
from tui.cli.edit import NOTE_OPTION
from tui.cli.formatting import Formatter
from tui.cli.help import argument, option, verb
from tui.i18n.translate import N_, _, error_text, language, ngettext


@verb(N_("Restore something to how it was at a time. Later changes stay in the log."))
@argument("entity")
@option("--at", metavar="T", required=True, help=N_("The time whose state is restored."))
@NOTE_OPTION
async def restore(context: CliContext, entity: str, at: str, note: str | None) -> None:
    async with await context.open_workspace() as workspace:
        moment = await workspace.parse_view_time(at)
        found = await workspace.find(entity, workspace.view(moment))
        edits = await workspace.plan_restore(found, moment)
        change = await workspace.save(edits, note)
    _print_saved(context, change, len(edits))


@verb(N_("Undo a change. What was changed since is left alone, and listed."))
@argument("change")
@NOTE_OPTION
async def undo(context: CliContext, change: str, note: str | None) -> None:
    async with await context.open_workspace() as workspace:
        plan = await workspace.plan_revert(await workspace.change(change))
        formatter = await Formatter.create(workspace)
        await formatter.load_names(left.entity for left in plan.skipped)
        if not plan.edits:
            raise _nothing_to_undo(plan.skipped)
        written = await workspace.save(plan.edits, note)
    if context.json:
        left = [
            {**formatter.kind_json(each.entity), "property": each.property, "reason": error_text(each.reason)}
            for each in plan.skipped
        ]
        context.print_json({"change": written.hex() if written else None, "facts": len(plan.edits), "left": left})
    for each in plan.skipped:
        name = formatter.names[each.entity]
        label = formatter.schema.property(name.kind, each.property).label(language())
        template = _("{property} of {entity} is left alone: {reason}.")
        context.print_message(
            template.format(property=label, entity=formatter.entity_text(each.entity), reason=error_text(each.reason))
        )
    if not context.json:
        _print_saved(context, written, len(plan.edits))


def _nothing_to_undo(left: tuple[Skipped, ...]) -> FieldlineError:
    if not left:
        return FieldlineError("There is nothing in that change to undo.")
    return FieldlineError("The change cannot be undone: {reason}.", reason=error_text(left[0].reason))


def _print_saved(context: CliContext, change: bytes | None, facts: int) -> None:
    if context.json:
        context.print_json({"change": change.hex() if change else None, "facts": facts})
    elif change is None:
        context.print_message(_("Nothing is different: nothing was written."))
    else:
        count = ngettext("{count} value", "{count} values", facts)
        context.print_message(_("{facts} saved as change {change}.").format(facts=count, change=change.hex()[:8]))

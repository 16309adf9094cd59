"""Verbs that turn back: restore, undo. They write new facts on top of the present."""

from __future__ import annotations

from core.errors import FieldlineError
from core.history import Left
from tui.cli.desk import Desk
from tui.cli.edit import NOTE
from tui.cli.help import argument, option, verb
from tui.cli.written import Writing
from tui.language.i18n import N_, _, language, ngettext, say


@verb(N_("Bring something back to how it was at a moment. Later changes stay in the log."))
@argument("entity")
@option("--at", metavar="T", required=True, help=N_("The moment to bring back."))
@NOTE
async def restore(desk: Desk, entity: str, at: str, note: str | None) -> None:
    async with await desk.open() as workspace:
        moment = await workspace.moment(at)
        found = await workspace.find(entity, workspace.view(moment))
        edits = await workspace.plan_restore(found, moment)
        change = await workspace.save(edits, note)
    _told(desk, change, len(edits))


@verb(N_("Take a change back. What was changed since is left alone, and told."))
@argument("change")
@NOTE
async def undo(desk: Desk, change: str, note: str | None) -> None:
    async with await desk.open() as workspace:
        plan = await workspace.plan_undo(await workspace.change(change))
        writing = await Writing.of(workspace)
        await writing.learn(left.entity for left in plan.left)
        if not plan.edits:
            raise _nothing(plan.left)
        written = await workspace.save(plan.edits, note)
    if desk.json:
        left = [
            {**writing.kind_json(each.entity), "property": each.property, "reason": say(each.reason)}
            for each in plan.left
        ]
        desk.document({"change": written.hex() if written else None, "facts": len(plan.edits), "left": left})
    for each in plan.left:
        name = writing.names[each.entity]
        label = writing.schema.property(name.kind, each.property).label(language())
        template = _("{property} of {entity} is left alone: {reason}.")
        desk.say(template.format(property=label, entity=writing.entity(each.entity), reason=say(each.reason)))
    if not desk.json:
        _told(desk, written, len(plan.edits))


def _nothing(left: tuple[Left, ...]) -> FieldlineError:
    if not left:
        return FieldlineError("There is nothing in that change to take back.")
    return FieldlineError("The change cannot be taken back: {reason}.", reason=say(left[0].reason))


def _told(desk: Desk, change: bytes | None, facts: int) -> None:
    if desk.json:
        desk.document({"change": change.hex() if change else None, "facts": facts})
    elif change is None:
        desk.say(_("Nothing is different: nothing was written."))
    else:
        count = ngettext("{count} fact", "{count} facts", facts)
        desk.say(_("{facts} saved as change {change}.").format(facts=count, change=change.hex()[:8]))

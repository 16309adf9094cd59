"""The verb of a round: confirm. What was seen on the spot is still so."""

from __future__ import annotations

from core.confirmation import confirm_edits, confirmable_properties, contested_properties
from core.device.edit_check import find_property
from core.workspace import EditResult
from tui.cli.context import CliContext
from tui.cli.edit import NOTE_OPTION
from tui.cli.formatting import Formatter
from tui.cli.help import argument, verb
from tui.cli.plan import DRY_RUN_OPTION, print_dry_run
from tui.i18n.translate import N_, _, language, ngettext


@verb(
    N_(
        "Confirm that something is still as it stands here, since somebody saw it on the spot: these properties, or "
        "all that have a value. A property in conflict is left as it is."
    )
)
@argument("entity")
@argument("properties", nargs=-1, metavar="[PROP]...")
@NOTE_OPTION
@DRY_RUN_OPTION
async def confirm(
    context: CliContext, entity: str, properties: tuple[str, ...], note: str | None, dry_run: bool
) -> None:
    async with await context.open_workspace(dry_run=dry_run) as workspace:
        record = await workspace.record(await workspace.find(entity))
        kind = (await workspace.schema()).kind(record.kind)
        known = {*confirmable_properties(record), *contested_properties(record)}
        names = [name if name in known else find_property(kind, name).name for name in properties]
        edits = confirm_edits(record, names or None)
        written = EditResult(await workspace.save(edits, note), record.entity, len(edits))
        left = [] if names else contested_properties(record)
        formatter = await Formatter.create(workspace)
        await formatter.load_names([record.entity])
        if dry_run:
            await print_dry_run(context, workspace, entity=record.entity.hex(), left=left)
    if left:
        labels = ", ".join(kind.property(name).label(language()) for name in left)
        context.print_message(_("In conflict, so not confirmed: {properties}.").format(properties=labels))
    if dry_run:
        return
    if context.json:
        change = written.change.hex() if written.change else None
        context.print_json({"change": change, "entity": record.entity.hex(), "facts": written.fact_count, "left": left})
    else:
        template = _("{entity}: {facts} confirmed as change {change}.")
        facts = ngettext("{count} value", "{count} values", written.fact_count)
        name, change = formatter.entity_text(record.entity), (written.change or b"").hex()[:8]
        context.print_message(template.format(entity=name, facts=facts, change=change))

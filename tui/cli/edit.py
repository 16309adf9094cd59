"""Verbs that change what is configured: new, set, clear, retire. Each makes one change."""

from __future__ import annotations

from core.device.edit_check import creatable_kind
from core.errors import FieldlineError
from core.schema import RETIRED
from core.workspace import EditResult, Workspace
from core.workspace.revisions import read_subtree
from tui.cli.context import CliContext
from tui.cli.formatting import Formatter
from tui.cli.help import argument, option, verb
from tui.cli.parsing import parse_properties
from tui.cli.plan import DRY_RUN_OPTION, print_dry_run
from tui.i18n.translate import N_, _, ngettext

NOTE_OPTION = option("--note", metavar="TEXT", help=N_("Why; shown in the log."))


@verb(N_("Add something of a kind. Write properties as NAME=VALUE or NAME:=JSON, a reference as ENTITY."))
@argument("kind")
@argument("values", nargs=-1, metavar="P=V...")
@NOTE_OPTION
@DRY_RUN_OPTION
async def new(context: CliContext, kind: str, values: tuple[str, ...], note: str | None, dry_run: bool) -> None:
    async with await context.open_workspace(dry_run=dry_run) as workspace:
        definition = creatable_kind(await workspace.schema(), kind)
        written = await workspace.create(kind, await parse_properties(workspace, definition, values), note)
        await print_written(context, workspace, written)


@verb(N_("Configure properties. What is so already is not written again; a conflict is resolved by it."), "set")
@argument("entity")
@argument("values", nargs=-1, required=True, metavar="P=V...")
@option("--no-resolve", is_flag=True, help=N_("Refuse to change a property that is in conflict."))
@NOTE_OPTION
@DRY_RUN_OPTION
async def set_(
    context: CliContext, entity: str, values: tuple[str, ...], no_resolve: bool, note: str | None, dry_run: bool
) -> None:
    async with await context.open_workspace(dry_run=dry_run) as workspace:
        record = await workspace.record(await workspace.find(entity))
        kind = (await workspace.schema()).kind(record.kind)
        wanted = await parse_properties(workspace, kind, values)
        contested = [name for name in wanted if record.slot(name).provisional]
        if contested and no_resolve:
            raise FieldlineError(
                "In conflict, so nothing was written: {properties}. `fieldline inbox` shows the values.",
                properties=", ".join(contested),
            )
        # Where nothing is in use that is not, to say so again would be a value more.
        if wanted.get(RETIRED) is False and not record.slot(RETIRED).leaves:
            del wanted[RETIRED]
        written = await workspace.set(record, wanted, note)
        await print_written(context, workspace, written, resolved=len(contested) if written.fact_count else 0)


@verb(N_("Unset properties."))
@argument("entity")
@argument("properties", nargs=-1, required=True, metavar="P...")
@NOTE_OPTION
@DRY_RUN_OPTION
async def clear(context: CliContext, entity: str, properties: tuple[str, ...], note: str | None, dry_run: bool) -> None:
    async with await context.open_workspace(dry_run=dry_run) as workspace:
        record = await workspace.record(await workspace.find(entity))
        written = await workspace.clear(record, properties, note)
        kind = (await workspace.schema()).kind(record.kind)
        names = {prop.name for name in properties for prop in kind.find_properties(name)} | set(properties)
        resolved = sum(record.slot(name).provisional for name in names)
        await print_written(context, workspace, written, resolved=resolved if written.fact_count else 0)


@verb(N_("Retire something. What is known of it stays, and it can be put back in use."))
@argument("entity")
@NOTE_OPTION
@DRY_RUN_OPTION
async def retire(context: CliContext, entity: str, note: str | None, dry_run: bool) -> None:
    async with await context.open_workspace(dry_run=dry_run) as workspace:
        record = await workspace.record(await workspace.find(entity))
        below = await read_subtree(record.entity, workspace.view(), await workspace.schema(), retired=False)
        written = await workspace.retire(record, note)
        if written.fact_count and len(below) > 1:
            context.print_message(
                ngettext(
                    "{count} thing below it stays in use: retire it, too, or move it.",
                    "{count} things below it stay in use: retire them, too, or move them.",
                    len(below) - 1,
                )
            )
        await print_written(context, workspace, written)


async def print_written(
    context: CliContext, workspace: Workspace, written: EditResult, *, resolved: int | None = None
) -> None:
    """Print what was written or in a dry run would be, and how many conflicts that `resolved`, where it may."""
    more = {} if resolved is None else {"resolved": resolved}
    if workspace.planned is not None:
        await print_dry_run(context, workspace, entity=written.entity.hex(), **more)
        return
    change = written.change.hex() if written.change else None
    if resolved:
        template = ngettext("{count} conflict was resolved by it.", "{count} conflicts were resolved by it.", resolved)
        context.print_message(template)
    if context.json:
        context.print_json({"change": change, "entity": written.entity.hex(), "facts": written.fact_count, **more})
        return
    if change is None:
        context.print_message(_("Nothing is different: nothing was written."))
        return
    formatter = await Formatter.create(workspace)
    await formatter.load_names([written.entity])
    context.print_message(
        _("{entity}: {facts} saved as change {change}.").format(
            entity=formatter.entity_text(written.entity),
            facts=ngettext("{count} value", "{count} values", written.fact_count),
            change=change[:8],
        )
    )
